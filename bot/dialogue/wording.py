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


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EnglishQuestion(_Part):
    ask: str
    why: str | None = None
    choices: dict[str, str]


class EnglishOutcome(_Part):
    title: str
    text: str
    where: str | None = None
    time_limit: str | None = None
    fee: str | None = None
    next_step: str | None = None


class EnglishScenario(_Part):
    title: str
    summary: str
    questions: dict[str, EnglishQuestion]
    outcomes: dict[str, EnglishOutcome]


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
        return english.ask if english else self._shown(question.ask)

    def why(self, question: ScenarioQuestion) -> str | None:
        english = self._question(question)
        return english.why if english else question.why and self._shown(question.why)

    def label(self, question: ScenarioQuestion, choice: str) -> str:
        english = self._question(question)
        chinese = next((c.label for c in question.choices if c.id == choice), choice)
        return (english.choices.get(choice) if english else None) or self._shown(chinese)

    def outcome(self, outcome: Outcome) -> Outcome:
        """The same outcome in the citizen's words; materials and sources stay as they are."""
        english = self._english.outcomes.get(outcome.id) if self._english else None
        if english:
            return outcome.model_copy(update=english.model_dump(exclude_none=True))
        own = outcome.model_dump(include=set(EnglishOutcome.model_fields), exclude_none=True)
        return outcome.model_copy(update={name: self._shown(text) for name, text in own.items()})

    def _question(self, question: ScenarioQuestion) -> EnglishQuestion | None:
        return self._english.questions.get(question.id) if self._english else None

    def _shown(self, text: str) -> str:
        return to_traditional(text) if self._traditional else text
