"""Encoder: texts → unit vectors. sentence-transformers is the interface; the offline default serves int8 by ONNX.

`OfflineEncoder` reads the int8 directory directly: importing sentence-transformers costs seconds at every start and
is not needed for it. The same directory also loads as a SentenceTransformer (see onnx_module).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .convert import STAMP
from .errors import EncoderMissing
from .text import LETTER_CHARS, normalise

Floats = NDArray[np.float32]
OFFLINE = "offline"
QUERY, PASSAGE = "query: ", "passage: "
BATCH = 8
MANY = 64
"""from so many texts on, batches run side by side with a thread each: more a second than one batch with all threads"""


class Encoder(Protocol):
    @property
    def dim(self) -> int: ...

    @property
    def digest(self) -> str:
        """Changes whenever vectors may differ."""
        ...

    def encode_query(self, texts: Sequence[str]) -> Floats:
        """(n, dim) unit rows; any text is safe."""
        ...

    def encode_passage(self, texts: Sequence[str]) -> Floats: ...


class OnnxSession:
    """Tokenizer and int8 session of one directory; thread-safe."""

    def __init__(self, folder: Path, threads: int = 2) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        if not (folder / "model.onnx").is_file():
            raise EncoderMissing(f"{folder} 里没有编码器，请先运行 minda prepare")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding(pad_id=1, pad_token="<pad>")  # noqa: S106
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> Floats:
        vectors = self._session.run(["vector"], {"input_ids": input_ids, "attention_mask": attention_mask})[0]
        return np.asarray(vectors, dtype=np.float32)

    def encode(self, texts: Sequence[str]) -> Floats:
        encoded = self.tokenizer.encode_batch(list(texts))
        return self.run(
            np.array([e.ids for e in encoded], dtype=np.int64),
            np.array([e.attention_mask for e in encoded], dtype=np.int64),
        )


class OfflineEncoder:
    dim = 384

    def __init__(self, folder: Path, threads: int = 2) -> None:
        self._folder, self._threads = folder / "int8", threads
        self._session = OnnxSession(self._folder, threads)
        self.digest = str(offline_digest(folder))

    @cached_property
    def _side_by_side(self) -> OnnxSession:
        return OnnxSession(self._folder, threads=1)

    def encode_query(self, texts: Sequence[str]) -> Floats:
        return self._encode(QUERY, texts)

    def encode_passage(self, texts: Sequence[str]) -> Floats:
        return self._encode(PASSAGE, texts)

    def _encode(self, prompt: str, texts: Sequence[str]) -> Floats:
        clean = [prompt + normalise(t, LETTER_CHARS) for t in texts]
        vectors = np.zeros((len(clean), self.dim), dtype=np.float32)
        order = sorted(range(len(clean)), key=lambda i: len(clean[i]))
        batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]

        def encode(session: OnnxSession, rows: list[int]) -> None:
            vectors[rows] = session.encode([clean[i] for i in rows])

        if len(clean) < MANY:
            for rows in batches:
                encode(self._session, rows)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(partial(encode, self._side_by_side), batches))
        return vectors


def offline_digest(folder: Path) -> str | None:
    """The digest of the converted encoder without loading it; None where there is none yet."""
    stamp = folder / STAMP
    return json.loads(stamp.read_text(encoding="utf-8"))["int8_digest"] if stamp.is_file() else None


class SentenceTransformerEncoder:
    """Any model that sentence-transformers can load: a folder or, where a hub is reachable, a name."""

    def __init__(self, name: str) -> None:
        from sentence_transformers import SentenceTransformer

        try:
            self._model = SentenceTransformer(name, device="cpu")
        except OSError as error:
            raise EncoderMissing(f"加载不了编码器 {name}：{error}") from error
        self.dim = int(self._model.get_embedding_dimension() or 0)
        self.digest = hashlib.sha256(f"st:{name}:{self.dim}".encode()).hexdigest()

    def encode_query(self, texts: Sequence[str]) -> Floats:
        clean = [normalise(t, LETTER_CHARS) for t in texts]
        return np.asarray(self._model.encode_query(clean, normalize_embeddings=True), dtype=np.float32)

    def encode_passage(self, texts: Sequence[str]) -> Floats:
        clean = [normalise(t, LETTER_CHARS) for t in texts]
        return np.asarray(self._model.encode_document(clean, normalize_embeddings=True), dtype=np.float32)


def load_encoder(name: str, folder: Path, threads: int = 2) -> Encoder:
    """name: "offline" for the converted default in `folder`, else what sentence-transformers can load."""
    return OfflineEncoder(folder, threads) if name == OFFLINE else SentenceTransformerEncoder(name)
