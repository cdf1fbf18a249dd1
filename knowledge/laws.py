"""The law register 法规登记册 and article numbers 条号."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from .content import SourceRef
from .yaml_files import load_yaml_list

REGISTER_FILE = Path(__file__).with_name("laws.yaml")
_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")}
_ARTICLE = re.compile(r"第([零一二三四五六七八九十百千]+|\d+)条")


class Law(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str
    document_number: str
    issuer: str
    effective_from: date | None = None
    effective_until: date | None = None
    superseded_by: str | None = None
    articles: int | None = None
    text_file: str | None = None
    note: str | None = None

    def in_force(self, on: date) -> bool:
        return (self.effective_from is None or self.effective_from <= on) and (
            self.effective_until is None or on <= self.effective_until
        )


@dataclass(frozen=True)
class LawRegister:
    laws: Mapping[str, Law]

    def __contains__(self, law_id: str) -> bool:
        return law_id in self.laws

    def __getitem__(self, law_id: str) -> Law:
        return self.laws[law_id]

    def cite(self, source: SourceRef) -> dict[str, str | None]:
        """The Citation of contract.md for one source."""
        law = self.laws[source.law]
        return {
            "title": law.title,
            "document_number": law.document_number,
            "article": source.article,
            "effective_from": law.effective_from.isoformat() if law.effective_from else None,
        }


def load_laws(path: Path = REGISTER_FILE) -> LawRegister:
    return LawRegister({law.id: law for law in load_yaml_list(path, Law)})


def parse_number(text: str) -> int:
    """二十一 → 21, 一千零五十 → 1050, 21 → 21."""
    if text.isdigit():
        return int(text)
    total, digit = 0, 0
    for char in text:
        if char in _DIGITS:
            digit = _DIGITS[char]
        else:
            total += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[char]
            digit = 0
    return total + digit


def parse_articles(article: str) -> list[int]:
    """Numbers of all articles that the text names: 第八条、第十条 → [8, 10]."""
    return [parse_number(m) for m in _ARTICLE.findall(article)]
