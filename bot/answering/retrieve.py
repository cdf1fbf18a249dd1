"""Retrieve and rank: lexical and dense search, the classifier, then the ranker's probabilities."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from index.classifier import EntryClassifier
from index.features import ROLES, Corpus, Cues, build_features
from index.ranker import Ranker
from index.search import BundleSearch
from knowledge.snapshot import Snapshot
from knowledge.taxonomy import Taxonomy

from ..answer import Answer
from .draft import Candidate, Draft

Floats = NDArray[np.float32]
CARRIED_MARGIN = 0.25
"""so much surer must a reading with the conversation's topic be than the words as written"""
SAID_WEIGHT, OTHER_ASPECT_WEIGHT = 0.6, 0.3
"""what is left of the probability that the entry that was shown last answers the follow-up as well; less where the
follow-up names an aspect that the entry is not about"""


class CueFinder:
    """Aspects and areas that a text names, by the taxonomy's words."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._aspects = {a.id: _any_of(a.words) for a in taxonomy.aspects}
        words: dict[int, list[str]] = {}
        for area in taxonomy.areas:
            words.setdefault(int(area.code[1:]), []).extend(area.words)
        for service in taxonomy.services:
            words.setdefault(int(service.area[1:]), []).extend(service.words)
        self._areas = {number: _any_of(tuple(w)) for number, w in words.items()}

    def __call__(self, text: str) -> Cues:
        return Cues(
            frozenset(a for a, pattern in self._aspects.items() if pattern.search(text)),
            frozenset(n for n, pattern in self._areas.items() if pattern.search(text)),
        )


def _bare(text: str) -> str:
    return "".join(ch for ch in text if ch.isalnum())


def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(w.lower()) for w in sorted(words, key=len, reverse=True)))


@dataclass(frozen=True)
class Engine:
    """Everything that is needed to rank entries for a vector: one consistent generation."""

    snapshot: Snapshot
    corpus: Corpus
    search: BundleSearch
    classifier: EntryClassifier
    ranker: Ranker
    cues: CueFinder
    thresholds: Mapping[str, float]

    @cached_property
    def asked(self) -> dict[str, str]:
        """bare example question → entry id"""
        questions = np.flatnonzero(self.corpus.role == ROLES.index("question"))
        return {_bare(self.corpus.texts[int(i)]): self.corpus.entry_ids[int(self.corpus.entry_of[i])] for i in questions}

    def reviewed(self, text: str) -> str | None:
        """The entry that has the normalised text as an example question."""
        return self.asked.get(_bare(text))

    def rank(self, text: str, vector: Floats) -> tuple[dict[str, float], float]:
        """entry id → probability, and the probability of none of them. A reviewed example question is its entry's."""
        if known := self.reviewed(text):
            return {known: 1.0}, 0.0
        log_p = self.classifier.log_probabilities(vector[None, :])[0]
        table = build_features(vector, text, self.search(text, vector), log_p, self.corpus, self.cues(text))
        p = self.ranker.probabilities(table)
        ids = self.corpus.entry_ids
        return {ids[int(e)]: float(x) for e, x in zip(table.candidates, p[:-1], strict=True)}, float(p[-1])


class Retrieve:
    name = "retrieve"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, draft: Draft) -> Answer | None:
        ranked = [
            self._engine.rank(text, vector) for text, vector in zip(draft.variants, draft.vectors, strict=True)
        ]
        for i in draft.carried:
            ranked[i] = _less_of(draft.said, self._said_weight(draft), *ranked[i])
        best = min(range(len(ranked)), key=lambda i: (_doubt(*ranked[i]) + CARRIED_MARGIN * (i in draft.carried), i))
        probabilities, none = ranked[best]
        snapshot, on = self._engine.snapshot, draft.question.on
        draft.ranked = [
            Candidate(snapshot.entries[e], snapshot.revision_of(e), p)
            for e, p in sorted(probabilities.items(), key=lambda item: -item[1])
            if e in snapshot.entries and snapshot.entries[e].in_force(on)
        ]
        draft.none_probability = none
        draft.trace["variant"] = best
        draft.trace["candidates"] = [[c.entry.id, round(c.probability, 4)] for c in draft.ranked[:8]]
        draft.trace["none"] = round(none, 4)
        return None

    def _said_weight(self, draft: Draft) -> float:
        asked = self._engine.cues(draft.text).aspects
        said = self._engine.snapshot.entries.get(draft.said or "")
        return OTHER_ASPECT_WEIGHT if said and asked and not asked & set(said.aspects) else SAID_WEIGHT


def _less_of(
    said: str | None, weight: float, probabilities: dict[str, float], none: float
) -> tuple[dict[str, float], float]:
    """Its title is in the question only because it was said last: part of its probability is nobody's."""
    lost = probabilities.get(said or "", 0.0) * (1 - weight)
    return {e: p - lost if e == said else p for e, p in probabilities.items()}, none + lost


def _doubt(probabilities: Mapping[str, float], none: float) -> float:
    return none - max(probabilities.values(), default=0.0)
