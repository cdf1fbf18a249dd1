"""Compose: the reviewed text word for word, with dated parameters, legal basis and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from index.calibration import as_in_the_field
from knowledge.city import City
from knowledge.content import Entry, Guide
from knowledge.laws import LawRegister
from knowledge.snapshot import Snapshot

from ..answer import Answer, Band, Choice, Citation, Verdict, make_reply
from ..texts import say
from .draft import Candidate, Draft

_VERDICTS = {
    "redirect": Verdict.REDIRECT_DEPARTMENT,
    "handoff": Verdict.HANDOFF_TRACK,
    "decline": Verdict.DECLINE_SMALL_TALK,
    "crisis": Verdict.CRISIS_URGENT,
}
PERSON = "person"
NO = "no"
NONE_OF_THESE = "none"


class Composer:
    def __init__(self, snapshot: Snapshot, laws: LawRegister, city: City) -> None:
        self._snapshot = snapshot
        self._laws = laws
        self._city = city

    def compose(
        self, draft: Draft, candidate: Candidate, band: Band, nearest: Sequence[Candidate] = (),
        others: Sequence[Candidate] = (),
    ) -> Answer:
        entry, question = candidate.entry, draft.question
        verdict = _VERDICTS.get(entry.kind) or (
            Verdict.ANSWER_DIRECT if band == "direct" else Verdict.ANSWER_CHECK
        )
        text = self.entry_text(entry, question.on)
        if question.locale != "zh-Hans" and entry.kind in ("answer", "redirect"):
            text = f"{say('chinese_only', question.locale)}\n{text}"
        choices: list[Choice] = []
        if verdict is Verdict.REDIRECT_DEPARTMENT and band == "check":
            text += f"\n\n{say('check_redirect', question.locale)}"
            choices = person_choices(question.locale)
        if verdict is Verdict.ANSWER_CHECK:
            text += self._other_readings(others, question.locale)
            text += f"\n\n{say('check', question.locale)}"
            choices = [entry_choice(c.entry) for c in nearest[:3]]
            choices.append(Choice(id=PERSON, label=say("choice_person", question.locale)))
        if verdict in (Verdict.HANDOFF_TRACK, Verdict.CRISIS_URGENT):
            text += f"\n\n{say('offer_person', question.locale)}"
            choices = person_choices(question.locale)
        draft.chosen = candidate
        return Answer(
            make_reply(
                verdict,
                text,
                question.on,
                choices=choices or None,
                area=entry.area,
                service=entry.service,
                entry_id=entry.id,
                department=entry.department,
                citations=self.citations(entry) or None,
                confidence=round(as_in_the_field(candidate.probability), 4),
                band=band,
                revisions=[candidate.revision],
                snapshot=self._snapshot.version,
            )
        )

    def _other_readings(self, others: Sequence[Candidate], locale: str) -> str:
        """The direct answers of what the citizen may have meant instead, each under its title."""
        return "".join(f"\n\n{say('instead', locale, title=c.entry.title)}\n{c.entry.answer}" for c in others)

    def entry_text(self, entry: Entry, on: date) -> str:
        parts = [entry.answer]
        if entry.details:
            parts.append("\n".join(f"· {line}" for line in entry.details))
        local = [self._city.line(key, on) for key in entry.parameters]
        if local:
            parts.append("\n".join(local))
        if entry.next_steps:
            parts.append(
                "接下来：\n" + "\n".join(f"{n}. {step}" for n, step in enumerate(entry.next_steps, 1))
            )
        if entry.hotline and entry.hotline not in "".join(parts):
            parts.append(f"咨询电话：{entry.hotline}。")
        basis = basis_lines(self.citations(entry))
        if basis:
            parts.append("依据：\n" + "\n".join(basis))
        return "\n\n".join(parts)

    def guide_text(self, guide: Guide) -> str:
        materials = "；".join(m.name + (f"（{m.who}）" if m.who else "") for m in guide.materials)
        lines = [
            f"《{guide.title}》办事指南：{guide.summary}",
            f"条件：{'；'.join(guide.eligibility)}",
            f"材料：{materials or '无需提交'}",
            f"怎么办：{'→'.join(s.step for s in guide.procedure)}",
            f"多久：{guide.time_limit.statutory}；费用：{guide.fee.amount}",
            f"去哪办：{guide.office.who}（{guide.office.where}）",
        ]
        basis = basis_lines([Citation.model_validate(self._laws.cite(s)) for s in guide.basis[:3]])
        return "\n".join(lines) + "\n\n依据：\n" + "\n".join(basis)

    def citations(self, entry: Entry) -> list[Citation]:
        return [Citation.model_validate(self._laws.cite(s)) for s in entry.sources]

    def guide_answer(self, draft: Draft, guide: Guide, choices: list[Choice], confidence: float) -> Answer:
        question = draft.question
        return Answer(
            make_reply(
                Verdict.ANSWER_GUIDE,
                f"{self.guide_text(guide)}\n\n{say('clarify', question.locale)}",
                question.on,
                choices=[*choices, Choice(id=PERSON, label=say("choice_person", question.locale))],
                area=guide.area,
                service=guide.service,
                entry_id=guide.id,
                citations=[Citation.model_validate(self._laws.cite(s)) for s in guide.basis],
                confidence=round(as_in_the_field(confidence), 4),
                band="check",
                revisions=[self._snapshot.revisions[("guide", guide.id)]],
                snapshot=self._snapshot.version,
            )
        )

    def clarify(self, draft: Draft, candidates: Sequence[Candidate]) -> Answer:
        question = draft.question
        choices = [entry_choice(c.entry) for c in candidates]
        choices.append(Choice(id=NONE_OF_THESE, label=say("choice_none", question.locale)))
        listing = "\n".join(f"{n}. {c.label}" for n, c in enumerate(choices, 1))
        return self._unanswered(
            draft, Verdict.CLARIFY_CHOICES, f"{say('clarify', question.locale)}\n{listing}", choices, candidates
        )

    def unsure(self, draft: Draft, candidates: Sequence[Candidate]) -> Answer:
        locale = draft.question.locale
        return self._unanswered(
            draft, Verdict.HANDOFF_UNSURE, say("unsure", locale), person_choices(locale), candidates
        )

    def _unanswered(
        self, draft: Draft, verdict: Verdict, text: str, choices: list[Choice], candidates: Sequence[Candidate]
    ) -> Answer:
        areas = {c.entry.area for c in candidates[:3]}
        services = {c.entry.service for c in candidates[:3]}
        fields: dict[str, Any] = {
            "area": candidates[0].entry.area if candidates else None,
            "service": services.pop() if len(services) == 1 else None,
        }
        draft.trace["areas_considered"] = sorted(a for a in areas if a)
        return Answer(
            make_reply(
                verdict,
                text,
                draft.question.on,
                choices=choices,
                band="ask",
                confidence=round(candidates[0].probability, 4) if candidates else 0.0,
                snapshot=self._snapshot.version,
                **fields,
            )
        )


def entry_choice(entry: Entry) -> Choice:
    whose = f"（归{entry.department}）" if entry.department else ""
    return Choice(id=f"entry:{entry.id}", label=entry.title + whose)


def person_choices(locale: str) -> list[Choice]:
    return [
        Choice(id=PERSON, label=say("choice_person", locale)),
        Choice(id=NO, label=say("choice_no", locale)),
    ]


def basis_lines(citations: Sequence[Citation]) -> list[str]:
    lines = []
    for c in citations:
        since = f"，{c.effective_from.year}年{c.effective_from.month}月{c.effective_from.day}日起施行" if c.effective_from else ""
        lines.append(f"《{c.title}》（{c.document_number}）{c.article or ''}{since}")
    return lines
