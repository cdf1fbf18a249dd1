"""A scenario's words in the citizen's language: English from a reviewed file where there is one, traditional by conversion."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, RootModel

import knowledge
from knowledge.content import Outcome, Scenario, ScenarioQuestion
from knowledge.yaml_files import load_yaml_one

from ..texts import to_traditional

ENGLISH_FILE = Path(knowledge.__file__).with_name("scenarios_en.yaml")


class EnglishQuestion(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    choices: dict[str, str]


class EnglishScenario(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    questions: dict[str, EnglishQuestion]
    outcomes: dict[str, str] = {}


class _English(RootModel[dict[str, EnglishScenario]]):
    pass


@cache
def load_english(path: Path = ENGLISH_FILE) -> Mapping[str, EnglishScenario]:
    """scenario id → its English; empty where the file is not there. Raises ContentError."""
    return load_yaml_one(path, _English).root if path.is_file() else {}


class Wording:
    """What is missing in English is shown in Chinese."""

    def __init__(self, scenario: Scenario, locale: str) -> None:
        self._scenario = scenario
        self._traditional = locale == "zh-Hant"
        self._english = load_english().get(scenario.id) if locale == "en" else None

    @property
    def title(self) -> str:
        return self._english.title if self._english else self._shown(self._scenario.title)

    def ask(self, question: ScenarioQuestion) -> str:
        english = self._question(question)
        return english.text if english else self._shown(question.ask)

    def why(self, question: ScenarioQuestion) -> str | None:
        return self._shown(question.why) if question.why and self._question(question) is None else None

    def label(self, question: ScenarioQuestion, choice: str) -> str:
        english = self._question(question)
        chinese = next((c.label for c in question.choices if c.id == choice), choice)
        return (english.choices.get(choice) if english else None) or self._shown(chinese)

    def outcome(self, outcome: Outcome) -> str:
        return (self._english.outcomes.get(outcome.id) if self._english else None) or self._shown(outcome.title)

    def _question(self, question: ScenarioQuestion) -> EnglishQuestion | None:
        return self._english.questions.get(question.id) if self._english else None

    def _shown(self, text: str) -> str:
        return to_traditional(text) if self._traditional else text
