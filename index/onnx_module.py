"""The int8 directory as a sentence-transformers module: SentenceTransformer("…/int8") works like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers.base.modules import InputModule

from .encoder import OnnxSession


class OnnxSentence(InputModule):  # type: ignore[misc]
    config_keys: list[str] = []

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = Path(folder)
        self._session = OnnxSession(self.folder)
        self.tokenizer = self._session.tokenizer

    def preprocess(self, inputs: list[str], prompt: str | None = None, **kwargs: Any) -> dict[str, torch.Tensor]:
        encoded = self.tokenizer.encode_batch([(prompt or "") + text for text in inputs])
        return {
            "input_ids": torch.tensor([e.ids for e in encoded]),
            "attention_mask": torch.tensor([e.attention_mask for e in encoded]),
        }

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        vectors = self._session.run(
            features["input_ids"].numpy().astype(np.int64), features["attention_mask"].numpy().astype(np.int64)
        )
        features["sentence_embedding"] = torch.from_numpy(vectors)
        return features

    def get_sentence_embedding_dimension(self) -> int:
        return 384

    get_embedding_dimension = get_sentence_embedding_dimension

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        target = Path(output_path)
        for name in ("model.onnx", "tokenizer.json"):
            (target / name).write_bytes((self.folder / name).read_bytes())

    @classmethod
    def load(cls, model_name_or_path: str, *args: Any, **kwargs: Any) -> OnnxSentence:
        return cls(model_name_or_path)
