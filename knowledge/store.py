"""Revisions, publication pointers and the record of who did what: the only SQL of this package.

A revision row is never updated or deleted (triggers refuse it); publishing and withdrawing move a pointer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from .columns import AwareDateTime
from .content import Entry, Guide, Item, Scenario, digest_of

metadata = sa.MetaData()

revision = sa.Table(
    "revision",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("item_type", sa.String(16), nullable=False),
    sa.Column("item_id", sa.String(80), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("author", sa.String(80), nullable=False),
    sa.Column("created_at", AwareDateTime, nullable=False),
    sa.UniqueConstraint("item_type", "item_id", "number"),
)

publication = sa.Table(
    "publication",
    metadata,
    sa.Column("item_type", sa.String(16), primary_key=True),
    sa.Column("item_id", sa.String(80), primary_key=True),
    sa.Column("revision_id", sa.String(64), sa.ForeignKey("revision.id"), nullable=True),
    sa.Column("published_at", AwareDateTime, nullable=False),
    sa.Index("publication_revision", "revision_id"),
)

knowledge_event = sa.Table(
    "knowledge_event",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", AwareDateTime, nullable=False),
    sa.Column("who", sa.String(80), nullable=False),
    sa.Column("what", sa.String(32), nullable=False),
    sa.Column("item_type", sa.String(16), nullable=False),
    sa.Column("item_id", sa.String(80), nullable=False),
    sa.Column("revision_id", sa.String(64), nullable=True),
)

_TYPES: dict[str, type[Item]] = {"entry": Entry, "guide": Guide, "scenario": Scenario}
_NAMES = {t: name for name, t in _TYPES.items()}


@dataclass(frozen=True)
class LiveItem:
    revision_id: str
    item: Item
    published_at: datetime


@dataclass(frozen=True)
class ImportCounts:
    published: int
    unchanged: int
    withdrawn: int


def import_content(
    connection: Connection, items: Iterable[Item], *, who: str, now: datetime
) -> ImportCounts:
    """Publishes new or changed items and withdraws those that are no longer among them."""
    live = {(row.item_type, row.item_id): row.revision_id for row in connection.execute(sa.select(publication))}
    published = unchanged = 0
    seen = set()
    for item in items:
        key = (_NAMES[type(item)], item.id)
        seen.add(key)
        digest = digest_of(item)
        if live.get(key) == digest:
            unchanged += 1
            continue
        record_revision(connection, item, author=who, now=now)
        publish(connection, key, digest, who=who, now=now)
        published += 1
    gone = [key for key, revision_id in live.items() if revision_id is not None and key not in seen]
    for key in gone:
        withdraw(connection, key, who=who, now=now)
    return ImportCounts(published, unchanged, len(gone))


def record_revision(connection: Connection, item: Item, *, author: str, now: datetime) -> str:
    """Appends the content as a revision where that content is new. Returns the revision id."""
    digest, item_type = digest_of(item), _NAMES[type(item)]
    if connection.execute(sa.select(revision.c.id).where(revision.c.id == digest)).first() is None:
        newest = connection.execute(
            sa.select(sa.func.max(revision.c.number)).where(
                revision.c.item_type == item_type, revision.c.item_id == item.id
            )
        ).scalar()
        connection.execute(
            revision.insert().values(
                id=digest,
                item_type=item_type,
                item_id=item.id,
                number=(newest or 0) + 1,
                body=json.dumps(item.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False),
                author=author,
                created_at=now,
            )
        )
    return digest


def publish(
    connection: Connection, key: tuple[str, str], revision_id: str, *, who: str, now: datetime
) -> None:
    _point(connection, key, revision_id, now)
    _record(connection, "published", key, revision_id, who, now)


def withdraw(connection: Connection, key: tuple[str, str], *, who: str, now: datetime) -> None:
    _point(connection, key, None, now)
    _record(connection, "withdrawn", key, None, who, now)


def _point(connection: Connection, key: tuple[str, str], revision_id: str | None, now: datetime) -> None:
    where = sa.and_(publication.c.item_type == key[0], publication.c.item_id == key[1])
    values = {"revision_id": revision_id, "published_at": now}
    if connection.execute(publication.update().where(where).values(values)).rowcount == 0:
        connection.execute(publication.insert().values(item_type=key[0], item_id=key[1], **values))


def _record(
    connection: Connection, what: str, key: tuple[str, str], revision_id: str | None, who: str, now: datetime
) -> None:
    connection.execute(
        knowledge_event.insert().values(
            at=now, who=who, what=what, item_type=key[0], item_id=key[1], revision_id=revision_id
        )
    )


def load_live(connection: Connection) -> Sequence[LiveItem]:
    """All published revisions, ordered by type and id."""
    rows = connection.execute(
        sa.select(revision, publication.c.published_at)
        .join(publication, publication.c.revision_id == revision.c.id)
        .order_by(revision.c.item_type, revision.c.item_id)
    )
    return [
        LiveItem(row.id, _TYPES[row.item_type].model_validate_json(row.body), row.published_at) for row in rows
    ]


def live_revisions(connection: Connection) -> frozenset[str]:
    """All revisions that a pointer names."""
    rows = connection.execute(sa.select(publication.c.revision_id).where(publication.c.revision_id.is_not(None)))
    return frozenset(row.revision_id for row in rows)


def newest_event(connection: Connection) -> int:
    """Grows with every publication and withdrawal."""
    return connection.execute(sa.select(sa.func.max(knowledge_event.c.seq))).scalar() or 0
