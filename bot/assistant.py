"""Assistant.reply: one message of a conversation in, its replies out. The one use case of the product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

import structlog

from index.text import normalise

from .answer import Answer, Verdict, make_reply
from .answering.answerer import Answerer, fixed
from .answering.compose import NO, NONE_OF_THESE, PERSON
from .answering.courtesy import COURTESIES, COURTESY_CHARS, courtesy_answer
from .answering.screen import find_crisis
from .dialogue.client import DialogueResult, RasaClient
from .dialogue.single_turn import find_intent
from .memory import MISSES_BEFORE_OFFER, Memory
from .texts import detect_locale, say

log = structlog.get_logger()
SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass
class PendingTurn:
    """A turn that Rasa is deciding on; its action asks for the answers."""

    text: str
    on: date
    memory: Memory
    locale: str
    answers: list[Answer] | None = None


@dataclass
class TurnResult:
    answers: list[Answer]
    memory: Memory
    open_ticket: bool = False
    """the citizen agreed to be passed on; the inbox adds number, code and date"""
    dialogue: str = "none"
    """what decided: rasa, single_turn, choice, screen"""
    rotate: bool = False
    trace: dict[str, object] = field(default_factory=dict)


class Assistant:
    def __init__(
        self,
        answerer: Callable[[], Answerer],
        dialogue: RasaClient | None,
        clock: Callable[[], datetime] = lambda: datetime.now(SHANGHAI),
    ) -> None:
        self._answerer = answerer
        self._dialogue = dialogue
        self._clock = clock
        self._pending: dict[str, PendingTurn] = {}

    def today(self) -> date:
        return self._clock().astimezone(SHANGHAI).date()

    async def ask(self, text: str, on: date | None = None) -> list[Answer]:
        """A single question without a conversation; never opens a ticket."""
        on = on or self.today()
        locale = detect_locale(text)
        try:
            if find_crisis(normalise(text)) is None:
                courtesy = self._single_turn(text, on, locale, Memory())
                if courtesy is not None:
                    return [courtesy]
            return await self._answerer().answer(text, on, locale=locale)
        except Exception as error:  # the one catch-all: recorded, and a person is offered
            log.error("answering_failed", error=type(error).__name__, exc_info=error)
            return [fixed(Verdict.FAILED_ERROR, "failed", on, locale)]

    async def reply(
        self, turn_id: str, conversation_id: str, sender_id: str, text: str | None, choice: str | None,
        memory: Memory, locale: str,
    ) -> TurnResult:  # fmt: skip
        """Decides one turn; storing and delivering it is the caller's business. Never raises."""
        on = self.today()
        try:
            if choice is not None:
                return await self._reply_to_choice(choice, on, memory, locale)
            assert text is not None
            return await self._reply_to_text(turn_id, conversation_id, sender_id, text, on, memory, locale)
        except Exception as error:
            log.error("turn_failed", turn=turn_id, error=type(error).__name__, exc_info=error)
            answer = fixed(Verdict.FAILED_ERROR, "failed", on, locale)
            return TurnResult([answer], memory.after(answer, text or memory.question or ""))

    async def _reply_to_choice(self, choice: str, on: date, memory: Memory, locale: str) -> TurnResult:
        question = memory.question or memory.choices.get(choice, "")
        if choice == PERSON:
            return TurnResult([], memory, open_ticket=True, dialogue="choice")
        if choice == NO:
            answer = fixed(Verdict.DECLINE_COURTESY, "deny", on, locale)
        elif choice == NONE_OF_THESE:
            answer = fixed(Verdict.HANDOFF_UNSURE, "unsure", on, locale)
        else:
            found = self._answerer().answer_entry(choice.removeprefix("entry:"), on, locale)
            answer = found or fixed(Verdict.HANDOFF_UNSURE, "unsure", on, locale)
        return TurnResult([answer], memory.after(answer, question), dialogue="choice")

    async def _reply_to_text(
        self, turn_id: str, conversation_id: str, sender_id: str, text: str, on: date, memory: Memory, locale: str
    ) -> TurnResult:  # fmt: skip
        clean = normalise(text)
        numbered = _numbered_choice(clean, memory)
        if numbered is not None:
            return await self._reply_to_choice(numbered, on, memory, locale)
        if find_crisis(clean):
            answers = await self._answerer().answer(text, on, memory, locale)
            return self._finished(answers, memory, text, "screen")
        pending = PendingTurn(text, on, memory, locale)
        result = await self._ask_dialogue(turn_id, conversation_id, sender_id, clean, pending)
        if result.kind == "answer" and pending.answers:
            return self._finished(pending.answers, memory, text, "rasa")
        if result.kind == "say" and result.value:
            decided = self._say(str(result.value), clean, on, memory, locale, text)
            if decided is not None:
                decided.dialogue = "rasa"
                return decided
        if result.kind == "none":
            courtesy = find_intent(clean)
            if courtesy:
                decided = self._say(courtesy, clean, on, memory, locale, text)
                if decided is not None:
                    decided.rotate = result.cause == "timeout"
                    return decided
        answers = await self._answerer().answer(text, on, memory, locale)
        finished = self._finished(answers, memory, text, "single_turn")
        finished.rotate = result.cause == "timeout"
        finished.trace["dialogue_cause"] = result.cause
        return finished

    async def _ask_dialogue(
        self, turn_id: str, conversation_id: str, sender_id: str, clean: str, pending: PendingTurn
    ) -> DialogueResult:
        if self._dialogue is None:
            return DialogueResult("none", None, "off")
        self._pending[turn_id] = pending
        try:
            return await self._dialogue.turn(
                sender_id, clean, {"turn_id": turn_id, "conversation_id": conversation_id}
            )
        finally:
            self._pending.pop(turn_id, None)

    async def answer_pending(self, turn_id: str) -> bool:
        """Called by Rasa's action for a turn that is still open; a late or repeated call changes nothing."""
        pending = self._pending.get(turn_id)
        if pending is None:
            return False
        if pending.answers is None:
            pending.answers = await self._answerer().answer(
                pending.text, pending.on, pending.memory, pending.locale
            )
        return True

    def _say(
        self, key: str, clean: str, on: date, memory: Memory, locale: str, text: str
    ) -> TurnResult | None:
        if key == "affirm" and memory.offered_person:
            return TurnResult([], memory, open_ticket=True)
        if key in COURTESIES and len(clean) > COURTESY_CHARS:
            return None
        answer = courtesy_answer(key, on, locale, memory)
        if answer is None:
            return None
        after = memory.after(answer, memory.question or text)
        if key == "ask_human":
            after = after.model_copy(update={"question": memory.question or text})
        return TurnResult([answer], after)

    def _single_turn(self, text: str, on: date, locale: str, memory: Memory) -> Answer | None:
        clean = normalise(text)
        key = find_intent(clean)
        if key is None or (key in COURTESIES and len(clean) > COURTESY_CHARS):
            return None
        return courtesy_answer(key, on, locale, memory)

    def _finished(self, answers: list[Answer], memory: Memory, text: str, dialogue: str) -> TurnResult:
        answers = _not_the_same_twice(answers, memory)
        for answer in answers:
            memory = memory.after(answer, text)
        if memory.misses >= MISSES_BEFORE_OFFER:
            memory = memory.model_copy(update={"offered_person": True})
        return TurnResult(answers, memory, dialogue=dialogue)


def _numbered_choice(clean: str, memory: Memory) -> str | None:
    """「2」「第二个」「都不是」 or the label itself as an answer to the choices that were offered."""
    if not memory.choices:
        return None
    ids = list(memory.choices)
    plain = clean.strip(" 。.!！")
    for choice, label in memory.choices.items():
        if plain == normalise(label):
            return choice
    if plain in ("都不是", "不是", "都不对", "没有我要的") and NONE_OF_THESE in memory.choices:
        return NONE_OF_THESE
    number = "一二三四".find(plain.removeprefix("第").removesuffix("个").removesuffix("种")) if len(plain) <= 3 else -1
    if plain.removeprefix("第").removesuffix("个").isdigit():
        number = int(plain.removeprefix("第").removesuffix("个")) - 1
    if plain and 0 <= number < len(ids) and len(plain) <= 3:
        return ids[number]
    return None


def _not_the_same_twice(answers: list[Answer], memory: Memory) -> list[Answer]:
    """A reply that would repeat the last one word for word is said once more only if it is urgent."""
    changed = []
    for answer in answers:
        reply = answer.reply
        if reply.text == memory.last_text and reply.kind in ("decline", "clarify", "handoff"):
            again = say("not_again", "zh-Hans") if reply.kind == "clarify" else reply.text
            answer = Answer(
                make_reply(Verdict.HANDOFF_UNSURE, again, reply.as_of, choices=reply.choices), answer.trace
            )
        changed.append(answer)
    return changed


