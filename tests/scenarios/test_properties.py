"""Random valid and odd turns in two conversations at once: always a reply, never a 5xx, no leak, no answer undone by itself."""

from __future__ import annotations

import json
import random
import sqlite3

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.loading import load_content
from tests.conftest import Talk

SCENARIOS = load_content().scenarios.values()
WORDS = [w for s in SCENARIOS for q in s.questions for c in q.choices for w in (c.label, *c.words)]
CONTROLS = ["上一步", "改一下", "重新来", "算了", "接着办", "不对，是香港的", "选错了"]
PASSING = [
    "不知道", "谢谢", "您好", "好的", "没有", "2", "第一个", "转人工", "再说一遍", "有用", "没用", "要多少钱", "离婚冷静期多久", "那要带什么呢",
]  # fmt: skip
ODD = [
    "/restart", '/inform{"marriage_matter":"marry"}', "　", "？？？", "😀😀", "a" * 300, "第九十九个", "form:matter:marry",
    "接着办 ABCDEFGHJK", "\u200b/back", "null", "嗯，，，。",
]  # fmt: skip
STARTS = ["一步一步带我办婚姻登记", "收养登记向导", "殡葬向导", "社会救助向导", "社团服务向导", "其他服务向导"]
said = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(WORDS)), st.tuples(st.just("say"), st.sampled_from(PASSING + ODD)),
    st.tuples(st.just("say"), st.sampled_from(CONTROLS)), st.tuples(st.just("say"), st.sampled_from(STARTS)),
    st.tuples(st.just("say"), st.text(min_size=1, max_size=40)), st.tuples(st.just("choose"), st.integers(0, 9)),
    st.tuples(st.just("forge"), st.sampled_from(["form:matter:mars", "entry:none", "scenario:x", "control:x", "reopen:matter", "no"])),
)  # fmt: skip
MAY_UNDO = (*CONTROLS, *STARTS, "不对")


class Watched:
    """A conversation with what the store remembers of it."""

    def __init__(self, site):
        self.site, self.talk = site, Talk(site.url)
        self.choices, self.last, self.officer = [], "", False

    def memory(self):
        with sqlite3.connect(self.site.data / "minda.db") as connection:
            return json.loads(connection.execute("SELECT memory FROM conversation WHERE id = ?", (self.talk.id,)).fetchone()[0])

    def send(self, kind, what):
        if kind == "choose":
            if not self.choices:
                return None, True
            what = self.choices[what % len(self.choices)]
            return self.talk.post(choice_id=what), what.startswith(("control:", "reopen:", "scenario:"))
        if kind == "forge":
            return self.talk.post(choice_id=what), False
        return self.talk.post(text=what), what.startswith(MAY_UNDO) or "一步" in what or "向导" in what


def answers_of(memory):
    return (memory["form"] or {}).get("answers", {}) | {"": (memory["form"] or {}).get("scenario")}


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(st.tuples(st.booleans(), said), min_size=3, max_size=14))
def test_whatever_is_said(site, turns):
    both = (Watched(site), Watched(site))
    for one in both:
        one.send("say", random.Random(len(turns)).choice(STARTS))
    for second, (kind, what) in turns:
        one, other = both[second], both[not second]
        before, others = one.memory(), other.memory()
        answer, may_undo = one.send(kind, what)
        assert other.memory() == others, "the other conversation noticed"
        if answer is None:
            continue
        assert answer.status_code in (200, 422), (what, answer.text)
        after = one.memory()
        if answer.status_code == 422:
            assert after == before
            continue
        replies = answer.json()["replies"]
        assert replies, what
        assert all(r["kind"] != "failed" and r["text"].strip() for r in replies), (what, replies)
        assert replies[0]["text"] != one.last, what
        one.last, one.choices = replies[-1]["text"], [c["id"] for r in replies for c in r["choices"] or [] if c["id"] != "person"]
        if not may_undo:
            kept = answers_of(after)
            lost, new = set(answers_of(before)) - set(kept), set(kept) - set(answers_of(before))
            assert not lost or new, (what, before["form"], after["form"])
            for question, choice in answers_of(before).items():
                assert kept.get(question, choice) == choice, (what, question)
    for one in both:
        one.talk.http.close()
