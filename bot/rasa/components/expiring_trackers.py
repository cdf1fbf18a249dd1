"""Trackers in memory that are forgotten: the built-in store keeps every sender for ever."""

from __future__ import annotations

import time
from typing import Any

from rasa.core.tracker_store import InMemoryTrackerStore
from rasa.shared.core.trackers import DialogueStateTracker

KEPT_S = 3600.0
MAX_SENDERS = 20_000
SWEEP_EVERY = 256


class ExpiringTrackerStore(InMemoryTrackerStore):
    def __init__(self, domain: Any, event_broker: Any = None, **kwargs: Any) -> None:
        super().__init__(domain, event_broker)
        self._used: dict[str, float] = {}
        self._saves = 0

    async def save(self, tracker: DialogueStateTracker) -> None:
        await super().save(tracker)
        self._used.pop(tracker.sender_id, None)
        self._used[tracker.sender_id] = time.monotonic()
        self._saves += 1
        if self._saves % SWEEP_EVERY == 0 or len(self._used) > MAX_SENDERS:
            self._forget(time.monotonic() - KEPT_S)

    def _forget(self, before: float) -> None:
        for sender_id, used in list(self._used.items()):
            if used >= before and len(self._used) <= MAX_SENDERS:
                return
            self._used.pop(sender_id, None)
            self.store.pop(sender_id, None)
