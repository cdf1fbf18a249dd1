"""19 政策领域, 20 服务事项, 6 场景式服务, 咨询要点 and the words citizens use for them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from .yaml_files import load_yaml_one

TAXONOMY_FILE = Path(__file__).with_name("taxonomy.yaml")


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PolicyArea(_Row):
    code: str
    name: str
    words: tuple[str, ...]


class Service(_Row):
    code: str
    name: str
    area: str
    scenario: str
    words: tuple[str, ...]


class ScenarioService(_Row):
    id: str
    name: str


class Aspect(_Row):
    id: str
    name: str
    words: tuple[str, ...]


class Taxonomy(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    areas: tuple[PolicyArea, ...]
    services: tuple[Service, ...]
    scenarios: tuple[ScenarioService, ...]
    aspects: tuple[Aspect, ...]

    @cached_property
    def area_by_code(self) -> dict[str, PolicyArea]:
        return {a.code: a for a in self.areas}

    @cached_property
    def service_by_code(self) -> dict[str, Service]:
        return {s.code: s for s in self.services}

    @cached_property
    def aspect_by_id(self) -> dict[str, Aspect]:
        return {a.id: a for a in self.aspects}


def load_taxonomy(path: Path = TAXONOMY_FILE) -> Taxonomy:
    return load_yaml_one(path, Taxonomy)
