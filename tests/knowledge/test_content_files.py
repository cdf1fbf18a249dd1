"""The shipped content: typed, checked, and clear about where it is wrong."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from knowledge.checks import (
    BANNED_FILE,
    BannedStatement,
    CheckContext,
    check_all,
    check_banned,
    check_contacts,
    check_duplicate_questions,
    check_entry_shape,
    check_numbers,
    check_sources,
)
from knowledge.city import load_city
from knowledge.content import digest_of
from knowledge.errors import ContentError, NotFound
from knowledge.law_texts import LawText, load_law_texts
from knowledge.laws import load_laws, parse_articles, parse_number
from knowledge.loading import load_content
from knowledge.taxonomy import load_taxonomy
from knowledge.yaml_files import load_yaml_list
from tests.factories import LAWS, ON, make_city, make_context, make_entry


def test_the_shipped_content_has_no_fault():
    laws = load_laws()
    texts = load_law_texts(LAWS, list(laws.laws.values())) if LAWS.is_dir() else {}
    context = CheckContext(load_content(), load_taxonomy(), laws, load_city("example"), date.today(), texts)
    assert [str(f) for f in check_all(context) if f.severity == "error"] == []


def test_the_four_marriage_services_have_guides():
    content = load_content()
    assert {"S06", "S07", "S08", "S09"} <= {g.service for g in content.guides.values()}


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("- id: a\n  title: 甲\n  answr: 乙\n  questions: [丙]\n", 3, "answr"),
        ("- id: a\n  title: 甲\n  answer: 乙\n  questions: []\n", 4, "questions"),
        ("- id: a\n  title: 甲\n  kind: redirect\n  answer: 乙\n  questions: [丙]\n", 1, "department"),
        ("- id: A B\n  title: 甲\n  answer: 乙\n  questions: [丙]\n", 1, "id"),
        ("- id: a\n  title: [\n", 3, "YAML"),
        ("id: a\n", 1, "列表"),
        ("- id: a\n  area: A99\n  title: 甲\n  answer: 乙\n  questions: [丙]\n", 2, "area"),
    ],
)
def test_an_error_names_file_line_and_field(tmp_path, text, line, word):
    folder = tmp_path / "A03"
    folder.mkdir()
    (folder / "x.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        load_content(tmp_path)
    assert "x.yaml" in str(caught.value)
    assert caught.value.line == line
    assert word in str(caught.value)


def test_the_same_id_twice_is_refused(tmp_path):
    text = "- {id: a, title: 甲, kind: decline, answer: 乙, questions: [丙]}\n"
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match="编号重复"):
        load_content(tmp_path)


def test_a_digest_changes_with_any_word():
    assert digest_of(make_entry()) == digest_of(make_entry())
    assert digest_of(make_entry()) != digest_of(make_entry(answer="不可以办。"))


def test_dates_decide_what_is_in_force():
    entry = make_entry(effective_from=date(2025, 5, 10), effective_until=date(2026, 12, 31))
    assert [entry.in_force(d) for d in (date(2025, 5, 9), date(2025, 5, 10), date(2026, 12, 31), date(2027, 1, 1))] == [
        False, True, True, False,
    ]  # fmt: skip
    with pytest.raises(ValidationError, match="effective_from"):
        make_entry(effective_from=date(2026, 1, 1), effective_until=date(2025, 1, 1))


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ({"law": "no-such-law", "article": "第一条"}, "没有"),
        ({"law": "marriage-registration", "article": "第九十九条"}, "没有第 99 条".replace(" ", "")),
        ({"law": "marriage-registration"}, "写到条"),
        ({"law": "social-assistance-interim", "article": "第一条"}, "不是有效的依据"),
        ({"law": "marriage-registration", "article": "某条"}, "看不懂"),
    ],
)
def test_sources_must_exist_and_be_in_force(source, word):
    entry = make_entry(sources=[source])
    found = " ".join(f.message for f in check_sources(entry, make_context(entry))).replace(" ", "")
    assert word.replace(" ", "") in found


def test_two_entries_may_not_share_an_example_question():
    one, two = make_entry(id="one"), make_entry(id="two")
    assert any("同一个例句" in f.message for f in check_duplicate_questions(make_context(one, two).content))


def test_answers_are_short_and_have_enough_examples():
    rules = {f.rule for f in check_entry_shape(make_entry(answer="长" * 221, questions=["一"], not_questions=[]))}
    assert rules == {"篇幅", "例句"}
    assert list(check_entry_shape(make_entry())) == []


def test_old_statements_are_found_unless_they_are_negated():
    banned = load_yaml_list(BANNED_FILE, BannedStatement)
    assert list(check_banned(make_entry(answer="登记结婚要带户口簿和身份证。"), banned))
    assert not list(check_banned(make_entry(answer="登记结婚不用带户口簿。"), banned))


def test_local_phone_numbers_and_addresses_do_not_stand_in_answers():
    assert list(check_contacts(make_entry(answer="请打 0571-87012345。")))
    assert list(check_contacts(make_entry(answer="请上 www.example.cn 办。")))
    assert not list(check_contacts(make_entry(answer="请打 12345 或者 110。")))


def test_numbers_must_stand_in_the_cited_article():
    text = LawText("第八条 满三十日的，可以办理。\n\n第九条 罚款五万元以上。\n")
    assert text.states("30", [8])
    assert not text.states("30", [9])
    entry = make_entry(answer="要等30日。")
    wrong = make_entry(answer="要等45日。")
    context = make_context(entry, texts={"marriage-registration": text})
    assert not list(check_numbers(entry, context))
    assert list(check_numbers(wrong, context))


@pytest.mark.parametrize(("text", "number"), [("八", 8), ("十", 10), ("二十一", 21), ("一百零五", 105), ("一千零五十", 1050), ("36", 36)])
def test_article_numbers_are_read(text, number):
    assert parse_number(text) == number
    assert parse_articles(f"第{text}条第二款") == [number]


def test_a_parameter_has_the_value_of_the_day_or_says_whom_to_ask():
    values = [
        {"value": 800, "effective_from": "2025-07-01", "effective_until": "2026-06-30", "source": "一号文"},
        {"value": 840, "effective_from": "2026-07-01", "source": "二号文"},
    ]
    city = make_city(dibao_standard=values)
    assert "每人每月800元" in city.line("dibao_standard", date(2026, 6, 30))
    assert "每人每月840元" in city.line("dibao_standard", date(2026, 7, 1))
    assert city.line("dibao_standard", date(2020, 1, 1)) == "低保标准：各地不一样，请问街道办事处。"
    assert [d.key for d in city.unset(ON)] == ["org_promised_days"]
    with pytest.raises(NotFound):
        city.find_value("nothing", ON)
    with pytest.raises(NotFound):
        load_city("atlantis")


def test_overlapping_values_are_refused():
    with pytest.raises(ValidationError, match="重叠"):
        make_city(dibao_standard=[
            {"value": 1, "effective_from": "2025-01-01", "source": "a"},
            {"value": 2, "effective_from": "2026-01-01", "source": "b"},
        ])  # fmt: skip


def test_the_taxonomy_is_complete():
    taxonomy = load_taxonomy()
    assert (len(taxonomy.areas), len(taxonomy.services), len(taxonomy.scenarios)) == (19, 20, 6)
    assert {s.area for s in taxonomy.services} <= set(taxonomy.area_by_code)
    assert {s.scenario for s in taxonomy.services} == {s.id for s in taxonomy.scenarios}
