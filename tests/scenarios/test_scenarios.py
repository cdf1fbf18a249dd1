"""Whole conversations over HTTP, without Rasa: what it would decide is decided by plain patterns."""

from __future__ import annotations

import pytest

from knowledge.content import ScenarioQuestion
from knowledge.loading import load_content
from knowledge.scenarios import next_step
from tests.conftest import Talk
from tests.scenarios.playing import CONVERSATIONS, play


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda c: c["name"])
def test_a_conversation_goes_as_written(site, conversation):
    play(site.url, conversation)


def test_there_are_conversations_enough_and_each_is_named_once():
    assert len(CONVERSATIONS) >= 60
    assert len({c["name"] for c in CONVERSATIONS}) == len(CONVERSATIONS)


@pytest.mark.parametrize("scenario", load_content().scenarios.values(), ids=lambda s: s.id)
def test_a_form_is_the_same_with_a_question_or_a_greeting_at_every_step(site, scenario):
    talk, interrupted = Talk(site.url), Talk(site.url)
    for one in (talk, interrupted):
        one.say("一步一步带我办")
        one.choose(f"scenario:{scenario.id}")
    answers: dict[str, str] = {}
    while isinstance(question := next_step(scenario, answers), ScenarioQuestion):
        for said in ("结婚登记要带户口本吗", "谢谢", "好的呀没问题", "你是机器人吗"):
            replies = interrupted.say(said)
            if replies[-1]["verdict"] == "scenario_step" and f"form:{question.id}:" in str(replies[-1]["choices"]):
                continue
            raise AssertionError((question.id, said, replies))
        choice = question.choices[-1].id
        answers[question.id] = choice
        plain = talk.choose(f"form:{question.id}:{choice}")[-1]
        other = interrupted.choose(f"form:{question.id}:{choice}")[-1]
        assert plain["verdict"] == other["verdict"]
    assert plain["verdict"] == "scenario_result"
    assert plain["text"].split("\n\n")[:-1] == other["text"].split("\n\n")[:-1], "all but the code"
    page = talk.http.get(plain["link"])
    assert page.status_code == 200
    assert page.headers["x-robots-tag"] == "noindex"
    for question in scenario.questions:
        if question.id in answers:
            assert question.ask in page.text
    assert next_step(scenario, answers).title in page.text


def test_a_forged_or_stale_choice_changes_nothing(site):
    talk = Talk(site.url)
    talk.say("一步一步带我办")
    talk.choose("scenario:marriage")
    for forged in ("form:matter:mars", "form:age:both", "reopen:matter", "control:nothing", "scenario:none", "why:wrong"):
        assert talk.post(choice_id=forged).status_code == 422, forged
    assert "form:residents:hmt" in str(talk.choose("form:matter:marry"))
    assert talk.post(choice_id="form:matter:divorce").status_code == 422


def test_an_unknown_or_unfinished_code_has_its_page(site):
    talk = Talk(site.url)
    assert talk.http.get("/results/ABCDEFGHJK").status_code == 404
    talk.say("收养登记向导")
    paused = talk.say("算了")[-1]["text"]
    code = paused.split("接着办 ")[1][:10]
    page = talk.http.get(f"/results/{code}")
    assert "还没有答完" in page.text
    assert f"接着办 {code}" in page.text
