"""Features × scale: Rasa's logistic regression ignores C, so the length of the features is the only lever."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, FEATURE_TYPE_SEQUENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message


class Scaled:
    """What a featurizer of ours has besides Rasa's base class; comes before it in the list of bases."""

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        if float(config["scale"]) <= 0:
            raise ValueError("scale must be positive")

    @classmethod
    def create(
        cls, config: dict[str, Any], model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext
    ) -> Any:
        return cls(execution_context.node_name, config)

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        super().__init__(name, config)  # type: ignore[call-arg]
        self._scale = float(config["scale"])

    def _describe(self, message: Message, row: Any) -> None:
        """Adds one row of features, (1, columns), for the text as a whole."""
        for kind in (FEATURE_TYPE_SEQUENCE, FEATURE_TYPE_SENTENCE):
            message.add_features(Features(row, kind, TEXT, type(self).__name__))
