"""What is known of each candidate entry for one question: the numbers the ranker decides on.

The same function serves training (a question is asked with itself, some siblings or its whole entry hidden) and
answering (nothing hidden), so both see the same features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

ROLES = ("title", "answer", "question", "negative")
KINDS = ("answer", "redirect", "handoff", "decline", "crisis")
CANDIDATES = 10
DEPTH = 100
"""passages taken from each search"""
_NO_NEGATIVE = -0.15

CANDIDATE_FEATURES = (
    "dense_best", "dense_second", "dense_top3", "title", "answer", "dense_gap", "dense_z", "bm25_share", "bm25_log",
    "bm25_gap", "log_p", "p", "log_p_gap", "negative", "aspect", "area_words", "share_top10", "dense_rr", "bm25_rr",
    "area_share", "overlap", "service_share",
    *(f"kind_{k}" for k in KINDS),
)  # fmt: skip
GLOBAL_FEATURES = (
    "dense_best", "dense_mean20", "bm25_best_log", "p_best", "entropy", "agree", "overlap_best", "area_share_best",
    "kind_answer_share",
)  # fmt: skip


@dataclass
class Corpus:
    """All passages of the live entries as arrays."""

    vectors: Floats
    """(n, dim), unit rows"""
    entry_of: Ints
    """(n,), row of the entry that a passage belongs to"""
    role: Ints
    """(n,), index into ROLES"""
    texts: Sequence[str]
    """(n,), normalised"""
    entry_ids: Sequence[str]
    kinds: Ints
    """(entries,), index into KINDS"""
    areas: Ints
    """(entries,), 1–19, 0 for none"""
    services: Ints
    """(entries,), 1–20, 0 for none"""
    aspects: Sequence[frozenset[str]]
    rows_of: list[Ints] = field(default_factory=list)
    grams: list[frozenset[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        order = np.argsort(self.entry_of, kind="stable")
        bounds = np.searchsorted(self.entry_of[order], np.arange(len(self.entry_ids) + 1))
        self.rows_of = [order[bounds[i] : bounds[i + 1]] for i in range(len(self.entry_ids))]
        self.grams = [bigrams(t) for t in self.texts]


@dataclass(frozen=True)
class Found:
    """What the searches gave for one question, best first; hidden passages are already out."""

    dense_rows: Ints
    dense_scores: Floats
    bm25_rows: Ints
    bm25_scores: Floats


@dataclass(frozen=True)
class Cues:
    """Aspects and areas that the question's own words name."""

    aspects: frozenset[str] = frozenset()
    areas: frozenset[int] = frozenset()


@dataclass(frozen=True)
class FeatureTable:
    candidates: Ints
    """(c,), entry rows, best fused score first"""
    values: Floats
    """(c, len(CANDIDATE_FEATURES))"""
    overall: Floats
    """(len(GLOBAL_FEATURES),)"""


def bigrams(text: str) -> frozenset[str]:
    plain = "".join(ch for ch in text if ch.isalnum())
    return frozenset(plain[i : i + 2] for i in range(len(plain) - 1)) or frozenset([plain])


def build_features(
    vector: Floats,
    text: str,
    found: Found,
    log_p: Floats,
    corpus: Corpus,
    cues: Cues,
    hidden: frozenset[int] = frozenset(),
    limit: int = CANDIDATES,
) -> FeatureTable:
    """vector (dim,), log_p (entries,) natural log of the classifier's probabilities."""
    candidates = _choose_candidates(found, log_p, corpus, limit)
    own_grams = bigrams(text)
    dense_of_top = corpus.entry_of[found.dense_rows]
    bm25_of_top = corpus.entry_of[found.bm25_rows]
    mean, spread = float(found.dense_scores.mean()), float(found.dense_scores.std()) + 1e-4
    bm25_best = float(found.bm25_scores[0]) if len(found.bm25_scores) else 0.0
    top20 = dense_of_top[:20]
    area_votes = np.bincount(corpus.areas[top20], minlength=20) / max(1, len(top20))
    service_votes = np.bincount(corpus.services[top20], minlength=21) / max(1, len(top20))
    kind_votes = np.bincount(corpus.kinds[top20], minlength=len(KINDS)) / max(1, len(top20))

    rows = []
    for entry in candidates:
        passages = corpus.rows_of[entry]
        if hidden:
            passages = np.array([p for p in passages if int(p) not in hidden], dtype=np.int64)
        rows.append(_one_candidate(int(entry), passages, vector, own_grams, corpus, cues))
    base = np.array(rows, dtype=np.float32)  # dense_best, second, top3, title, answer, negative, aspect, words, overlap

    dense_best = base[:, 0]
    bm25 = np.array([_first(found.bm25_scores, bm25_of_top == e) for e in candidates], dtype=np.float32)
    logs = log_p[candidates]
    values = np.zeros((len(candidates), len(CANDIDATE_FEATURES)), dtype=np.float32)
    values[:, 0:5] = base[:, 0:5]
    values[:, 5] = dense_best - _best_other(dense_best)
    values[:, 6] = (dense_best - mean) / spread
    values[:, 7] = bm25 / (bm25_best + 1e-6)
    values[:, 8] = np.log1p(bm25)
    values[:, 9] = np.log1p(bm25) - np.log1p(_best_other(bm25))
    values[:, 10] = np.maximum(logs, -12)
    values[:, 11] = np.exp(logs)
    values[:, 12] = np.clip(logs - _best_other(logs), -10, 10)
    values[:, 13] = base[:, 5]
    values[:, 14] = base[:, 6]
    values[:, 15] = base[:, 7]
    values[:, 16] = [float(np.mean(dense_of_top[:10] == e)) for e in candidates]
    values[:, 17] = [_reciprocal_rank(dense_of_top == e) for e in candidates]
    values[:, 18] = [_reciprocal_rank(bm25_of_top == e) for e in candidates]
    values[:, 19] = area_votes[corpus.areas[candidates]]
    values[:, 20] = base[:, 8]
    values[:, 21] = service_votes[corpus.services[candidates]]
    values[np.arange(len(candidates)), 22 + corpus.kinds[candidates]] = 1.0

    p = np.exp(log_p)
    agree = float(
        len(found.bm25_rows) > 0 and dense_of_top[0] == bm25_of_top[0]
    ) + float(int(np.argmax(log_p)) == int(dense_of_top[0]))
    overall = np.array(
        [
            dense_best.max(),
            found.dense_scores[:20].mean(),
            np.log1p(bm25_best),
            p.max(),
            -float(np.sum(p * np.maximum(log_p, -20))),
            agree,
            base[:, 8].max(),
            area_votes[1:].max(),
            kind_votes[0],
        ],
        dtype=np.float32,
    )
    return FeatureTable(candidates, values, overall)


def _choose_candidates(found: Found, log_p: Floats, corpus: Corpus, limit: int) -> Ints:
    """Entries by z(dense) + 0.3 z(BM25) + z(log p), from those that any of the three puts forward."""
    dense: dict[int, float] = {}
    bm25: dict[int, float] = {}
    for row, score in zip(found.dense_rows, found.dense_scores, strict=True):
        dense.setdefault(int(corpus.entry_of[row]), float(score))
    for row, score in zip(found.bm25_rows, found.bm25_scores, strict=True):
        bm25.setdefault(int(corpus.entry_of[row]), float(score))
    best_p = np.argpartition(-log_p, min(limit, len(log_p) - 1))[:limit]
    pool = np.array(sorted(set(dense) | set(list(bm25)[:20]) | {int(e) for e in best_p}), dtype=np.int64)
    d = np.array([dense.get(int(e), float(found.dense_scores[-1])) for e in pool])
    b = np.array([bm25.get(int(e), 0.0) for e in pool])
    fused = _z(d) + 0.3 * _z(b) + _z(np.maximum(log_p[pool], -12))
    return np.asarray(pool[np.argsort(-fused, kind="stable")[:limit]])


def _one_candidate(
    entry: int, passages: Ints, vector: Floats, own_grams: frozenset[str], corpus: Corpus, cues: Cues
) -> tuple[float, ...]:
    scores = corpus.vectors[passages] @ vector if len(passages) else np.zeros(0, dtype=np.float32)
    roles = corpus.role[passages]
    positive = roles != 3
    ordered = np.sort(scores[positive])[::-1]
    best = float(ordered[0]) if len(ordered) else 0.7
    second = float(ordered[1]) if len(ordered) > 1 else best - 0.02
    top3 = float(ordered[:3].mean()) if len(ordered) else best
    title = float(scores[roles == 0].max(initial=-1.0)) if (roles == 0).any() else best - 0.05
    answer = float(scores[roles == 1].max(initial=-1.0)) if (roles == 1).any() else best - 0.05
    negative = float(scores[roles == 3].max()) - best if (roles == 3).any() else _NO_NEGATIVE
    aspect = 0.0
    if cues.aspects and corpus.aspects[entry]:
        aspect = 1.0 if cues.aspects & corpus.aspects[entry] else -1.0
    area = 0.0
    if cues.areas:
        area = 1.0 if int(corpus.areas[entry]) in cues.areas else -1.0
    overlap = 0.0
    for passage in passages[positive]:
        grams = corpus.grams[passage]
        overlap = max(overlap, len(own_grams & grams) / (len(own_grams | grams) or 1))
    return best, second, top3, title, answer, negative, aspect, area, overlap


def _z(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((values - values.mean()) / (values.std() + 1e-6))


def _first(scores: Floats, mask: NDArray[np.bool_]) -> float:
    hits = np.flatnonzero(mask)
    return float(scores[hits[0]]) if len(hits) else 0.0


def _reciprocal_rank(mask: NDArray[np.bool_]) -> float:
    hits = np.flatnonzero(mask)
    return 1.0 / (int(hits[0]) + 1) if len(hits) else 0.0


def _best_other(values: Floats) -> Floats:
    """For each position the largest value among the others."""
    if len(values) < 2:
        return values - 0.05
    order = np.argsort(-values)
    others = np.full_like(values, values[order[0]])
    others[order[0]] = values[order[1]]
    return others
