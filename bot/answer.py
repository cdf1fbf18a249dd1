"""Question → Draft → Answer. The Answer is what contract.md calls a Reply, with the evidence behind it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from knowledge.yaml_files import load_yaml_list

Kind = Literal["answer", "clarify", "scenario", "redirect", "handoff", "decline", "crisis", "failed"]
Band = Literal["direct", "check", "ask"]

VERDICTS_FILE = Path(__file__).parent / "answering" / "verdicts.yaml"


class Verdict(StrEnum):
    """What became of a question; each has one row in verdicts.yaml."""

    ANSWER_DIRECT = "answer_direct"
    ANSWER_CHECK = "answer_check"
    ANSWER_GUIDE = "answer_guide"
    CLARIFY_CHOICES = "clarify_choices"
    CLARIFY_EMPTY = "clarify_empty"
    REDIRECT_DEPARTMENT = "redirect_department"
    HANDOFF_UNSURE = "handoff_unsure"
    HANDOFF_TRACK = "handoff_track"
    HANDOFF_ASKED = "handoff_asked"
    HANDOFF_TICKET = "handoff_ticket"
    HANDOFF_WAITING = "handoff_waiting"
    DECLINE_SMALL_TALK = "decline_small_talk"
    DECLINE_COURTESY = "decline_courtesy"
    SCENARIO_STEP = "scenario_step"
    SCENARIO_RESULT = "scenario_result"
    SCENARIO_PAUSED = "scenario_paused"
    CRISIS_URGENT = "crisis_urgent"
    FAILED_ERROR = "failed_error"


class VerdictRow(BaseModel):
    verdict: Verdict
    kind: Kind
    offers_person: bool
    meaning: str


@cache
def verdict_rows() -> dict[Verdict, VerdictRow]:
    return {row.verdict: row for row in load_yaml_list(VERDICTS_FILE, VerdictRow)}


class Choice(BaseModel):
    id: str
    label: str


class Citation(BaseModel):
    title: str
    document_number: str
    article: str | None
    effective_from: date | None


class TicketReceipt(BaseModel):
    number: str
    code: str
    due_at: str


class Reply(BaseModel):
    """The public shape of an Answer (contract.md)."""

    id: str
    kind: Kind
    text: str
    choices: list[Choice] | None = None
    area: str | None = None
    service: str | None = None
    entry_id: str | None = None
    department: str | None = None
    citations: list[Citation] | None = None
    confidence: float | None = None
    band: Band | None = None
    ticket: TicketReceipt | None = None
    link: str | None = None
    """a page of this service that belongs to the reply, such as a printable result"""
    verdict: Verdict
    revisions: list[str] = []
    snapshot: str | None = None
    as_of: date


@dataclass(frozen=True)
class Question:
    text: str
    """as asked, masked"""
    on: date
    context: dict[str, Any] = field(default_factory=dict)
    """what the conversation remembers: topic entry, pending choices (see conversation memory in assistant.py)"""
    locale: str = "zh-Hans"


@dataclass(frozen=True)
class Answer:
    reply: Reply
    trace: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return self.reply.verdict


def make_reply(verdict: Verdict, text: str, on: date, **fields: Any) -> Reply:
    return Reply(
        id=uuid.uuid4().hex, kind=verdict_rows()[verdict].kind, text=text, verdict=verdict, as_of=on, **fields
    )
