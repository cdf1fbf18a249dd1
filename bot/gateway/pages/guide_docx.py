"""One guide as a Word file that people can keep, fill in and print."""

from __future__ import annotations

from io import BytesIO

from docx import Document
from docx.oxml.ns import qn
from docx.shared import Pt

from knowledge.content import Guide

FONT = "宋体"


def guide_docx(guide: Guide, bureau: str, local: list[str], basis: list[str]) -> bytes:
    document = Document()
    normal = document.styles["Normal"]
    normal.font.size = Pt(12)
    for style in ("Normal", "Title", "Heading 1"):
        fonts = document.styles[style].element.get_or_add_rPr().get_or_add_rFonts()
        fonts.set(qn("w:eastAsia"), FONT)
    document.core_properties.title = guide.title
    document.core_properties.author = bureau
    document.add_heading(f"{guide.title}办事指南", 0)
    document.add_paragraph(guide.summary)
    _section(document, "谁能办、要什么条件", guide.eligibility)
    if guide.materials:
        document.add_heading("带什么材料", 1)
        table = document.add_table(rows=1, cols=4, style="Table Grid")
        for cell, head in zip(table.rows[0].cells, ("材料", "谁带", "形式", "说明"), strict=True):
            cell.text = head
        for m in guide.materials:
            for cell, text in zip(table.add_row().cells, (m.name, m.who, m.form, m.note), strict=True):
                cell.text = text or ""
    _section(document, "现在不用再带的", [n.name + (f"：{n.note}" if n.note else "") for n in guide.no_longer_asked])
    _section(document, "一步步怎么办", [f"{s.step}：{s.detail}" for s in guide.procedure], "List Number")
    _section(document, "多久、多少钱、去哪办", [
        f"期限：{guide.time_limit.statutory}", f"费用：{guide.fee.amount}", f"办理机关：{guide.office.who}",
        f"去哪：{guide.office.where}", f"办成以后拿到：{guide.outcome}",
    ])  # fmt: skip
    _section(document, "本地情况", local)
    _section(document, "常见的退件原因", guide.rejections)
    _section(document, "不服怎么办", guide.remedies)
    _section(document, "依据", basis)
    document.add_paragraph(f"{bureau}。与当地窗口不一致的，以窗口为准。")
    buffer = BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _section(document: Document, heading: str, lines: object, style: str = "List Bullet") -> None:  # type: ignore[valid-type]
    rows = list(lines)  # type: ignore[call-overload]
    if rows:
        document.add_heading(heading, 1)  # type: ignore[attr-defined]
        for line in rows:
            document.add_paragraph(line, style=style)  # type: ignore[attr-defined]
