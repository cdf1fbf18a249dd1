"""Handoff: the citizen agrees, a ticket 受理件 is opened with number, code and promised date."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..store import secret_digest
from ..tables import ticket, ticket_event
from .deadlines import SHANGHAI, promise

CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
CODE_LENGTH = 6
WRONG_CODES = 5
LOCKED_FOR = timedelta(minutes=15)


@dataclass(frozen=True)
class Receipt:
    number: str
    code: str
    due_at: datetime
    due_estimated: bool


def open_ticket(
    connection: Connection, *, conversation_id: str, turn_id: str, question: str, reason: str, area: str | None,
    urgent: bool, working_days: int, now: datetime,
) -> Receipt:  # fmt: skip
    number = _next_number(connection, now)
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    due_at, estimated = promise(now, working_days)
    connection.execute(
        ticket.insert().values(
            number=number, code_hash=secret_digest(number + code), conversation_id=conversation_id, turn_id=turn_id,
            state="open", reason=reason, urgent=urgent, area=area, question=question, opened_at=now, due_at=due_at,
            due_estimated=estimated, version=1, wrong_codes=0,
        )
    )  # fmt: skip
    record_event(connection, number, "民答", "opened", None, now)
    return Receipt(number, code, due_at, estimated)


def _next_number(connection: Connection, now: datetime) -> str:
    prefix = f"MD{now.astimezone(SHANGHAI):%Y%m%d}-"
    newest = connection.execute(
        sa.select(sa.func.max(ticket.c.number)).where(ticket.c.number.startswith(prefix))
    ).scalar()
    return f"{prefix}{int(newest.removeprefix(prefix)) + 1 if newest else 1:04d}"


def record_event(
    connection: Connection, number: str, who: str, what: str, text: str | None, now: datetime
) -> None:
    connection.execute(ticket_event.insert().values(number=number, at=now, who=who, what=what, text=text))


def check_code(connection: Connection, number: str, code: str, now: datetime) -> str:
    """"ok", "wrong" (an unknown number too) or "locked" after too many wrong codes."""
    row = connection.execute(sa.select(ticket).where(ticket.c.number == number)).first()
    fits = hmac.compare_digest(
        row.code_hash if row else "", secret_digest(number + code.strip().upper().replace(" ", ""))
    )
    if row is None:
        return "wrong"
    if row.locked_until is not None and row.locked_until > now:
        return "locked"
    if fits:
        if row.wrong_codes:
            connection.execute(
                ticket.update().where(ticket.c.number == number).values(wrong_codes=0, locked_until=None)
            )
        return "ok"
    wrong = row.wrong_codes + 1
    locked = now + LOCKED_FOR if wrong >= WRONG_CODES else None
    connection.execute(
        ticket.update()
        .where(ticket.c.number == number)
        .values(wrong_codes=0 if locked else wrong, locked_until=locked)
    )
    return "locked" if locked else "wrong"
