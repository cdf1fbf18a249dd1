"""What is learnt from the knowledge's own examples: cases that hide what they say, a ranker, a finer encoder."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest

from index import cases as cases_module
from index.cases import HIDES, Cases, build_cases, find_top, without
from index.encoder import OfflineEncoder
from index.encoder_training import first_hit_share, pair_batches, split_passages, tune_encoder
from index.features import NEGATIVE, QUESTION, Cues, GramTable
from index.lexical import LexicalIndex
from index.passages import passages_of
from index.ranker import Ranker
from index.training import fit_and_measure, train
from knowledge.loading import load_content
from tests.conftest import CONTENT
from tests.index.test_features import make_corpus


@pytest.fixture(scope="module")
def learnable():
    """Entries whose passages lie close together and share a word."""
    corpus = make_corpus(entries=30, per_entry=12, seed=4)
    centre = np.random.default_rng(5).normal(size=(30, 32)).astype(np.float32)
    vectors = centre[corpus.entry_of] + 0.5 * corpus.vectors * 32**0.5
    texts = [f"{text}第{entry}号" for text, entry in zip(corpus.texts, corpus.entry_of, strict=True)]
    return replace(corpus, vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True), texts=texts, grams=GramTable.build(texts))


@pytest.fixture(scope="module")
def trained(learnable):
    return train(learnable, LexicalIndex.build(learnable.texts).scores, lambda text: Cues(), seed=3)


def test_every_question_is_asked_and_every_third_also_with_more_hidden(learnable, trained):
    cases = trained[2]
    asked = np.flatnonzero(learnable.role == QUESTION)
    assert cases.row[cases.hides == 0].tolist() == asked.tolist()
    assert all((cases.hides == more).sum() == len(asked[::3]) for more in (1, 2))
    assert (cases.right[cases.hides == HIDES.index("entry")] == -1).all()
    found = cases[cases.right >= 0]
    assert (found.candidates[np.arange(len(found)), found.right] == found.entry).all()


def no_cues(text: str) -> Cues:
    return Cues()


def test_several_processes_ask_what_one_asks(learnable, monkeypatch):
    monkeypatch.setattr(cases_module, "BLOCK", 64)
    log_p = np.log(np.random.default_rng(2).dirichlet(np.ones(30), int((learnable.role == QUESTION).sum()))).astype(np.float32)
    score = LexicalIndex.build(learnable.texts).scores
    alone = build_cases(learnable, log_p, score, no_cues, seed=3)
    monkeypatch.setattr(cases_module, "MANY", 10)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    together = build_cases(learnable, log_p, score, no_cues, seed=3)
    for field in fields(Cases):
        assert np.array_equal(getattr(alone, field.name), getattr(together, field.name)), field.name


def test_a_question_never_finds_itself(learnable, trained):
    itself = trained[2][trained[2].hides == 0]
    dense_best = itself.values[itself.right >= 0, 0, 0]
    assert dense_best.max() < 0.9999


def test_training_says_what_it_does_not_know_and_repeats_for_a_seed(learnable, trained):
    _, ranker, cases, report = trained
    assert report.top1 > 0.8
    assert report.none_auroc > 0.8
    assert len(report.missed) == int((~report.right[report.known]).sum()) or report.top3 > report.top1
    again, measured = fit_and_measure(learnable, cases, 3)
    assert measured.top1 == report.top1
    assert all(np.array_equal(again.parameters[n], ranker.parameters[n]) for n in ranker.parameters)
    other, _ = fit_and_measure(learnable, cases, 4)
    assert not np.array_equal(other.parameters["w1"], ranker.parameters["w1"])


def test_cases_and_ranker_come_back_as_they_were_saved(trained, tmp_path):
    _, ranker, cases, _ = trained
    cases.save(tmp_path / "cases.npz")
    back = Cases.load(tmp_path / "cases.npz")
    assert all(np.array_equal(getattr(back, f.name), getattr(cases, f.name)) for f in fields(Cases))
    ranker.save(tmp_path / "ranker.npz")
    p = Ranker.load(tmp_path / "ranker.npz").probabilities_of(cases)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-4)
    assert (p[:, :-1][cases.candidates < 0] < 1e-6).all()


def test_hiding_afterwards_is_hiding_before(learnable):
    rng = np.random.default_rng(6)
    bm25 = rng.uniform(size=len(learnable.texts)).astype(np.float32)
    for entry in range(10):
        rows = learnable.rows_of(entry)
        hidden = np.isin(np.arange(len(learnable.texts)), rows)
        dense = learnable.vectors @ learnable.vectors[rows[0]]
        before = find_top(dense, bm25, learnable, hidden)
        after = without(find_top(dense, bm25, learnable, spare=len(rows)), hidden)
        for field in fields(before):
            assert np.array_equal(getattr(before, field.name), getattr(after, field.name)), field.name


def test_pairs_are_two_questions_of_one_entry_and_nothing_held_back_is_learnt():
    passages = passages_of(load_content(CONTENT).entries.values())
    known, held_back = split_passages(passages, 0)
    assert 0 < len(held_back) < 0.4 * len(passages)
    assert not {p.text for p in held_back} & {p.text for p in known if p.role == "question"}
    assert all(p.role != "negative" for p in known)
    owner = {"query: " + p.text: p.entry_id for p in known}
    for left, right in pair_batches(known, 5, 0):
        assert [owner[a] for a in left] == [owner[b] for b in right]
        assert len({owner[a] for a in left}) == len(left)
        assert all(a != b for a, b in zip(left, right, strict=True))


@pytest.mark.filterwarnings("ignore")
def test_a_tuned_encoder_replaces_the_old_one_only_if_it_is_better_by_the_margin(encoder_dir, tmp_path):
    folder, record = tmp_path / "encoder", tmp_path / "record.json"
    shutil.copytree(encoder_dir, folder)
    old = OfflineEncoder(folder).digest
    entries = list(load_content(CONTENT).entries.values())
    refused = tune_encoder(folder, entries, record, steps=2, margin=1.01)
    assert not refused.kept
    assert OfflineEncoder(folder).digest == old
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["encoder"]
    accepted = tune_encoder(folder, entries, record, steps=2, margin=-1.0)
    assert accepted.kept
    tuned = OfflineEncoder(folder)
    assert tuned.digest == accepted.encoder_after != old
    assert accepted.before == refused.before
    written = json.loads(record.read_text(encoding="utf-8"))
    assert {"data", "seed", "steps", "versions", "before", "after", "margin"} <= set(written)
    known, held_back = split_passages(passages_of(entries), 0)
    assert first_hit_share(tuned, known, held_back) == pytest.approx(accepted.after, abs=1e-3)


def test_negatives_are_never_found(learnable):
    dense = learnable.vectors @ learnable.vectors[0]
    found = find_top(dense, dense, learnable)
    assert not (learnable.role[found.dense_rows] == NEGATIVE).any()
    assert not (learnable.role[found.bm25_rows] == NEGATIVE).any()
