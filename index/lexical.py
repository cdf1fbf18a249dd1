"""Lexical search: BM25 over characters and pairs of characters, which beats words on colloquial Chinese."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
K1 = 1.2
B = 0.75
COMMON_SHARE = 0.08
"""single characters in more passages than this share are left out: they cost time and say nothing"""
MOST_PASSAGES = 5000
"""grams in more passages than this are left out, so that a search in a large knowledge costs what it costs in a small one"""


def grams(text: str) -> list[str]:
    """Characters and adjacent pairs of each run of letters and digits."""
    found = []
    for run in "".join(ch if ch.isalnum() else " " for ch in text).split():
        found += list(run)
        found += [run[i : i + 2] for i in range(len(run) - 1)]
    return found


class LexicalIndex:
    """Postings of precomputed BM25 weights; a query adds up the rows of its grams."""

    def __init__(self, vocabulary: dict[str, int], starts: Ints, rows: NDArray[np.int32], weights: Floats, count: int):
        self._vocabulary = vocabulary
        self._starts = starts
        self._rows = rows
        self._weights = weights
        self.count = count

    @classmethod
    def build(cls, texts: Sequence[str]) -> LexicalIndex:
        bags = [Counter(grams(t)) for t in texts]
        lengths = np.array([sum(bag.values()) for bag in bags], dtype=np.float32)
        mean = float(lengths.mean()) or 1.0
        frequency = Counter(g for bag in bags for g in bag)
        limit = max(50, COMMON_SHARE * len(texts))
        kept = sorted(g for g, n in frequency.items() if n <= MOST_PASSAGES and (len(g) > 1 or n <= limit))
        vocabulary = {g: i for i, g in enumerate(kept)}
        idf = np.array([np.log1p((len(texts) - frequency[g] + 0.5) / (frequency[g] + 0.5)) for g in kept], dtype=np.float32)
        postings: list[list[tuple[int, float]]] = [[] for _ in kept]
        for row, bag in enumerate(bags):
            penalty = K1 * (1 - B + B * lengths[row] / mean)
            for gram, times in bag.items():
                column = vocabulary.get(gram)
                if column is not None:
                    postings[column].append((row, float(idf[column] * times * (K1 + 1) / (times + penalty))))
        starts = np.concatenate([[0], np.cumsum([len(p) for p in postings])]).astype(np.int64)
        flat = [pair for posting in postings for pair in posting]
        return cls(
            vocabulary,
            starts,
            np.array([row for row, _ in flat], dtype=np.int32),
            np.array([weight for _, weight in flat], dtype=np.float32),
            len(texts),
        )

    def scores(self, text: str) -> Floats:
        """(n,) BM25 of the normalised text against every passage."""
        columns = sorted({c for gram in grams(text) if (c := self._vocabulary.get(gram)) is not None})
        parts = [slice(self._starts[c], self._starts[c + 1]) for c in columns]
        if not parts:
            return np.zeros(self.count, dtype=np.float32)
        rows, weights = (np.concatenate([of[part] for part in parts]) for of in (self._rows, self._weights))
        return np.bincount(rows, weights, minlength=self.count).astype(np.float32)

    def search(self, text: str, limit: int) -> tuple[Ints, Floats]:
        """Rows with a score above 0, best first, at most `limit`."""
        scores = self.scores(text)
        rows = np.flatnonzero(scores)
        if len(rows) > limit:
            rows = rows[np.argpartition(-scores[rows], limit)[:limit]]
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        return rows.astype(np.int64), scores[rows]

    def save(self, path: Path) -> None:
        np.savez(
            path, starts=self._starts, rows=self._rows, weights=self._weights, count=np.int64(self.count),
            vocabulary=np.frombuffer(json.dumps(list(self._vocabulary), ensure_ascii=False).encode(), dtype=np.uint8),
        )  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> LexicalIndex:
        with np.load(path) as stored:
            names = json.loads(stored["vocabulary"].tobytes().decode())
            return cls(
                {g: i for i, g in enumerate(names)}, stored["starts"], stored["rows"], stored["weights"],
                int(stored["count"]),
            )  # fmt: skip
