"""发布快照: all live revisions at a moment; its version is a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .content import Entry, Guide, Scenario
from .store import LiveItem


@dataclass(frozen=True)
class Snapshot:
    entries: Mapping[str, Entry] = field(default_factory=dict)
    guides: Mapping[str, Guide] = field(default_factory=dict)
    scenarios: Mapping[str, Scenario] = field(default_factory=dict)
    revisions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """("entry", id) → revision id"""

    @cached_property
    def version(self) -> str:
        lines = sorted(f"{kind}:{item}:{revision}" for (kind, item), revision in self.revisions.items())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def revision_of(self, entry_id: str) -> str:
        return self.revisions[("entry", entry_id)]

    def guides_of(self, service: str) -> list[Guide]:
        return [g for g in self.guides.values() if g.service == service]


def build_snapshot(live: Iterable[LiveItem]) -> Snapshot:
    entries, guides, scenarios, revisions = {}, {}, {}, {}
    for row in live:
        item = row.item
        if isinstance(item, Entry):
            entries[item.id] = item
            revisions[("entry", item.id)] = row.revision_id
        elif isinstance(item, Guide):
            guides[item.id] = item
            revisions[("guide", item.id)] = row.revision_id
        else:
            scenarios[item.id] = item
            revisions[("scenario", item.id)] = row.revision_id
    return Snapshot(entries, guides, scenarios, revisions)
