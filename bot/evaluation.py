"""`minda eval`: a question set through the whole answering path; what is right, wrong, and how surely.

The fields of a line are those of the evaluation sets (id, q, set, area, service, expect, must, must_not, also, …).
"""

from __future__ import annotations

import hashlib
import json
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from index.calibration import expected_calibration_error

from .answer import Answer

STATES = ("answer", "redirect", "scenario")
_MARKS = str.maketrans({**{chr(c): chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)}, "\u3000": " "})


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


@dataclass
class Outcome:
    case: Case
    kind: str
    text: str
    area: str | None
    service: str | None
    confidence: float
    latency_ms: float
    verdicts: list[str] = field(default_factory=list)
    entries: list[str | None] = field(default_factory=list)
    text_right: bool = False
    states_wrong: bool = False
    right: bool = False
    why: list[str] = field(default_factory=list)


def load_cases(path: Path) -> list[Case]:
    """Raises ValueError naming the line that is not a case."""
    cases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            cases.append(_case(row))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} 第 {number} 行不是合格的题目：{error}") from error
    return cases


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


async def run_cases(
    cases: Sequence[Case], ask: Callable[[str], Awaitable[list[Answer]]]
) -> list[Outcome]:
    outcomes = []
    for case in cases:
        started = time.perf_counter()
        answers = await ask(case.q)
        outcomes.append(judge(case, answers, (time.perf_counter() - started) * 1000))
    return outcomes


def judge(case: Case, answers: Sequence[Answer], latency_ms: float = 0.0) -> Outcome:
    first = answers[0].reply
    outcome = Outcome(
        case, first.kind, "\n\n".join(a.reply.text for a in answers), first.area, first.service,
        first.confidence or 0.0, latency_ms, [a.reply.verdict for a in answers], [a.reply.entry_id for a in answers],
    )  # fmt: skip
    missed, bad = _judge_text(case, outcome.text)
    outcome.text_right = not missed and not bad
    checkable = bool(case.must or case.must_not)
    outcome.states_wrong = checkable and outcome.kind in ("answer", "redirect") and not outcome.text_right
    outcome.right = _is_right(case, outcome, missed, bad)
    if not outcome.right:
        outcome.why.append(f"应为 {case.expect}，得到 {outcome.kind}")
    outcome.why += [f"缺少：{g}" for g in missed if outcome.kind in (*STATES, "crisis")]
    outcome.why += [f"不该出现：{p}" for p in bad]
    return outcome


def _plain(text: str) -> str:
    return re.sub(r"[ \t\r*`#\u200b\ufeff]+", "", text.translate(_MARKS))


def _judge_text(case: Case, text: str) -> tuple[list[tuple[str, ...]], list[str]]:
    question = _plain(case.q).rstrip("?!。,;")
    forms = [text, _plain(text)]
    if len(question) >= 4:
        forms = [forms[0].replace(case.q, " "), forms[1].replace(question, " ")]

    def hit(pattern: str) -> bool:
        return any(re.search(pattern, form) for form in forms)

    return (
        [group for group in case.must if not any(hit(p) for p in group)],
        [p for p in case.must_not if hit(p)],
    )


def _is_right(case: Case, o: Outcome, missed: list[tuple[str, ...]], bad: list[str]) -> bool:
    kind, also = o.kind, case.also
    crisis = kind == "crisis" and case.crisis_ok
    if case.expect == "answer":
        return o.text_right and (kind in STATES or crisis or kind in also)
    if case.expect == "redirect":
        named = o.text_right and kind in (*STATES, "handoff", "clarify")
        return named or (kind in also and (o.text_right or (not bad and kind not in STATES)))
    if case.expect == "answer_or_handoff":
        return not bad and (kind in ("handoff", "clarify") or kind in also or crisis or (kind in STATES and not missed))
    if case.expect == "handoff":
        return not bad and (kind == "handoff" or kind in also)
    if case.expect == "decline":
        return kind in ("decline", "clarify") or kind in also or crisis
    return kind == "crisis" and o.text_right


def is_false_answer(o: Outcome) -> bool:
    case = o.case
    if case.set != "out_of_scope" or o.kind not in ("answer", "scenario") or o.kind in case.also:
        return False
    return case.expect in ("decline", "crisis") or (case.expect == "redirect" and not o.text_right)


def metrics(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """The figures of the evaluation table; each a share in [0, 1] unless its name says otherwise."""
    answerable = [o for o in outcomes if o.case.expect == "answer"]
    answered = [o for o in answerable if o.kind in STATES]
    in_scope = [o for o in outcomes if o.case.set == "in_scope"]
    redirects = [o for o in outcomes if o.case.expect == "redirect"]
    out = [o for o in outcomes if o.case.set == "out_of_scope"]
    crisis = [o for o in outcomes if o.case.expect == "crisis"]
    calm = [o for o in outcomes if o.case.expect != "crisis" and not o.case.crisis_ok]
    lookalikes = [o for o in calm if o.case.type == "false_positive"]
    placed = [o for o in outcomes if o.case.area and o.case.expect not in ("crisis", "decline")]
    served = [o for o in outcomes if o.case.services and o.case.expect in ("answer", "answer_or_handoff")]
    stated = [o for o in outcomes if o.kind in ("answer", "redirect")]
    by_area: dict[str, list[bool]] = defaultdict(list)
    for o in answerable:
        by_area[o.case.area or "-"].append(o.right)
    latencies = sorted(o.latency_ms for o in outcomes)
    return {
        "key_facts_of_answered": _share(o.text_right for o in answered),
        "key_facts_micro": _share(o.right for o in answerable),
        "key_facts_macro": statistics.mean(sum(v) / len(v) for v in by_area.values()) if by_area else None,
        "confidently_wrong_in_scope": _share(o.states_wrong for o in in_scope),
        "clarify_or_handoff_on_answerable": _share(o.kind in ("clarify", "handoff") for o in answerable),
        "redirect_right": _share(o.right for o in redirects),
        "out_of_scope_false_answer": _share(is_false_answer(o) for o in out),
        "crisis_recall": _share(o.right for o in crisis),
        "crisis_false_alarm": _share(o.kind == "crisis" for o in calm),
        "crisis_false_alarm_lookalikes": _share(o.kind == "crisis" for o in lookalikes),
        "area_right": _share(o.area in o.case.areas for o in placed),
        "service_right": _share(o.service in o.case.services for o in served),
        "right_behaviour": _share(o.right for o in outcomes),
        "ece_of_stated": expected_calibration_error(
            np.array([o.confidence for o in stated]), np.array([o.text_right for o in stated], dtype=bool)
        ),
        "latency_p50_ms": statistics.median(latencies) if latencies else None,
        "latency_p95_ms": latencies[int(0.95 * (len(latencies) - 1))] if latencies else None,
    }


def _share(values: Any) -> float | None:
    listed = list(values)
    return round(sum(bool(v) for v in listed) / len(listed), 4) if listed else None


def reply_line(o: Outcome) -> dict[str, Any]:
    """One line of a replies file: what scoring programs read."""
    return {
        "id": o.case.id, "reply": o.text, "kind": "error" if o.kind == "failed" else o.kind, "area": o.area,
        "service": o.service, "latency_ms": round(o.latency_ms, 2),
    }  # fmt: skip


def miss_line(o: Outcome) -> dict[str, Any]:
    return {
        "id": o.case.id, "q": o.case.q, "why": o.why, "verdicts": o.verdicts, "entries": o.entries,
        "confidence": o.confidence, "area": o.area, "expected_area": sorted(o.case.areas), "reply": o.text[:300],
    }  # fmt: skip


def data_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def kinds_given(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return dict(sorted(Counter(o.kind for o in outcomes).items()))
