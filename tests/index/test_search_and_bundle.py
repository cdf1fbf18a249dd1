"""Both searches, the bundle's safety, and the ranker's honesty."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from index.build import build_vectors
from index.bundle import load_bundle, load_current, point_to, read_manifest, write_bundle
from index.calibration import choose_threshold, expected_calibration_error, fit_temperature, readings
from index.errors import BundleInvalid
from index.lexical import LexicalIndex, grams
from index.passages import Passage
from index.vectors import VectorIndex

PASSAGES = [Passage(f"e{n % 5}", "question", f"第{n}句 关于{'低保婚姻火化养老收养'[n % 5 * 2 : n % 5 * 2 + 2]}的问题") for n in range(40)]


def vectors(count=40, seed=0):
    raw = np.random.default_rng(seed).normal(size=(count, 384)).astype(np.float32)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def write(root, snapshot="s1", **changes):
    folder = write_bundle(
        root, **{"snapshot": snapshot, "encoder": "enc12345", "passages": PASSAGES, "vectors": vectors(), **changes}
    )
    return folder


def test_vector_search_is_exact():
    matrix = vectors(500)
    index = VectorIndex.build(matrix)
    rows, cosines = index.search(matrix[7], 10)
    expected = np.argsort(-(matrix @ matrix[7]))[:10]
    assert rows.tolist() == expected.tolist()
    assert cosines[0] == pytest.approx(1, abs=1e-5)


def test_lexical_search_finds_the_words_that_are_rare():
    index = LexicalIndex.build([p.text for p in PASSAGES] + ["骨灰可以撒到海里吗"])
    rows, scores = index.search("骨灰撒海", 5)
    assert rows[0] == 40
    assert scores[0] > 0
    assert index.search("鑫淼", 5)[0].tolist() == []
    assert grams("低保，吃") == ["低", "保", "低保", "吃"]


def test_bm25_adds_up_every_gram_once_and_the_search_sorts_it():
    index = LexicalIndex.build([p.text for p in PASSAGES])
    one, two, both = (index.scores(t) for t in ("低保", "火化", "低保，火化，低保"))
    assert np.allclose(both, one + two, atol=1e-6)
    rows, scores = index.search("低保 问题", 7)
    full = index.scores("低保 问题")
    assert scores.tolist() == sorted(full.tolist(), reverse=True)[:7]
    assert full[rows].tolist() == scores.tolist()


def test_beyond_the_limit_a_graph_finds_nearly_the_same(monkeypatch):
    matrix = vectors(2000)
    exact = VectorIndex.build(matrix)
    monkeypatch.setattr("index.vectors.FLAT_LIMIT", 1000)
    graph = VectorIndex.build(matrix)
    shared = [len(set(exact.search(matrix[n], 10)[0]) & set(graph.search(matrix[n], 10)[0])) for n in range(50)]
    assert np.mean(shared) > 9


def test_a_bundle_comes_back_as_it_was_written(tmp_path):
    folder = write(tmp_path)
    point_to(tmp_path, folder.name)
    bundle = load_current(tmp_path, "enc12345")
    assert bundle.passages == PASSAGES
    assert np.array_equal(bundle.vectors, vectors())
    assert bundle.lexical.scores("低保").tolist() == LexicalIndex.build([p.text for p in PASSAGES]).scores("低保").tolist()


FILES = ["vectors.npy", "vectors.faiss", "lexical.npz", "passages.json", "manifest.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_bundle_is_never_loaded_and_the_last_good_one_is(tmp_path, name, damage):
    point_to(tmp_path, write(tmp_path, "good").name)
    newest = write(tmp_path, "newer")
    point_to(tmp_path, newest.name)
    path = newest / name
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= 0x40
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    with pytest.raises(BundleInvalid):
        load_bundle(newest)
    assert load_current(tmp_path).snapshot == "good"


def test_a_bundle_for_another_encoder_is_not_used(tmp_path):
    point_to(tmp_path, write(tmp_path).name)
    assert load_current(tmp_path, "other") is None


@pytest.mark.parametrize("broken", ["fsync", "replace"])
@pytest.mark.parametrize("step", range(1, 9))
def test_a_crash_while_building_leaves_the_old_bundle_in_use(tmp_path, monkeypatch, broken, step):
    point_to(tmp_path, write(tmp_path, "old").name)
    real, calls = getattr(os, broken), 0

    def crash(*arguments):
        nonlocal calls
        calls += 1
        if calls == step:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(os, broken, crash)
    try:
        point_to(tmp_path, write(tmp_path, "new").name)
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    assert load_current(tmp_path).snapshot in ("old", "new")
    folder = write(tmp_path, "after")
    point_to(tmp_path, folder.name)
    assert load_current(tmp_path).snapshot == "after"


def test_only_three_bundles_are_kept(tmp_path):
    for number in range(6):
        point_to(tmp_path, write(tmp_path, f"s{number}").name)
    assert len([p for p in tmp_path.iterdir() if p.is_dir()]) == 3
    assert load_current(tmp_path).snapshot == "s5"


def test_bad_vectors_are_refused(tmp_path):
    bad = vectors()
    bad[3, 3] = np.nan
    for wrong in (bad, vectors(39)):
        with pytest.raises(BundleInvalid):
            write(tmp_path, vectors=wrong)
    assert not list(tmp_path.iterdir())


def test_a_manifest_of_another_count_is_refused(tmp_path):
    folder = write(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"count": 41}))
    assert read_manifest(folder)["count"] == 41
    with pytest.raises(BundleInvalid, match="条数"):
        load_bundle(folder)


class CountingEncoder:
    dim, digest = 384, "enc12345"

    def __init__(self):
        self.encoded = []

    def encode_query(self, texts):
        self.encoded += texts
        return vectors(len(texts), seed=len(texts))

    encode_passage = encode_query


def test_only_changed_passages_are_encoded_again(tmp_path):
    point_to(tmp_path, write(tmp_path).name)
    encoder = CountingEncoder()
    changed = [*PASSAGES[:-1], Passage("e4", "question", "全新的一句")]
    built, fresh = build_vectors(changed, encoder, load_current(tmp_path))
    assert encoder.encoded == ["全新的一句"]
    assert fresh == 1
    assert np.array_equal(built[0], vectors()[0])


def test_calibration_error_is_zero_for_honest_confidence():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.05, 0.95, 20_000)
    honest = rng.uniform(size=20_000) < confidence
    assert expected_calibration_error(confidence, honest) < 0.02
    assert expected_calibration_error(np.full(1000, 0.99), np.zeros(1000, dtype=bool)) > 0.9


def test_a_too_sure_model_is_cooled_down():
    rng = np.random.default_rng(2)
    logits = np.tile([6.0, 0.0, -np.inf], (2000, 1))
    targets = (rng.uniform(size=2000) > 0.75).astype(int)
    assert fit_temperature(logits, targets) > 3


def test_thresholds_keep_the_stated_risk():
    rng = np.random.default_rng(3)
    confidence = rng.uniform(size=10_000)
    wrong = rng.uniform(size=10_000) > confidence
    strict, loose = (choose_threshold(confidence, wrong, risk) for risk in (0.02, 0.1))
    assert strict > loose
    assert wrong[confidence >= strict].mean() <= 0.02
    assert wrong[confidence >= loose].mean() <= 0.1
    assert choose_threshold(confidence, np.ones(10_000, dtype=bool), 0.01) == 1.0


def test_readings_are_the_best_and_those_close_to_it():
    assert readings([0.1, 0.6, 0.2, 0.05, 0.16]) == [1, 2, 4]
    assert readings([0.9, 0.05]) == [0]


def test_a_copy_of_a_bundle_elsewhere_still_loads(tmp_path):
    folder = write(tmp_path / "a")
    shutil.copytree(folder, tmp_path / "b" / folder.name)
    assert load_bundle(tmp_path / "b" / folder.name).snapshot == "s1"
