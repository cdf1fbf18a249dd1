"""A guided service being filled in: pure functions from one FormState to the next."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from knowledge.conditions import is_true
from knowledge.content import Outcome, Scenario, ScenarioQuestion
from knowledge.scenarios import next_step, skipped_questions

from .reading import choice_said, read_choice, read_text

UNKNOWN_CHOICE = "unknown"
"""a choice with this id means the same as 不知道"""
TOPIC_QUESTIONS = ("kind", "matter")
"""questions whose answers name what is being done"""
SLOT_UNKNOWN = "?"
SLOT_SKIPPED = "-"


class FormState(BaseModel):
    """What a citizen has answered so far: choice ids, no words of theirs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    scenario: str
    answers: dict[str, str] = {}
    unknown: tuple[str, ...] = ()
    trail: tuple[str, ...] = ()
    """questions in the order in which they were answered or passed over"""
    asked: str | None = None
    """the open question; None once the result is there"""
    changing: bool = False
    """the answers are listed and one is to be picked"""
    paused: bool = False
    """the citizen said 算了; nothing is asked until they go on"""

    @property
    def is_open(self) -> bool:
        return (self.asked is not None or self.changing) and not self.paused


def start(scenario: Scenario, text: str = "") -> FormState:
    """The first question, or a later one where the normalised text already answers it."""
    state = _asking_next(scenario, {}, (), ())
    return take_text(scenario, state, text) or state


def question_of(scenario: Scenario, state: FormState) -> ScenarioQuestion | None:
    return next((q for q in scenario.questions if q.id == state.asked), None)


def outcomes_of(scenario: Scenario, state: FormState) -> tuple[Outcome, ...]:
    """What is still possible, in the scenario's order; exactly one where it is certain."""
    skipped = skipped_questions(scenario, state.answers)
    possible = []
    for outcome in scenario.outcomes:
        truth = is_true(outcome.when, state.answers, skipped)
        if truth is not False:
            possible.append(outcome)
        if truth:
            break
    return tuple(possible)


def take_choice(scenario: Scenario, state: FormState, question: str, choice: str) -> FormState | None:
    """The choice as the open question's answer; None for anything that was not offered."""
    asked = question_of(scenario, state)
    if asked is None or asked.id != question or choice not in {c.id for c in asked.choices}:
        return None
    return _answered(scenario, state, {question: choice})


def take_text(scenario: Scenario, state: FormState, text: str) -> FormState | None:
    """Every open question that the normalised text answers; None where it does not answer any."""
    asked = question_of(scenario, state)
    open_questions = [q for q in scenario.questions if q.id not in state.answers and q is not asked]
    found = read_text(text, asked, open_questions, lambda known: _skipped(scenario, {**state.answers, **known}))
    return _answered(scenario, state, found) if found else None


def say_again(scenario: Scenario, state: FormState, text: str) -> FormState | None:
    """The normalised text only repeats an answer that was given (the state as it is), or gives another to that question."""
    said = {q.id: choice for q in scenario.questions if q.id in state.answers and (choice := choice_said(q, text))}
    if len(said) != 1:
        return None
    question, choice = next(iter(said.items()))
    return state if state.answers[question] == choice else _answered(scenario, state, said)


def correct_text(scenario: Scenario, state: FormState, text: str) -> FormState | None:
    """An answer given before that the text (after 不对，…) says anew; the latest first."""
    for question in (q for name in reversed(state.trail) for q in scenario.questions if q.id == name):
        choice = read_choice(question, text)
        if choice and state.answers.get(question.id) != choice:
            return _answered(scenario, state, {question.id: choice})
    return None


def back(scenario: Scenario, state: FormState) -> FormState:
    """The last question again; at the first one nothing changes."""
    return reopen(scenario, state, state.trail[-1]) if state.trail else state


def pass_over(scenario: Scenario, state: FormState) -> FormState:
    """不知道: on to the next question; the result will list what remains possible."""
    asked = question_of(scenario, state)
    if asked is None:
        return state
    if any(c.id == UNKNOWN_CHOICE for c in asked.choices):
        return _answered(scenario, state, {asked.id: UNKNOWN_CHOICE})
    return _asking_next(scenario, state.answers, (*state.unknown, asked.id), (*state.trail, asked.id))


def list_answers(state: FormState) -> FormState:
    return state.model_copy(update={"changing": bool(state.trail)})


def reopen(scenario: Scenario, state: FormState, question: str) -> FormState:
    """One question to be answered anew; the other answers stay."""
    if question not in state.trail:
        return state
    return FormState(
        scenario=scenario.id, asked=question, answers={q: c for q, c in state.answers.items() if q != question},
        unknown=_without(state.unknown, question), trail=_without(state.trail, question),
    )  # fmt: skip


def fitted(scenario: Scenario, state: FormState) -> FormState:
    """The state under today's content: answers that no longer exist are asked again."""
    choices = {q.id: {c.id for c in q.choices} for q in scenario.questions}
    answers = {q: c for q, c in state.answers.items() if c in choices.get(q, ())}
    unknown = tuple(q for q in state.unknown if q in choices)
    unchanged = (answers, unknown) == (state.answers, state.unknown)
    still_asked = state.asked in choices if state.asked else _next_question(scenario, answers, unknown) is None
    return state if unchanged and still_asked else _asking_next(scenario, answers, unknown, state.trail)


def topic_of(scenario: Scenario, state: FormState) -> str:
    """Words that stand for the matter in hand when the citizen asks something in between."""
    labels = [
        re.sub(r"（.*?）", "", c.label)
        for q in scenario.questions[:2]
        for c in q.choices
        if q.id in TOPIC_QUESTIONS and state.answers.get(q.id) == c.id
    ]
    return " ".join(labels) or scenario.title


def slot_values(scenario: Scenario, state: FormState) -> dict[str, str | None]:
    """question → what Rasa's slot holds, so that the first empty one is the question that is asked."""
    values: dict[str, str | None] = {}
    before = state.asked is not None
    for question in scenario.questions:
        before = before and question.id != state.asked
        if question.id == state.asked:
            values[question.id] = None
        elif question.id in state.unknown:
            values[question.id] = SLOT_UNKNOWN
        else:
            filler = SLOT_SKIPPED if before or state.asked is None else None
            values[question.id] = state.answers.get(question.id, filler)
    return values


def _answered(scenario: Scenario, state: FormState, found: Mapping[str, str]) -> FormState:
    unknown = tuple(q for q in state.unknown if q not in found)
    trail = (*(q for q in state.trail if q not in found), *found)
    return _asking_next(scenario, {**state.answers, **found}, unknown, trail)


def _asking_next(
    scenario: Scenario, answers: Mapping[str, str], unknown: tuple[str, ...], trail: tuple[str, ...]
) -> FormState:
    """Drops what the answers have made irrelevant and asks the next question."""
    kept = dict(answers)
    while stale := _skipped(scenario, kept) & set(kept):
        kept = {q: c for q, c in kept.items() if q not in stale}
    unknown = tuple(q for q in unknown if q not in _skipped(scenario, kept))
    following = _next_question(scenario, kept, unknown)
    return FormState(
        scenario=scenario.id, answers=kept, unknown=unknown, asked=following.id if following else None,
        trail=tuple(q for q in trail if q in kept or q in unknown),
    )  # fmt: skip


def _next_question(
    scenario: Scenario, answers: Mapping[str, str], unknown: tuple[str, ...]
) -> ScenarioQuestion | None:
    if not unknown:
        step = next_step(scenario, answers)
        return step if isinstance(step, ScenarioQuestion) else None
    state = FormState(scenario=scenario.id, answers=dict(answers), unknown=unknown)
    if len(outcomes_of(scenario, state)) == 1:
        return None
    for question in scenario.questions:
        if question.id in answers or question.id in unknown:
            continue
        if not question.when or is_true(question.when, answers, skipped_questions(scenario, answers)):
            return question
    return None


def _skipped(scenario: Scenario, answers: Mapping[str, str]) -> set[str]:
    """Questions, answered or not, whose condition is certainly false."""
    skipped = skipped_questions(scenario, answers)
    return {q.id for q in scenario.questions if q.when and is_true(q.when, answers, skipped) is False}


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(n for n in names if n != name)
