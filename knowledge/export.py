"""All content in two forms that other offices can open: a workbook and one JSON file."""

from __future__ import annotations

import json
from pathlib import Path

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.worksheet import Worksheet

from .content import Entry, Guide, Scenario
from .errors import NotFound
from .laws import LawRegister
from .loading import Content

SHEETS = {
    "问答": "编号 种类 标题 领域 服务 答复 要点 下一步 本地参数 依据 例句 反例 部门 热线 更正的旧说法 复审日期",
    "办事指南": "编号 服务 领域 标题 事项 概述 条件 材料 不用再带 程序 法定期限 费用 办理机关 去哪办 结果 常见退件原因 救济 依据 复审日期",
    "场景": "编号 标题 节点 条件 内容 选项或材料 结论",
}


def export_content(content: Content, laws: LawRegister, path: Path) -> None:
    """Writes path as .xlsx or .json by its ending. Raises NotFound for another ending."""
    if path.suffix == ".json":
        items = [*content.entries.values(), *content.guides.values(), *content.scenarios.values()]
        rows = [{"type": type(i).__name__.lower(), **i.model_dump(mode="json", exclude_none=True)} for i in items]
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    elif path.suffix == ".xlsx":
        _workbook(content, laws).save(path)
    else:
        raise NotFound(f"只能导出成 .xlsx 或 .json：{path.name}")


def _workbook(content: Content, laws: LawRegister) -> Workbook:
    book = Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    sheets: dict[str, Worksheet] = {name: book.create_sheet(name) for name in SHEETS}
    for name, heads in SHEETS.items():
        sheets[name].append(heads.split())
    for entry in content.entries.values():
        sheets["问答"].append(_entry_row(entry, laws))
    for guide in content.guides.values():
        sheets["办事指南"].append(_guide_row(guide, laws))
    for scenario in content.scenarios.values():
        for row in _scenario_rows(scenario):
            sheets["场景"].append(row)
    for sheet in sheets.values():
        sheet.freeze_panes = "A2"
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for column in sheet.columns:
            sheet.column_dimensions[column[0].column_letter].width = 24  # type: ignore[union-attr]
            for cell in column:
                cell.alignment = Alignment(wrap_text=True, vertical="top")
    return book


def _basis(laws: LawRegister, sources: tuple) -> str:  # type: ignore[type-arg]
    cited = [laws.cite(s) for s in sources]
    return "\n".join(f"《{c['title']}》{c.get('article') or ''}" for c in cited)


def _entry_row(e: Entry, laws: LawRegister) -> list[str]:
    return [
        e.id, e.kind, e.title, e.area or "", e.service or "", e.answer, "\n".join(e.details), "\n".join(e.next_steps),
        "\n".join(e.parameters), _basis(laws, e.sources), "\n".join(e.questions), "\n".join(n.q for n in e.not_questions),
        e.department or "", e.hotline or "", e.corrects or "", str(e.review_by or ""),
    ]  # fmt: skip


def _guide_row(g: Guide, laws: LawRegister) -> list[str]:
    return [
        g.id, g.service, g.area, g.title, g.matter or "", g.summary, "\n".join(g.eligibility),
        "\n".join(f"{m.name}（{m.who or '申请人'}）" for m in g.materials), "\n".join(n.name for n in g.no_longer_asked),
        "\n".join(f"{s.step}：{s.detail}" for s in g.procedure), g.time_limit.statutory, g.fee.amount, g.office.who,
        g.office.where, g.outcome, "\n".join(g.rejections), "\n".join(g.remedies), _basis(laws, g.basis), str(g.review_by or ""),
    ]  # fmt: skip


def _scenario_rows(s: Scenario) -> list[list[str]]:
    asked = [[s.id, s.title, q.id, q.when or "", q.ask, "\n".join(c.label for c in q.choices), ""] for q in s.questions]
    ends = [[s.id, s.title, o.id, o.when, o.text, "\n".join(o.materials), o.title] for o in s.outcomes]
    return asked + ends
