"""The desk's verbs: claim, reply, note, close. Each is one transaction; a stale version changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from ..answer import Answer, Verdict, make_reply
from ..errors import Refused, VersionConflict
from ..store import append_reply, get_conversation, record_audit
from ..tables import conversation, reply, ticket, ticket_event
from .deadlines import SHANGHAI
from .handoff import record_event

OUTCOMES = {
    "answered": "已答复",
    "referred": "已转其他部门",
    "withdrawn": "群众撤回",
    "duplicate": "重复件，并入另一件",
    "unreachable": "联系不上，已留言",
}
STATES = {"open": "待领取", "claimed": "办理中", "answered": "已答复", "closed": "已办结"}
EVENTS = {
    "opened": "受理", "claimed": "领取", "replied": "答复", "noted": "记备注", "closed": "办结", "message": "群众补充",
}  # fmt: skip
REASONS = {
    "unsure": "没有把握", "asked": "群众要求", "complaint": "投诉", "report": "举报", "suggestion": "建议",
    "information_request": "信息公开申请", "case": "个案", "crisis": "紧急情况", "failed": "系统出错",
}  # fmt: skip


def find_ticket(connection: Connection, number: str) -> Row[Any] | None:
    return connection.execute(sa.select(ticket).where(ticket.c.number == number)).first()


def list_tickets(connection: Connection, state: str | None = None) -> list[Row[Any]]:
    query = sa.select(ticket).order_by(ticket.c.urgent.desc(), ticket.c.due_at)
    return list(connection.execute(query.where(ticket.c.state == state) if state else query).all())


def count_tickets(connection: Connection) -> dict[str, int]:
    rows = connection.execute(sa.select(ticket.c.state, sa.func.count()).group_by(ticket.c.state))
    return {row[0]: row[1] for row in rows}


def events_of(connection: Connection, number: str) -> list[Row[Any]]:
    return list(
        connection.execute(
            sa.select(ticket_event).where(ticket_event.c.number == number).order_by(ticket_event.c.seq)
        ).all()
    )


def claim(connection: Connection, number: str, version: int, who: str, now: datetime) -> None:
    row = _change(connection, number, version, {"assignee": who, "state": "claimed"}, states=("open",))
    _set_conversation(connection, row.conversation_id, "with_officer")
    record_event(connection, number, who, "claimed", None, now)
    record_audit(connection, who, "ticket.claim", number, now)


def answer_ticket(connection: Connection, number: str, version: int, who: str, text: str, now: datetime) -> str:
    """The officer's words go to the citizen: reply, outbox, event and state at once. Returns the conversation's id."""
    text = text.strip()
    if not text:
        raise Refused("答复不能为空。")
    current = find_ticket(connection, number)
    assignee = (current.assignee if current else None) or who
    row = _change(
        connection, number, version, {"state": "answered", "assignee": assignee},
        states=("open", "claimed", "answered"),
    )  # fmt: skip
    if row.state == "open":
        _set_conversation(connection, row.conversation_id, "with_officer")
    channel = get_conversation(connection, row.conversation_id).channel
    answer = Answer(
        make_reply(Verdict.HANDOFF_TICKET, text, now.astimezone(SHANGHAI).date()), {"decided_by": "officer"}
    )
    append_reply(connection, row.conversation_id, channel, answer, turn_id=None, author=who, now=now)
    record_event(connection, number, who, "replied", text, now)
    record_audit(connection, who, "ticket.reply", number, now)
    return str(row.conversation_id)


def add_note(connection: Connection, number: str, version: int, who: str, text: str, now: datetime) -> None:
    if not text.strip():
        raise Refused("备注不能为空。")
    _change(connection, number, version, {}, states=("open", "claimed", "answered"))
    record_event(connection, number, who, "noted", text.strip(), now)
    record_audit(connection, who, "ticket.note", number, now)


def close(connection: Connection, number: str, version: int, who: str, outcome: str, now: datetime) -> None:
    if outcome not in OUTCOMES:
        raise Refused("请选择办理结果。")
    current = find_ticket(connection, number)
    if outcome == "answered" and current is not None and current.state != "answered":
        raise Refused("还没有答复群众，不能按“已答复”办结。")
    row = _change(
        connection, number, version, {"state": "closed", "outcome": outcome, "assignee": (current.assignee if current else None) or who},
        states=("open", "claimed", "answered"),
    )  # fmt: skip
    _set_conversation(connection, row.conversation_id, "with_bot")
    record_event(connection, number, who, "closed", OUTCOMES[outcome], now)
    record_audit(connection, who, "ticket.close", number, now)


def add_message(connection: Connection, conversation_id: str, text: str, now: datetime) -> str | None:
    """A citizen's message while an officer has the conversation; the ticket's number, or None."""
    row = connection.execute(
        sa.select(ticket.c.number)
        .where(ticket.c.conversation_id == conversation_id, ticket.c.state.in_(("claimed", "answered")))
        .order_by(ticket.c.opened_at.desc())
    ).first()
    if row is None:
        return None
    record_event(connection, row.number, "群众", "message", text, now)
    return str(row.number)


def officer_replies(connection: Connection, conversation_id: str, since: datetime) -> list[Row[Any]]:
    return list(
        connection.execute(
            sa.select(reply)
            .where(
                reply.c.conversation_id == conversation_id, reply.c.author.is_not(None), reply.c.created_at >= since
            )
            .order_by(reply.c.seq)
        ).all()
    )


def _change(
    connection: Connection, number: str, version: int, values: dict[str, Any], *, states: tuple[str, ...]
) -> Row[Any]:
    """Compare-and-set; returns the row as it was before."""
    row = find_ticket(connection, number)
    if row is None:
        raise Refused("没有这个受理件。")
    if row.version != version:
        raise VersionConflict(number)
    if row.state not in states:
        raise Refused(f"受理件现在是“{STATES[row.state]}”，不能这样办。")
    changed = connection.execute(
        ticket.update()
        .where(ticket.c.number == number, ticket.c.version == version)
        .values(version=version + 1, **values)
    ).rowcount
    if changed != 1:
        raise VersionConflict(number)
    return row


def _set_conversation(connection: Connection, conversation_id: str, state: str) -> None:
    connection.execute(conversation.update().where(conversation.c.id == conversation_id).values(state=state))
