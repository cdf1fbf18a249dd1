"""Snapshot → index bundle with a trained ranker → Engine: what is rebuilt when something is published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.build import build_vectors
from index.bundle import IndexBundle, load_bundle, load_current, point_to, write_bundle
from index.calibration import choose_threshold
from index.cases import Cases
from index.classifier import EntryClassifier
from index.encoder import Encoder
from index.features import KINDS, ROLES, Corpus, GramTable
from index.lexical import LexicalIndex
from index.passages import Passage, passages_of
from index.ranker import Ranker
from index.search import BundleSearch
from index.training import UNKNOWN_WEIGHT, TrainingReport, fit_and_measure, train
from knowledge.content import Entry
from knowledge.snapshot import Snapshot

from .answering.retrieve import CueFinder, Engine

Floats = NDArray[np.float32]
RANKER, CASES, GRAMS = "ranker.npz", "cases.npz", "grams.npz"
DIRECT_RISK = 0.20
CHECK_RISK = 0.33
"""on left-out example questions, which are written to be far apart and so are harder than what citizens ask (decisions
0005 and 0010)"""
MOST_DRIFT = 0.02
"""share of passages that may have changed since the training, before a change to the knowledge trains anew"""


@dataclass(frozen=True)
class Model:
    """What training gives besides the index; its files lie in the bundle's folder."""

    classifier: EntryClassifier
    ranker: Ranker
    thresholds: dict[str, float]
    facts: dict[str, Any]


def build_corpus(entries: Sequence[Entry], passages: Sequence[Passage], vectors: Floats, grams: GramTable | None = None) -> Corpus:
    """The arrays of a bundle; passages run along the rows of `vectors`."""
    order = {entry.id: number for number, entry in enumerate(entries)}
    return Corpus(
        vectors=vectors,
        entry_of=np.array([order[p.entry_id] for p in passages], dtype=np.int64),
        role=np.array([ROLES.index(p.role) for p in passages], dtype=np.int64),
        texts=(texts := [p.text for p in passages]),
        entry_ids=[e.id for e in entries],
        kinds=np.array([KINDS.index(e.kind) for e in entries], dtype=np.int64),
        areas=np.array([int(e.area[1:]) if e.area else 0 for e in entries], dtype=np.int64),
        services=np.array([int(e.service[1:]) if e.service else 0 for e in entries], dtype=np.int64),
        aspects=[frozenset(e.aspects) for e in entries],
        grams=grams or GramTable.build(texts),
    )


def train_model(
    corpus: Corpus, bm25: Callable[[str], Floats], cues: CueFinder, *, seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Model, Cases, TrainingReport]:  # fmt: skip
    classifier, ranker, cases, report = train(corpus, bm25, cues, seed=seed, progress=progress)
    facts = {
        "seed": seed, "entry_ids": list(corpus.entry_ids), "questions": report.questions, "entries": len(corpus.entry_ids), "top1": report.top1,
        "top3": report.top3, "ece": report.ece, "none_auroc": report.none_auroc, "seconds": round(report.seconds, 1),
        "direct_risk": DIRECT_RISK, "check_risk": CHECK_RISK, "drift": 0,
    }  # fmt: skip
    return Model(classifier, ranker, choose_thresholds(report), facts), cases, report


def choose_thresholds(report: TrainingReport) -> dict[str, float]:
    weight = np.where(report.known, 1.0, UNKNOWN_WEIGHT)
    return {
        "direct": choose_threshold(report.confidence, report.harmful, DIRECT_RISK, weight),
        "check": choose_threshold(report.shown, report.none_shown, CHECK_RISK, weight),
    }


def retrain(engine: Engine, folder: Path, seed: int) -> Engine:
    """The engine with another ranker and thresholds, from the cases in the bundle's folder; the classifier stays."""
    ranker, report = fit_and_measure(engine.corpus, Cases.load(folder / CASES), seed)
    return replace(engine, ranker=ranker, thresholds=choose_thresholds(report))


def write_model(model: Model, folder: Path) -> None:
    """Adds the model's files, all but the cases, to a bundle that is being written."""
    np.savez(folder / "classifier.npz", weights=model.classifier.weights, bias=model.classifier.bias)
    model.ranker.save(folder / RANKER)
    (folder / "model.json").write_text(
        json.dumps({"thresholds": model.thresholds, **model.facts}, ensure_ascii=False, indent=1), encoding="utf-8"
    )


def load_model(folder: Path) -> Model:
    facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    with np.load(folder / "classifier.npz") as stored:
        classifier = EntryClassifier(stored["weights"], stored["bias"])
    return Model(classifier, Ranker.load(folder / RANKER), facts.pop("thresholds"), facts)


def searchable(snapshot: Snapshot) -> list[Entry]:
    """Live entries in a fixed order; dates are the judge's business, so that --as-of can look back."""
    return [snapshot.entries[i] for i in sorted(snapshot.entries)]


def build_bundle(
    snapshot: Snapshot, encoder: Encoder, root: Path, cues: CueFinder, *, retrain: bool | None = None, seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> TrainingReport | None:  # fmt: skip
    """Encodes what changed, trains, writes the bundle and points to it. The last model is kept where it knows every
    entry, unless `retrain`; where that is None, also only while little has changed since its training."""
    entries = searchable(snapshot)
    passages = passages_of(entries)
    previous = load_current(root, encoder.digest)
    vectors, fresh = build_vectors(passages, encoder, previous, progress)
    corpus = build_corpus(entries, passages, vectors)
    lexical = LexicalIndex.build(corpus.texts)
    report: TrainingReport | None = None
    cases: Cases | Path
    kept = None if retrain or previous is None else _kept_model(previous, corpus, fresh, at_any_drift=retrain is False)
    if kept is not None and previous is not None:
        model, cases = kept, previous.folder / CASES
    else:
        model, cases, report = train_model(corpus, lexical.scores, cues, seed=seed, progress=progress)

    def write(folder: Path) -> None:
        write_model(model, folder)
        corpus.grams.save(folder / GRAMS)
        if isinstance(cases, Path):
            shutil.copyfile(cases, folder / CASES)
        else:
            cases.save(folder / CASES)

    progress("写出索引")
    folder = write_bundle(
        root, snapshot=snapshot.version, encoder=encoder.digest, passages=passages, vectors=vectors, lexical=lexical, extra=write
    )
    load_bundle(folder, encoder.digest)
    point_to(root, folder.name)
    return report


def _kept_model(previous: IndexBundle, corpus: Corpus, fresh: int, *, at_any_drift: bool) -> Model | None:
    model = load_model(previous.folder)
    drift = model.facts["drift"] + fresh
    if model.facts.get("entry_ids") != list(corpus.entry_ids) or (drift > MOST_DRIFT * len(corpus.texts) and not at_any_drift):
        return None
    return replace(model, facts={**model.facts, "drift": drift})


def load_engine(snapshot: Snapshot, bundle: IndexBundle, cues: CueFinder) -> Engine | None:
    """The engine of a bundle over the entries of the snapshot; None where one of the bundle's is not among them."""
    model = load_model(bundle.folder)
    ids: list[str] = model.facts["entry_ids"]
    known = [snapshot.entries[i] for i in ids if i in snapshot.entries]
    if len(known) != len(ids):
        return None
    corpus = build_corpus(known, bundle.passages, bundle.vectors, GramTable.load(bundle.folder / GRAMS))
    return Engine(snapshot, corpus, BundleSearch(bundle), model.classifier, model.ranker, cues, model.thresholds)
