"""Sentence vectors from a folder instead of the gateway: only for the comparison that rival.py makes."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from components.gateway_vectors import GatewayVectors
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData


@lru_cache(maxsize=1)
def stored() -> dict[str, np.ndarray]:
    folder = Path(os.environ["MINDA_STORED_VECTORS"])
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    return dict(zip(texts, np.load(folder / "vectors.npy")))


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class StoredVectors(GatewayVectors):
    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        self.process([m for m in training_data.training_examples if m.get(TEXT)])
        return training_data

    def process(self, messages: list[Message]) -> list[Message]:
        self._add(messages, np.stack([stored()[m.get(TEXT)] for m in messages]))
        return messages
