"""What is known of each candidate entry for one question: the numbers the ranker decides on.

The same function serves training (a question is asked with itself, some siblings or its whole entry hidden) and
answering (nothing hidden), so both see the same features.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

ROLES = ("title", "answer", "question", "negative")
TITLE, ANSWER, QUESTION, NEGATIVE = range(len(ROLES))
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
    rows_by_entry: Ints = field(init=False)
    """(n,), all rows, an entry's rows side by side"""
    bounds: Ints = field(init=False)
    """(entries + 1,), where each entry's rows begin in rows_by_entry"""
    grams: GramTable

    def __post_init__(self) -> None:
        self.rows_by_entry = np.argsort(self.entry_of, kind="stable")
        self.bounds = np.searchsorted(self.entry_of[self.rows_by_entry], np.arange(len(self.entry_ids) + 1))

    def rows_of(self, entry: int) -> Ints:
        return self.rows_by_entry[self.bounds[entry] : self.bounds[entry + 1]]

    def rows_of_all(self, entries: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """(entries, widest but at least 3) rows, and which of them are really there."""
        starts = self.bounds[entries]
        counts = self.bounds[entries + 1] - starts
        places = np.arange(max(3, counts.max()))
        there = places < counts[:, None]
        return self.rows_by_entry[np.minimum(starts[:, None] + places, len(self.rows_by_entry) - 1)], there


class GramTable:
    """Pairs of characters of every text as numbers: how much two texts share is then a sum over an array."""

    def __init__(self, grams: Sequence[str], counts: Ints, flat: NDArray[np.int32]) -> None:
        """Every pair there is; how many each text has; the texts' pairs, one text after the other."""
        self._number = {gram: i for i, gram in enumerate(grams)}
        self._counts, self._flat = counts, flat
        self._starts = np.concatenate([[0], np.cumsum(counts)])

    @classmethod
    def build(cls, texts: Sequence[str]) -> GramTable:
        sets = [bigrams(t) for t in texts]
        number = {gram: i for i, gram in enumerate(sorted(frozenset().union(*sets)))}
        counts = np.array([len(s) for s in sets], dtype=np.int64)
        flat = np.fromiter((number[gram] for grams in sets for gram in grams), dtype=np.int32, count=int(counts.sum()))
        return cls(list(number), counts, flat)

    def save(self, path: Path) -> None:
        grams = np.frombuffer(json.dumps(list(self._number), ensure_ascii=False).encode(), dtype=np.uint8)
        np.savez(path, grams=grams, counts=self._counts, flat=self._flat)

    @classmethod
    def load(cls, path: Path) -> GramTable:
        with np.load(path) as stored:
            return cls(json.loads(stored["grams"].tobytes().decode()), stored["counts"], stored["flat"])

    def overlap(self, text: str, rows: Ints) -> Floats:
        """(rows,), |shared| / |either| of the text's pairs and each row's."""
        own = bigrams(text)
        marked = np.zeros(len(self._number), dtype=bool)
        marked[[n for n in map(self._number.get, own) if n is not None]] = True
        counts = self._counts[rows]
        ends = np.cumsum(counts)
        places = np.arange(ends[-1]) + np.repeat(self._starts[rows] - (ends - counts), counts)
        shared = np.add.reduceat(marked[self._flat[places]], ends - counts, dtype=np.int64)
        return np.asarray(shared / (len(own) + counts - shared), dtype=np.float32)


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
    hidden: NDArray[np.bool_] | None = None,
    limit: int = CANDIDATES,
) -> FeatureTable:
    """vector (dim,), log_p (entries,) natural log of the classifier's probabilities, hidden (n,) passages to act as if not there."""
    candidates = _choose_candidates(found, log_p, corpus, limit)
    dense_of_top = corpus.entry_of[found.dense_rows]
    bm25_of_top = corpus.entry_of[found.bm25_rows]
    mean, spread = float(found.dense_scores.mean()), float(found.dense_scores.std()) + 1e-4
    bm25_best = float(found.bm25_scores[0]) if len(found.bm25_scores) else 0.0
    top20 = dense_of_top[:20]
    area_votes = np.bincount(corpus.areas[top20], minlength=20) / max(1, len(top20))
    service_votes = np.bincount(corpus.services[top20], minlength=21) / max(1, len(top20))
    kind_votes = np.bincount(corpus.kinds[top20], minlength=len(KINDS)) / max(1, len(top20))
    in_dense, in_bm25 = candidates[:, None] == dense_of_top, candidates[:, None] == bm25_of_top

    logs = log_p[candidates]
    values = np.zeros((len(candidates), len(CANDIDATE_FEATURES)), dtype=np.float32)
    values[:, [0, 1, 2, 3, 4, 13, 20]] = _from_passages(candidates, vector, text, corpus, hidden)
    dense_best, bm25 = values[:, 0], _first_score(in_bm25, found.bm25_scores)
    values[:, 5] = dense_best - _best_other(dense_best)
    values[:, 6] = (dense_best - mean) / spread
    values[:, 7] = bm25 / (bm25_best + 1e-6)
    values[:, 8] = np.log1p(bm25)
    values[:, 9] = values[:, 8] - np.log1p(_best_other(bm25))
    values[:, 10] = np.maximum(logs, -12)
    values[:, 11] = np.exp(logs)
    values[:, 12] = np.clip(logs - _best_other(logs), -10, 10)
    if cues.aspects:
        values[:, 14] = [_agreement(cues.aspects & named, named) for named in (corpus.aspects[e] for e in candidates)]
    if cues.areas:
        values[:, 15] = [1.0 if int(a) in cues.areas else -1.0 for a in corpus.areas[candidates]]
    values[:, 16] = in_dense[:, :10].mean(axis=1)
    values[:, 17] = _reciprocal_rank(in_dense)
    values[:, 18] = _reciprocal_rank(in_bm25)
    values[:, 19] = area_votes[corpus.areas[candidates]]
    values[:, 21] = service_votes[corpus.services[candidates]]
    values[np.arange(len(candidates)), 22 + corpus.kinds[candidates]] = 1.0

    p = np.exp(log_p)
    agree = float(len(bm25_of_top) > 0 and dense_of_top[0] == bm25_of_top[0]) + float(np.argmax(log_p) == dense_of_top[0])
    overall = np.array(
        [
            dense_best.max(),
            found.dense_scores[:20].mean(),
            np.log1p(bm25_best),
            p.max(),
            -float(np.sum(p * np.maximum(log_p, -20))),
            agree,
            values[:, 20].max(),
            area_votes[1:].max(),
            kind_votes[0],
        ],
        dtype=np.float32,
    )
    return FeatureTable(candidates, values, overall)


def _choose_candidates(found: Found, log_p: Floats, corpus: Corpus, limit: int) -> Ints:
    """Entries by z(dense) + 0.3 z(BM25) + z(log p), from those that any of the three puts forward."""
    dense, dense_first = np.unique(corpus.entry_of[found.dense_rows], return_index=True)
    bm25, bm25_first = np.unique(corpus.entry_of[found.bm25_rows], return_index=True)
    best_p = np.argpartition(-log_p, min(limit, len(log_p) - 1))[:limit]
    pool = np.unique(np.concatenate([dense, bm25[np.argsort(bm25_first)[:20]], best_p]))
    d = np.full(len(pool), found.dense_scores[-1], dtype=np.float64)
    d[np.searchsorted(pool, dense)] = found.dense_scores[dense_first]
    b = np.zeros(len(pool))
    known = np.isin(bm25, pool, assume_unique=True)
    b[np.searchsorted(pool, bm25[known])] = found.bm25_scores[bm25_first[known]]
    fused = _z(d) + 0.3 * _z(b) + _z(np.maximum(log_p[pool], -12))
    return np.asarray(pool[np.argsort(-fused, kind="stable")[:limit]])


def _from_passages(candidates: Ints, vector: Floats, text: str, corpus: Corpus, hidden: NDArray[np.bool_] | None) -> Floats:
    """(c, 7): best, second, mean of the best three cosines, title, answer, negative, share of common pairs."""
    rows, there = corpus.rows_of_all(candidates)
    if hidden is not None:
        there &= ~hidden[rows]
    flat = rows[there]
    cosines = np.full(rows.shape, -np.inf, dtype=np.float32)
    cosines[there] = corpus.vectors[flat] @ vector
    role = corpus.role[rows]
    positive = there & (role != NEGATIVE)
    ordered = -np.sort(-np.where(positive, cosines, -np.inf), axis=1)[:, :3]
    count = positive.sum(axis=1)
    best = np.where(count > 0, ordered[:, 0], np.float32(0.7))
    second = np.where(count > 1, ordered[:, 1], best - np.float32(0.02))
    top3 = np.where(ordered > -np.inf, ordered, 0).sum(axis=1) / np.maximum(np.minimum(count, 3), 1)
    shared = np.zeros(rows.shape, dtype=np.float32)
    if len(flat):
        shared[there] = corpus.grams.overlap(text, flat)
    of_role = [np.where(there & (role == r), cosines, -np.inf).max(axis=1) for r in (TITLE, ANSWER, NEGATIVE)]
    title, answer = (np.where(c > -np.inf, c, best - np.float32(0.05)) for c in of_role[:2])
    negative = np.where(of_role[2] > -np.inf, of_role[2] - best, np.float32(_NO_NEGATIVE))
    columns = (best, second, np.where(count > 0, top3, best), title, answer, negative, (shared * positive).max(axis=1))
    return np.stack(columns, axis=1).astype(np.float32)


def _agreement(shared: frozenset[str], named: frozenset[str]) -> float:
    return 0.0 if not named else 1.0 if shared else -1.0


def _z(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((values - values.mean()) / (values.std() + 1e-6))


def _first_score(hits: NDArray[np.bool_], scores: Floats) -> Floats:
    """(c,) the score of each row's first hit, 0 without one."""
    if not hits.shape[1]:
        return np.zeros(len(hits), dtype=np.float32)
    return np.where(hits.any(axis=1), scores[hits.argmax(axis=1)], np.float32(0))


def _reciprocal_rank(hits: NDArray[np.bool_]) -> Floats:
    if not hits.shape[1]:
        return np.zeros(len(hits), dtype=np.float32)
    return np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0).astype(np.float32)


def _best_other(values: Floats) -> Floats:
    """For each position the largest value among the others."""
    if len(values) < 2:
        return values - 0.05
    order = np.argsort(-values)
    others = np.full_like(values, values[order[0]])
    others[order[0]] = values[order[1]]
    return others
