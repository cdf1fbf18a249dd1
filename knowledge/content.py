"""The types of content: Entry, Guide, Scenario. Content never changes once it is a Revision."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

Slug = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$", max_length=80)]
AreaCode = Annotated[str, StringConstraints(pattern=r"^A(0[1-9]|1[0-9])$")]
ServiceCode = Annotated[str, StringConstraints(pattern=r"^S(0[1-9]|1[0-9]|20)$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

Kind = Literal["answer", "redirect", "handoff", "decline", "crisis"]
Crisis = Literal[
    "self_harm", "other_self_harm", "domestic_violence", "child", "missing", "trafficking", "danger", "sexual_violence", "elder"
]
Track = Literal["complaint", "report", "suggestion", "information_request", "case"]
Audience = Literal["citizen", "organisation", "institution"]

DIRECT_ANSWER_MAX_CHARS = 220


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceRef(_Part):
    """Which law (id in laws.yaml) and which article of it."""

    law: Slug
    article: Text | None = None


class NegativeExample(_Part):
    q: Text
    entry: Slug | None = None


class Entry(_Part):
    """One question's answer, or the way to another department, a person, a kind line or urgent help."""

    id: Slug
    kind: Kind = "answer"
    title: Text
    area: AreaCode | None = None
    service: ServiceCode | None = None
    aspects: tuple[Text, ...] = ()
    audience: Audience = "citizen"
    answer: Text
    details: tuple[Text, ...] = ()
    next_steps: tuple[Text, ...] = ()
    parameters: tuple[Text, ...] = ()
    sources: tuple[SourceRef, ...] = ()
    questions: tuple[Text, ...] = Field(min_length=1)
    not_questions: tuple[NegativeExample, ...] = ()
    related: tuple[Slug, ...] = ()
    corrects: Text | None = None
    department: Text | None = None
    hotline: Annotated[str | None, BeforeValidator(lambda v: str(v) if isinstance(v, int) else v)] = None
    crisis: Crisis | None = None
    track: Track | None = None
    effective_from: date | None = None
    effective_until: date | None = None
    review_by: date | None = None

    @model_validator(mode="after")
    def _check_kind(self) -> Entry:
        needed = {"redirect": "department", "crisis": "crisis", "handoff": "track"}.get(self.kind)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"kind 为 {self.kind} 的条目要写 {needed}")
        if self.kind == "answer" and not (self.area and self.sources):
            raise ValueError("kind 为 answer 的条目要写 area 和至少一个 source")
        if self.effective_from and self.effective_until and self.effective_from > self.effective_until:
            raise ValueError("effective_from 晚于 effective_until")
        return self

    def in_force(self, on: date) -> bool:
        return (self.effective_from is None or self.effective_from <= on) and (
            self.effective_until is None or on <= self.effective_until
        )


class Material(_Part):
    id: Slug
    name: Text
    who: Text | None = None
    form: Text | None = None
    note: Text | None = None


class NoLongerAsked(_Part):
    name: Text
    since: date | None = None
    note: Text | None = None


class GuideStep(_Part):
    step: Text
    detail: Text


class TimeLimit(_Part):
    statutory: Text
    promised: Text | None = None


class Fee(_Part):
    amount: Text
    basis: SourceRef | None = None


class Office(_Part):
    who: Text
    where: Text
    parameters: tuple[Text, ...] = ()


class Guide(_Part):
    """办事指南: everything about one matter of a service."""

    id: Slug
    service: ServiceCode
    area: AreaCode
    title: Text
    matter: Text | None = None
    summary: Text
    basis: tuple[SourceRef, ...] = Field(min_length=1)
    eligibility: tuple[Text, ...] = Field(min_length=1)
    materials: tuple[Material, ...] = ()
    no_longer_asked: tuple[NoLongerAsked, ...] = ()
    procedure: tuple[GuideStep, ...] = Field(min_length=1)
    time_limit: TimeLimit
    fee: Fee
    office: Office
    outcome: Text
    rejections: tuple[Text, ...] = ()
    remedies: tuple[Text, ...] = ()
    remedies_basis: tuple[SourceRef, ...] = ()
    parameters: tuple[Text, ...] = ()
    effective_from: date | None = None
    effective_until: date | None = None
    review_by: date | None = None


class Choice(_Part):
    id: Slug
    label: Text
    words: tuple[Text, ...] = ()


class ScenarioQuestion(_Part):
    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    ask: Text
    why: Text | None = None
    when: Text | None = None
    choices: tuple[Choice, ...] = Field(min_length=2, max_length=8)


class Outcome(_Part):
    id: Slug
    when: Text
    verdict: Literal["may", "not_yet", "elsewhere", "person"]
    title: Text
    text: Text
    guide: Slug | None = None
    materials: tuple[Text, ...] = ()
    where: Text | None = None
    time_limit: Text | None = None
    fee: Text | None = None
    next_step: Text | None = None
    parameters: tuple[Text, ...] = ()
    sources: tuple[SourceRef, ...] = ()


class Scenario(_Part):
    """场景式服务: questions with choices, then the first outcome that is certainly true."""

    id: Slug
    title: Text
    summary: Text
    questions: tuple[ScenarioQuestion, ...] = Field(min_length=1)
    outcomes: tuple[Outcome, ...] = Field(min_length=1)


Item = Entry | Guide | Scenario


def digest_of(item: Item) -> str:
    """Hex SHA-256 over the canonical JSON of the content: the identity of a Revision."""
    body = json.dumps(
        {"type": type(item).__name__, **item.model_dump(mode="json")}, ensure_ascii=False, sort_keys=True
    )
    return hashlib.sha256(body.encode("utf-8")).hexdigest()
