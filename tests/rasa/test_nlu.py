"""What Rasa learns from, and what it is measured on."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from bot.dialogue.client import guard_slash
from bot.dialogue.compiler import in_rasa
from index.text import normalise
from tests.conftest import ROOT
from tests.rasa.running import PYTHON

POLICY = {"ask_policy", "out_of_scope", "correct_topic", "resume_code", "nlu_fallback"}
PARSE = """
import asyncio, json, sys
sys.path.insert(0, ".")
from rasa.core.agent import Agent
agent = Agent.load(sys.argv[1])
async def intents(texts):
    return [(await agent.parse_message(text))["intent"]["name"] for text in texts]
print(json.dumps(asyncio.run(intents(json.load(sys.stdin)))))
"""
HELD_OUT = yaml.safe_load(Path(__file__).with_name("heldout.yml").read_text(encoding="utf-8"))


def as_learnt(text):
    """What the classifier sees of it; marks alone stay."""
    clean = normalise(text)
    return re.sub(r"\W", "", clean) or clean


def load_training():
    rows = [
        row
        for path in sorted((ROOT / "bot/rasa/data").rglob("*.yml"))
        for row in yaml.safe_load(path.read_text(encoding="utf-8")).get("nlu", ())
        if "intent" in row
    ]
    return {row["intent"]: [line.removeprefix("- ") for line in row["examples"].splitlines()] for row in rows}


TRAINING = load_training()


def test_every_intent_has_enough_of_its_own_utterances():
    for intent, texts in TRAINING.items():
        assert len(texts) >= {"ask_policy": 250, "out_of_scope": 120}.get(intent, 60), intent


def test_no_utterance_is_there_twice_or_under_two_intents():
    times = Counter(as_learnt(t) for texts in TRAINING.values() for t in texts)
    assert [text for text, number in times.items() if number > 1] == []


def test_every_intent_is_measured_on_utterances_it_has_not_learnt():
    learnt = {as_learnt(t) for texts in TRAINING.values() for t in texts}
    for part in HELD_OUT.values():
        assert set(part) == set(TRAINING)
        assert [t for texts in part.values() for t in texts if as_learnt(t) in learnt] == []
    for intent, texts in HELD_OUT["fresh"].items():
        assert len(texts) >= 12, intent


@pytest.mark.rasa
def test_held_out_utterances_get_the_right_intent(system):
    """What the answering steps answer runs the same action as the fallback: taking one for the other costs nothing."""
    _, rasa = system
    asked = [(guard_slash(normalise(t)), in_rasa(intent)) for intent, texts in HELD_OUT["fresh"].items() for t in texts]
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", PARSE, str(rasa.folder / "minda.tar.gz")], cwd=ROOT / "bot" / "rasa",
        env=rasa.environment, input=json.dumps([text for text, _ in asked]), capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    taken = json.loads(done.stdout.splitlines()[-1])
    pairs = [tuple("policy" if i in POLICY else i for i in (intent, got)) for (_, intent), got in zip(asked, taken, strict=True)]
    wrong = [(text, intent, got) for (text, _), (intent, got) in zip(asked, pairs, strict=True) if intent != got]
    accepted = [intent == got for intent, got in pairs if got != "policy"]
    accuracy, precision = 1 - len(wrong) / len(pairs), sum(accepted) / len(accepted)
    print(f"accuracy {accuracy:.3f}, accepted precision {precision:.3f}, {wrong}")
    assert accuracy >= 0.97, wrong
    assert precision >= 0.99, wrong
