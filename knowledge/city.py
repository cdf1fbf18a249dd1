"""The city's profile 城市档案 and its dated local parameters 本地参数."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from .errors import NotFound
from .yaml_files import load_yaml_list, load_yaml_one

CITIES_FOLDER = Path(__file__).with_name("cities")
DEFINITIONS_FILE = Path(__file__).with_name("parameters.yaml")


class ParameterDefinition(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    name: str
    type: Literal["money", "text", "days", "years", "ratio"]
    per: str | None = None
    ask: str


class ParameterValue(BaseModel):
    """One value and the days on which it holds; money in yuan, days in working days, ratio as a factor."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: str | int | float
    effective_from: date
    effective_until: date | None = None
    source: str

    def in_force(self, on: date) -> bool:
        return self.effective_from <= on and (self.effective_until is None or on <= self.effective_until)


class Notice(BaseModel):
    """An announcement of the bureau that is shown from one day to another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    text: str
    shown_from: date
    shown_until: date | None = None

    def shown(self, on: date) -> bool:
        return self.shown_from <= on and (self.shown_until is None or on <= self.shown_until)


class CityProfile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    example: bool
    bureau: str
    hotline: str
    office_hours: str
    notices: tuple[Notice, ...] = ()
    parameters: dict[str, tuple[ParameterValue, ...]] = {}

    @model_validator(mode="after")
    def _check_overlap(self) -> CityProfile:
        for key, values in self.parameters.items():
            ordered = sorted(values, key=lambda v: v.effective_from)
            for earlier, later in itertools.pairwise(ordered):
                if earlier.effective_until is None or earlier.effective_until >= later.effective_from:
                    raise ValueError(f"{key}：两个值的有效期重叠（{later.effective_from} 起）")
        return self


@dataclass
class City:
    profile: CityProfile
    definitions: tuple[ParameterDefinition, ...]

    @cached_property
    def definition_by_key(self) -> dict[str, ParameterDefinition]:
        return {d.key: d for d in self.definitions}

    def find_value(self, key: str, on: date) -> ParameterValue | None:
        """The value in force that day, or None where it is unset. Raises NotFound for an unknown key."""
        if key not in self.definition_by_key:
            raise NotFound(f"没有这个本地参数：{key}")
        return next((v for v in self.profile.parameters.get(key, ()) if v.in_force(on)), None)

    def unset(self, on: date) -> list[ParameterDefinition]:
        return [d for d in self.definitions if self.find_value(d.key, on) is None]

    def line(self, key: str, on: date) -> str:
        """How an answer shows the parameter: the value with date and source, or whom to ask."""
        definition, value = self.definition_by_key[key], self.find_value(key, on)
        if value is None:
            return f"{definition.name}：各地不一样，请问{definition.ask}。"
        mark = "【示例数据】" if self.profile.example else ""
        return (
            f"{mark}{definition.name}：{_shown(definition, value.value)}"
            f"（{_chinese(value.effective_from)}起，依据{value.source}）。"
        )


def load_city(city: str, folder: Path = CITIES_FOLDER) -> City:
    path = folder / f"{city}.yaml"
    if not path.is_file():
        known = "、".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise NotFound(f"没有城市档案 {city}（有：{known}）")
    return City(load_yaml_one(path, CityProfile), tuple(load_yaml_list(DEFINITIONS_FILE, ParameterDefinition)))


def _shown(definition: ParameterDefinition, value: str | int | float) -> str:
    if definition.type == "money":
        return f"{definition.per or ''}{value}元"
    if definition.type == "days":
        return f"{value}个工作日"
    if definition.type == "years":
        return f"{value}年"
    return str(value)


def _chinese(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
