"""Walking a guided service: which question comes next, which outcome is certain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .conditions import is_true
from .content import Outcome, Scenario, ScenarioQuestion


def next_step(scenario: Scenario, answers: Mapping[str, str]) -> ScenarioQuestion | Outcome:
    """The outcome where one is certain, otherwise the first open question whose condition is true.

    Raises ValueError where neither exists (a gap in the scenario; the content check finds it).
    """
    skipped = skipped_questions(scenario, answers)
    for outcome in scenario.outcomes:
        verdict = is_true(outcome.when, answers, skipped)
        if verdict:
            return outcome
        if verdict is None:
            break
    for question in scenario.questions:
        if question.id not in answers and question.id not in skipped:
            return question
    raise ValueError(f"{scenario.id}：这些回答没有结果：{dict(answers)}")


def skipped_questions(scenario: Scenario, answers: Mapping[str, str]) -> frozenset[str]:
    """Questions whose condition is certainly false under the answers so far."""
    skipped: frozenset[str] = frozenset()
    for question in scenario.questions:
        if question.id not in answers and question.when and is_true(question.when, answers, skipped) is False:
            skipped |= {question.id}
    return skipped


def walk(scenario: Scenario) -> Iterator[tuple[dict[str, str], ScenarioQuestion | Outcome]]:
    """Every state that answers can lead to, depth first."""
    stack: list[dict[str, str]] = [{}]
    while stack:
        answers = stack.pop()
        step = next_step(scenario, answers)
        yield answers, step
        if isinstance(step, ScenarioQuestion):
            stack.extend({**answers, step.id: choice.id} for choice in step.choices)
