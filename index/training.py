"""Teaching the ranker with the knowledge's own example questions (see cases), never with evaluation questions.

The classifier's probabilities that it learns from are out of fold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from .calibration import expected_calibration_error, fit_temperature, readings
from .cases import EVERY, HIDES, UNKNOWN_SHARE, Cases, build_cases
from .classifier import EntryClassifier, fit_classifier
from .features import NEGATIVE, QUESTION, Corpus, Cues
from .ranker import Ranker, fit_ranker

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
FOLDS = 4
CLASSIFIER_EPOCHS, RANKER_EPOCHS, HELD_OUT_EPOCHS = 8, 12, 9
ITSELF, HALF = HIDES.index("itself"), HIDES.index("half")
UNKNOWN_WEIGHT = UNKNOWN_SHARE * EVERY


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
    missed_rows: Ints = field(default_factory=lambda: np.zeros((0, 3), dtype=np.int64))
    """(m, 3): question's row, its entry, the first candidate, where its own entry is not among the first three"""
    missed: list[tuple[str, str, str]] = field(default_factory=list)
    """the same in words"""


def train(
    corpus: Corpus,
    bm25_scores: Callable[[str], Floats],
    find_cues: Callable[[str], Cues],
    *,
    seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[EntryClassifier, Ranker, Cases, TrainingReport]:
    """bm25_scores(text) gives (n,) scores over all passages. Deterministic for a seed."""
    started = perf_counter()
    asked = np.flatnonzero(corpus.role == QUESTION)
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(asked))
    log_p = np.zeros((len(asked), len(corpus.entry_ids)), dtype=np.float32)
    progress(f"分类器：{FOLDS} 折和全部例句")
    for number in range(FOLDS):
        left_out = asked[fold == number]
        log_p[fold == number] = _fit_classifier(corpus, left_out, seed).log_probabilities(corpus.vectors[left_out])
    classifier = _fit_classifier(corpus, asked[:0], seed)
    progress(f"逐句留一：{len(asked)} 个例句")
    cases = build_cases(corpus, log_p, bm25_scores, find_cues, seed)
    progress(f"排序器：{len(cases)} 例")
    ranker, report = fit_and_measure(corpus, cases, seed)
    ids = corpus.entry_ids
    report.missed = [(corpus.texts[row], ids[own], ids[found]) for row, own, found in report.missed_rows.tolist()]
    report.seconds = perf_counter() - started
    return classifier, ranker, cases, report


def _fit_classifier(corpus: Corpus, left_out: Ints, seed: int) -> EntryClassifier:
    keep = corpus.role != NEGATIVE
    keep[left_out] = False
    return fit_classifier(corpus.vectors[keep], corpus.entry_of[keep], len(corpus.entry_ids), epochs=CLASSIFIER_EPOCHS, seed=seed)


def fit_and_measure(corpus: Corpus, cases: Cases, seed: int) -> tuple[Ranker, TrainingReport]:
    """A ranker on all cases, and what two rankers say of the half that each has not seen."""
    half = np.random.default_rng(seed + 1).integers(0, 2, cases.row.max() + 1)[cases.row]
    p = np.zeros((len(cases), cases.values.shape[1] + 1), dtype=np.float32)
    for held in range(2):
        ranker = fit_ranker(cases[half != held], epochs=HELD_OUT_EPOCHS, seed=seed)
        p[half == held] = ranker.probabilities_of(cases[half == held])
    counted = cases.hides != HALF
    report = _measure(corpus, cases[counted], p[counted])
    final = fit_ranker(cases, epochs=RANKER_EPOCHS, seed=seed)
    final.temperature = report.temperature
    return final, report


def _measure(corpus: Corpus, cases: Cases, p: Floats) -> TrainingReport:
    """p (n, candidates + 1), the last of none; 0 where there is no candidate."""
    candidates = p[:, :-1]
    best = candidates.argmax(axis=1)
    first = cases.candidates[np.arange(len(cases)), best]
    confidence = candidates.max(axis=1).astype(np.float64)
    right, known = best == cases.right, cases.hides == ITSELF
    harmful = ~right & np.isin(corpus.kinds[first], (0, 1))
    read = [readings(row) for row in candidates.tolist()]
    in_top3 = (np.argsort(-candidates, axis=1)[:, :3] == cases.right[:, None]).any(axis=1)
    logits = np.where(p > 0, np.log(np.maximum(p, 1e-9)), -np.inf).astype(np.float64)
    return TrainingReport(
        questions=int(known.sum()),
        seconds=0.0,
        top1=float(right[known].mean()),
        top3=float(in_top3[known].mean()),
        ece=expected_calibration_error(confidence, right, weight=np.where(known, 1.0, UNKNOWN_WEIGHT)),
        none_auroc=_auroc(confidence, known),
        temperature=fit_temperature(logits, np.where(cases.right >= 0, cases.right, p.shape[1] - 1), cases.weight),
        confidence=confidence,
        right=right,
        known=known,
        harmful=harmful,
        shown=np.array([row[places].sum() for row, places in zip(candidates, read, strict=True)], dtype=np.float64),
        none_shown=harmful & [r not in places for r, places in zip(cases.right.tolist(), read, strict=True)],
        area=corpus.areas[cases.entry],
        kind=corpus.kinds[cases.entry],
        missed_rows=np.stack([cases.row, cases.entry, first], axis=1)[known & ~in_top3],
    )


def _auroc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    ranks = np.empty(len(score))
    ranks[np.argsort(score)] = np.arange(1, len(score) + 1)
    a, b = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - a * (a + 1) / 2) / (a * b)) if a and b else 0.0
