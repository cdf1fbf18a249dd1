"""Simpler ways to answer the same questions from the same entries, each with one plain threshold.

The threshold of each is set so that it states something on as many answerable questions as we do: equal coverage.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.features import NEGATIVE, QUESTION, Corpus

from ..answer import Answer, Verdict
from ..answering.answerer import fixed
from .cases import Case
from .judging import STATES, Outcome, judge, judge_text
from .metrics import Curve, Figures, metrics, risk_and_coverage, share

RANKED = 10
RASA_PROJECT = Path(__file__).resolve().parents[1] / "rasa"
RASA_TIMEOUT_S = 1800
AnswerEntry = Callable[[str], Answer | None]


@dataclass(frozen=True)
class Ranking:
    entries: list[str]
    """best first"""
    score: float
    """of the best; higher is surer"""


@dataclass(frozen=True)
class Result:
    figures: Figures
    curve: Curve
    threshold: float | None


def rank_passages(scores: NDArray[np.float32], corpus: Corpus) -> Ranking:
    """scores (n,) over all passages: each entry has its best passage's."""
    best = np.full(len(corpus.entry_ids), -np.inf, dtype=np.float32)
    positive = corpus.role != NEGATIVE
    np.maximum.at(best, corpus.entry_of[positive], scores[positive])
    order = np.argsort(-best, kind="stable")[:RANKED]
    return Ranking([corpus.entry_ids[int(e)] for e in order], float(best[order[0]]))


def rank_by_rasa(
    python: Path, corpus: Corpus, kinds: Mapping[str, str], questions: Sequence[str], vectors: NDArray[np.float32]
) -> tuple[list[Ranking], dict[str, Any]]:
    """Trains and asks Rasa in its own environment on the very same examples and vectors. Also what it was trained with."""
    asked = np.flatnonzero(corpus.role == QUESTION)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        examples = [
            {"text": corpus.texts[r], "entry": (e := corpus.entry_ids[int(corpus.entry_of[r])]), "kind": kinds[e]} for r in asked.tolist()
        ]
        work = {"examples": examples, "questions": list(questions)}
        (folder / "work.json").write_text(json.dumps(work, ensure_ascii=False), encoding="utf-8")
        np.save(folder / "vectors.npy", np.concatenate([corpus.vectors[asked], vectors]).astype(np.float32))
        done = subprocess.run(
            [str(python), "-W", "ignore", str(RASA_PROJECT / "rival.py"), str(folder)], capture_output=True, text=True,
            timeout=RASA_TIMEOUT_S,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-2000:])
        given = json.loads((folder / "rankings.json").read_text(encoding="utf-8"))
    return [Ranking(row["entries"], row["score"]) for row in given["rankings"]], given["config"]


def threshold_for(scores: Sequence[float], coverage: float) -> float:
    """The score that `coverage` of the questions reach."""
    count = round(coverage * len(scores))
    return sorted(scores, reverse=True)[count - 1] if count else float("inf")


def try_rival(
    cases: Sequence[Case], rankings: Sequence[Ranking], answer_entry: AnswerEntry, coverage: float, on: date
) -> Result:
    answerable = [r.score for c, r in zip(cases, rankings, strict=True) if c.expect == "answer"]
    threshold = threshold_for(answerable, coverage)
    handoff = fixed(Verdict.HANDOFF_UNSURE, "unsure", on, "zh-Hans")
    stated = [judge(c, [answer_entry(r.entries[0]) or handoff]) for c, r in zip(cases, rankings, strict=True)]
    given = [o if r.score >= threshold else judge(o.case, [handoff]) for o, r in zip(stated, rankings, strict=True)]
    figures = {**metrics(given), **ranking_figures(cases, [r.entries for r in rankings], answer_entry)}
    figures |= {"ece_of_stated": None, "latency_p50_ms": None, "latency_p95_ms": None}
    return Result(figures, curve_of(stated, [r.score for r in rankings]), threshold)


def ranking_figures(cases: Sequence[Case], ranked: Sequence[Sequence[str]], answer_entry: AnswerEntry) -> Figures:
    """Over answerable questions; an entry is right whose rendered text holds the key facts and none of the wrong ones."""
    ranks = []
    for case, entries in zip(cases, ranked, strict=True):
        if case.expect == "answer":
            right = (n for n, entry in enumerate(entries[:RANKED], 1) if _entry_is_right(case, answer_entry(entry)))
            ranks.append(next(right, None))
    return {
        "recall_at_1": share(r == 1 for r in ranks), "recall_at_3": share(r is not None and r <= 3 for r in ranks),
        "mrr": round(sum(1 / r for r in ranks if r) / len(ranks), 4) if ranks else None,
    }  # fmt: skip


def _entry_is_right(case: Case, answer: Answer | None) -> bool:
    if answer is None or answer.reply.kind not in STATES:
        return False
    missed, bad = judge_text(case, answer.reply.text)
    return not missed and not bad


def curve_of(outcomes: Sequence[Outcome], scores: Sequence[float]) -> Curve:
    """Over all questions but urgent ones and those that a person must take."""
    counted = [(s, not o.right) for o, s in zip(outcomes, scores, strict=True) if is_counted(o.case)]
    if not counted:
        return []
    score, wrong = np.array([s for s, _ in counted]), np.array([w for _, w in counted])
    return risk_and_coverage(score, wrong, len(counted))


def our_curve(outcomes: Sequence[Outcome]) -> Curve:
    """Of what the whole path states; it ends at the share that is stated."""
    stated = [o for o in outcomes if is_counted(o.case) and o.kind in (*STATES, "decline")]
    score, wrong = np.array([o.confidence for o in stated]), np.array([not o.right for o in stated], dtype=bool)
    return risk_and_coverage(score, wrong, sum(is_counted(o.case) for o in outcomes))


def is_counted(case: Case) -> bool:
    return case.set != "crisis" and case.expect not in ("crisis", "handoff")


