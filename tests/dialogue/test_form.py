"""The pure form: every answer understood, every control at every step, nothing changed by itself."""

from __future__ import annotations

import random

import pytest

from bot.dialogue import form
from bot.dialogue.form import FormState
from bot.dialogue.reading import is_question, questions_in, read_number
from index.text import normalise
from knowledge.content import Scenario
from knowledge.loading import load_content

SCENARIOS: dict[str, Scenario] = dict(load_content().scenarios)


def talk(scenario: Scenario, *texts: str) -> FormState:
    state = form.start(scenario)
    for text in texts:
        state = form.take_text(scenario, state, normalise(text)) or state
    return state


@pytest.mark.parametrize(
    ("scenario", "texts", "answers", "asked"),
    [
        ("marriage", ["结婚", "我们俩一个是台湾的，我离过婚"], {"matter": "marry", "residents": "hmt", "single": "yes"}, "age"),
        ("marriage", ["我想办离婚登记"], {"matter": "divorce"}, "residents"),
        ("marriage", ["第三个", "已经离了"], {"matter": "replace", "still": "no"}, None),
        ("marriage", ["離婚", "都是內地的居民", "都談妥了", "在中国内地办的"],
         {"matter": "divorce", "residents": "mainland", "agree": "yes", "married_where": "china"}, None),
        ("marriage", ["结婚", "不是香港的"], {"matter": "marry"}, "residents"),
        ("marriage", ["结婚", "她是香港的我是华侨"], {"matter": "marry"}, "residents"),
        ("marriage", ["结婚", "外国人能结婚吗"], {"matter": "marry"}, "residents"),
        ("marriage", ["离婚", "香港的"], {"matter": "divorce", "residents": "hmt"}, "agree"),
        ("adoption", ["我想收养亲戚的孩子"], {"matter": "adopt", "child": "relative"}, "nationality"),
        ("adoption", ["收养", "福利院的", "我是中国人", "早就满了"],
         {"matter": "adopt", "child": "institution", "nationality": "yes", "age": "yes"}, "partner"),
        ("funeral", ["我爸在家里走了", "在本市"], {"matter": "death", "place": "home", "region": "here"}, None),
        ("organisations", ["我想注册一个民非", "有的"], {"kind": "private", "matter": "establish", "supervisor": "yes"}, None),
        ("organisations", ["基金会", "公开募捐", "是，不满一年"], {"kind": "foundation", "matter": "raise", "charity": "new"}, None),
        ("assistance", ["不是", "无儿无女", "六十多了", "没收入"],
         {"urgent": "no", "support": "none", "ability": "yes", "income": "below"}, None),
        ("marriage", ["结婚", "都是内地的", "我28她26"], {"matter": "marry", "residents": "mainland", "age": "both"}, "single"),
        ("marriage", ["结婚", "都是内地的", "我二十四，她十九"], {"matter": "marry", "residents": "mainland", "age": "not-yet"}, None),
        ("marriage", ["结婚", "都是内地的", "男的21女的20"], {"matter": "marry", "residents": "mainland"}, "age"),
        ("marriage", ["结婚", "都满了"], {"matter": "marry", "age": "both"}, "residents"),
        ("adoption", ["收养", "福利院的", "是", "今年二十九"],
         {"matter": "adopt", "child": "institution", "nationality": "yes", "age": "no"}, None),
        ("adoption", ["收养", "福利院的", "是", "满30了"],
         {"matter": "adopt", "child": "institution", "nationality": "yes", "age": "yes"}, "partner"),
        ("adoption", ["收养", "福利院的", "是", "我35，我老婆28"], {"matter": "adopt", "child": "institution", "nationality": "yes"}, "age"),
        ("adoption", ["解除收养", "孩子16了"], {"matter": "end", "adult": "no"}, "agreed"),
        ("assistance", ["不是突然的"], {"urgent": "no"}, "support"),
        ("assistance", ["没出事"], {"urgent": "no"}, "support"),
        ("organisations", ["协会", "成立", "没有重名"], {"kind": "association", "matter": "establish"}, "supervisor"),
        ("organisations", ["协会", "成立", "还没有呢"], {"kind": "association", "matter": "establish", "supervisor": "no"}, None),
        ("other", ["残疾人补贴", "有", "二级", "不是"], {"matter": "disabled", "certificate": "yes", "level": "severe", "low": "no"}, None),
    ],
)  # fmt: skip
def test_free_text_fills_what_it_says(scenario, texts, answers, asked):
    state = talk(SCENARIOS[scenario], *texts)
    assert (state.answers, state.asked) == (answers, asked)


def every_state(scenario: Scenario):
    """Every state that choices and 不知道 lead to."""
    waiting = [form.start(scenario)]
    seen = set()
    while waiting:
        state = waiting.pop()
        key = (tuple(sorted(state.answers.items())), frozenset(state.unknown), state.asked)
        if key in seen:
            continue
        seen.add(key)
        yield state
        question = form.question_of(scenario, state)
        if question is not None:
            waiting.append(form.pass_over(scenario, state))
            waiting += [form.take_choice(scenario, state, question.id, c.id) for c in question.choices]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.id)
def test_every_step_takes_its_labels_words_and_numbers_and_every_control(scenario):
    ends = 0
    for state in every_state(scenario):
        question = form.question_of(scenario, state)
        outcomes = form.outcomes_of(scenario, state)
        assert outcomes
        if question is None:
            ends += 1
            assert len(outcomes) == 1 or state.unknown
            assert form.pass_over(scenario, state) == state
        else:
            for number, choice in enumerate(question.choices, 1):
                expected = form.take_choice(scenario, state, question.id, choice.id)
                for said in (choice.label, str(number), f"第{number}个", f"选{number}"):
                    taken = form.take_text(scenario, state, normalise(said))
                    assert taken is not None, (question.id, said)
                    assert taken.answers.get(question.id) == choice.id or question.id not in expected.answers, (question.id, said)
            assert form.take_choice(scenario, state, question.id, "forged") is None
            assert form.take_choice(scenario, state, "forged", question.choices[0].id) is None
        before = form.back(scenario, state)
        assert before.asked == (state.trail[-1] if state.trail else state.asked)
        assert set(before.answers.items()) <= set(state.answers.items())
        for name in state.trail:
            again = form.reopen(scenario, state, name)
            assert again.asked == name
            assert again.answers == {q: c for q, c in state.answers.items() if q != name}
        values = form.slot_values(scenario, state)
        assert next((q for q, v in values.items() if v is None), None) == state.asked
        assert form.fitted(scenario, state) == state
    assert ends >= len(scenario.outcomes)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.id)
def test_each_choices_own_words_answer_its_question(scenario):
    for state in every_state(scenario):
        question = form.question_of(scenario, state)
        for choice in question.choices if question and not state.unknown else ():
            for word in choice.words:
                taken = form.take_text(scenario, state, normalise(word))
                others = {w for c in question.choices if c is not choice for w in c.words}
                if word not in others:
                    assert taken is not None, (question.id, word)
                    assert taken.answers.get(question.id, choice.id) == choice.id, (question.id, word)


def test_a_changed_answer_keeps_the_others_and_drops_what_it_makes_irrelevant():
    marriage = SCENARIOS["marriage"]
    state = talk(marriage, "结婚", "香港", "都满了", "都没有配偶")
    changed = form.take_choice(marriage, form.reopen(marriage, state, "residents"), "residents", "mainland")
    assert changed.answers == {**state.answers, "residents": "mainland"}
    other = form.take_choice(marriage, form.reopen(marriage, state, "matter"), "matter", "divorce")
    assert other.answers == {"matter": "divorce", "residents": "hmt"}
    assert other.asked == "agree"


def test_a_correction_says_an_earlier_answer_anew():
    marriage = SCENARIOS["marriage"]
    state = talk(marriage, "结婚", "都是内地居民", "都满了")
    corrected = form.correct_text(marriage, state, "她是香港的")
    assert corrected.answers["residents"] == "hmt"
    assert form.correct_text(marriage, state, "天气好") is None


def test_what_nobody_knows_leaves_a_short_list():
    marriage = SCENARIOS["marriage"]
    state = talk(marriage, "结婚")
    state = form.pass_over(marriage, state)
    for text in ("都满了", "都没有配偶", "不是"):
        state = form.take_text(marriage, state, text)
    assert state.asked is None
    assert [o.id for o in form.outcomes_of(marriage, state)] == ["marry-mainland", "marry-foreign"]
    assistance = SCENARIOS["assistance"]
    state = form.pass_over(assistance, talk(assistance, "不是", "有子女"))
    assert state.answers["income"] == "unknown", "不清楚 is one of the choices"


def test_answers_that_the_content_no_longer_knows_are_asked_again():
    marriage = SCENARIOS["marriage"]
    old = FormState(scenario="marriage", answers={"matter": "marry", "residents": "mars"}, trail=("matter", "residents"), asked="gone")
    assert form.fitted(marriage, old) == FormState(scenario="marriage", answers={"matter": "marry"}, trail=("matter",), asked="residents")


def test_what_was_said_already_is_recognised_and_what_is_said_otherwise_changes_it():
    scenario = SCENARIOS["marriage"]
    state = talk(scenario, "结婚", "都是内地居民")
    for text in ("结婚", "都是内地居民"):
        assert form.say_again(scenario, state, text) is state
    for text in ("结婚要带什么", "结婚的人多大年纪", "我妈", "没有"):
        assert form.say_again(scenario, state, text) is None, text
    assert form.say_again(scenario, state, "离婚").answers == {"matter": "divorce", "residents": "mainland"}


def test_random_words_never_undo_an_answer():
    rng = random.Random(5)
    for scenario in SCENARIOS.values():
        words = [w for q in scenario.questions for c in q.choices for w in (c.label, *c.words)] + ["你好", "为什么", "嗯嗯", "，，", "。", "台湾"]
        for _ in range(200):
            state = form.start(scenario)
            while state.asked and rng.random() > 0.05:
                text = normalise("，".join(rng.choices(words, k=rng.randint(1, 3))))
                after = form.take_text(scenario, state, text) or state
                for question, choice in state.answers.items():
                    assert after.answers.get(question, choice) == choice, (text, question)
                state = after


@pytest.mark.parametrize(("text", "number"), [("2", 1), ("第二个", 1), ("选3", 2), ("二", 1), ("2个孩子", None), ("9", None), ("第一种吧", 0)])
def test_numbers(text, number):
    assert read_number(text, 4) == number


@pytest.mark.parametrize(("text", "asks"), [("要带户口本吗", True), ("多少钱", True), ("我们是内地的", False), ("都满了", False), ("哪里办", True)])
def test_questions_are_told_from_statements(text, asks):
    assert is_question(text) is asks


def test_an_answer_and_a_question_in_one_breath():
    assert questions_in("都满了，要带户口本吗") == "要带户口本吗"
    assert questions_in("要带户口本吗") is None
    assert questions_in("都满了") is None
