"""Which revisions are live this very moment: asked for every candidate of every question, so asking must cost next to
nothing, and a withdrawal must work at once."""

from __future__ import annotations

import threading
from typing import Any

from knowledge.store import live_revisions, newest_event

from .database import Database


class LiveRevisions:
    """Reads the pointers again whenever something was published or withdrawn since they were last read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._live: frozenset[str] = frozenset()
        self._newest = -1
        self._version = -1
        self._watch: Any = database.engine.raw_connection() if database.engine.dialect.name == "sqlite" else None

    def __call__(self, revision: str) -> bool:
        with self._lock:
            if self._may_have_changed():
                newest = self._database.read_now(newest_event)
                if newest != self._newest:
                    self._live = self._database.read_now(live_revisions)
                    self._newest = newest
            return revision in self._live

    def _may_have_changed(self) -> bool:
        """SQLite counts the commits of all other connections; elsewhere the record of events is asked each time."""
        if self._watch is None:
            return True
        version = self._watch.cursor().execute("PRAGMA data_version").fetchone()[0]
        changed = bool(version != self._version)
        self._version = version
        return changed
