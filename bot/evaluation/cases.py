"""Questions with what is expected of their replies, and pairs of wordings. Fields are those of the evaluation sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    id: str
    q: str
    set: str
    expect: str
    area: str | None = None
    areas: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    must: tuple[tuple[str, ...], ...] = ()
    must_not: tuple[str, ...] = ()
    also: frozenset[str] = frozenset()
    crisis_ok: bool = False
    type: str | None = None


@dataclass(frozen=True)
class Pair:
    id: str
    a: str
    b: str
    same_answer: bool | None


def load_cases(path: Path) -> list[Case]:
    """Raises ValueError naming the line that is not a case."""
    return _load(path, _case)


def load_pairs(path: Path) -> list[Pair]:
    """Raises ValueError naming the line that is not a pair."""
    return _load(path, lambda row: Pair(row["id"], row["a"], row["b"], row["same_answer"]))


def _load(path: Path, make: Callable[[dict[str, Any]], T]) -> list[T]:
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(make(json.loads(line)))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} 第 {number} 行不合格：{error}") from error
    return found


def _case(row: dict[str, Any]) -> Case:
    also = set(row.get("also", ()))
    if "answer_or_handoff" in also:
        also |= {"answer", "handoff", "clarify", "scenario"}
    return Case(
        id=row["id"], q=row["q"], set=row["set"], expect=row["expect"], area=row.get("area"),
        areas=frozenset(a for a in (row.get("area"), *row.get("area_alt", ())) if a),
        services=frozenset(s for s in (row.get("service"), *row.get("service_alt", ())) if s),
        must=tuple(tuple(g) for g in row.get("must", ())), must_not=tuple(row.get("must_not", ())),
        also=frozenset(also), crisis_ok=bool(row.get("crisis_ok")) or "crisis" in also, type=row.get("type"),
    )  # fmt: skip


def data_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
