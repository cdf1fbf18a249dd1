"""Scenarios become a Rasa project: every slot, action and intent is there, in and out of every form."""

from __future__ import annotations

import asyncio
import itertools

import pytest
import yaml

from bot.dialogue import compiler
from bot.dialogue.actions import action_answer, action_form, actions, find_action, validate_form
from bot.dialogue.form import start, take_choice
from bot.dialogue.form_talk import FormMove
from knowledge.loading import load_content

SCENARIOS = sorted(load_content().scenarios.values(), key=lambda s: s.id)
IDS = [s.id for s in SCENARIOS]
DOMAIN = compiler.build_domain(SCENARIOS)
RULES = compiler.build_rules(IDS)


def rules_for(intent, form):
    """Rules that begin with the intent, within the form or out of any."""
    condition = [{"active_loop": form}] if form else None
    return [r for r in RULES if r["steps"][0].get("intent") == intent and r.get("condition") == condition]


@pytest.mark.parametrize(("intent", "form"), list(itertools.product([*DOMAIN["intents"], "nlu_fallback"], [None, *DOMAIN["forms"]])))
def test_every_intent_has_one_rule_in_and_out_of_every_form(intent, form):
    found = rules_for(intent, form)
    if intent == compiler.INFORM and form:
        assert not found, "the form itself takes it"
        return
    assert len(found) == 1
    steps = found[0]["steps"]
    said = [s["action"] for s in steps if "action" in s]
    for action in said:
        assert action in DOMAIN["responses"] or action in DOMAIN["actions"] or action in DOMAIN["forms"] or action == "action_deactivate_loop"
    leaves = [s for s in steps if s.get("active_loop", "") is None]
    loops = [s["active_loop"] for s in steps if s.get("active_loop")]
    assert not loops or steps[-1] == {"active_loop": loops[-1]}
    if form and not loops:
        assert leaves, "a turn within the form ends in the form or leaves it"
    assert len(said) <= 4, "within Rasa's limit of predictions"


def test_every_form_ends_with_the_result():
    for form in DOMAIN["forms"]:
        ends = [r for r in RULES if r.get("condition") == [{"active_loop": form}] and r["steps"][0] == {"action": form}]
        assert len(ends) == 1
        assert ends[0]["steps"][-1] == {"action": "utter_result"}


def test_slots_follow_the_questions_and_never_influence_a_prediction():
    for scenario in SCENARIOS:
        wanted = [f"{scenario.id}_{q.id}" for q in scenario.questions]
        assert DOMAIN["forms"][f"{scenario.id}_form"]["required_slots"] == wanted
        for slot in wanted:
            assert DOMAIN["slots"][slot]["influence_conversation"] is False
            assert DOMAIN["responses"][f"utter_ask_{slot}"] == [{"custom": {"ask": slot}}]


def test_rasa_is_given_references_and_never_words():
    assert all(set(m) == {"custom"} for ms in DOMAIN["responses"].values() for m in ms)
    text = yaml.safe_dump(DOMAIN, allow_unicode=True)
    assert not any("\u4e00" <= ch <= "\u9fff" for ch in text)


def test_actions_and_domain_name_the_same():
    assert set(DOMAIN["actions"]) == set(actions(IDS))
    assert find_action("action_other", IDS) is None


def test_no_intent_of_rasas_own_is_taken():
    assert not {"back", "restart", "session_start"} & set(DOMAIN["intents"])
    assert compiler.from_rasa(compiler.in_rasa("back")) == "back"


def test_the_project_is_written_the_same_each_time(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    compiler.compile_project(SCENARIOS, one)
    compiler.compile_project(list(reversed(SCENARIOS)), two)
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(two) for p in two.rglob("*") if p.is_file())
    for name in files:
        assert (one / name).read_bytes() == (two / name).read_bytes()
    spoken = {row["intent"] for p in one.glob("data/nlu*.yml") for row in yaml.safe_load(p.read_text(encoding="utf-8"))["nlu"]}
    assert spoken <= set(DOMAIN["intents"])


class Turns:
    """One open turn, t1."""

    def __init__(self, move=None):
        self.move, self.answered = move, 0

    async def answer_pending(self, turn_id):
        self.answered += turn_id == "t1"
        return turn_id == "t1"

    def move_pending(self, turn_id, intent):
        return self.move if turn_id == "t1" else None


def request(turn_id="t1", intent="inform"):
    return {"tracker": {"latest_message": {"metadata": {"turn_id": turn_id}, "intent": {"name": intent}}}}


def test_an_action_for_an_unknown_or_closed_turn_changes_nothing():
    turns = Turns()
    assert asyncio.run(action_answer(request("t2"), turns)) == {"events": [], "responses": []}
    assert asyncio.run(action_answer(request(), turns))["responses"] == [{"custom": {"answer_id": "t1"}}]
    odd = ({}, {"tracker": None}, {"tracker": {"latest_message": {"metadata": {"turn_id": 5}}}}, {"tracker": {"latest_message": None}})
    for action, body in itertools.product((action_answer, action_form, validate_form), odd):
        assert asyncio.run(action(body, turns)) == {"events": [], "responses": []}


def test_the_slots_are_those_of_the_conversation():
    marriage = next(s for s in SCENARIOS if s.id == "marriage")
    state = take_choice(marriage, start(marriage), "matter", "replace")
    turns = Turns(FormMove(marriage, state, "inform"))
    events = asyncio.run(validate_form(request(), turns))["events"]
    values = {e["name"]: e["value"] for e in events}
    assert values["marriage_matter"] == "replace"
    assert values["marriage_residents"] == "-", "a question that does not apply is not asked"
    assert values["requested_slot"] == "marriage_still"
    done = Turns(FormMove(marriage, take_choice(marriage, state, "still", "yes"), "inform"))
    values = {e["name"]: e["value"] for e in asyncio.run(validate_form(request(), done))["events"]}
    assert None not in [v for k, v in values.items() if k != "requested_slot"]
    assert values["requested_slot"] is None
