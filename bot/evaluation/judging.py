"""Is a reply right? By the key facts it must and must not hold, and by what kind of reply was to be given."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from ..answer import Answer
from .cases import Case

STATES = ("answer", "redirect", "scenario")
"""kinds that state something"""
_MARKS = str.maketrans({**{chr(c): chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)}, "\u3000": " "})


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
    ranked: list[str] = field(default_factory=list)
    """entries considered, best first"""


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
        ranked=_considered(answers[0]),
    )  # fmt: skip
    missed, bad = judge_text(case, outcome.text)
    outcome.text_right = not missed and not bad
    checkable = bool(case.must or case.must_not)
    outcome.states_wrong = checkable and outcome.kind in ("answer", "redirect") and not outcome.text_right
    outcome.right = _is_right(case, outcome, missed, bad)
    if not outcome.right:
        outcome.why.append(f"应为 {case.expect}，得到 {outcome.kind}")
    outcome.why += [f"缺少：{g}" for g in missed if outcome.kind in (*STATES, "crisis")]
    outcome.why += [f"不该出现：{p}" for p in bad]
    return outcome


def _considered(answer: Answer) -> list[str]:
    shown = [answer.reply.entry_id] if answer.reply.entry_id else []
    return list(dict.fromkeys([*shown, *(entry for entry, _ in answer.trace.get("candidates", ()))]))


def _plain(text: str) -> str:
    return re.sub(r"[ \t\r*`#\u200b\ufeff]+", "", text.translate(_MARKS))


def judge_text(case: Case, text: str) -> tuple[list[tuple[str, ...]], list[str]]:
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


def is_kind_right(o: Outcome) -> bool:
    """Whether the reply is of a kind that this question may get, whatever it says."""
    expected = {"answer": set(STATES), "redirect": {"redirect"}, "decline": {"decline", "clarify"},
                "answer_or_handoff": {*STATES, "handoff", "clarify"}}.get(o.case.expect, {o.case.expect})  # fmt: skip
    return o.kind in expected | o.case.also or (o.kind == "crisis" and o.case.crisis_ok)


def is_false_answer(o: Outcome) -> bool:
    case = o.case
    if case.set != "out_of_scope" or o.kind not in ("answer", "scenario") or o.kind in case.also:
        return False
    return case.expect in ("decline", "crisis") or (case.expect == "redirect" and not o.text_right)
