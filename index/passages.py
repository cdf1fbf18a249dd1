"""Passages: what is searched; one phrasing of one entry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .text import LETTER_CHARS, normalise


class _Negative(Protocol):
    @property
    def q(self) -> str: ...


class EntryLike(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def answer(self) -> str: ...
    @property
    def questions(self) -> Sequence[str]: ...
    @property
    def not_questions(self) -> Sequence[_Negative]: ...


@dataclass(frozen=True)
class Passage:
    entry_id: str
    role: str
    """title, answer, question or negative"""
    text: str
    """normalised"""

    @property
    def is_question(self) -> bool:
        """Encoded with the query prompt: what citizens say, not what the bureau writes."""
        return self.role != "answer"

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.is_question}:{self.text}".encode()).hexdigest()


def passages_of(entries: Iterable[EntryLike]) -> list[Passage]:
    found = []
    for entry in entries:
        found.append(Passage(entry.id, "title", normalise(entry.title)))
        found.append(Passage(entry.id, "answer", normalise(entry.answer, LETTER_CHARS)))
        found += [Passage(entry.id, "question", normalise(q)) for q in entry.questions]
        found += [Passage(entry.id, "negative", normalise(n.q)) for n in entry.not_questions]
    return found
