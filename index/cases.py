"""Leaving one out: every example question asked with something hidden, as labelled cases for the ranker.

Each question is asked with itself hidden; every third one also with half of its siblings hidden (a real question lies
farther from the examples than they do from each other) and with its whole entry hidden ("none of these" is right).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .features import CANDIDATE_FEATURES, CANDIDATES, DEPTH, GLOBAL_FEATURES, NEGATIVE, QUESTION, Corpus, Cues, Found, build_features

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
HIDES = ("itself", "half", "entry")
UNKNOWN_SHARE = 0.2
"""how often a question's answer is taken not to be in the knowledge at all"""
EVERY = 3
"""one question in so many is asked with more hidden than itself; such a case counts for all of them"""
WEIGHTS = (1.0, 0.5 * EVERY, UNKNOWN_SHARE * EVERY)
BLOCK = 512
"""questions whose cosines to all passages are computed at once"""
MANY, MOST_PROCESSES = 3000, 8
"""so many questions are worth starting processes for, and how many of those at most"""


@dataclass(frozen=True)
class Cases:
    """n cases with at most CANDIDATES candidates each; -1 where there is none."""

    row: Ints
    """(n,), the question's row in the corpus"""
    entry: Ints
    """(n,), the entry that it belongs to"""
    hides: Ints
    """(n,), index into HIDES"""
    candidates: Ints
    """(n, CANDIDATES), entries"""
    values: Floats
    """(n, CANDIDATES, features)"""
    overall: Floats
    """(n, global features)"""
    right: Ints
    """(n,), position among the candidates; -1 where the right entry is not among them"""

    @property
    def weight(self) -> Floats:
        return np.array(WEIGHTS, dtype=np.float32)[self.hides]

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Cases:
        return Cases(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def save(self, path: Path) -> None:
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Cases:
        with np.load(path) as stored:
            return cls(**stored)


def build_cases(
    corpus: Corpus, log_p: Floats, bm25_scores: Callable[[str], Floats], find_cues: Callable[[str], Cues], seed: int
) -> Cases:
    """log_p (questions, entries): out-of-fold log-probabilities, along the corpus's questions. Many questions are asked
    by several processes: the features of one are small NumPy steps, which threads would do one after the other."""
    asker = Asker(corpus, bm25_scores, find_cues, seed)
    starts = range(0, len(log_p), BLOCK)
    processes = min(os.cpu_count() or 1, MOST_PROCESSES)
    if processes == 1 or len(log_p) < MANY:
        return _joined([asker.ask(start, log_p[start : start + BLOCK]) for start in starts])
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_begin, initargs=(asker,))
    with pool:
        return _joined([future.result() for future in [pool.submit(_ask, s, log_p[s : s + BLOCK]) for s in starts]])


def _joined(parts: list[Cases]) -> Cases:
    return Cases(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Cases)))


_asker: Asker | None = None
"""of a process that was started to ask"""


def _begin(asker: Asker) -> None:
    global _asker
    _asker = asker


def _ask(start: int, log_p: Floats) -> Cases:
    assert _asker is not None
    return _asker.ask(start, log_p)


@dataclass(frozen=True)
class Asker:
    """Asks the corpus's own questions; another process gets a copy of it once."""

    corpus: Corpus
    bm25_scores: Callable[[str], Floats]
    find_cues: Callable[[str], Cues]
    seed: int

    def ask(self, start: int, log_p: Floats) -> Cases:
        """The cases of the questions number start, start + 1 … (as many as log_p has rows)."""
        corpus = self.corpus
        asked = np.flatnonzero(corpus.role == QUESTION)[start : start + len(log_p)]
        dense = corpus.vectors[asked] @ corpus.vectors.T
        hides = [range(len(HIDES)) if number % EVERY == 0 else (0,) for number in range(start, start + len(asked))]
        rows_asked = np.repeat(asked, [len(h) for h in hides])
        n = len(rows_asked)
        cases = Cases(
            row=rows_asked, entry=corpus.entry_of[rows_asked], hides=np.array([h for of in hides for h in of], dtype=np.int64),
            candidates=np.full((n, CANDIDATES), -1),
            values=np.zeros((n, CANDIDATES, len(CANDIDATE_FEATURES)), dtype=np.float32),
            overall=np.zeros((n, len(GLOBAL_FEATURES)), dtype=np.float32), right=np.full(n, -1),
        )  # fmt: skip
        hidden = np.zeros(len(corpus.texts), dtype=bool)
        at = 0
        for number, row in enumerate(asked.tolist()):
            text, vector, entry = corpus.texts[row], corpus.vectors[row], int(corpus.entry_of[row])
            cues, own = self.find_cues(text), corpus.rows_of(entry)
            found = find_top(dense[number], self.bm25_scores(text), corpus, spare=len(own))
            siblings = own[(own != row) & (corpus.role[own] == QUESTION)]
            drawn = np.random.default_rng((self.seed, row)).choice(siblings, size=len(siblings) // 2, replace=False)
            for rows in [(np.array([row]), np.append(drawn, row), own)[h] for h in hides[number]]:
                p = log_p[number]
                if rows is own:
                    p = p.copy()
                    p[entry] = -50.0
                    p -= np.log(np.exp(p).sum())
                hidden[rows] = True
                table = build_features(vector, text, without(found, hidden), p, corpus, cues, hidden)
                hidden[rows] = False
                count = len(table.candidates)
                cases.candidates[at, :count], cases.values[at, :count], cases.overall[at] = table.candidates, table.values, table.overall
                match = np.flatnonzero(table.candidates == entry)
                if len(match) and rows is not own:
                    cases.right[at] = match[0]
                at += 1
        return cases


def find_top(dense: Floats, bm25: Floats, corpus: Corpus, hidden: NDArray[np.bool_] | None = None, spare: int = 0) -> Found:
    """The DEPTH + spare best passages of full score vectors, without hidden and negative ones."""
    off = corpus.role == NEGATIVE
    if hidden is not None:
        off |= hidden
    d, b = np.where(off, np.float32(-1), dense), np.where(off, np.float32(0), bm25)
    return Found(*_top(d, DEPTH + spare), *_top(b, DEPTH + spare, above=1e-9))


def without(found: Found, hidden: NDArray[np.bool_]) -> Found:
    """As if the hidden rows had never been found; DEPTH of what is left."""
    dense, bm25 = (np.flatnonzero(~hidden[rows])[:DEPTH] for rows in (found.dense_rows, found.bm25_rows))
    return Found(found.dense_rows[dense], found.dense_scores[dense], found.bm25_rows[bm25], found.bm25_scores[bm25])


def _top(scores: Floats, depth: int, above: float = -0.5) -> tuple[Ints, Floats]:
    depth = min(depth, len(scores) - 1)
    rows = np.argpartition(-scores, depth)[:depth]
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    rows = rows[scores[rows] > above]
    return rows.astype(np.int64), scores[rows].astype(np.float32)
