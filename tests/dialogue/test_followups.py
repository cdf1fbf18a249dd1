"""Corrections, changes of topic and short questions that lean on what went before."""

from __future__ import annotations

import re

import pytest

from bot.dialogue.followups import going_back, standing_alone, with_matter
from bot.dialogue.guided import find_code, new_code
from bot.dialogue.single_turn import find_intent, matter_of, wants_guidance
from bot.dialogue.wording import ENGLISH_FILE, Wording, load_english
from bot.texts import to_traditional
from index.text import normalise
from knowledge.loading import load_content
from knowledge.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()


@pytest.mark.parametrize(
    ("text", "previous", "meant"),
    [
        ("不对，我问的是民非", "社团年检什么时候报", "民非年检什么时候报"), ("不是，我问的是离婚要带什么", "结婚要带什么", "离婚要带什么"),
        ("我说的是补结婚证", "结婚登记要多少钱", "补结婚证要多少钱"), ("那离婚呢", "结婚登记要带什么", "离婚要带什么"),
        ("离婚的话呢？", "结婚登记要带什么", "离婚要带什么"), ("那呢", "结婚登记要带什么", None), ("你好吗", "结婚登记要带什么", None),
        ("不对", "结婚登记要带什么", None), ("结婚要带什么", None, None), ("我问的是低保", None, "低保"),
    ],
)  # fmt: skip
def test_what_leans_on_the_question_before_is_made_to_stand_alone(text, previous, meant):
    assert standing_alone(normalise(text), previous, TAXONOMY) == meant


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("回到刚才那个问题", ""), ("说回前面那个，要带什么", "要带什么"), ("前面那个要多少钱", "要多少钱"), ("上一个问题", ""),
        ("一开始问的那个还要身份证吗", "还要身份证吗"), ("我还是回到前面的问题吧", ""), ("刚才那个要多少钱", None),
        ("之前办的结婚证丢了怎么办", None), ("之前离过婚能领证吗", None), ("回到刚才的低保", None),
    ],
)  # fmt: skip
def test_going_back_to_the_topic_before_is_told_from_speaking_of_the_past(text, rest):
    assert going_back(normalise(text)) == rest


@pytest.mark.parametrize(
    ("text", "matter", "meant"),
    [
        ("要多少钱", "结婚登记", "结婚登记 要多少钱"), ("带什么材料?", "收养登记", "收养登记 带什么材料?"), ("你多大了", "结婚登记", None),
        ("低保要多久", "结婚登记", None), ("要多少钱", None, None), ("那边的窗口排队的人很多我要等多久才行", "结婚登记", None),
    ],
)  # fmt: skip
def test_a_short_question_is_about_the_matter_in_hand(text, matter, meant):
    assert with_matter(normalise(text), matter, TAXONOMY) == meant


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("上一步", "back"), ("不知道", "unknown"), ("改一下", "change"), ("重新来", "restart_form"), ("算了", "cancel"), ("接着办", "continue"),
        ("有用", "useful"), ("没用", "useless"), ("don't know", "unknown"), ("start over", "restart_form"), ("不知道怎么办低保", None),
        ("没用户口本能办吗", None), ("上一步怎么走", None),
    ],
)  # fmt: skip
def test_controls_are_understood_as_whole_sentences_only(text, intent):
    assert find_intent(normalise(text)) == intent


def test_guidance_is_wanted_only_where_it_is_said():
    assert wants_guidance("一步一步带我办收养")
    assert matter_of("帮我看看能不能注册民非") == "注册民非"
    assert not wants_guidance("收养要什么条件")


def test_a_code_is_found_in_what_a_citizen_says():
    for _ in range(50):
        code = new_code()
        for said in (f"接着办 {code}", f"接着办{code}。", f"我的编号是{code}", code, f"resume {code.lower()}"):
            assert find_code(normalise(said)) == code, said
    assert find_code(normalise("接着办 ABC")) is None
    assert find_code(normalise("ABCDEFGHJK公司年检")) is None


@pytest.mark.parametrize("scenario", load_content().scenarios.values(), ids=lambda s: s.id)
def test_a_scenario_has_its_words_in_every_language(scenario):
    traditional = Wording(scenario, "zh-Hant")
    assert traditional.title == to_traditional(scenario.title)
    english = load_english().get(scenario.id)
    for question in scenario.questions:
        shown = Wording(scenario, "en").ask(question)
        assert shown == (english.questions[question.id].ask if english else question.ask)
        for choice in question.choices:
            assert Wording(scenario, "en").label(question, choice.id)
    if ENGLISH_FILE.is_file():
        assert english is not None
        assert set(english.questions) == {q.id for q in scenario.questions}
        assert all(set(english.questions[q.id].choices) == {c.id for c in q.choices} for q in scenario.questions)
        assert set(english.outcomes) == {o.id for o in scenario.outcomes}
        for outcome in scenario.outcomes:
            shown = Wording(scenario, "en").outcome(outcome)
            for name in ("title", "text", "where", "time_limit", "fee", "next_step"):
                assert not re.search("[\u4e00-\u9fff]{6}", getattr(shown, name) or ""), (outcome.id, name)


def test_english_words_are_used_where_they_are_there(tmp_path):
    file = tmp_path / "en.yaml"
    questions = '{matter: {ask: "What?", choices: {marry: Marry}}}'
    file.write_text(f"marriage:\n  title: Marriage\n  summary: All of it\n  questions: {questions}\n  outcomes: {{}}\n")
    assert load_english(file)["marriage"].questions["matter"].choices["marry"] == "Marry"
    assert load_english(tmp_path / "none.yaml") == {}
