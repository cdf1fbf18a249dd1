"""Screen: empty input, then urgent help before anything else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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
STRIKES = (
    "打(?!工|零工|电话|官司|听|算|扫|桩|印|麻将|游戏|球|招呼|车|字|折|针|疫苗|石膏|钱|款|条|证明|卡|牌|不通|呼噜|包|理|造|磨|捞|开"
    "|我?(家里?|爷爷|奶奶|手机)?(的)?(电话|卡|账))"
)
"""{打} in the rules: to hit, not to work, call, count …"""


class CrisisRule(BaseModel):
    crisis: str
    any: tuple[str, ...]
    unless: tuple[str, ...] = ()


@cache
def _rules() -> list[tuple[str, re.Pattern[str], re.Pattern[str] | None]]:
    return [
        (
            rule.crisis,
            re.compile("|".join(f"(?:{p})" for p in rule.any).replace("{打}", STRIKES)),
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

    def __init__(
        self, composer: Composer, safety: Mapping[str, tuple[Entry, str]], reviewed: Callable[[str], str | None]
    ) -> None:
        self._composer = composer
        self._reviewed = reviewed
        """normalised text → the entry whose example question it is: reviewed content knows better than patterns"""
        self._safety = safety
        """crisis kind → (entry, revision id)"""

    def __call__(self, draft: Draft) -> Answer | None:
        if not any(ch.isalnum() for ch in draft.text):
            question = draft.question
            return Answer(make_reply(Verdict.CLARIFY_EMPTY, say("empty", question.locale), question.on))
        crisis = None if self._reviewed(draft.text) else find_crisis(draft.text)
        draft.trace["crisis"] = crisis
        if crisis is None or crisis not in self._safety:
            return None
        entry, revision = self._safety[crisis]
        return self._composer.compose(draft, Candidate(entry, revision, 1.0), "direct")
