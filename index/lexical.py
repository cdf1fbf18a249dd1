"""Lexical search: BM25 over characters and pairs of characters, which beats words on colloquial Chinese."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
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
        numbers: dict[str, int] = {}
        bags = [[numbers.setdefault(g, len(numbers)) for g in grams(t)] for t in texts]
        lengths = np.array([len(bag) for bag in bags], dtype=np.int64)
        height = max(1, len(bags))
        pairs = np.repeat(np.arange(len(bags)), lengths) + height * np.fromiter(chain.from_iterable(bags), np.int64, lengths.sum())
        pairs, times = np.unique(pairs, return_counts=True)  # by gram, then by row
        frequency = np.bincount(pairs // height, minlength=len(numbers))
        limit = max(50, COMMON_SHARE * len(texts))
        single = np.array([len(g) == 1 for g in numbers], dtype=bool)
        kept = (frequency <= MOST_PASSAGES) & (~single | (frequency <= limit))
        chosen = kept[pairs // height]
        column, row = np.divmod(pairs[chosen], height)
        idf = np.log1p((len(texts) - frequency + 0.5) / (frequency + 0.5))
        penalty = K1 * (1 - B + B * lengths / max(1.0, lengths.sum() / height))
        weights = idf[column] * times[chosen] * (K1 + 1) / (times[chosen] + penalty[row])
        vocabulary = {g: i for i, g in enumerate(g for g, keep in zip(numbers, kept, strict=True) if keep)}
        starts = np.concatenate([[0], np.cumsum(frequency[kept])]).astype(np.int64)
        return cls(vocabulary, starts, row.astype(np.int32), weights.astype(np.float32), len(texts))

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
