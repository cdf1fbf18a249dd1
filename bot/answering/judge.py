"""Judge: how sure is the service, and what may it therefore do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from index.calibration import readings
from knowledge.laws import LawRegister

from ..answer import Answer
from .compose import Composer, entry_choice
from .draft import Candidate, Draft
from .guard import IsLive, find_objection
from .retrieve import Engine

CRISIS_MASS = 0.5
"""together, the safety texts' probability from which urgent help comes first: missing one is worse than one too many"""
CLARIFY_FLOOR = 0.12
MAX_CHOICES = 3
FORMULAIC = ("decline", "crisis")
SHOWN = ("answer", "redirect")
REDIRECT_EASE = 0.3
"""a redirect to be checked offers a person in the same breath, so it needs less certainty than an answer"""


class Judge:
    name = "judge"

    def __init__(self, engine: Engine, composer: Composer, laws: LawRegister, is_live: IsLive) -> None:
        self._engine = engine
        self._composer = composer
        self._laws = laws
        self._is_live = is_live

    def __call__(self, draft: Draft) -> Answer:
        candidates = self._allowed(draft)
        crisis = [c for c in candidates if c.entry.kind == "crisis"]
        if sum(c.probability for c in crisis) >= CRISIS_MASS:
            return self._composer.compose(draft, crisis[0], "direct")
        if not candidates:
            return self._composer.unsure(draft, [])
        best = candidates[0]
        draft.trace["confidence"] = round(_confidence(best, candidates), 4)
        return self._direct(draft, best, candidates) or self._to_check(draft, best, candidates) or self._ask(draft, candidates)

    def _direct(self, draft: Draft, best: Candidate, candidates: Sequence[Candidate]) -> Answer | None:
        confidence = _confidence(best, candidates)
        needed = "check" if best.entry.kind in FORMULAIC else "direct"
        if confidence < self._engine.thresholds[needed]:
            return None
        return self._composer.compose(draft, replace(best, probability=confidence), "direct", _nearest(best, candidates))

    def _to_check(self, draft: Draft, best: Candidate, candidates: Sequence[Candidate]) -> Answer | None:
        check = self._engine.thresholds["check"]
        if best.entry.kind == "answer":
            shown = [candidates[i] for i in readings([c.probability for c in candidates]) if candidates[i].entry.kind in SHOWN]
            mass = sum(c.probability for c in shown)
        else:
            shown, mass = [best], _confidence(best, candidates)
            check *= REDIRECT_EASE if best.entry.kind == "redirect" else 1.0
        if mass < check:
            return None
        draft.trace["readings"] = [c.entry.id for c in shown]
        return self._composer.compose(draft, replace(best, probability=mass), "check", _nearest(best, candidates), shown[1:])

    def _allowed(self, draft: Draft) -> list[Candidate]:
        kept, rejected = [], []
        for candidate in draft.ranked:
            reason = find_objection(
                candidate.entry, candidate.revision, draft.question.on, self._laws, self._is_live, candidate.entry.answer
            )
            if reason:
                rejected.append([candidate.entry.id, reason])
            else:
                kept.append(candidate)
        if rejected:
            draft.trace["rejected"] = rejected
        return kept

    def _ask(self, draft: Draft, candidates: Sequence[Candidate]) -> Answer:
        own = [c for c in candidates if c.entry.kind == "answer"]
        service_mass: dict[str, float] = {}
        for c in own:
            if c.entry.service:
                service_mass[c.entry.service] = service_mass.get(c.entry.service, 0.0) + c.probability
        service = max(service_mass, key=lambda s: service_mass[s], default=None)
        if service and service_mass[service] >= self._engine.thresholds["direct"]:
            of_service = [c for c in own if c.entry.service == service]
            guides = self._engine.snapshot.guides_of(service)
            choices = [entry_choice(c.entry) for c in of_service][:MAX_CHOICES]
            if len(guides) == 1:
                return self._composer.guide_answer(draft, guides[0], choices, service_mass[service])
        likely = [c for c in own if c.probability >= CLARIFY_FLOOR][:MAX_CHOICES]
        if len(likely) >= 2 or (likely and draft.none_probability < 0.5):
            return self._composer.clarify(draft, likely)
        return self._composer.unsure(draft, candidates)


def _confidence(best: Candidate, candidates: Sequence[Candidate]) -> float:
    """For redirects and small talk any entry of the same department or kind is as good."""
    entry = best.entry
    if entry.kind == "redirect":
        return sum(c.probability for c in candidates if c.entry.department == entry.department)
    if entry.kind in FORMULAIC:
        return sum(c.probability for c in candidates if c.entry.kind == entry.kind)
    if entry.kind == "handoff":
        return sum(c.probability for c in candidates if c.entry.kind == "handoff")
    return best.probability


def _nearest(best: Candidate, candidates: Sequence[Candidate]) -> list[Candidate]:
    return [c for c in candidates if c is not best and c.entry.kind == "answer" and c.probability >= 0.02]
