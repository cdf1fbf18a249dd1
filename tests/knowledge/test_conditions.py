"""Three-valued conditions and the walk through a scenario."""

from __future__ import annotations

import pytest

from knowledge.checks import check_scenario
from knowledge.conditions import is_true, parse_condition
from knowledge.content import Outcome, Scenario, ScenarioQuestion
from knowledge.loading import load_content
from knowledge.scenarios import next_step, walk
from tests.factories import make_context


@pytest.mark.parametrize(
    ("expression", "answers", "verdict"),
    [
        ("a == 'x'", {"a": "x"}, True), ("a == 'x'", {"a": "y"}, False), ("a == 'x'", {}, None),
        ("a == 'x' and b == 'y'", {"a": "z"}, False), ("a == 'x' or b == 'y'", {"a": "x"}, True),
        ("a == 'x' and b == 'y'", {"a": "x"}, None), ("not a == 'x'", {}, None), ("a in ('x', 'y')", {"a": "y"}, True),
        ("a not in ('x', 'y')", {"a": "y"}, False), ("True", {}, True), ("a != 'x'", {"a": "y"}, True),
    ],
)  # fmt: skip
def test_an_unknown_answer_makes_a_condition_unknown(expression, answers, verdict):
    assert is_true(expression, answers) is verdict


@pytest.mark.parametrize("expression", ["__import__('os')", "a.b == 'x'", "'x' == a", "a == 1", "a ==", "lambda: 1", "[x for x in a]"])
def test_a_condition_is_nothing_but_a_condition(expression):
    with pytest.raises(ValueError):
        parse_condition(expression)


def scenario(**changes):
    values = {
        "id": "s", "title": "甲", "summary": "乙",
        "questions": [
            {"id": "a", "ask": "?", "choices": [{"id": "x", "label": "X"}, {"id": "y", "label": "Y"}]},
            {"id": "b", "ask": "?", "when": "a == 'x'", "choices": [{"id": "p", "label": "P"}, {"id": "q", "label": "Q"}]},
        ],
        "outcomes": [
            {"id": "xp", "when": "b == 'p'", "verdict": "may", "title": "t", "text": "t"},
            {"id": "rest", "when": "True", "verdict": "person", "title": "t", "text": "t"},
        ],
    }  # fmt: skip
    return Scenario.model_validate(values | changes)


def test_a_question_whose_condition_is_false_is_skipped():
    assert next_step(scenario(), {}).id == "a"
    assert next_step(scenario(), {"a": "x"}).id == "b"
    assert next_step(scenario(), {"a": "y"}).id == "rest"
    assert next_step(scenario(), {"a": "x", "b": "p"}).id == "xp"


def test_every_node_of_the_shipped_scenarios_is_reached():
    for shipped in load_content().scenarios.values():
        seen = {step.id for _, step in walk(shipped)}
        assert seen == {n.id for n in (*shipped.questions, *shipped.outcomes)}, shipped.id
        ends = [a for a, step in walk(shipped) if isinstance(step, Outcome)]
        assert max(len(a) for a in ends) <= 8


def test_faults_of_a_scenario_are_found():
    context = make_context()
    dead = scenario(outcomes=[
        {"id": "all", "when": "True", "verdict": "may", "title": "t", "text": "t", "materials": ["S99:x"], "guide": "S99"},
        {"id": "never", "when": "a == 'x'", "verdict": "may", "title": "t", "text": "t"},
    ])  # fmt: skip
    messages = " ".join(f.message for f in check_scenario(dead, context))
    assert "走不到：never" in messages
    assert "材料不在指南里" in messages
    wrong = scenario(outcomes=[{"id": "o", "when": "c == 'x' or a == 'nope'", "verdict": "may", "title": "t", "text": "t"}])
    messages = " ".join(f.message for f in check_scenario(wrong, context))
    assert "条件里的问题不存在：c" in messages
    assert "没有选项 nope" in messages
    assert isinstance(next_step(scenario(), {}), ScenarioQuestion)
