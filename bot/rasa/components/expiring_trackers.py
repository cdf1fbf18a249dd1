"""Trackers in memory that stay short and are forgotten: the built-in store keeps every turn of every sender for ever.

Every rule of ours begins with what the citizen said and ends listening, so what a tracker needs from earlier turns is
its slots and its loop. A turn therefore costs the same whether it is the first or the two-hundredth.
"""

from __future__ import annotations

import time
from typing import Any, Optional

from rasa.core.tracker_store import InMemoryTrackerStore
from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME, REQUESTED_SLOT
from rasa.shared.core.events import ActionExecuted, ActiveLoop, Event, SessionStarted, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

KEPT_S = 3600.0
MAX_SENDERS = 20_000
SWEEP_EVERY = 256


class ExpiringTrackerStore(InMemoryTrackerStore):
    def __init__(self, domain: Any, event_broker: Any = None, **kwargs: Any) -> None:
        super().__init__(domain, event_broker)
        self._kept: dict[str, list[Event]] = {}
        self._used: dict[str, float] = {}
        self._saves = 0

    async def save(self, tracker: DialogueStateTracker) -> None:
        self._kept[tracker.sender_id] = essence(tracker)
        self._used.pop(tracker.sender_id, None)
        self._used[tracker.sender_id] = time.monotonic()
        self._saves += 1
        if self._saves % SWEEP_EVERY == 0 or len(self._used) > MAX_SENDERS:
            self._forget(time.monotonic() - KEPT_S)

    async def retrieve(self, sender_id: str) -> Optional[DialogueStateTracker]:
        events = self._kept.get(sender_id)
        if events is None:
            return None
        return DialogueStateTracker.from_events(sender_id, events, self.domain.slots, domain=self.domain)

    async def keys(self) -> Any:
        return self._kept.keys()

    def _forget(self, before: float) -> None:
        for sender_id, used in list(self._used.items()):
            if used >= before and len(self._used) <= MAX_SENDERS:
                return
            self._used.pop(sender_id, None)
            self._kept.pop(sender_id, None)


def essence(tracker: DialogueStateTracker) -> list[Event]:
    """The events that lead to the same slots and loop, listening."""
    loop = tracker.active_loop_name
    slots = [SlotSet(name, slot.value) for name, slot in tracker.slots.items() if slot.value is not None and name != REQUESTED_SLOT]
    events = [ActionExecuted(ACTION_SESSION_START_NAME), SessionStarted(), ActionExecuted(ACTION_LISTEN_NAME), *slots]
    if loop:
        requested = SlotSet(REQUESTED_SLOT, tracker.get_slot(REQUESTED_SLOT))
        events += [ActionExecuted(loop), ActiveLoop(loop), requested, ActionExecuted(ACTION_LISTEN_NAME)]
    return events
