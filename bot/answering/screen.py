"""Screen: empty input, then urgent help before anything else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from knowledge.content import Entry
from knowledge.yaml_files import load_yaml_list

from ..answer import Answer, Verdict, make_reply
from ..texts import say
from .compose import Composer
from .draft import Candidate, Draft

CRISIS_FILE = Path(__file__).with_name("crisis.yaml")


class CrisisRule(BaseModel):
    crisis: str
    any: tuple[str, ...]
    unless: tuple[str, ...] = ()


@cache
def _rules() -> list[tuple[str, re.Pattern[str], re.Pattern[str] | None]]:
    return [
        (
            rule.crisis,
            re.compile("|".join(f"(?:{p})" for p in rule.any)),
            re.compile("|".join(f"(?:{p})" for p in rule.unless)) if rule.unless else None,
        )
        for rule in load_yaml_list(CRISIS_FILE, CrisisRule)
    ]


def find_crisis(text: str) -> str | None:
    """The kind of urgent situation that the normalised text speaks of, or None."""
    for crisis, pattern, exception in _rules():
        if pattern.search(text) and not (exception and exception.search(text)):
            return crisis
    return None


class Screen:
    name = "screen"

    def __init__(self, composer: Composer, safety: Mapping[str, tuple[Entry, str]]) -> None:
        self._composer = composer
        self._safety = safety
        """crisis kind → (entry, revision id)"""

    def __call__(self, draft: Draft) -> Answer | None:
        if not any(ch.isalnum() for ch in draft.text):
            question = draft.question
            return Answer(make_reply(Verdict.CLARIFY_EMPTY, say("empty", question.locale), question.on))
        crisis = find_crisis(draft.text)
        draft.trace["crisis"] = crisis
        if crisis is None or crisis not in self._safety:
            return None
        entry, revision = self._safety[crisis]
        return self._composer.compose(draft, Candidate(entry, revision, 1.0), "direct")
