"""Draft: a question in work. The only mutable object on the way from Question to Answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

from knowledge.content import Entry

from ..answer import Answer, Question


@dataclass(frozen=True)
class Candidate:
    entry: Entry
    revision: str
    probability: float


@dataclass
class Draft:
    question: Question
    text: str
    """normalised"""
    vectors: Any = None
    """float32 (variants, dim): the whole question first"""
    variants: list[str] = field(default_factory=list)
    carried: frozenset[int] = frozenset()
    """the variants that carry a topic of the conversation"""
    said: str | None = None
    """the entry that was shown last: a follow-up asks for something else"""
    ranked: list[Candidate] = field(default_factory=list)
    none_probability: float = 1.0
    chosen: Candidate | None = None
    trace: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.trace.setdefault("timings_ms", {})[step] = round((perf_counter() - started) * 1000, 3)


class Step(Protocol):
    """The first Answer ends the run."""

    name: str

    def __call__(self, draft: Draft) -> Answer | None: ...
