"""The running service: what the gateway's routes call. Keeps every conversation in order and nothing unanswered."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.engine import Connection

from knowledge.city import City

from . import store
from .answer import Answer, Reply, Verdict, make_reply
from .answering.mask import mask_personal_data
from .assistant import Assistant
from .database import Database
from .dialogue.client import RasaClient, should_rotate
from .encoding import EncodingService
from .errors import MessageConflict, StoreBusy, UnknownConversation
from .events import Notifier
from .gateway.limits import RateLimit
from .inbox import desk
from .inbox.handoff import check_code, open_ticket
from .memory import Memory
from .public import PublicData
from .settings import Settings
from .texts import LOCALES, detect_locale, has_han, say
from .turn import TurnResult

__all__ = ["ConversationBusy", "MessageConflict", "Service", "UnknownConversation"]

log = structlog.get_logger()
ConversationBusy = StoreBusy
SHANGHAI = ZoneInfo("Asia/Shanghai")
SHORT_ANSWER_CHARS = 6
"""so few characters may be the same in both scripts"""
HEARTBEATS = 7
"""polls between two signs of life on an event stream"""


class Service:
    def __init__(
        self, settings: Settings, database: Database, encoding: EncodingService, assistant: Assistant,
        public: PublicData, city: City, dialogue: RasaClient | None,
        clock: Callable[[], datetime] = lambda: datetime.now(SHANGHAI),
    ) -> None:  # fmt: skip
        self.settings = settings
        self.database = database
        self.encoding = encoding
        self.assistant = assistant
        self.public = public
        self.city = city
        self.dialogue = dialogue
        self.clock = clock
        self.notifier = Notifier()
        self.message_limit = RateLimit(settings.messages_per_minute)
        self.opening_limit = RateLimit(settings.messages_per_minute * 4)
        self._queues: OrderedDict[str, asyncio.Lock] = OrderedDict()
        self.renew: Callable[[bool], None] = lambda same_index: None
        """takes up what was published; with the same index where only words changed"""
        self.models: Callable[[], dict[str, Any]] = dict

    async def recover(self) -> int:
        """Answers what a killed process left unanswered. Returns how many turns."""
        turns = await self.database.read(store.unfinished_turns)
        for turn in turns:
            async with self._queue(turn.conversation_id):
                await self._answer_turn(turn)
        return len(turns)

    async def open_conversation(self, channel: str) -> tuple[str, str]:
        return await self.database.write(
            lambda c: store.open_conversation(c, channel, "zh-Hans", self.clock())
        )

    async def may_read(self, conversation_id: str, token: str) -> bool:
        return await self.database.read(lambda c: store.token_fits(c, conversation_id, token))

    async def handle_message(
        self, conversation_id: str, message_key: str, *, text: str | None, choice: str | None
    ) -> list[Reply]:
        """Stores the message, then decides and stores the replies. Raises MessageConflict, StoreBusy, ValueError."""
        digest = hashlib.sha256(json.dumps([text, choice]).encode()).hexdigest()
        masked = mask_personal_data(text)[0] if text is not None else None
        async with self._queue(conversation_id):
            if choice is not None:
                await self._check_choice(conversation_id, message_key, choice)
            turn = await self.database.write(
                lambda c: store.record_turn(
                    c, conversation_id, message_key, digest=digest, text=masked, choice=choice, now=self.clock()
                )
            )
            if turn.done:
                bodies = await self.database.read(lambda c: store.replies_of_turn(c, turn.id))
            else:
                bodies = await self._answer_turn(turn)
        return [Reply.model_validate(b) for b in bodies]

    async def _check_choice(self, conversation_id: str, message_key: str, choice: str) -> None:
        current = await self.database.read(lambda c: store.get_conversation(c, conversation_id))
        if choice not in ("person", *current.memory.choices):
            known = await self.database.read(lambda c: store.knows_message(c, conversation_id, message_key))
            if not known:
                raise ValueError("没有这个选项，请从刚才列出的选项里选，或者直接输入问题。")

    async def _answer_turn(self, turn: store.Turn) -> list[dict[str, Any]]:
        current = await self.database.read(lambda c: store.get_conversation(c, turn.conversation_id))
        now = self.clock()
        if current.state == "with_officer":
            return await self.database.write(lambda c: self._pass_on(c, turn, current, now))
        locale = _locale(turn.text, current)
        rotate = should_rotate(current.rasa_turns, (now - current.last_at).total_seconds())
        result = await self.assistant.reply(
            turn.id, current.id, current.rasa_sender, turn.text, turn.choice, current.memory, locale
        )
        bodies = await self.database.write(
            lambda c: self._finish(c, turn, result, locale, rotate or result.rotate, now)
        )
        await self._delivered(bodies)
        return bodies

    def _finish(
        self, c: Connection, turn: store.Turn, result: TurnResult, locale: str, rotate: bool, now: datetime
    ) -> list[dict[str, Any]]:
        answers, memory = list(result.answers), result.memory
        if result.open_ticket:
            answer, memory = self._hand_over(c, turn, memory, locale, now)
            answers = [answer]
        if result.saved is not None:
            store.save_form(c, result.saved.code, result.saved.state, now)
        if result.opinion is not None:
            store.record_feedback(c, result.opinion.reply_id, result.opinion.useful, result.opinion.comment, now)
        trace = {"dialogue": result.dialogue, **result.trace, "models": self.models()}
        answers = [Answer(a.reply, {**a.trace, **trace}) for a in answers]
        return store.finish_turn(
            c, turn, answers, memory, locale=locale, rotate=rotate, author=None, now=now
        )

    def _hand_over(
        self, c: Connection, turn: store.Turn, memory: Memory, locale: str, now: datetime
    ) -> tuple[Answer, Memory]:
        question = memory.question or turn.text or "（群众没有写问题，直接要求找工作人员）"
        entry = self.public.snapshot().entries.get(memory.last_entry or "")
        urgent = entry is not None and entry.kind == "crisis"
        reason = "crisis" if urgent else (entry.track if entry and entry.track else memory.reason)
        days = self.settings.urgent_promise_days if urgent else self.settings.promise_days
        receipt = open_ticket(
            c, conversation_id=turn.conversation_id, turn_id=turn.id, question=question, reason=reason,
            area=entry.area if entry else memory.area, urgent=urgent, working_days=days, now=now,
        )  # fmt: skip
        due = receipt.due_at.astimezone(SHANGHAI)
        words = f"{due.year}年{due.month}月{due.day}日" if locale != "en" else due.date().isoformat()
        text = say("ticket", locale, number=receipt.number, code=receipt.code, due=words)
        answer = Answer(
            make_reply(
                Verdict.HANDOFF_TICKET, text, now.astimezone(SHANGHAI).date(),
                ticket={"number": receipt.number, "code": receipt.code, "due_at": due.isoformat()},
            ),
            {"decided_by": "handoff"},
        )  # fmt: skip
        return answer, memory.after(answer, question).model_copy(
            update={"ticket": receipt.number, "offered_person": False, "choices": {}}
        )

    def _pass_on(
        self, c: Connection, turn: store.Turn, current: store.Conversation, now: datetime
    ) -> list[dict[str, Any]]:
        """The bot is silent while an officer has the conversation; the message is on the officer's page."""
        desk.add_message(c, current.id, turn.text or f"（选择：{turn.choice}）", now)
        return store.finish_turn(
            c, turn, [], current.memory, locale=current.locale, rotate=False, author=None, now=now
        )

    async def _delivered(self, bodies: Sequence[dict[str, Any]]) -> None:
        """Replies that go out with this very response; the outbox keeps what does not."""
        ids = [b["id"] for b in bodies]
        if ids:
            self.database.submit(lambda c: store.mark_sent(c, ids, self.clock()))

    async def last_sequence(self, conversation_id: str) -> int:
        return await self.database.read(lambda c: store.last_sequence(c, conversation_id))

    async def later_replies(
        self, conversation_id: str, after: int, gone: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[tuple[int, dict[str, Any] | None]]:
        """Officers' replies as they come; (0, None) now and then as a sign of life. Ends when the reader is gone."""
        quiet = 0
        while not await gone():
            rows = await self.database.read(partial(store.later_replies, conversation_id=conversation_id, after=after))
            for sequence, body in rows:
                after = sequence
                yield sequence, body
            if rows:
                await self._delivered([body for _, body in rows])
            quiet = 0 if await self.notifier.wait(conversation_id) else quiet + 1
            if quiet >= HEARTBEATS:
                quiet = 0
                yield 0, None

    async def find_ticket(self, number: str, code: str) -> dict[str, Any] | str | None:
        now = self.clock()
        verdict = await self.database.write(lambda c: check_code(c, number, code, now))
        if verdict == "locked":
            return "locked"
        if verdict != "ok":
            return None
        return await self.database.read(lambda c: ticket_view(c, number))

    async def find_form(self, code: str) -> store.SavedService | None:
        return await self.database.read(lambda c: store.find_form(c, code, self.clock()))

    async def record_feedback(self, reply_id: str, useful: bool, comment: str | None) -> bool:
        masked = mask_personal_data(comment)[0] if comment else None
        return await self.database.write(
            lambda c: store.record_feedback(c, reply_id, useful, masked, self.clock())
        )

    def _queue(self, conversation_id: str) -> asyncio.Lock:
        """One message of a conversation at a time, in the order of arrival."""
        lock = self._queues.pop(conversation_id, None) or asyncio.Lock()
        self._queues[conversation_id] = lock
        while len(self._queues) > 10_000:
            oldest, unused = next(iter(self._queues.items()))
            if unused.locked():
                break
            del self._queues[oldest]
        return lock

    async def close(self) -> None:
        if self.dialogue is not None:
            await self.dialogue.close()
        self.encoding.close()
        self.database.close()


def ticket_view(c: Connection, number: str) -> dict[str, Any]:
    """What the citizen who holds the code may see."""
    row = desk.find_ticket(c, number)
    assert row is not None
    replies = desk.officer_replies(c, row.conversation_id, row.opened_at)
    return {
        "number": row.number,
        "state": row.state,
        "state_name": desk.STATES[row.state],
        "question": row.question,
        "opened_at": row.opened_at.astimezone(SHANGHAI).isoformat(timespec="seconds"),
        "due_at": row.due_at.astimezone(SHANGHAI).isoformat(timespec="seconds"),
        "due_estimated": row.due_estimated,
        "outcome": row.outcome,
        "outcome_name": desk.OUTCOMES.get(row.outcome) if row.outcome else None,
        "replies": [
            {
                "text": r.body["text"], "author": r.author,
                "at": r.created_at.astimezone(SHANGHAI).isoformat(timespec="seconds"),
            }
            for r in replies
        ],
    }  # fmt: skip


def _locale(text: str | None, current: store.Conversation) -> str:
    """The language of this message where it shows one, else the conversation's."""
    known = current.locale if current.locale in LOCALES else "zh-Hans"
    if text is None or len(text.strip()) < 4 or (known == "en" and not has_han(text)):
        return known
    found = detect_locale(text)
    return known if known == "zh-Hant" and found == "zh-Hans" and len(text) <= SHORT_ANSWER_CHARS else found
