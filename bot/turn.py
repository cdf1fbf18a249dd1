"""One turn of a conversation: what came in, and what it led to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from .answer import Answer
from .dialogue.form import FormState
from .dialogue.form_talk import FormMove, FormTalk
from .memory import Memory


@dataclass
class PendingTurn:
    """A turn that is being decided; Rasa's actions work on it."""

    text: str
    clean: str
    on: date
    memory: Memory
    locale: str
    talk: FormTalk
    answers: list[Answer] | None = None
    move: FormMove | None = None
    followed: bool = False
    """Rasa has taken up the form in this very turn"""


@dataclass(frozen=True)
class SavedForm:
    """A form to be kept under its code."""

    code: str
    state: FormState


@dataclass(frozen=True)
class Opinion:
    """有用/没用 about a reply."""

    reply_id: str
    useful: bool
    comment: str | None = None


@dataclass
class TurnResult:
    answers: list[Answer]
    memory: Memory
    open_ticket: bool = False
    """the citizen agreed to be passed on; the inbox adds number, code and date"""
    dialogue: str = "none"
    """what decided: rasa, single_turn, choice, form, screen"""
    rotate: bool = False
    saved: SavedForm | None = None
    opinion: Opinion | None = None
    trace: dict[str, Any] = field(default_factory=dict)
