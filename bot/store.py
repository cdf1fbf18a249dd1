"""Conversations and their turns: written before they are acknowledged, answered in one transaction with the outbox."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from .answer import Answer
from .dialogue.form import FormState
from .errors import MessageConflict, UnknownConversation
from .memory import Memory
from .tables import audit, conversation, feedback, guided_service, outbox, reply, ticket, turn

KEPT_DAYS = 180
FORM_KEPT_DAYS = 30


@dataclass(frozen=True)
class Conversation:
    id: str
    channel: str
    locale: str
    state: str
    rasa_sender: str
    rasa_turns: int
    last_at: datetime
    memory: Memory


@dataclass(frozen=True)
class Turn:
    id: str
    conversation_id: str
    text: str | None
    choice: str | None
    received_at: datetime
    done: bool


@dataclass(frozen=True)
class SavedService:
    """A guided service as it was left: choice ids only, no words of the citizen's."""

    state: FormState
    created_at: datetime
    expires_at: datetime


def secret_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def open_conversation(connection: Connection, channel: str, locale: str, now: datetime) -> tuple[str, str]:
    """Conversation id and its token, the only key to it."""
    conversation_id, token = uuid.uuid4().hex, secrets.token_urlsafe(32)
    connection.execute(
        conversation.insert().values(
            id=conversation_id, token_hash=secret_digest(token), channel=channel, locale=locale, state="with_bot",
            created_at=now, last_at=now, rasa_sender=uuid.uuid4().hex, rasa_turns=0, memory=Memory().model_dump(),
        )
    )  # fmt: skip
    return conversation_id, token


def token_fits(connection: Connection, conversation_id: str, token: str) -> bool:
    row = connection.execute(
        sa.select(conversation.c.token_hash).where(conversation.c.id == conversation_id)
    ).first()
    if row is None:
        raise UnknownConversation(conversation_id)
    return hmac.compare_digest(row.token_hash, secret_digest(token))


def get_conversation(connection: Connection, conversation_id: str) -> Conversation:
    row = connection.execute(sa.select(conversation).where(conversation.c.id == conversation_id)).first()
    if row is None:
        raise UnknownConversation(conversation_id)
    return Conversation(
        row.id, row.channel, row.locale, row.state, row.rasa_sender, row.rasa_turns, row.last_at,
        Memory.model_validate(row.memory),
    )  # fmt: skip


def record_turn(
    connection: Connection, conversation_id: str, message_key: str, *, digest: str, text: str | None,
    choice: str | None, now: datetime,
) -> Turn:  # fmt: skip
    """The turn for this message: a new row, or the one that a retry means. Raises MessageConflict."""
    known = connection.execute(
        sa.select(turn).where(turn.c.conversation_id == conversation_id, turn.c.message_key == message_key)
    ).first()
    if known is not None:
        if known.body_digest != digest:
            raise MessageConflict(message_key)
        return _turn(known)
    turn_id = uuid.uuid4().hex
    connection.execute(
        turn.insert().values(
            id=turn_id, conversation_id=conversation_id, message_key=message_key, body_digest=digest, text=text,
            choice=choice, received_at=now, state="new",
        )
    )  # fmt: skip
    return Turn(turn_id, conversation_id, text, choice, now, False)


def knows_message(connection: Connection, conversation_id: str, message_key: str) -> bool:
    return (
        connection.execute(
            sa.select(turn.c.id).where(turn.c.conversation_id == conversation_id, turn.c.message_key == message_key)
        ).first()
        is not None
    )


def _turn(row: Any) -> Turn:
    return Turn(row.id, row.conversation_id, row.text, row.choice, row.received_at, row.state == "done")


def finish_turn(
    connection: Connection, done: Turn, answers: Sequence[Answer], memory: Memory, *, locale: str, rotate: bool,
    author: str | None, now: datetime,
) -> list[dict[str, Any]]:  # fmt: skip
    """Replies, outbox rows, memory and the turn's end in one transaction. A turn is finished once."""
    if connection.execute(
        turn.update().where(turn.c.id == done.id, turn.c.state == "new").values(state="done")
    ).rowcount == 0:
        return replies_of_turn(connection, done.id)
    channel = get_conversation(connection, done.conversation_id).channel
    bodies = [
        append_reply(connection, done.conversation_id, channel, a, turn_id=done.id, author=author, now=now)
        for a in answers
    ]
    values: dict[str, Any] = {"memory": memory.model_dump(), "last_at": now, "locale": locale}
    values |= (
        {"rasa_sender": uuid.uuid4().hex, "rasa_turns": 0}
        if rotate
        else {"rasa_turns": conversation.c.rasa_turns + 1}
    )
    connection.execute(conversation.update().where(conversation.c.id == done.conversation_id).values(values))
    return bodies


def append_reply(
    connection: Connection, conversation_id: str, channel: str, answer: Answer, *, turn_id: str | None,
    author: str | None, now: datetime,
) -> dict[str, Any]:  # fmt: skip
    body = answer.reply.model_dump(mode="json")
    connection.execute(
        reply.insert().values(
            id=answer.reply.id, conversation_id=conversation_id, turn_id=turn_id, author=author, body=body,
            trace=answer.trace, created_at=now,
        )
    )  # fmt: skip
    connection.execute(
        outbox.insert().values(
            conversation_id=conversation_id, reply_id=answer.reply.id, channel=channel, state="new", attempts=0,
            created_at=now,
        )
    )  # fmt: skip
    return body


def replies_of_turn(connection: Connection, turn_id: str) -> list[dict[str, Any]]:
    rows = connection.execute(sa.select(reply.c.body).where(reply.c.turn_id == turn_id).order_by(reply.c.seq))
    return [row.body for row in rows]


def later_replies(connection: Connection, conversation_id: str, after: int) -> list[tuple[int, dict[str, Any]]]:
    """Replies that came by themselves (an officer's) after a sequence number, oldest first."""
    rows = connection.execute(
        sa.select(reply.c.seq, reply.c.body, reply.c.author)
        .where(reply.c.conversation_id == conversation_id, reply.c.seq > after, reply.c.author.is_not(None))
        .order_by(reply.c.seq)
    )
    return [(row.seq, {**row.body, "author": row.author}) for row in rows]


def last_sequence(connection: Connection, conversation_id: str) -> int:
    return (
        connection.execute(
            sa.select(sa.func.max(reply.c.seq)).where(reply.c.conversation_id == conversation_id)
        ).scalar()
        or 0
    )


def mark_sent(connection: Connection, reply_ids: Sequence[str], now: datetime) -> None:
    connection.execute(
        outbox.update()
        .where(outbox.c.reply_id.in_(reply_ids), outbox.c.state == "new")
        .values(state="sent", sent_at=now, attempts=outbox.c.attempts + 1)
    )


def unfinished_turns(connection: Connection) -> list[Turn]:
    """Turns that were acknowledged or being worked on when the process ended, oldest first."""
    rows = connection.execute(sa.select(turn).where(turn.c.state == "new").order_by(turn.c.seq))
    return [_turn(row) for row in rows]


def transcript(connection: Connection, conversation_id: str) -> list[dict[str, Any]]:
    """Everything said, oldest first: {citizen, author, text, at, reply}."""
    turns = connection.execute(
        sa.select(turn).where(turn.c.conversation_id == conversation_id).order_by(turn.c.seq)
    ).all()
    replies = connection.execute(
        sa.select(reply).where(reply.c.conversation_id == conversation_id).order_by(reply.c.seq)
    ).all()
    lines = [
        {"citizen": True, "author": "群众", "text": t.text or f"（选择：{t.choice}）", "at": t.received_at, "reply": None}
        for t in turns
    ]
    lines += [
        {
            "citizen": False, "author": r.author or "民答", "text": r.body["text"], "at": r.created_at, "reply": r.body,
            "officer": r.author is not None,
        }
        for r in replies
    ]  # fmt: skip
    return sorted(lines, key=lambda line: line["at"])


def find_trace(connection: Connection, reply_id: str) -> dict[str, Any] | None:
    row = connection.execute(
        sa.select(reply.c.conversation_id, reply.c.body, reply.c.trace, reply.c.created_at).where(reply.c.id == reply_id)
    ).first()
    if row is None:
        return None
    return {"conversation": row.conversation_id, "reply": row.body, "trace": row.trace, "at": row.created_at.isoformat()}


def record_feedback(connection: Connection, reply_id: str, useful: bool, comment: str | None, now: datetime) -> bool:
    if connection.execute(sa.select(reply.c.id).where(reply.c.id == reply_id)).first() is None:
        return False
    connection.execute(feedback.insert().values(reply_id=reply_id, useful=useful, comment=comment, at=now))
    return True


def save_form(connection: Connection, code: str, state: FormState, now: datetime) -> None:
    """Keeps the form under its code for FORM_KEPT_DAYS from now; an older state of the same code is replaced."""
    values = {"scenario": state.scenario, "state": state.model_dump(mode="json"), "expires_at": now + timedelta(days=FORM_KEPT_DAYS)}
    key = secret_digest(code)
    changed = connection.execute(guided_service.update().where(guided_service.c.code_hash == key).values(values)).rowcount
    if changed == 0:
        connection.execute(guided_service.insert().values(code_hash=key, created_at=now, **values))


def find_form(connection: Connection, code: str, now: datetime) -> SavedService | None:
    row = connection.execute(
        sa.select(guided_service).where(guided_service.c.code_hash == secret_digest(code), guided_service.c.expires_at > now)
    ).first()
    return SavedService(FormState.model_validate(row.state), row.created_at, row.expires_at) if row else None


def record_audit(connection: Connection, who: str, what: str, about: str, now: datetime) -> None:
    """Appends to the hash chain: each row's digest covers the one before."""
    previous = connection.execute(sa.select(audit.c.digest).order_by(audit.c.seq.desc()).limit(1)).scalar() or ""
    digest = hashlib.sha256("\n".join([previous, now.astimezone(UTC).isoformat(), who, what, about]).encode()).hexdigest()
    connection.execute(
        audit.insert().values(at=now, who=who, what=what, about=about, previous=previous, digest=digest)
    )


def audit_chain_fault(connection: Connection) -> int | None:
    """The sequence number of the first row that does not continue the chain, or None."""
    previous = ""
    for row in connection.execute(sa.select(audit).order_by(audit.c.seq)):
        expected = hashlib.sha256(
            "\n".join([previous, row.at.astimezone(UTC).isoformat(), row.who, row.what, row.about]).encode()
        ).hexdigest()
        if row.previous != previous or row.digest != expected:
            return int(row.seq)
        previous = row.digest
    return None


def erase_old(connection: Connection, now: datetime) -> int:
    """Removes conversations without a ticket after KEPT_DAYS, and guided services past their day. Returns how many
    conversations."""
    connection.execute(guided_service.delete().where(guided_service.c.expires_at <= now))
    old = [
        row.id
        for row in connection.execute(
            sa.select(conversation.c.id).where(
                conversation.c.last_at < now - timedelta(days=KEPT_DAYS),
                conversation.c.id.not_in(sa.select(ticket.c.conversation_id)),
            )
        )
    ]
    for conversation_id in old:
        ids = sa.select(reply.c.id).where(reply.c.conversation_id == conversation_id)
        connection.execute(feedback.delete().where(feedback.c.reply_id.in_(ids)))
        connection.execute(outbox.delete().where(outbox.c.conversation_id == conversation_id))
        connection.execute(reply.delete().where(reply.c.conversation_id == conversation_id))
        connection.execute(turn.delete().where(turn.c.conversation_id == conversation_id))
        connection.execute(conversation.delete().where(conversation.c.id == conversation_id))
    return len(old)
