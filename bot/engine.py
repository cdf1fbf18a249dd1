"""Snapshot → index bundle → trained ranker → Engine: what is rebuilt when something is published."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.calibration import choose_thresholds
from index.classifier import EntryClassifier
from index.features import KINDS, ROLES, Corpus
from index.ranker import Ranker
from index.training import TrainingReport, train
from knowledge.content import Entry
from knowledge.snapshot import Snapshot

from .answering.retrieve import CueFinder

Floats = NDArray[np.float32]
DIRECT_RISK = 0.01
CHECK_RISK = 0.06
MODEL_FILES = ("classifier.npz", "ranker.npz", "model.json")


@dataclass(frozen=True)
class Model:
    """What training gives besides the index; lives in a folder of its own, named by snapshot and encoder."""

    classifier: EntryClassifier
    ranker: Ranker
    thresholds: dict[str, float]
    facts: dict[str, object]


def build_corpus(
    entries: Sequence[Entry], vectors: Floats, entry_ids: Sequence[str], roles: Sequence[str], texts: Sequence[str]
) -> Corpus:
    """Arrays over passages; entry_ids, roles and texts run along the rows of `vectors`."""
    order = {entry.id: number for number, entry in enumerate(entries)}
    return Corpus(
        vectors=vectors,
        entry_of=np.array([order[i] for i in entry_ids], dtype=np.int64),
        role=np.array([ROLES.index(r) for r in roles], dtype=np.int64),
        texts=texts,
        entry_ids=[e.id for e in entries],
        kinds=np.array([KINDS.index(e.kind) for e in entries], dtype=np.int64),
        areas=np.array([int(e.area[1:]) if e.area else 0 for e in entries], dtype=np.int64),
        services=np.array([int(e.service[1:]) if e.service else 0 for e in entries], dtype=np.int64),
        aspects=[frozenset(e.aspects) for e in entries],
    )


def train_model(
    corpus: Corpus, bm25: Callable[[str], Floats], cues: CueFinder, *, seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Model, TrainingReport]:  # fmt: skip
    classifier, ranker, report = train(corpus, bm25, cues, seed=seed, progress=progress)
    thresholds = choose_thresholds(
        report.confidence, report.harmful, direct_risk=DIRECT_RISK, check_risk=CHECK_RISK
    )
    facts = {
        "seed": seed, "questions": report.questions, "entries": len(corpus.entry_ids), "top1": report.top1,
        "top3": report.top3, "ece": report.ece, "none_auroc": report.none_auroc, "seconds": round(report.seconds, 1),
        "direct_risk": DIRECT_RISK, "check_risk": CHECK_RISK,
    }  # fmt: skip
    return Model(classifier, ranker, asdict(thresholds), facts), report


def save_model(model: Model, folder: Path) -> None:
    """Written aside, then renamed: a folder that exists is complete."""
    aside = folder.with_name(folder.name + ".new")
    aside.mkdir(parents=True, exist_ok=True)
    np.savez(aside / "classifier.npz", weights=model.classifier.weights, bias=model.classifier.bias)
    model.ranker.save(aside / "ranker.npz")
    (aside / "model.json").write_text(
        json.dumps({"thresholds": model.thresholds, **model.facts}, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    for name in MODEL_FILES:
        with (aside / name).open("rb") as file:
            os.fsync(file.fileno())
    os.replace(aside, folder)


def load_model(folder: Path) -> Model:
    facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    with np.load(folder / "classifier.npz") as stored:
        classifier = EntryClassifier(stored["weights"], stored["bias"])
    return Model(classifier, Ranker.load(folder / "ranker.npz"), facts.pop("thresholds"), facts)


def searchable(snapshot: Snapshot) -> list[Entry]:
    """Live entries in a fixed order; dates are the judge's business, so that --as-of can look back."""
    return [snapshot.entries[i] for i in sorted(snapshot.entries)]


