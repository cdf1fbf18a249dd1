"""Plays a whole conversation over HTTP and checks what each turn should show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import Talk

FOLDER = Path(__file__).parent
CONVERSATIONS: list[dict[str, Any]] = [c for path in sorted(FOLDER.glob("*.yaml")) for c in yaml.safe_load(path.read_text(encoding="utf-8"))]
CHECKS = {"verdict", "kind", "area", "area_in", "asks", "has", "lacks", "offers", "replies"}


class Player:
    def __init__(self, url: str) -> None:
        self.url, self.talk = url, Talk(url)
        self.code, self.last = "", ""

    def turn(self, step: dict[str, Any]) -> list[dict[str, Any]]:
        if step.get("elsewhere"):
            self.talk.http.close()
            self.talk, self.last = Talk(self.url), ""
        if "after" in step:
            self.turn({"say": step["after"]})
        said = step.get("when") or step.get("say")
        replies = self.talk.choose(step["choose"]) if "choose" in step else self.talk.say(said.replace("{code}", self.code))
        assert replies, "the bot fell silent"
        assert all(r["kind"] != "failed" for r in replies), replies
        assert replies[0]["text"] != self.last, "the same sentence twice running"
        self.last = replies[-1]["text"]
        found = re.search(r"(?:接着办 |/results/)([A-Z0-9]{10})", self.last)
        self.code = found[1] if found else self.code
        return replies

    def check(self, replies: list[dict[str, Any]], then: dict[str, Any]) -> None:
        assert set(then) <= CHECKS, then
        text = "\n".join(r["text"] for r in replies)
        choices = {c["id"] for r in replies for c in r["choices"] or []}
        last = replies[-1]
        for field in ("verdict", "kind"):
            assert last[field] == then.get(field, last[field]), (field, text)
        assert replies[0]["area"] == then.get("area", replies[0]["area"]), text
        assert replies[0]["area"] in then.get("area_in", [replies[0]["area"]]), text
        if "asks" in then:
            assert last["verdict"] == "scenario_step", text
            assert any(c.startswith(f"form:{then['asks']}:") for c in choices), (then["asks"], text)
        for words in then.get("has", ()):
            assert words.replace("{code}", self.code) in text, (words, text)
        for words in then.get("lacks", ()):
            assert words not in text, (words, text)
        assert set(then.get("offers", ())) <= choices, (choices, text)
        assert len(replies) == then.get("replies", len(replies)), text


def play(url: str, conversation: dict[str, Any]) -> Player:
    player = Player(url)
    for step in conversation["given"]:
        player.turn(step)
    for step in conversation["steps"]:
        player.check(player.turn(step), step["then"])
    player.talk.http.close()
    return player
