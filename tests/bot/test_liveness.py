"""Publication and withdrawal are seen at once, by whichever connection they happen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.database import Database
from bot.liveness import LiveRevisions
from bot.migrations import upgrade
from knowledge.content import digest_of
from knowledge.store import import_content, withdraw
from tests.factories import make_entry

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'minda.db'}"


@pytest.fixture
def database(url):
    opened = Database(url)
    upgrade(opened.engine)
    yield opened
    opened.close()


def publish(database, *entries):
    database.submit(lambda c: import_content(c, entries, who="t", now=NOW)).result()


def test_a_withdrawn_revision_is_dead_in_the_next_moment(database):
    entry = make_entry()
    live = LiveRevisions(database)
    assert not live(digest_of(entry))
    publish(database, entry)
    assert live(digest_of(entry))
    database.submit(lambda c: withdraw(c, ("entry", entry.id), who="t", now=NOW)).result()
    assert not live(digest_of(entry))


def test_what_another_process_publishes_is_seen_too(database, url):
    live = LiveRevisions(database)
    old, new = make_entry(), make_entry(answer="不可以办。")
    publish(database, old)
    assert live(digest_of(old))
    elsewhere = Database(url)
    publish(elsewhere, new)
    elsewhere.close()
    assert live(digest_of(new))
    assert not live(digest_of(old))


def test_asking_again_reads_nothing_while_nothing_was_published(database, monkeypatch):
    entry = make_entry()
    publish(database, entry)
    live = LiveRevisions(database)
    assert live(digest_of(entry))
    monkeypatch.setattr(database, "read_now", lambda work: pytest.fail("read although nothing changed"))
    assert live(digest_of(entry))
