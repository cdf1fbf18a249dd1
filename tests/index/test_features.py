"""The features of a candidate, against a plain reading of what each of them means."""

from __future__ import annotations

import numpy as np
import pytest

from index.cases import find_top
from index.features import CANDIDATE_FEATURES, NEGATIVE, Corpus, Cues, GramTable, bigrams, build_features

WORDS = ("低保", "婚姻", "火化", "养老", "收养", "材料", "几天", "多少钱", "在哪", "条件")


def make_corpus(entries=40, per_entry=9, seed=0) -> Corpus:
    rng = np.random.default_rng(seed)
    count = entries * per_entry
    vectors = rng.normal(size=(count, 32)).astype(np.float32)
    texts = ["".join(rng.choice(WORDS, 4)) for _ in range(count)]
    return Corpus(
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        entry_of=rng.permutation(np.repeat(np.arange(entries), per_entry)),
        role=rng.choice(4, count, p=[0.1, 0.1, 0.7, 0.1]),
        texts=texts,
        entry_ids=[f"e{n}" for n in range(entries)],
        kinds=rng.integers(0, 5, entries), areas=rng.integers(0, 20, entries), services=rng.integers(0, 21, entries),
        aspects=[frozenset(rng.choice(["fee", "office", "materials"], rng.integers(0, 3))) for _ in range(entries)],
        grams=GramTable.build(texts),
    )  # fmt: skip


def plainly(corpus: Corpus, entry: int, vector, text: str, cues: Cues, hidden: set[int]) -> dict[str, float]:
    rows = [r for r in np.flatnonzero(corpus.entry_of == entry) if r not in hidden]
    cosine = {r: float(corpus.vectors[r] @ vector) for r in rows}
    positive = sorted((cosine[r] for r in rows if corpus.role[r] != NEGATIVE), reverse=True)
    of_role = [[cosine[r] for r in rows if corpus.role[r] == role] for role in range(4)]
    best, own = (positive[0] if positive else 0.7), bigrams(text)
    shares = [len(own & bigrams(corpus.texts[r])) / len(own | bigrams(corpus.texts[r])) for r in rows if corpus.role[r] != NEGATIVE]
    named, area = corpus.aspects[entry], int(corpus.areas[entry])
    return {
        "dense_best": best,
        "dense_second": positive[1] if len(positive) > 1 else best - 0.02,
        "dense_top3": float(np.mean(positive[:3])) if positive else best,
        "title": max(of_role[0], default=best - 0.05),
        "answer": max(of_role[1], default=best - 0.05),
        "negative": max(of_role[3]) - best if of_role[3] else -0.15,
        "overlap": max(shares, default=0.0),
        "aspect": 0.0 if not cues.aspects or not named else 1.0 if cues.aspects & named else -1.0,
        "area_words": 0.0 if not cues.areas else 1.0 if area in cues.areas else -1.0,
    }


@pytest.mark.parametrize("hides", ["nothing", "one", "half", "entry", "all of few"])
def test_every_feature_of_a_candidates_passages_means_what_it_says(hides):
    corpus = make_corpus(per_entry=2 if hides == "all of few" else 9)
    rng = np.random.default_rng(1)
    for number in range(30):
        text, vector = corpus.texts[number] + "怎么办", corpus.vectors[number]
        own = corpus.rows_of(int(corpus.entry_of[number]))
        rows = {"nothing": own[:0], "one": own[:1], "half": own[::2]}.get(hides, own)
        hidden = np.isin(np.arange(len(corpus.texts)), rows)
        cues = Cues(frozenset({"fee"}) if number % 2 else frozenset(), frozenset({3, 4}) if number % 3 else frozenset())
        log_p = np.log(rng.dirichlet(np.ones(40))).astype(np.float32)
        found = find_top(corpus.vectors @ vector, rng.uniform(size=len(corpus.texts)).astype(np.float32), corpus, hidden)
        table = build_features(vector, text, found, log_p, corpus, cues, hidden)
        assert len(set(table.candidates.tolist())) == len(table.candidates)
        for entry, values in zip(table.candidates, table.values, strict=True):
            row = dict(zip(CANDIDATE_FEATURES, values, strict=True))
            for name, expected in plainly(corpus, int(entry), vector, text, cues, set(rows.tolist())).items():
                assert row[name] == pytest.approx(expected, abs=1e-5), name


def test_a_question_without_any_known_word_still_has_features():
    corpus = make_corpus()
    nothing = np.zeros(len(corpus.texts), dtype=np.float32)
    found = find_top(corpus.vectors @ corpus.vectors[0], nothing, corpus)
    assert len(found.bm25_rows) == 0
    table = build_features(corpus.vectors[0], "zzz", found, np.full(40, -3.7, dtype=np.float32), corpus, Cues())
    assert np.isfinite(table.values).all()
    assert np.isfinite(table.overall).all()


def test_shared_pairs_come_back_as_they_were_saved(tmp_path):
    texts = ["结婚登记", "离婚登记要多久", "，a。", ""]
    table = GramTable.build(texts)
    table.save(tmp_path / "grams.npz")
    again = GramTable.load(tmp_path / "grams.npz")
    rows = np.array([0, 1, 2])
    for asked in ("结婚登记处", "a", "完全不同"):
        plain = [len(bigrams(asked) & bigrams(t)) / len(bigrams(asked) | bigrams(t)) for t in texts[:3]]
        assert again.overlap(asked, rows) == pytest.approx(plain)
        assert table.overlap(asked, rows) == pytest.approx(plain)
