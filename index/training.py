"""Teaching the ranker with the knowledge's own example questions, never with evaluation questions.

Every example question is asked several times, each time with something hidden: itself; itself and half of its
siblings (a real question lies farther from the examples than they do from each other); its whole entry (then "none
of these" is right). The classifier's probabilities are out of fold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from .calibration import expected_calibration_error, fit_temperature, readings
from .classifier import EntryClassifier, fit_classifier
from .features import DEPTH, ROLES, Corpus, Cues, Found, build_features
from .ranker import Ranker, RankingExample, fit_ranker

Floats = NDArray[np.float32]
FOLDS = 8
UNKNOWN_SHARE = 0.2
"""how often a question's answer is taken not to be in the knowledge at all"""
QUESTION = ROLES.index("question")
NEGATIVE = ROLES.index("negative")


@dataclass
class TrainingReport:
    questions: int
    seconds: float
    top1: float
    top3: float
    ece: float
    none_auroc: float
    temperature: float
    confidence: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(held-out cases,), probability of the best candidate"""
    right: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    known: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """whether the right entry was in the index at all"""
    harmful: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """wrong, and the wrong candidate would have been shown as an answer or redirect"""
    shown: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(held-out cases,), probability of all readings that an answer to be checked shows"""
    none_shown: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """harmful, and the right entry is not among the readings shown either"""
    area: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    kind: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    missed: list[tuple[str, str, str]] = field(default_factory=list)
    """(question, its entry, the first candidate) where its own entry is not among the first three"""


def train(
    corpus: Corpus,
    bm25_scores: Callable[[str], Floats],
    find_cues: Callable[[str], Cues],
    *,
    seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[EntryClassifier, Ranker, TrainingReport]:
    """bm25_scores(text) gives (n,) scores over all passages. Deterministic for a seed."""
    started = perf_counter()
    rng = np.random.default_rng(seed)
    asked = np.flatnonzero(corpus.role == QUESTION)
    fold = rng.integers(0, FOLDS, len(asked))
    positives = corpus.role != NEGATIVE
    log_p = np.zeros((len(asked), len(corpus.entry_ids)), dtype=np.float32)
    for number in range(FOLDS):
        progress(f"分类器：第 {number + 1}/{FOLDS} 折")
        keep = positives.copy()
        keep[asked[fold == number]] = False
        model = fit_classifier(
            corpus.vectors[keep], corpus.entry_of[keep], len(corpus.entry_ids), epochs=25, seed=seed
        )
        log_p[fold == number] = model.log_probabilities(corpus.vectors[asked[fold == number]])
    progress("分类器：全部例句")
    classifier = fit_classifier(
        corpus.vectors[positives], corpus.entry_of[positives], len(corpus.entry_ids), epochs=25, seed=seed
    )
    progress(f"逐句留一：{len(asked)} 个例句")
    cases = _cases(corpus, asked, log_p, bm25_scores, find_cues, rng)
    progress(f"排序器：{len(cases)} 例")
    ranker, report = _fit_and_measure(corpus, asked, fold, cases, seed)
    report.seconds = perf_counter() - started
    return classifier, ranker, report


@dataclass(frozen=True)
class _Case:
    question: int
    """position in `asked`"""
    hides: str
    example: RankingExample


def _cases(
    corpus: Corpus,
    asked: NDArray[np.int64],
    log_p: Floats,
    bm25_scores: Callable[[str], Floats],
    find_cues: Callable[[str], Cues],
    rng: np.random.Generator,
) -> list[_Case]:
    cases = []
    for number, row in enumerate(asked):
        text, vector, entry = corpus.texts[row], corpus.vectors[row], int(corpus.entry_of[row])
        dense, bm25, cues = corpus.vectors @ vector, bm25_scores(text), find_cues(text)
        own = corpus.rows_of[entry]
        siblings = own[(own != row) & (corpus.role[own] == QUESTION)]
        half = rng.choice(siblings, size=len(siblings) // 2, replace=False)
        nothing = np.zeros(0, dtype=np.int64)
        for hides, extra, weight in (("itself", nothing, 1.0), ("half", half, 0.5), ("entry", own, UNKNOWN_SHARE)):
            hidden = frozenset(int(h) for h in (row, *extra))
            p = log_p[number].copy()
            if hides == "entry":
                p[entry] = -50.0
                p -= np.log(np.exp(p).sum())
            table = build_features(vector, text, find_top(dense, bm25, corpus, hidden), p, corpus, cues, hidden)
            match = np.flatnonzero(table.candidates == entry)
            right = int(match[0]) if len(match) and hides != "entry" else -1
            cases.append(_Case(number, hides, RankingExample(table, right, weight)))
    return cases


def find_top(dense: Floats, bm25: Floats, corpus: Corpus, hidden: frozenset[int] = frozenset()) -> Found:
    """The DEPTH best passages of full score vectors, without hidden and negative ones."""
    off = corpus.role == NEGATIVE
    if hidden:
        off = off.copy()
        off[list(hidden)] = True
    d, b = np.where(off, -1.0, dense), np.where(off, 0.0, bm25)
    return Found(*_top(d), *_top(b, above=1e-9))


def _top(scores: NDArray[np.floating], above: float = -0.5) -> tuple[NDArray[np.int64], Floats]:
    depth = min(DEPTH, len(scores) - 1)
    rows = np.argpartition(-scores, depth)[:depth]
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    rows = rows[scores[rows] > above]
    return rows.astype(np.int64), scores[rows].astype(np.float32)


def _fit_and_measure(
    corpus: Corpus, asked: NDArray[np.int64], fold: NDArray[np.int64], cases: list[_Case], seed: int
) -> tuple[Ranker, TrainingReport]:
    logits: list[NDArray[np.float64]] = []
    targets: list[int] = []
    weights: list[float] = []
    confidence: list[float] = []
    right: list[bool] = []
    known: list[bool] = []
    harmful: list[bool] = []
    shown: list[float] = []
    none_shown: list[bool] = []
    areas: list[int] = []
    kinds: list[int] = []
    top3: list[bool] = []
    missed: list[tuple[str, str, str]] = []
    for held in range(2):
        inside = [c for c in cases if fold[c.question] % 2 != held]
        outside = [c for c in cases if fold[c.question] % 2 == held]
        ranker = fit_ranker([c.example for c in inside], epochs=20, seed=seed)
        for case in outside:
            table, target = case.example.table, case.example.right
            p = ranker.probabilities(table)
            if case.hides != "half" and len(logits) < 20_000:
                weights.append(case.example.weight)
                logits.append(np.log(np.maximum(p, 1e-9)).astype(np.float64))
                targets.append(target if target >= 0 else len(p) - 1)
            if case.hides == "half":
                continue
            best = int(np.argmax(p[:-1]))
            own = int(corpus.entry_of[asked[case.question]])
            confidence.append(float(p[best]))
            right.append(best == target)
            known.append(case.hides == "itself")
            harmful.append(best != target and int(corpus.kinds[table.candidates[best]]) in (0, 1))
            read = readings([float(x) for x in p[:-1]])
            shown.append(float(p[read].sum()))
            none_shown.append(harmful[-1] and target not in read)
            areas.append(int(corpus.areas[own]))
            kinds.append(int(corpus.kinds[own]))
            if case.hides == "itself":
                order = np.argsort(-p[:-1])[:3]
                top3.append(target in order)
                if target not in order:
                    found = corpus.entry_ids[int(table.candidates[best])]
                    missed.append((corpus.texts[asked[case.question]], corpus.entry_ids[own], found))
    temperature = fit_temperature(logits, targets, weights)
    final = fit_ranker([c.example for c in cases], epochs=30, seed=seed)
    final.temperature = temperature
    c, r, k = np.array(confidence), np.array(right), np.array(known)
    return final, TrainingReport(
        questions=len(asked),
        seconds=0.0,
        top1=float(r[k].mean()),
        top3=float(np.mean(top3)),
        ece=expected_calibration_error(c, r, weight=np.where(k, 1.0, UNKNOWN_SHARE)),
        none_auroc=_auroc(c, k),
        temperature=temperature,
        confidence=c,
        right=r,
        known=k,
        harmful=np.array(harmful),
        shown=np.array(shown),
        none_shown=np.array(none_shown),
        area=np.array(areas),
        kind=np.array(kinds),
        missed=missed,
    )


def _auroc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    ranks = np.empty(len(score))
    ranks[np.argsort(score)] = np.arange(1, len(score) + 1)
    a, b = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - a * (a + 1) / 2) / (a * b)) if a and b else 0.0
