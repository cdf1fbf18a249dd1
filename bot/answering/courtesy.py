"""What a conversation says besides policy: greeting, thanks, asking for a person (the say keys of the dialogue)."""

from __future__ import annotations

from datetime import date

from ..answer import Answer, Verdict
from ..memory import Memory
from .answerer import fixed

COURTESY_CHARS = 15
"""longer texts that begin with a greeting carry a question; retrieval decides then"""
COURTESIES = {"greet", "thank", "goodbye", "bot_challenge", "affirm", "deny", "stop"}
NEED_A_FORM = {"back", "change", "restart_form", "continue"}
OTHERWISE = {
    "affirm_answer": "affirm_answer", "cancel": "stop", "unknown": "unknown_nothing", "useful": "nothing_to_rate", "useless": "nothing_to_rate",
}
"""what these mean where there is nothing to cancel, to leave open or to rate"""


def courtesy_answer(key: str, on: date, locale: str, memory: Memory) -> Answer | None:
    if key == "ask_human":
        return fixed(Verdict.HANDOFF_ASKED, "ask_human", on, locale)
    if key == "repeat":
        return _repeat(on, locale, memory)
    if key in COURTESIES or key in OTHERWISE:
        return fixed(Verdict.DECLINE_COURTESY, OTHERWISE.get(key, key), on, locale)
    if key in NEED_A_FORM:
        return fixed(Verdict.DECLINE_COURTESY, "no_form", on, locale)
    return None


def _repeat(on: date, locale: str, memory: Memory) -> Answer:
    answer = fixed(Verdict.DECLINE_COURTESY, "repeat_nothing", on, locale)
    if memory.last_text:
        reply = answer.reply.model_copy(update={"text": memory.last_text})
        return Answer(reply, answer.trace)
    return answer
