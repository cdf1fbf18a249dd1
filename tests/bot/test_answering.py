"""The steps of an answer, one by one and together."""

from __future__ import annotations

from datetime import date

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answer import VERDICTS_FILE, Verdict, make_reply, verdict_rows
from bot.answering.complaint import is_complaint
from bot.answering.guard import find_objection
from bot.answering.mask import mask_personal_data
from bot.answering.screen import find_crisis
from bot.answering.variants import follow_up_variants, is_follow_up, search_variants, split_parts
from bot.dialogue.single_turn import find_intent
from bot.texts import LOCALES, TEXTS_FILE, detect_locale, say, text_keys
from index.text import normalise
from knowledge.laws import load_laws
from tests.factories import ON, make_entry


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("我不想活了", "self_harm"), ("活着真没意思", "self_harm"), ("好想死", "self_harm"), ("要是死了就好了一了百了", "self_harm"),
        ("我妈说要跳楼", "other_self_harm"), ("我想去死", "self_harm"), ("老公逼得我想死", "self_harm"),
        ("女儿说不想活了", "other_self_harm"), ("老公喝醉了就打我", "domestic_violence"), ("遭遇家暴怎么办", "domestic_violence"),
        ("他把我打伤了", "domestic_violence"), ("婆婆被儿媳打", "elder"), ("有人用裸照威胁我", "sexual_violence"),
        ("爸爸打我我害怕", "child"), ("刚才在路边捡到一个弃婴", "child"), ("孩子走丢了", "missing"), ("我奶奶走失一天了", "missing"),
        ("家里着火了", "danger"), ("救命啊", "danger"), ("我被骗到传销窝点了", "trafficking"),
    ],
)  # fmt: skip
def test_urgent_situations_are_recognised(text, kind):
    assert find_crisis(normalise(text)) == kind


@pytest.mark.parametrize(
    "text",
    [
        "我想死你了", "笑死我了", "累死了今天", "给我打个电话", "打官司要多少钱", "打工的在哪领证", "死亡证明去哪开", "救命的拼音怎么写",
        "家里老人去世了要办什么", "烈士子女有什么待遇", "热死了天气", "打印结婚证", "老公打呼噜", "房子失火了能申请临时救助吗",
        "我在外面打工奶奶的低保谁去申请", "网贷天天打我家里电话",
    ],
)  # fmt: skip
def test_lookalikes_raise_no_alarm(text):
    assert find_crisis(normalise(text)) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("举报某某小区地下室开了个停尸房", True), ("请领导重视我们镇低保名单的问题", True), ("护工克扣老人饭菜，家属去说还被骂", True),
        ("强烈要求拆掉后山的大墓", True), ("三年了困难补助一直无人过问", True),
        ("怎么投诉养老院", False), ("举报低保造假打什么电话", False), ("养老院乱收费违法吗", False), ("低保不公平去哪里反映", False),
        ("结婚登记要带什么", False), ("未满年龄办婚礼是不是违法", False),
    ],
)  # fmt: skip
def test_a_complaint_is_told_from_a_question_about_complaining(text, wanted):
    assert is_complaint(normalise(text)) is wanted


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("身份证11010519491231002X号", "身份证[身份证号]号"), ("电话13800138000", "电话[手机号]"), ("138 0013 8000", "[手机号]"),
        ("卡号6222021234567890128", "卡号[银行卡号]"), ("我住人民路12号3栋502室", "[地址]"), ("a@b.cn", "[邮箱]"),
        ("0571-87012345", "[电话]"), ("受理号MD20261124-0001", "受理号MD20261124-0001"), ("1994年2月1日", "1994年2月1日"), ("12345", "12345"),
    ],
)  # fmt: skip
def test_personal_data_are_masked(text, masked):
    assert mask_personal_data(text)[0] == masked


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_masking_is_idempotent(text):
    once = mask_personal_data(text)[0]
    assert mask_personal_data(once) == (once, 0)


@pytest.mark.parametrize("reason", ["withdrawn", "entry_not_in_force", "law_not_in_force", None])
def test_the_guard_says_why_an_entry_must_not_be_shown(reason):
    laws = load_laws()
    entry = make_entry(
        effective_from=date(2030, 1, 1) if reason == "entry_not_in_force" else None,
        sources=[{"law": "social-assistance-interim", "article": "第一条"}]
        if reason == "law_not_in_force"
        else [{"law": "marriage-registration", "article": "第八条"}],
    )
    assert find_objection(entry, "r", ON, laws, lambda _: reason != "withdrawn", entry.answer) == reason


def test_personal_data_in_an_answer_are_an_objection():
    assert find_objection(make_entry(), "r", ON, load_laws(), lambda _: True, "找王敏13800138000") == "personal_data"


def test_a_long_story_is_also_searched_by_its_question():
    story = "我是外地来打工的，在这里干了五年，跟我对象认识三年了，两家都同意。现在想把事办了。请问没有户口本能登记吗？"
    assert search_variants(normalise(story))[1] == "请问没有户口本能登记吗?"
    assert search_variants("短问题") == ["短问题"]


@pytest.mark.parametrize("text", ["那要多少钱", "要多少钱", "大概要多久", "离婚的呢", "那么多久", "在哪办", "还有别的材料吗"])
def test_a_question_without_a_topic_is_a_follow_up(text):
    assert is_follow_up(text) or text == "在哪办"


def test_a_follow_up_is_read_with_the_topics_and_as_written_where_it_may_stand_alone():
    assert follow_up_variants("那要多少钱", ["结婚登记"]) == (["结婚登记 那要多少钱"], frozenset({0}))
    assert follow_up_variants("我们一个是香港的", ["结婚登记"]) == (["我们一个是香港的", "结婚登记 我们一个是香港的"], frozenset({1}))


def test_two_questions_are_split_and_one_is_not():
    assert split_parts("离婚要多久?补结婚证要带什么?") == ["离婚要多久", "补结婚证要带什么"]
    assert len(split_parts("结婚登记要带什么，要多少钱")) == 1


def test_every_verdict_has_a_row_and_every_row_a_verdict():
    rows = yaml.safe_load(VERDICTS_FILE.read_text(encoding="utf-8"))
    assert sorted(r["verdict"] for r in rows) == sorted(v.value for v in Verdict)
    assert verdict_rows()[Verdict.HANDOFF_UNSURE].offers_person


def test_every_fixed_text_is_there_in_every_language():
    texts = yaml.safe_load(TEXTS_FILE.read_text(encoding="utf-8"))
    assert text_keys() == set(texts)
    for key, row in texts.items():
        assert set(row) == set(LOCALES), key
    assert "{number}" not in say("waiting", number="1")


@pytest.mark.parametrize(("text", "locale"), [("结婚要什么", "zh-Hans"), ("結婚要什麼", "zh-Hant"), ("how to get married", "en"), ("djh", "zh-Hans")])
def test_the_citizens_language_is_recognised(text, locale):
    assert detect_locale(text) == locale


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("您好", "greet"), ("谢谢你!", "thank"), ("再见", "goodbye"), ("好的", "affirm"), ("不用了", "deny"), ("转人工", "ask_human"),
        ("我要人工服务", "ask_human"), ("你是机器人吗", "bot_challenge"), ("再说一遍", "repeat"), ("你好请问结婚登记要带什么", None),
        ("人工授精的孩子怎么登记", None), ("不带户口本能领证吗", None), ("好的那离婚呢", None),
    ],
)  # fmt: skip
def test_short_texts_are_understood_without_rasa(text, key):
    assert find_intent(normalise(text)) == key


def test_a_reply_has_the_kind_of_its_verdict():
    assert make_reply(Verdict.REDIRECT_DEPARTMENT, "x", ON).kind == "redirect"
