"""Scenarios of the content → a Rasa project: one form a scenario, and a rule for every intent in and out of every form."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from knowledge.content import Scenario, ScenarioQuestion
from knowledge.scenarios import next_step

SOURCE = Path(__file__).parents[1] / "rasa"
MOVES = ("back", "unknown", "change", "restart_form")
LEAVES = ("cancel", "stop", "goodbye")
SAYS = ("greet", "thank", "affirm", "deny", "ask_human", "bot_challenge", "repeat", "useful", "useless")
ASKS = ("ask_policy", "out_of_scope", "correct_topic", "resume_code")
"""what is answered by the answering steps; a correction or a code that the gateway could read never comes here"""
FALLBACK = "nlu_fallback"
INFORM = "inform"
RESERVED = {"back": "go_back"}
"""our intent → its name in Rasa, where Rasa has an intent of that name with an action of its own"""
Rule = dict[str, Any]


def form_name(scenario_id: str) -> str:
    return f"{scenario_id}_form"


def slot_name(scenario_id: str, question_id: str) -> str:
    return f"{scenario_id}_{question_id}"


def in_rasa(intent: str) -> str:
    return RESERVED.get(intent, intent)


def from_rasa(intent: str) -> str:
    return next((own for own, name in RESERVED.items() if name == intent), intent)


def spoken_intents(scenario_ids: Iterable[str]) -> list[str]:
    """Intents that need example utterances; the others come as payloads of the gateway."""
    return [*SAYS, *MOVES, *LEAVES, *ASKS, *(f"start_{s}" for s in scenario_ids)]


def build_domain(scenarios: Sequence[Scenario]) -> dict[str, Any]:
    ids = [s.id for s in scenarios]
    slots = [(slot_name(s.id, q.id)) for s in scenarios for q in s.questions]
    mapping = {"type": "from_entity", "intent": INFORM}
    return {
        "version": "3.1",
        "session_config": {"session_expiration_time": 0, "carry_over_slots_to_new_session": False},
        "intents": [*map(in_rasa, spoken_intents(ids)), INFORM, *(f"resume_{s}" for s in ids)],
        "entities": slots,
        "slots": {
            s: {"type": "text", "influence_conversation": False, "mappings": [{**mapping, "entity": s}]} for s in slots
        },
        "forms": {form_name(s.id): {"required_slots": [slot_name(s.id, q.id) for q in s.questions]} for s in scenarios},
        "responses": {
            "utter_default": [{"custom": {"fallback": "core"}}],
            "utter_no_form": [{"custom": {"fallback": "no_form"}}],
            "utter_result": [{"custom": {"say": "result"}}],
            **{f"utter_{i}": [{"custom": {"say": i}}] for i in (*SAYS, *MOVES, *LEAVES)},
            **{f"utter_ask_{s}": [{"custom": {"ask": s}}] for s in slots},
        },
        "actions": ["action_answer", "action_form", *(f"validate_{form_name(s)}" for s in ids)],
    }  # fmt: skip


def build_rules(scenario_ids: Sequence[str]) -> list[Rule]:
    rules = [_rule(i, i, f"utter_{i}") for i in (*SAYS, *MOVES, *LEAVES)]
    rules += [_rule(i, i, "action_answer") for i in (*ASKS, FALLBACK)]
    rules.append(_rule(INFORM, INFORM, "utter_no_form"))
    for own in scenario_ids:
        form = form_name(own)
        rules += [_rule(f"{verb} {own}", f"{verb}_{own}", "action_form", form) for verb in ("start", "resume")]
        rules += [_rule(f"{i} in {own}", i, "action_form", form, within=form) for i in MOVES]
        rules += [_rule(f"{i} in {own}", i, f"utter_{i}", form, within=form) for i in SAYS]
        rules += [_rule(f"{i} in {own}", i, "action_answer", form, within=form) for i in (*ASKS, FALLBACK)]
        rules += [_leaving(f"{i} in {own}", i, own, f"utter_{i}") for i in LEAVES]
        for verb in ("start", "resume"):
            rules.append(_rule(f"{verb} {own} in {own}", f"{verb}_{own}", "action_form", form, within=form))
            others = [s for s in scenario_ids if s != own]
            rules += [_leaving(f"{verb} {s} in {own}", f"{verb}_{s}", own, "action_form", form_name(s)) for s in others]
        rules.append(
            {
                "rule": f"{own} ends",
                "condition": [{"active_loop": form}],
                "steps": [
                    {"action": form}, {"active_loop": None}, {"slot_was_set": [{"requested_slot": None}]}, {"action": "utter_result"},
                ],
            }
        )  # fmt: skip
    return rules


def _rule(name: str, intent: str, action: str, form: str | None = None, within: str | None = None) -> Rule:
    steps: list[dict[str, Any]] = [{"intent": in_rasa(intent)}, {"action": action}]
    if form:
        steps += [{"action": form}, {"active_loop": form}]
    condition = {"condition": [{"active_loop": within}]} if within else {}
    return {"rule": name, **condition, "steps": steps}


def _leaving(name: str, intent: str, own: str, action: str, form: str | None = None) -> Rule:
    rule = _rule(name, intent, action, form, within=form_name(own))
    rule["steps"][1:1] = [{"action": "action_deactivate_loop"}, {"active_loop": None}]
    return rule


def build_stories(scenarios: Sequence[Scenario]) -> list[dict[str, Any]]:
    """End-to-end stories for `rasa test`: each scenario by its first choices, plain and with a question at every step."""
    return [
        {"story": f"{s.id}, {'interrupted' if interrupted else 'plain'}", "steps": _story(s, interrupted)}
        for s in scenarios
        for interrupted in (False, True)
    ]


def _story(scenario: Scenario, interrupted: bool) -> list[dict[str, Any]]:
    form, answers = form_name(scenario.id), dict[str, str]()
    steps: list[dict[str, Any]] = [
        {"user": f"/start_{scenario.id}", "intent": f"start_{scenario.id}"},
        {"action": "action_form"}, {"action": form}, {"active_loop": form},
    ]  # fmt: skip
    while isinstance(question := next_step(scenario, answers), ScenarioQuestion):
        slot, choice = slot_name(scenario.id, question.id), question.choices[0].id
        steps.append({"slot_was_set": [{"requested_slot": slot}]})
        if interrupted:
            steps += [{"user": "/ask_policy", "intent": "ask_policy"}, {"action": "action_answer"}, {"action": form}, {"active_loop": form}]
        value = json.dumps({slot: choice})
        steps += [{"user": f"/{INFORM}{value}", "intent": INFORM}, {"slot_was_set": [{slot: choice}]}, {"action": form}]
        answers[question.id] = choice
    return [*steps, {"active_loop": None}, {"slot_was_set": [{"requested_slot": None}]}, {"action": "utter_result"}]


def compile_project(scenarios: Sequence[Scenario], target: Path) -> None:
    """Writes the whole project and puts it in its place at once; an unchanged scenario set gives the same bytes."""
    scenarios = sorted(scenarios, key=lambda s: s.id)
    place, target = target, target.with_name(f"{target.name}.new")
    shutil.rmtree(target, ignore_errors=True)
    (target / "data").mkdir(parents=True)
    (target / "tests").mkdir()
    shutil.copy(SOURCE / "config.yml", target / "config.yml")
    for nlu in sorted((SOURCE / "data").glob("nlu*.yml")):
        renamed = re.sub(r"(?m)^(- intent: )(\S+)$", lambda m: m[1] + in_rasa(m[2]), nlu.read_text(encoding="utf-8"))
        (target / "data" / nlu.name).write_text(renamed, encoding="utf-8")
    _write(target / "domain.yml", build_domain(scenarios))
    _write(target / "data" / "rules.yml", {"version": "3.1", "rules": build_rules([s.id for s in scenarios])})
    _write(target / "tests" / "test_forms.yml", {"version": "3.1", "stories": build_stories(scenarios)})
    shutil.rmtree(place, ignore_errors=True)
    target.rename(place)


def _write(path: Path, body: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(body, allow_unicode=True, sort_keys=False, width=120), encoding="utf-8")
