"""Groups of one to three characters as hashed sentence features: short fixed phrases differ in characters more than in meaning."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.featurizers.sparse_featurizer.sparse_featurizer import SparseFeaturizer
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from sklearn.feature_extraction.text import HashingVectorizer

from components.scaled import Scaled

COLUMNS = 2**14


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class CharGrams(Scaled, SparseFeaturizer, GraphComponent):
    """Unit rows × scale, beside the sentence vector."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {**SparseFeaturizer.get_default_config(), "scale": 10}

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        super().__init__(name, config)
        self._grams = HashingVectorizer(analyzer="char_wb", ngram_range=(1, 3), n_features=COLUMNS, alternate_sign=False, norm="l2")

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        self.process([m for m in training_data.training_examples if m.get(TEXT)])
        return training_data

    def process(self, messages: list[Message]) -> list[Message]:
        rows = self._grams.transform([m.get(TEXT) or "" for m in messages]) * self._scale
        for message, row in zip(messages, rows):
            self._describe(message, row.tocoo())
        return messages
