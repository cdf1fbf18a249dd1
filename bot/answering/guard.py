"""Guard: nothing withdrawn, out of force or uncited is shown, from the moment of withdrawal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache

from knowledge.content import Entry
from knowledge.laws import LawRegister

from .mask import mask_personal_data

IsLive = Callable[[str], bool]


def find_objection(
    entry: Entry, revision: str, on: date, laws: LawRegister, is_live: IsLive, text: str
) -> str | None:
    """Why this entry must not be shown on that day, or None."""
    if not is_live(revision):
        return "withdrawn"
    if not entry.in_force(on):
        return "entry_not_in_force"
    if entry.kind == "answer" and not entry.sources:
        return "uncited"
    if any(not laws[source.law].in_force(on) for source in entry.sources):
        return "law_not_in_force"
    return "personal_data" if _has_personal_data(text) else None


@lru_cache(maxsize=8192)
def _has_personal_data(text: str) -> bool:
    """Reviewed text is the same for every question."""
    return bool(mask_personal_data(text)[1])
