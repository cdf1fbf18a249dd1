"""The `minda` command."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from knowledge.checks import CheckContext, check_all
from knowledge.errors import KnowledgeError
from knowledge.law_texts import load_law_texts
from knowledge.loading import collect_content

from .cli.evaluating import evaluate
from .cli.explaining import explain
from .cli.options import Data, settings_of, tell
from .cli.training import build_index, train, train_encoder
from .errors import BotError
from .settings import Settings

LIBRARIES = {"TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
"""before NumPy and torch are imported: products here are small, and threads that spin stand in the way of Rasa"""
app = typer.Typer(no_args_is_help=True, add_completion=False, help="民答 Minda：民政政策问答服务")
staff_app = typer.Typer(no_args_is_help=True, help="工作人员账号")
app.add_typer(staff_app, name="staff")
app.command("eval")(evaluate)
app.command("build-index")(build_index)
app.command("train")(train)
app.command("train-encoder")(train_encoder)
app.command("explain")(explain)


@app.command()
def prepare(data: Data = None) -> None:
    """建好数据库、编码器、知识和索引；没有变化时几秒完成。"""
    from .app import prepare as prepare_all

    prepare_all(settings_of(data), tell)


@app.command()
def serve(data: Data = None, port: int | None = None, host: str | None = None) -> None:
    """启动网关（对话页、工作台、接口）。"""
    import uvicorn

    from .app import create_app
    from .logs import configure_logs

    changes = {k: v for k, v in {"port": port, "host": host}.items() if v is not None}
    settings = settings_of(data, **changes)
    configure_logs()
    uvicorn.run(
        create_app(settings), host=settings.host, port=settings.port, log_level="warning", access_log=False,
        timeout_graceful_shutdown=8, server_header=False,
    )  # fmt: skip


@app.command()
def ask(
    text: str,
    as_of: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="按哪一天的规定回答")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 Reply 的 JSON")] = False,
    data: Data = None,
) -> None:
    """问一个问题，得到一个答复；不需要启动服务。"""
    answers = _ask_once(settings_of(data), [text], as_of.date() if as_of else None)[0]
    for answer in answers:
        typer.echo(answer.reply.model_dump_json(indent=1) if as_json else answer.reply.text)


def _ask_once(settings: Settings, texts: list[str], on: date | None) -> list[list[Any]]:
    from .app import build_answerer, build_parts
    from .assistant import Assistant
    from .encoding import EncodingService

    parts = build_parts(settings)
    encoding = EncodingService(parts.encoder)
    answerer = build_answerer(parts, encoding)

    async def run() -> list[list[Any]]:
        assistant = Assistant(lambda: answerer, None)
        return [await assistant.ask(text, on) for text in texts]

    try:
        return asyncio.run(run())
    finally:
        encoding.close()
        parts.database.close()


@app.command("load-content")
def load_content(folder: Annotated[Path | None, typer.Argument()] = None, data: Data = None) -> None:
    """把内容文件发布成新的修订；有错时指出文件、行和字段，什么都不改。"""
    from .app import build_parts, load_content_files

    parts = build_parts(settings_of(data), tell)
    counts = load_content_files(parts, folder) if folder else load_content_files(parts)
    typer.echo(f"发布 {counts.published} 项，未变 {counts.unchanged} 项，撤下 {counts.withdrawn} 项。")
    parts.database.close()


@app.command("compile-dialogue")
def compile_dialogue(data: Data = None) -> None:
    """把已发布的办事向导编成 Rasa 项目（表单、规则、测试故事），写到数据文件夹的 rasa/project。"""
    from knowledge.snapshot import build_snapshot
    from knowledge.store import load_live

    from .app import prepare_database
    from .dialogue.compiler import compile_project

    settings = settings_of(data)
    database = prepare_database(settings)
    scenarios = list(build_snapshot(database.read_now(load_live)).scenarios.values())
    database.close()
    compile_project(scenarios, settings.rasa_project_dir)
    typer.echo(f"{len(scenarios)} 个办事向导已编到 {settings.rasa_project_dir}。")


@app.command()
def check(data: Data = None) -> None:
    """检查设置、数据库、知识、索引、日历、磁盘；全好退出 0，否则逐条列出。"""
    problems, notes = run_checks(settings_of(data))
    for line in notes:
        typer.echo(f"[提醒] {line}")
    for line in problems:
        typer.echo(f"[错误] {line}")
    typer.echo("检查完成：" + ("全部正常。" if not problems else f"{len(problems)} 个错误。"))
    raise typer.Exit(1 if problems else 0)


def run_checks(settings: Settings) -> tuple[list[str], list[str]]:
    from index.bundle import load_current
    from knowledge.city import load_city
    from knowledge.laws import load_laws
    from knowledge.store import load_live
    from knowledge.taxonomy import load_taxonomy

    from .database import Database
    from .inbox.deadlines import is_known_year
    from .migrations import is_current
    from .store import audit_chain_fault

    problems: list[str] = []
    notes: list[str] = []
    content, errors = collect_content()
    problems += [str(e) for e in errors]
    laws, city = load_laws(), load_city(settings.city)
    folder = Path("../shared/domain/laws")
    texts = load_law_texts(folder, list(laws.laws.values())) if folder.is_dir() else {}
    today = date.today()
    findings = check_all(CheckContext(content, load_taxonomy(), laws, city, today, texts))
    problems += [str(f) for f in findings if f.severity == "error"]
    warnings = sum(f.severity == "warning" for f in findings)
    if warnings:
        notes.append(f"知识：{warnings} 处提醒，用 python -m knowledge check --warnings 查看")
    unset = [d.name for d in city.unset(today)]
    if unset:
        notes.append(f"本地参数还没有录入 {len(unset)} 项：{'、'.join(unset)}")
    if city.profile.example:
        notes.append("正在用示例城市，数额和地址都是虚构的；上线前请换成本市档案")
    if not (settings.data_dir / "minda.db").is_file() and not settings.database_url:
        problems.append("还没有数据库，请先运行 minda prepare")
    else:
        database = Database(settings.resolved_database_url)
        try:
            if not is_current(database.engine):
                problems.append("数据库结构不是最新的，请运行 minda prepare")
            else:
                if not database.read_now(load_live):
                    problems.append("数据库里没有已发布的知识，请运行 minda load-content")
                fault = database.read_now(audit_chain_fault)
                if fault is not None:
                    problems.append(f"审计记录第 {fault} 行断链")
        finally:
            database.close()
    if load_current(settings.index_dir) is None:
        problems.append("没有完整的索引，请运行 minda build-index")
    year = today.year
    if not is_known_year(year):
        problems.append(f"工作日历没有 {year} 年，期限只能按周末推算")
    if today.month >= 11 and not is_known_year(year + 1):
        notes.append(f"工作日历还没有 {year + 1} 年，国务院办公厅公布放假安排后请补到 bot/inbox/calendar.yaml")
    free = shutil.disk_usage(settings.data_dir if settings.data_dir.exists() else Path()).free
    if free < 1 << 30:
        problems.append(f"磁盘只剩 {free >> 20} MB")
    return problems, notes


@app.command()
def backup(target: Path, data: Data = None) -> None:
    """在线备份数据库到一个新文件（SQLite）。"""
    from .backup import back_up

    size = back_up(settings_of(data), target)
    typer.echo(f"已备份到 {target}（{size >> 10} KB）。")


@app.command()
def restore(source: Path, data: Data = None) -> None:
    """从备份恢复数据库；先停服务，原来的库改名留着。"""
    from .backup import restore as restore_database

    typer.echo(restore_database(settings_of(data), source))


@staff_app.command("add")
def staff_add(
    name: str,
    role: Annotated[list[str], typer.Option("--role", help="officer curator reviewer admin auditor")],
    data: Data = None,
) -> None:
    """添加账号；密码从终端输入两遍，或者从标准输入读一行。"""
    from . import staff
    from .app import now, prepare_database

    if sys.stdin.isatty():
        password = getpass.getpass("密码：")
        if getpass.getpass("再输一遍：") != password:
            typer.echo("两遍不一样，没有添加。", err=True)
            raise typer.Exit(1)
    else:
        password = sys.stdin.readline().rstrip("\n")
    database = prepare_database(settings_of(data))
    try:
        database.submit(lambda c: staff.add_staff(c, name, password, role, now())).result()
    finally:
        database.close()
    typer.echo(f"已添加账号 {name}（{'、'.join(staff.ROLES[r] for r in role)}）。")


def main() -> None:
    for name, value in LIBRARIES.items():
        os.environ.setdefault(name, value)
    try:
        app()
    except (BotError, KnowledgeError) as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
