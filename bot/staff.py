"""Accounts of staff: argon2, server-side sessions with a CSRF token, lock-out after failures."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import sqlalchemy as sa
from pwdlib import PasswordHash
from sqlalchemy.engine import Connection

from .errors import Refused
from .store import record_audit, secret_digest
from .tables import staff, staff_session

ROLES = {"officer": "坐席", "curator": "编辑", "reviewer": "审核", "admin": "管理员", "auditor": "审计"}
IDLE = timedelta(minutes=30)
FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
MIN_PASSWORD_CHARS = 10
_hasher = PasswordHash.recommended()


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody has this password")


@dataclass(frozen=True)
class Officer:
    name: str
    roles: tuple[str, ...]
    csrf: str


def check_password_rules(password: str) -> None:
    kinds = sum(bool(re.search(p, password)) for p in (r"[a-z]", r"[A-Z]", r"\d", r"[^\w\s]"))
    if len(password) < MIN_PASSWORD_CHARS or kinds < 3:
        raise Refused(f"密码至少 {MIN_PASSWORD_CHARS} 位，大写、小写、数字、符号里至少有三种。")


def add_staff(connection: Connection, name: str, password: str, roles: list[str], now: datetime) -> None:
    if not re.fullmatch(r"[\w\u4e00-\u9fff.-]{2,40}", name):
        raise Refused("账号用 2 到 40 个汉字、字母、数字、点或横线。")
    unknown = [r for r in roles if r not in ROLES]
    if unknown or not roles:
        raise Refused(f"角色要从这些里选：{'、'.join(ROLES)}。")
    check_password_rules(password)
    if connection.execute(sa.select(staff.c.name).where(staff.c.name == name)).first():
        raise Refused(f"账号 {name} 已经有了。")
    connection.execute(
        staff.insert().values(
            name=name, password_hash=_hasher.hash(password), roles=roles, created_at=now, failures=0
        )
    )
    record_audit(connection, "命令行", "staff.add", name, now)


def password_fits(connection: Connection, name: str, password: str) -> bool:
    """Slow on purpose, so it runs beside the writer; an unknown name costs the same."""
    row = connection.execute(sa.select(staff.c.password_hash).where(staff.c.name == name)).first()
    fits = _hasher.verify(password, row.password_hash if row else _nobodys_hash())
    return row is not None and fits


def sign_in(connection: Connection, name: str, password_right: bool, now: datetime) -> str | None:
    """The new session's id, or None. Raises Refused while the account is locked."""
    row = connection.execute(sa.select(staff).where(staff.c.name == name)).first()
    if row is None:
        return None
    if row.locked_until is not None and row.locked_until > now:
        raise Refused("密码错了太多次，账号已锁定，请 15 分钟后再试。")
    if not password_right:
        failures = row.failures + 1
        locked = now + LOCKED_FOR if failures >= FAILURES else None
        connection.execute(
            staff.update()
            .where(staff.c.name == name)
            .values(failures=0 if locked else failures, locked_until=locked)
        )
        record_audit(connection, name, "staff.sign_in_failed", name, now)
        return None
    connection.execute(staff.update().where(staff.c.name == name).values(failures=0, locked_until=None))
    session_id = secrets.token_urlsafe(32)
    connection.execute(
        staff_session.insert().values(
            id_hash=secret_digest(session_id), name=name, csrf=secrets.token_urlsafe(24), last_at=now
        )
    )
    record_audit(connection, name, "staff.sign_in", name, now)
    return session_id


def find_officer(connection: Connection, session_id: str, now: datetime) -> Officer | None:
    """Who the session belongs to, while it is not idle too long; keeps it alive."""
    row = connection.execute(
        sa.select(staff_session, staff.c.roles)
        .join(staff, staff.c.name == staff_session.c.name)
        .where(staff_session.c.id_hash == secret_digest(session_id))
    ).first()
    if row is None or row.last_at < now - IDLE:
        return None
    return Officer(row.name, tuple(row.roles), row.csrf)


def touch_session(connection: Connection, session_id: str, now: datetime) -> None:
    connection.execute(
        staff_session.update().where(staff_session.c.id_hash == secret_digest(session_id)).values(last_at=now)
    )
    connection.execute(staff_session.delete().where(staff_session.c.last_at < now - IDLE))


def sign_out(connection: Connection, session_id: str) -> None:
    connection.execute(staff_session.delete().where(staff_session.c.id_hash == secret_digest(session_id)))
