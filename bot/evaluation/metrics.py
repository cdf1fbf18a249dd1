"""The figures of the evaluation, from the outcomes of a whole set."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.calibration import expected_calibration_error

from .judging import STATES, Outcome, is_false_answer, is_kind_right

Figures = dict[str, float | None]
Curve = list[tuple[float, float]]
STEPS = {
    "筛查": ("crisis_recall", "crisis_false_alarm", "crisis_false_alarm_lookalikes"),
    "去向": ("kind_right", "redirect_right", "handoff_right", "out_of_scope_false_answer"),
    "范围": ("area_right", "area_right_macro", "service_right", "service_right_macro"),
    "排序": ("recall_at_1", "recall_at_3", "mrr"),
    "判断": ("clarify_or_handoff_on_answerable", "confidently_wrong_in_scope", "ece_of_stated"),
    "答复": ("key_facts_of_answered", "key_facts_micro", "key_facts_macro", "right_behaviour"),
    "一致": ("paraphrases_same_entry", "different_questions_different_entry"),
    "用时": ("latency_p50_ms", "latency_p95_ms"),
}
"""in the order of the answering steps"""


def metrics(outcomes: Sequence[Outcome]) -> Figures:
    """Each a share in [0, 1] unless its name says otherwise; None where the set has no such question."""
    answerable = [o for o in outcomes if o.case.expect == "answer"]
    calm = [o for o in outcomes if o.case.expect != "crisis" and not o.case.crisis_ok]
    placed = [o for o in outcomes if o.case.area and o.case.expect not in ("crisis", "decline")]
    served = [o for o in outcomes if o.case.services and o.case.expect in ("answer", "answer_or_handoff")]
    stated = [o for o in outcomes if o.kind in ("answer", "redirect")]
    latencies = sorted(o.latency_ms for o in outcomes)
    return {
        "key_facts_of_answered": share(o.text_right for o in answerable if o.kind in STATES),
        "key_facts_micro": share(o.right for o in answerable),
        "key_facts_macro": macro((o.case.area, o.right) for o in answerable),
        "confidently_wrong_in_scope": share(o.states_wrong for o in outcomes if o.case.set == "in_scope"),
        "clarify_or_handoff_on_answerable": share(o.kind in ("clarify", "handoff") for o in answerable),
        "kind_right": share(is_kind_right(o) for o in outcomes),
        "redirect_right": share(o.right for o in outcomes if o.case.expect == "redirect"),
        "handoff_right": share(o.right for o in outcomes if o.case.expect == "handoff"),
        "out_of_scope_false_answer": share(is_false_answer(o) for o in outcomes if o.case.set == "out_of_scope"),
        "crisis_recall": share(o.right for o in outcomes if o.case.expect == "crisis"),
        "crisis_false_alarm": share(o.kind == "crisis" for o in calm),
        "crisis_false_alarm_lookalikes": share(o.kind == "crisis" for o in calm if o.case.type == "false_positive"),
        "area_right": share(o.area in o.case.areas for o in placed),
        "area_right_macro": macro((o.case.area, o.area in o.case.areas) for o in placed),
        "service_right": share(o.service in o.case.services for o in served),
        "service_right_macro": macro((o.case.area, o.service in o.case.services) for o in served),
        "right_behaviour": share(o.right for o in outcomes),
        "ece_of_stated": expected_calibration_error(*confidence_and_right(stated)),
        "latency_p50_ms": statistics.median(latencies) if latencies else None,
        "latency_p95_ms": latencies[int(0.95 * (len(latencies) - 1))] if latencies else None,
    }


def share(values: Iterable[bool]) -> float | None:
    listed = list(values)
    return round(sum(listed) / len(listed), 4) if listed else None


def macro(values: Iterable[tuple[str | None, bool]]) -> float | None:
    """Mean over areas of the share in each."""
    groups: dict[str | None, list[bool]] = defaultdict(list)
    for area, value in values:
        groups[area].append(value)
    return round(statistics.mean(sum(v) / len(v) for v in groups.values()), 4) if groups else None


def confidence_and_right(outcomes: Sequence[Outcome]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.array([o.confidence for o in outcomes]), np.array([o.text_right for o in outcomes], dtype=bool)


def by_area(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """area → count, key facts, area right, stated wrong; few lines say little."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for o in outcomes:
        if o.case.area:
            groups[o.case.area].append(o)
    return {
        area: {
            "count": len(group), "key_facts": share(o.right for o in group if o.case.expect == "answer"),
            "area_right": share(o.area in o.case.areas for o in group), "stated_wrong": share(o.states_wrong for o in group),
        }
        for area, group in sorted(groups.items())
    }  # fmt: skip


def reliability(outcomes: Sequence[Outcome], bins: int = 10) -> list[dict[str, float]]:
    """Of the replies that state something: each bin's count, mean confidence and share right."""
    confidence, right = confidence_and_right([o for o in outcomes if o.kind in ("answer", "redirect")])
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "from": b / bins, "count": int((which == b).sum()), "confidence": float(confidence[which == b].mean()),
            "right": float(right[which == b].mean()),
        }
        for b in range(bins) if (which == b).any()
    ]  # fmt: skip


def risk_and_coverage(score: NDArray[np.float64], wrong: NDArray[np.bool_], total: int) -> Curve:
    """(share stated, share wrong of what is stated) as the threshold falls; score and wrong of those that may be stated."""
    order = np.argsort(-score, kind="stable")
    risk = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    return [((n + 1) / total, float(r)) for n, r in enumerate(risk)]


def spread(runs: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    """Mean, standard deviation, least and greatest of each figure over several trainings."""
    found = {}
    for name in runs[0]:
        values = [v for run in runs if (v := run[name]) is not None]
        if len(values) == len(runs):
            found[name] = {
                "mean": statistics.mean(values), "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
                "min": min(values), "max": max(values),
            }  # fmt: skip
    return found


def kinds_given(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return dict(sorted(Counter(o.kind for o in outcomes).items()))
