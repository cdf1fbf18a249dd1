"""`minda eval`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from .options import AsOf, Data, settings_of, tell

RASA_PYTHON = Path(__file__).resolve().parents[2] / ".envs" / "rasa" / "bin" / "python"


def evaluate(
    file: Path,
    report: Annotated[Path | None, typer.Option(help="报告、答复、错题和两张图写到这个文件夹")] = None,
    seeds: Annotated[int, typer.Option(help="另外训练几次排序器，看指标的波动", min=0, max=50)] = 0,
    rivals: Annotated[bool, typer.Option("--rivals", help="同一批题再由 BM25、编码器、Rasa 各答一遍")] = False,
    pairs: Annotated[Path | None, typer.Option(help="成对的问法（JSONL：id、a、b、same_answer）")] = None,
    rasa_python: Annotated[Path, typer.Option(help="对话环境的 Python；没有就不比 Rasa", show_default=False)] = RASA_PYTHON,
    out: Annotated[Path | None, typer.Option(help="答复写到这个 JSONL")] = None,
    misses: Annotated[Path | None, typer.Option(help="答错的写到这个 JSONL")] = None,
    as_of: AsOf = None,
    data: Data = None,
) -> None:
    """整条作答路径跑一遍题集，按步骤打印各项指标。"""
    from ..app import build_answerer, build_parts, now
    from ..encoding import EncodingService
    from ..evaluation.cases import data_digest, load_cases, load_pairs
    from ..evaluation.report import environment, miss_line, reply_line, summary_lines, write_lines, write_report
    from ..evaluation.run import evaluate as run_evaluation
    from ..provenance import models_behind

    try:
        cases, paired = load_cases(file), load_pairs(pairs) if pairs else []
    except (OSError, ValueError) as error:
        typer.echo(f"读不了题集：{error}", err=True)
        raise typer.Exit(2) from None
    settings, on = settings_of(data), as_of.date() if as_of else now().date()
    parts = build_parts(settings)
    encoding = EncodingService(parts.encoder)
    try:
        answerer = build_answerer(parts, encoding)
        run = asyncio.run(
            run_evaluation(
                cases, paired, lambda engine: build_answerer(parts, encoding, engine) if engine else answerer, encoding, on,
                seeds=seeds, rivals=rivals, rasa_python=rasa_python, tell=tell,
            )
        )  # fmt: skip
    finally:
        encoding.close()
        parts.database.close()
    lines = [f"题集 {file.name}，{len(cases)} 题，摘要 {data_digest(file)[:16]}", *summary_lines(run)]
    typer.echo("\n".join(lines))
    if out:
        write_lines(out, map(reply_line, run.outcomes))
    if misses:
        write_lines(misses, (miss_line(o) for o in run.outcomes if o.why))
    if report:
        config = {
            "data": [{"file": f.name, "sha256": data_digest(f)} for f in (file, pairs) if f], "questions": len(cases),
            "as_of": on.isoformat(), "seeds": seeds, "rivals": rivals, "encoder": settings.encoder, "city": settings.city,
            "environment": environment(), "models": models_behind(answerer.engine.search.bundle, settings.rasa_dir),
            "thresholds": dict(answerer.engine.thresholds),
        }  # fmt: skip
        write_report(report, config, run, lines)
        typer.echo(f"报告写到 {report}")
