"""Manners of a conversation: never the same sentence twice running, a person offered after two misses."""

from __future__ import annotations

from ..answer import Answer, Choice, Verdict
from ..answering.compose import PERSON
from ..memory import Memory
from ..texts import say
from ..turn import TurnResult

OTHER_WORDS = {Verdict.DECLINE_COURTESY: "listening", Verdict.HANDOFF_UNSURE: "unsure_again", Verdict.CLARIFY_EMPTY: "listening"}
"""what is said instead of repeating the last reply; other verdicts say 再说一遍 before it"""


def unlike_the_last(result: TurnResult, memory: Memory, locale: str) -> TurnResult:
    """The result with other words where its first reply would repeat the last one word for word."""
    if not result.answers or result.answers[0].reply.text != memory.last_text:
        return result
    first = result.answers[0]
    key = OTHER_WORDS.get(first.verdict)
    text = say(key, locale) if key and say(key, locale) != memory.last_text else f"{say('again', locale)}\n{first.reply.text}"
    result.answers[0] = _saying(first, text)
    if len(result.answers) == 1:
        result.memory = result.memory.model_copy(update={"last_text": text})
    return result


def offer_person(result: TurnResult, locale: str) -> TurnResult:
    """The last reply offers a person, if it does not already."""
    last = result.answers[-1]
    choices = list(last.reply.choices or [])
    if not any(c.id == PERSON for c in choices):
        choices.append(Choice(id=PERSON, label=say("choice_person", locale)))
        last = _saying(last, f"{last.reply.text}\n\n{say('offer_person', locale)}")
    result.answers[-1] = Answer(last.reply.model_copy(update={"choices": choices}), last.trace)
    labels = {**result.memory.choices, **{c.id: c.label for c in choices}}
    result.memory = result.memory.model_copy(
        update={"offered_person": True, "choices": labels, "last_text": result.answers[-1].reply.text}
    )
    return result


def _saying(answer: Answer, text: str) -> Answer:
    return Answer(answer.reply.model_copy(update={"text": text}), answer.trace)
