"""What Rasa learns from, and what it is measured on."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import yaml

from index.text import normalise
from tests.conftest import ROOT

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
