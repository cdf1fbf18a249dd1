"""What a conversation remembers between turns; stored as JSON with the conversation."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from knowledge.snapshot import Snapshot
from knowledge.taxonomy import Taxonomy

from .answer import Answer, Verdict, verdict_rows
from .dialogue.form import FormState, topic_of

MISSES_BEFORE_OFFER = 2
MOST_TOPICS = 3
MISSED = frozenset({Verdict.HANDOFF_UNSURE, Verdict.CLARIFY_CHOICES, Verdict.CLARIFY_EMPTY})
"""what brings the citizen no further"""
_REASONS = {
    Verdict.HANDOFF_UNSURE: "unsure",
    Verdict.CLARIFY_CHOICES: "unsure",
    Verdict.FAILED_ERROR: "failed",
    Verdict.CRISIS_URGENT: "crisis",
}


class Topic(BaseModel):
    """What the conversation was about before it turned to something else."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic_entry: str
    area: str | None
    service: str | None
    question: str | None


class Memory(BaseModel):
    model_config = ConfigDict(extra="ignore")

    topic_entry: str | None = None
    area: str | None = None
    service: str | None = None
    earlier: tuple[Topic, ...] = ()
    """latest first"""
    choices: dict[str, str] = {}
    """choice id → label, as last offered"""
    offered_person: bool = False
    question: str | None = None
    """the last question as asked (masked): what a ticket would be about"""
    last_text: str | None = None
    last_entry: str | None = None
    """the entry last shown, of any kind"""
    reason: str = "asked"
    """why a person would be needed, if the citizen agrees now"""
    misses: int = 0
    ticket: str | None = None
    last_answer: str | None = None
    """id of the reply that 有用 or 没用 would be about"""
    asking_why: bool = False
    """the citizen said 没用 and may say why"""
    form: FormState | None = None
    form_code: str | None = None
    """the code under which the form was saved"""
    form_sender: str | None = None
    """the sender id whose tracker in Rasa follows the form"""

    def topics(self, snapshot: Snapshot, taxonomy: Taxonomy) -> list[str]:
        """Words that may stand for the topic in a follow-up question: the entry's, its service's or area's."""
        if self.form and self.form.is_open and self.form.scenario in snapshot.scenarios:
            return [topic_of(snapshot.scenarios[self.form.scenario], self.form)]
        found = []
        if self.topic_entry and self.topic_entry in snapshot.entries:
            found.append(snapshot.entries[self.topic_entry].title)
        if self.service and self.service in taxonomy.service_by_code:
            found.append(taxonomy.service_by_code[self.service].words[0])
        elif self.area and self.area in taxonomy.area_by_code:
            found.append(taxonomy.area_by_code[self.area].name)
        return found

    def returned(self) -> Memory | None:
        """As it was about the topic before; None where there was only one."""
        if not self.earlier:
            return None
        back, *others = self.earlier
        return self.model_copy(update={**back.model_dump(), "earlier": self._left_behind(tuple(others))})

    def _left_behind(self, others: tuple[Topic, ...]) -> tuple[Topic, ...]:
        if self.topic_entry is None:
            return others
        left = Topic(topic_entry=self.topic_entry, area=self.area, service=self.service, question=self.question)
        return (left, *others)[:MOST_TOPICS]

    def after(self, answer: Answer, question: str) -> Memory:
        """The memory once this answer has been given."""
        reply = answer.reply
        update: dict[str, Any] = {
            "choices": {c.id: c.label for c in reply.choices or []},
            "offered_person": verdict_rows()[answer.verdict].offers_person and reply.kind not in ("answer", "clarify"),
            "last_text": reply.text,
            "last_entry": reply.entry_id,
            "reason": _REASONS.get(answer.verdict, "asked"),
            "asking_why": False,
        }
        if reply.kind in ("answer", "redirect", "handoff", "clarify", "crisis", "scenario"):
            update["question"] = question
        if reply.kind in ("answer", "redirect", "handoff", "crisis") or answer.verdict is Verdict.SCENARIO_RESULT:
            update["last_answer"] = reply.id
        if reply.kind in ("answer", "redirect") and reply.entry_id:
            if (reply.area, reply.service) != (self.area, self.service):
                update["earlier"] = self._left_behind(self.earlier)
            update |= {"topic_entry": reply.entry_id, "area": reply.area, "service": reply.service}
        update["misses"] = self.misses + 1 if answer.verdict in MISSED else 0
        return self.model_copy(update=update)
