"""The public guides as data: areas, services, scenarios of the current snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from knowledge.content import Entry, Guide
from knowledge.laws import LawRegister
from knowledge.snapshot import Snapshot
from knowledge.taxonomy import Taxonomy


class PublicData:
    def __init__(self, snapshot: Callable[[], Snapshot], taxonomy: Taxonomy, laws: LawRegister) -> None:
        self.snapshot = snapshot
        self.taxonomy = taxonomy
        self.laws = laws

    def areas(self) -> list[dict[str, Any]]:
        return [
            {
                "code": a.code,
                "name": a.name,
                "services": [s.code for s in self.taxonomy.services if s.area == a.code],
                "entries": sum(1 for e in self.snapshot().entries.values() if e.area == a.code),
            }
            for a in self.taxonomy.areas
        ]

    def services(self) -> list[dict[str, Any]]:
        return [
            {"code": s.code, "name": s.name, "area": s.area, "scenario": s.scenario} for s in self.taxonomy.services
        ]

    def find_service(self, code: str) -> dict[str, Any] | None:
        service = self.taxonomy.service_by_code.get(code)
        if service is None:
            return None
        return {
            "code": service.code,
            "name": service.name,
            "area": service.area,
            "scenario": service.scenario,
            "guides": [self.guide(g) for g in self.snapshot().guides_of(code)],
        }

    def guide(self, guide: Guide) -> dict[str, Any]:
        data = guide.model_dump(mode="json")
        data["basis"] = [self.laws.cite(s) for s in guide.basis]
        return data

    def scenarios(self) -> list[dict[str, Any]]:
        live = self.snapshot().scenarios
        return [
            {
                "id": row.id,
                "name": row.name,
                "services": [s.code for s in self.taxonomy.services if s.scenario == row.id],
                "summary": live[row.id].summary if row.id in live else None,
            }
            for row in self.taxonomy.scenarios
        ]

    def entries_of_area(self, code: str) -> list[Entry]:
        """Those of a service first, in the order of the services."""
        own = [e for e in self.snapshot().entries.values() if e.area == code and e.kind in ("answer", "redirect")]
        return sorted(own, key=lambda e: (e.service or "S99", e.kind != "answer", e.id))
