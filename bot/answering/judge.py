"""Judge: how sure is the service, and what may it therefore do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from index.calibration import readings
from knowledge.laws import LawRegister

from ..answer import Answer
from .complaint import find_track, is_complaint
from .compose import Composer, entry_choice
from .draft import Candidate, Draft
from .guard import IsLive, find_objection
from .retrieve import Engine

CRISIS_MASS, CRISIS_FIRST = 0.5, 0.3
"""together, the safety texts' probability from which urgent help comes first, less where one of them is the likeliest
entry of all: missing one is worse than one too many"""
CRISIS_CHARS, CRISIS_SHORT = 5, 0.9
"""fewer characters than that say too little for those: only the screen's words or an example question do then"""
CLARIFY_FLOOR, FURTHER_CHOICE = 0.12, 0.05
MAX_CHOICES = 3
FORMULAIC = ("decline", "crisis")
SHOWN = ("answer", "redirect")
COMPLAINT_MASS = 0.4
"""together, the probability of one area's entries from which a complaint is taken to be ours"""
SERVICE_MASS = 0.6
"""together, the probability of one service's entries from which its likeliest points are shown instead of a question back"""
POINT_FLOOR = 0.2
"""below it, the service's guide says more than its likeliest point"""
SMALL_TALK_EASE = 0.8
"""a polite line says nothing that could be wrong"""
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
        needed = CRISIS_FIRST if crisis and crisis[0] is candidates[0] else CRISIS_MASS
        if sum(ch.isalnum() for ch in draft.text) < CRISIS_CHARS:
            needed = CRISIS_SHORT
        if sum(c.probability for c in crisis) >= needed:
            return self._composer.compose(draft, crisis[0], "direct")
        if not candidates:
            return self._composer.unsure(draft, [])
        best = candidates[0]
        draft.trace["confidence"] = round(_confidence(best, candidates), 4)
        return (
            self._complaint(draft, candidates)
            or self._direct(draft, best, candidates)
            or self._to_check(draft, best, candidates)
            or self._service(draft, candidates)
            or self._ask(draft, candidates)
        )

    def _complaint(self, draft: Draft, candidates: Sequence[Candidate]) -> Answer | None:
        """A matter to be dealt with goes to a person, unless it is another department's."""
        if not is_complaint(draft.text):
            return None
        theirs = sum(c.probability for c in candidates if c.entry.kind == "redirect")
        track = find_track(candidates, self._engine.snapshot)
        if track is None or track.probability < max(theirs, COMPLAINT_MASS):
            return None
        draft.trace["complaint"] = track.entry.id
        return self._composer.compose(draft, track, "direct")

    def _direct(self, draft: Draft, best: Candidate, candidates: Sequence[Candidate]) -> Answer | None:
        confidence, thresholds = _confidence(best, candidates), self._engine.thresholds
        needed = thresholds["check"] * SMALL_TALK_EASE if best.entry.kind in FORMULAIC else thresholds["direct"]
        if confidence < needed:
            return None
        return self._composer.compose(draft, replace(best, probability=confidence), "direct", _nearest(best, candidates))

    def _to_check(self, draft: Draft, best: Candidate, candidates: Sequence[Candidate]) -> Answer | None:
        check = self._engine.thresholds["check"]
        mass = _confidence(best, candidates)
        shown = [best]
        if best.entry.kind in SHOWN:
            read = [candidates[i] for i in readings([c.probability for c in candidates])]
            shown = [c for c in read if c.entry.kind in SHOWN]
            if best.entry.kind == "answer":
                mass = sum(c.probability for c in shown)
            else:
                check *= REDIRECT_EASE
        elif best.entry.kind == "handoff" and not is_complaint(draft.text):
            own = [c for c in candidates if c.entry.kind == "answer"]
            read = [own[i] for i in readings([c.probability for c in own])]
            if read and read[0].probability >= best.probability / 2:
                shown, mass = read, mass + sum(c.probability for c in read)
        if mass < check:
            return None
        draft.trace["readings"] = [c.entry.id for c in shown]
        return self._composer.compose(
            draft, replace(shown[0], probability=mass), "check", _nearest(shown[0], candidates), shown[1:]
        )

    def _service(self, draft: Draft, candidates: Sequence[Candidate]) -> Answer | None:
        """Where the service is sure and the point is not: its likeliest points, each under its title, or its guide."""
        mass: dict[str, float] = {}
        for c in candidates:
            if c.entry.kind == "answer" and c.entry.service:
                mass[c.entry.service] = mass.get(c.entry.service, 0.0) + c.probability
        service = max(mass, key=lambda s: mass[s], default=None)
        if service is None or mass[service] < SERVICE_MASS:
            return None
        points = [c for c in candidates if c.entry.kind == "answer" and c.entry.service == service][:MAX_CHOICES]
        guides = self._engine.snapshot.guides_of(service)
        if points[0].probability < POINT_FLOOR and len(guides) == 1:
            return self._composer.guide_answer(draft, guides[0], [entry_choice(c.entry) for c in points], mass[service])
        draft.trace["readings"] = [c.entry.id for c in points]
        return self._composer.compose(
            draft, replace(points[0], probability=mass[service]), "check", _nearest(points[0], candidates), points[1:]
        )

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
        own = [c for c in candidates if c.entry.kind in SHOWN]
        likely = [c for c in own if c.probability >= CLARIFY_FLOOR]
        if len(likely) == 1 and draft.none_probability < 0.5:
            likely = [c for c in own if c.probability >= FURTHER_CHOICE]
        if len(likely) >= 2:
            return self._composer.clarify(draft, likely[:MAX_CHOICES])
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
