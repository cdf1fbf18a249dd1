"""Guided services 场景式服务 as replies: a step with its choices, the result with checklist and basis, the pause."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from knowledge.city import City
from knowledge.content import Material, Outcome, Scenario, ScenarioQuestion
from knowledge.laws import LawRegister
from knowledge.snapshot import Snapshot
from knowledge.taxonomy import Taxonomy

from ..answer import Answer, Choice, Citation, Verdict, make_reply
from ..answering.compose import PERSON, basis_lines
from ..inbox.handoff import CODE_LETTERS
from ..texts import say
from .form import FormState, outcomes_of, question_of
from .wording import Wording

CODE_LENGTH = 10
CODE = re.compile(rf"(?<![0-9a-z])([{CODE_LETTERS.lower()}]{{{CODE_LENGTH}}})(?![0-9a-z])")
MAX_POSSIBLE = 3
CONTROL = "control:"
ANSWER = "form:"
REOPEN = "reopen:"
SCENARIO = "scenario:"


@dataclass(frozen=True)
class OutcomeView:
    """An outcome with everything that it refers to, ready for a reply or a page."""

    outcome: Outcome
    """in the citizen's language"""
    verdict_name: str
    materials: list[str]
    local: list[str]
    citations: list[Citation]

    @property
    def basis(self) -> list[str]:
        return basis_lines(self.citations)


class GuidedServices:
    """Over one generation of the knowledge."""

    def __init__(
        self, snapshot: Snapshot, laws: LawRegister, city: City, taxonomy: Taxonomy, is_live: Callable[[str], bool]
    ) -> None:
        self._snapshot = snapshot
        self._laws = laws
        self._city = city
        self._taxonomy = taxonomy
        self._is_live = is_live

    def find(self, scenario_id: str) -> Scenario | None:
        """The scenario where its revision is still live."""
        scenario = self._snapshot.scenarios.get(scenario_id)
        live = scenario is not None and self._is_live(self._snapshot.revisions[("scenario", scenario_id)])
        return scenario if live else None

    def named_in(self, clean: str) -> str | None:
        """The scenario whose title, services or areas the normalised text names; the longest word wins."""
        services = self._taxonomy.services
        words = [(w, s.scenario) for s in services for w in (*s.words, *re.split("[、（）]", s.name))]
        words += [(w, s.scenario) for s in services for w in self._taxonomy.area_by_code[s.area].words]
        words += [(s.name, s.id) for s in self._taxonomy.scenarios]
        hits = [(len(w), scenario) for w, scenario in words if len(w) >= 2 and w.lower() in clean]
        return max(hits)[1] if hits else None

    def of_service(self, code: str | None) -> str | None:
        service = self._taxonomy.service_by_code.get(code or "")
        return service.scenario if service else None

    def offer(self, scenario_id: str, locale: str) -> Choice | None:
        scenario = self.find(scenario_id)
        if scenario is None:
            return None
        return Choice(id=f"{SCENARIO}{scenario_id}", label=say("form_offer", locale, title=Wording(scenario, locale).title))

    def which(self, on: date, locale: str) -> Answer:
        """All of them to choose from."""
        scenarios = [s for s in map(self.find, self._snapshot.scenarios) if s is not None]
        choices = [Choice(id=f"{SCENARIO}{s.id}", label=Wording(s, locale).title) for s in scenarios]
        text = f"{say('form_which', locale)}\n{_numbered(choices)}"
        return Answer(make_reply(Verdict.SCENARIO_STEP, text, on, choices=choices), {"decided_by": "form"})

    def step(self, scenario: Scenario, state: FormState, on: date, locale: str, lead: str = "") -> Answer:
        """The open question, or the answers to pick one from."""
        wording = Wording(scenario, locale)
        if state.changing:
            text, choices = self._answers_to_change(scenario, state, wording, locale)
        else:
            question = question_of(scenario, state)
            assert question is not None
            text, choices = self._question(question, state, wording, locale)
        return Answer(
            make_reply(
                Verdict.SCENARIO_STEP, f"{lead}\n{text}" if lead else text, on, choices=choices,
                revisions=[self._snapshot.revisions[("scenario", scenario.id)]], snapshot=self._snapshot.version,
            ),
            {"decided_by": "form", "scenario": scenario.id, "asked": state.asked},
        )  # fmt: skip

    def _question(
        self, question: ScenarioQuestion, state: FormState, wording: Wording, locale: str
    ) -> tuple[str, list[Choice]]:
        choices = [Choice(id=f"{ANSWER}{question.id}:{c.id}", label=wording.label(question, c.id)) for c in question.choices]
        why = wording.why(question)
        lines = [say("form_question", locale, number=str(len(state.trail) + 1), ask=wording.ask(question))]
        text = "\n".join([*lines, *([f"（{why}）"] if why else []), _numbered(choices)])
        if all(c.id != "unknown" for c in question.choices):
            choices.append(_control("unknown", "form_unknown", locale))
        if state.trail:
            choices.append(_control("back", "form_choice_back", locale))
        return text, choices

    def _answers_to_change(
        self, scenario: Scenario, state: FormState, wording: Wording, locale: str
    ) -> tuple[str, list[Choice]]:
        choices = [
            Choice(id=f"{REOPEN}{q}", label=f"{ask} {label}") for q, ask, label in self._given(scenario, state, wording, locale)
        ]
        text = f"{say('form_change', locale)}\n{_numbered(choices)}"
        return text, [*choices, _control("continue", "form_choice_continue", locale)]

    def _given(
        self, scenario: Scenario, state: FormState, wording: Wording, locale: str
    ) -> list[tuple[str, str, str]]:
        """(question id, question, answer) in the order of answering."""
        questions = {q.id: q for q in scenario.questions}
        return [
            (q, wording.ask(questions[q]), wording.label(questions[q], state.answers[q]) if q in state.answers else say("form_unknown", locale))
            for q in state.trail
        ]  # fmt: skip

    def given(self, scenario: Scenario, state: FormState, locale: str = "zh-Hans") -> list[tuple[str, str]]:
        """(question, answer) as a person would read them."""
        return [(ask, label) for _, ask, label in self._given(scenario, state, Wording(scenario, locale), locale)]

    def views(self, scenario: Scenario, state: FormState, on: date, locale: str = "zh-Hans") -> list[OutcomeView]:
        """Every outcome that is still possible; one where the answers decide."""
        return [self.view(scenario, o, on, locale) for o in outcomes_of(scenario, state)]

    def view(self, scenario: Scenario, outcome: Outcome, on: date, locale: str = "zh-Hans") -> OutcomeView:
        materials = [
            next(m for m in self._snapshot.guides[guide].materials if m.id == material)
            for guide, _, material in (reference.partition(":") for reference in outcome.materials)
        ]
        return OutcomeView(
            Wording(scenario, locale).outcome(outcome), say(f"outcome_{outcome.verdict}", locale),
            [_material_line(m) for m in materials], [self._city.line(k, on) for k in outcome.parameters],
            [Citation.model_validate(self._laws.cite(s)) for s in outcome.sources],
        )  # fmt: skip

    def result(self, scenario: Scenario, state: FormState, on: date, locale: str, code: str) -> Answer:
        """May apply or why not, checklist, where, time, fee, next step; a list of possibilities where answers are open."""
        views = self.views(scenario, state, on, locale)
        if any(not self._laws[s.law].in_force(on) for v in views[:MAX_POSSIBLE] for s in v.outcome.sources):
            return Answer(make_reply(Verdict.HANDOFF_UNSURE, say("unsure", locale), on, choices=[_person(locale)]))
        link = f"/results/{code}"
        note = say("chinese_only", locale)
        parts = [self._certain(views[0], locale)] if len(views) == 1 else [self._possible(views, locale)]
        parts.append(say("result_link", locale, link=link, code=code))
        choices = [_control("change", "form_choice_change", locale), _control("restart_form", "form_choice_restart", locale)]
        if any(v.outcome.verdict == "person" for v in views) or len(views) > 1:
            choices.insert(0, _person(locale))
        guide = self._snapshot.guides.get(views[0].outcome.guide or "") if len(views) == 1 else None
        return Answer(
            make_reply(
                Verdict.SCENARIO_RESULT, "\n\n".join([*([note] if note else []), *parts]), on, choices=choices,
                area=guide.area if guide else None, service=guide.service if guide else None, link=link,
                citations=[c for v in views[:MAX_POSSIBLE] for c in v.citations] or None,
                revisions=[self._snapshot.revisions[("scenario", scenario.id)]], snapshot=self._snapshot.version,
            ),
            {"decided_by": "form", "scenario": scenario.id, "outcomes": [v.outcome.id for v in views]},
        )  # fmt: skip

    def _certain(self, view: OutcomeView, locale: str) -> str:
        outcome = view.outcome
        lines = [say("result_intro", locale, verdict=view.verdict_name, title=view.outcome.title), outcome.text]
        blocks = ["\n".join(lines)]
        if view.materials:
            blocks.append("\n".join([f"{say('result_materials', locale)}：", *(f"· {m}" for m in view.materials)]))
        facts = [
            f"{say(f'result_{name}', locale)}：{value}"
            for name in ("where", "time_limit", "fee", "next_step")
            if (value := getattr(outcome, name))
        ]
        blocks += ["\n".join(facts)] if facts else []
        blocks += ["\n".join(view.local)] if view.local else []
        blocks += ["\n".join([f"{say('result_basis', locale)}：", *view.basis])] if view.basis else []
        return "\n\n".join(blocks)

    def _possible(self, views: Sequence[OutcomeView], locale: str) -> str:
        shown = [f"{n}. {v.outcome.title}：{v.outcome.text}" for n, v in enumerate(views[:MAX_POSSIBLE], 1)]
        more = [say("result_more", locale)] if len(views) > MAX_POSSIBLE else []
        return "\n".join([say("result_provisional", locale), *shown, *more])

    def paused(self, scenario: Scenario, on: date, locale: str, code: str) -> Answer:
        text = say("form_paused", locale, title=Wording(scenario, locale).title, code=code)
        choices = [_control("continue", "form_choice_resume", locale)]
        return Answer(make_reply(Verdict.SCENARIO_PAUSED, text, on, choices=choices), {"decided_by": "form"})


def new_code() -> str:
    """The only key to a saved form: cannot be guessed, can be read out over the telephone."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))


def find_code(clean: str) -> str | None:
    """The code in a normalised「接着办 CODE」."""
    found = CODE.search(clean)
    wants = re.search(r"接着|继续|恢复|resume|continue|编号", clean) or (found and found[1] == clean)
    return found[1].upper() if found and wants else None


def _numbered(choices: Sequence[Choice]) -> str:
    return "\n".join(f"{n}. {c.label}" for n, c in enumerate(choices, 1))


def _material_line(material: Material) -> str:
    who = f"（{material.who}）" if material.who else ""
    return f"{material.name}{who}{'：' + material.note if material.note else ''}"


def _control(name: str, key: str, locale: str) -> Choice:
    return Choice(id=f"{CONTROL}{name}", label=say(key, locale))


def _person(locale: str) -> Choice:
    return Choice(id=PERSON, label=say("choice_person", locale))
