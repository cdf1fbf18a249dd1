"""Full texts of laws, where a folder with them is at hand: which numbers an article really states."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from .laws import Law, parse_number

_HEAD = re.compile(r"^第([零一二三四五六七八九十百千]+)条", re.MULTILINE)
_CHINESE_NUMBER = re.compile(r"[零一二两三四五六七八九十百千]+")
NUMBER_WITH_UNIT = re.compile(
    r"(\d+(?:\.\d+)?)(?:个)?(万元|元|周岁|岁|工作日|自然日|日|天|倍|人|名|户|月|年|%|平方米|万|次|级|张)"
)


class LawText:
    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def articles(self) -> dict[int, str]:
        heads = list(_HEAD.finditer(self.text))
        ends = [h.start() for h in heads[1:]] + [len(self.text)]
        found: dict[int, str] = {}
        for head, end in zip(heads, ends, strict=True):
            found.setdefault(parse_number(head.group(1)), self.text[head.start() : end])
        return found

    def states(self, number: str, articles: list[int]) -> bool:
        """Whether the number occurs in one of the articles (in the whole text where none is named)."""
        texts = [self.articles.get(a, "") for a in articles] or [self.text]
        return any(number in _numbers(text) for text in texts)


def _numbers(text: str) -> set[str]:
    found = set(re.findall(r"\d+(?:\.\d+)?", text))
    for match in _CHINESE_NUMBER.findall(text):
        plain = match.replace("两", "二")
        found.add(str(parse_number(plain)))
    found.update(str(100 - int(n)) for n in re.findall(r"百分之(\d+)", text))
    return found


def load_law_texts(folder: Path, laws: list[Law]) -> dict[str, LawText]:
    """law id → text, for every law whose file is in the folder."""
    files = sorted(folder.glob("*.md"))
    texts = {}
    for law in laws:
        if law.text_file:
            path = next((f for f in files if law.text_file in f.name), None)
            if path:
                texts[law.id] = LawText(path.read_text(encoding="utf-8"))
    return texts
