"""Guided services through a real Rasa: the same conversations, every intent in every form, Rasa in step or dead."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import threading
import time
import uuid

import httpx2
import pytest

from bot.dialogue import compiler
from knowledge.loading import load_content
from tests.conftest import ROOT, Talk
from tests.rasa.running import PYTHON, SECRET, Rasa
from tests.rasa.test_live import wait_until_closed
from tests.scenarios.playing import CONVERSATIONS, play

pytestmark = pytest.mark.rasa
SCENARIOS = sorted(load_content().scenarios.values(), key=lambda s: s.id)


def memory(gateway, talk):
    with sqlite3.connect(gateway.data / "minda.db") as connection:
        row = connection.execute("SELECT memory, rasa_sender FROM conversation WHERE id = ?", (talk.id,)).fetchone()
    return json.loads(row[0]), row[1]


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda c: c["name"])
def test_a_conversation_goes_the_same_through_rasa(system, conversation):
    gateway, _ = system
    wait_until_closed(gateway)
    play(gateway.url, conversation)


def test_rasa_stays_in_step_with_the_form(system):
    gateway, _ = system
    talk = begun(gateway, "marriage")
    for said in ("结婚", "香港的", "上一步", "不知道", "离婚冷静期多久", "谢谢", "都满了"):
        talk.say(said)
        state, sender = memory(gateway, talk)
        assert state["form_sender"] == sender, said


def begun(gateway, scenario_id):
    """A conversation in which the service has just begun, with Rasa there."""
    wait_until_closed(gateway)
    talk = Talk(gateway.url)
    talk.say("一步一步带我办")
    talk.choose(f"scenario:{scenario_id}")
    return talk


def intents_of(scenario_id):
    ids = [s.id for s in SCENARIOS]
    return [*map(compiler.in_rasa, compiler.spoken_intents(ids)), "nlu_fallback", *(f"resume_{s}" for s in ids)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)
def test_every_intent_in_the_form_gets_exactly_what_its_rule_says(system, scenario):
    """Straight to Rasa, with no open turn at the gateway: rules alone decide, and the next turn is fine."""
    _, rasa = system
    for intent in intents_of(scenario.id):
        sender = uuid.uuid4().hex
        first = f"{scenario.id}_{scenario.questions[0].id}"
        assert rasa.post(f"/start_{scenario.id}", sender=sender).json()[0]["custom"] == {"ask": first}
        messages = [m["custom"] for m in rasa.post(f"/{intent}", sender=sender).json()]
        assert {"fallback": "core"} not in messages, intent
        if intent in compiler.LEAVES:
            assert messages == [{"say": intent}]
        else:
            other = next((s for s in SCENARIOS if intent in (f"start_{s.id}", f"resume_{s.id}")), scenario)
            assert messages[-1] == {"ask": f"{other.id}_{other.questions[0].id}"}, intent
        assert rasa.post("/thank", sender=sender).json()[0]["custom"] == {"say": "thank"}, intent


def test_a_rasa_that_was_restarted_takes_up_the_form_again(system):
    gateway, rasa = system
    talk = begun(gateway, "marriage")
    talk.say("结婚")
    rasa.stop()
    rasa.start()
    wait_until_closed(gateway)
    assert "form:age:both" in str(talk.say("都是内地居民"))
    assert "form:single:yes" in str(talk.say("都满了"))
    state, sender = memory(gateway, talk)
    assert state["form_sender"] == sender


def test_a_form_goes_on_in_the_same_turn_when_rasa_hangs(system):
    gateway, rasa = system
    talk = begun(gateway, "adoption")
    rasa.process.send_signal(signal.SIGSTOP)
    try:
        for said, asked in (("收养孩子", "child"), ("捡到的", "reported"), ("上一步", "child"), ("孤儿", "nationality")):
            started = time.monotonic()
            assert f"form:{asked}:" in str(talk.say(said)[-1]["choices"])
            assert time.monotonic() - started < 3.5
    finally:
        rasa.process.send_signal(signal.SIGCONT)
    wait_until_closed(gateway)


def test_rasas_own_end_to_end_stories_pass(system):
    _, rasa = system
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-m", "rasa", "test", "core", "--model", str(rasa.folder / "minda.tar.gz"), "--stories",
         str(rasa.project / "tests"), "--fail-on-prediction-errors", "--out", str(rasa.folder / "results"), "--no-plot"],
        cwd=ROOT / "bot" / "rasa", env=rasa.environment, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    report = json.loads((rasa.folder / "results" / "story_report.json").read_text())
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert report["conversation_accuracy"]["correct"] == 2 * len(SCENARIOS)


def test_an_unknown_action_is_refused_and_nothing_happens(system):
    gateway, _ = system
    answer = httpx2.post(
        f"{gateway.url}/internal/rasa/actions", json={"next_action": "validate_none_form"}, trust_env=False,
        headers={"X-Minda-Secret": SECRET},
    )  # fmt: skip
    assert answer.status_code == 404


def test_a_new_rasa_takes_over_in_the_middle_of_a_conversation(system):
    gateway, rasa = system
    wait_until_closed(gateway)
    fresh = Rasa(gateway.url, rasa.folder)
    fresh.start()
    headers = {"X-Minda-Secret": SECRET}
    address = f"{gateway.url}/internal/dialogue"
    assert httpx2.post(address, json={"url": "http://example.org:1"}, headers=headers, trust_env=False).status_code == 422
    assert httpx2.post(address, json={"url": fresh.url}, trust_env=False).status_code == 401
    talk, lost = begun(gateway, "marriage"), []
    done = threading.Event()

    def others():
        with_others = Talk(gateway.url)
        while not done.is_set():
            answer = with_others.post(text="谢谢")
            if answer.status_code != 200 or not answer.json()["replies"]:
                lost.append(answer.text)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        assert "form:residents:hmt" in str(talk.say("结婚"))
        assert httpx2.post(address, json={"url": fresh.url}, headers=headers, trust_env=False).status_code == 200
        assert "form:age:both" in str(talk.say("香港"))
        time.sleep(3)
        rasa.stop()
        assert "form:single:yes" in str(talk.say("都满了"))
        assert "form:kin:no" in str(talk.say("都没有配偶"))
        state, sender = memory(gateway, talk)
        assert state["form_sender"] == sender, "the new one follows the form"
    finally:
        done.set()
        thread.join()
        rasa.start()
        httpx2.post(address, json={"url": rasa.url}, headers=headers, trust_env=False)
        fresh.stop()
    assert lost == []
    wait_until_closed(gateway)


SAME_RULES = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("launcher", "launcher.py")
launcher = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launcher)
sys.path.insert(0, ".")
import yaml
from rasa.core.policies.rule_policy import RulePolicy
stock = RulePolicy._get_possible_keys
launcher.patch_rules()
policy = RulePolicy.__new__(RulePolicy)
lookup = json.loads(sys.stdin.read())
conversations = [json.loads(key)[-length:] for key in lookup for length in (1, 2, 9)]
tuples = lambda v: tuple(v) if isinstance(v, list) else v
for states in conversations:
    states = [{kind: {k: tuples(v) for k, v in part.items()} for kind, part in state.items()} for state in states]
    for _ in range(2):
        assert policy._get_possible_keys(lookup, states) == stock(policy, lookup, states), states
print(len(conversations))
"""


def test_the_looked_up_rules_are_the_ones_that_stock_rasa_finds(system):
    import tarfile

    _, rasa = system
    with tarfile.open(rasa.folder / "minda.tar.gz") as model:
        name = next(n for n in model.getnames() if n.endswith("rule_policy.json"))
        lookup = json.load(model.extractfile(name))["lookup"]["rules"]
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", SAME_RULES], cwd=ROOT / "bot" / "rasa", env=rasa.environment, input=json.dumps(lookup),
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) >= 3 * len(lookup)
