"""Whether the evaluation calls right what is right: judged replies, figures, thresholds, curves."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from bot.answer import Answer, Verdict, make_reply
from bot.evaluation.cases import Case, load_cases, load_pairs
from bot.evaluation.judging import is_kind_right, judge
from bot.evaluation.metrics import by_area, macro, metrics, reliability, risk_and_coverage, spread
from bot.evaluation.pairs import pair_metrics, run_pairs
from bot.evaluation.plots import draw_reliability, draw_risk_coverage
from bot.evaluation.rivals import Ranking, rank_passages, ranking_figures, threshold_for, try_rival
from tests.index.test_features import make_corpus

ON = date(2026, 11, 24)


def given(verdict=Verdict.ANSWER_DIRECT, text="要等30日。", **fields) -> Answer:
    return Answer(make_reply(verdict, text, ON, **fields), {"candidates": [["a", 0.8], ["b", 0.1]]})


def case(expect="answer", **fields) -> Case:
    return Case(**{"id": "1", "q": "离婚要等多久", "set": "in_scope", "expect": expect, "area": "A03", "areas": frozenset({"A03"}),
                   "must": (("30日",),), **fields})  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "answer", "right", "kind_right"),
    [
        (case(), given(), True, True),
        (case(), given(text="当天就离。"), False, True),
        (case(), given(text="离婚要等多久30日"), True, True),
        (case(q="30日"), given(text="您问的是30日"), True, True),
        (case(q="要等30日吗", must=(("30日",),)), given(text="您问：要等30日吗"), False, True),
        (case(must_not=("当场",)), given(text="30日，也能当场办。"), False, True),
        (case(), given(Verdict.HANDOFF_UNSURE), False, False),
        (case("answer_or_handoff"), given(Verdict.HANDOFF_UNSURE, "转人工"), True, True),
        (case("handoff"), given(Verdict.HANDOFF_TRACK, "转人工"), True, True),
        (case("decline", must=()), given(Verdict.CLARIFY_EMPTY, "请说"), True, True),
        (case("redirect", must=(("公安",),)), given(text="找公安。"), True, False),
        (case("crisis", must=(("110",),)), given(Verdict.CRISIS_URGENT, "请打110"), True, True),
        (case("decline", must=(), crisis_ok=True), given(Verdict.CRISIS_URGENT, "请打110"), True, True),
    ],
)  # fmt: skip
def test_a_reply_is_judged_by_its_facts_and_its_kind(expected, answer, right, kind_right):
    outcome = judge(expected, [answer])
    assert outcome.right is right
    assert is_kind_right(outcome) is kind_right


def test_figures_count_what_they_name():
    outcomes = [
        judge(case(id="1"), [given(area="A03", confidence=0.9)]),
        judge(case(id="2", area="A01", areas=frozenset({"A01"})), [given(text="错", area="A03", confidence=0.7)]),
        judge(case(id="3"), [given(Verdict.HANDOFF_UNSURE, area="A03")]),
        judge(case("redirect", id="4", set="out_of_scope", area=None, areas=frozenset(), must=(("公安",),)), [given()]),
        judge(case("decline", id="5", set="crisis", type="false_positive", must=()), [given(Verdict.CRISIS_URGENT)]),
    ]
    figures = metrics(outcomes)
    assert figures["key_facts_of_answered"] == 0.5
    assert figures["key_facts_micro"] == pytest.approx(1 / 3, abs=1e-3)
    assert figures["key_facts_macro"] == 0.25
    assert figures["confidently_wrong_in_scope"] == pytest.approx(1 / 3, abs=1e-3)
    assert figures["clarify_or_handoff_on_answerable"] == pytest.approx(1 / 3, abs=1e-3)
    assert figures["out_of_scope_false_answer"] == 1.0
    assert figures["crisis_false_alarm_lookalikes"] == 1.0
    assert figures["crisis_recall"] is None
    assert figures["area_right"] == pytest.approx(2 / 3, abs=1e-3)
    assert figures["area_right_macro"] == 0.5
    assert by_area(outcomes)["A03"]["key_facts"] == 0.5
    bins = reliability(outcomes)
    assert [(round(b["confidence"], 2), b["right"]) for b in bins] == [(0.0, 0.0), (0.7, 0.0), (0.9, 1.0)]
    assert macro([("a", True), ("a", True), ("b", False)]) == 0.5
    assert spread([figures, figures])["key_facts_macro"] == {"mean": 0.25, "sd": 0.0, "min": 0.25, "max": 0.25}


def test_risk_falls_with_a_threshold_that_sorts_well():
    curve = risk_and_coverage(np.array([0.9, 0.1, 0.5, 0.8]), np.array([False, True, True, False]), 5)
    assert curve == [(0.2, 0.0), (0.4, 0.0), (0.6, pytest.approx(1 / 3)), (0.8, 0.5)]


def test_a_rival_gets_the_threshold_of_equal_coverage():
    assert threshold_for([0.1, 0.9, 0.5, 0.7], 0.5) == 0.7
    assert threshold_for([0.1, 0.9], 0.0) == float("inf")
    answers = {"a": given(entry_id="a"), "b": given(text="别的", entry_id="b")}
    cases = [case(id=str(n)) for n in range(4)]
    rankings = [Ranking(["a", "b"], 0.9), Ranking(["b", "a"], 0.8), Ranking(["b"], 0.7), Ranking(["a"], 0.1)]
    result = try_rival(cases, rankings, answers.get, 0.5, ON)
    assert result.threshold == 0.8
    assert result.figures["clarify_or_handoff_on_answerable"] == 0.5
    assert result.figures["key_facts_of_answered"] == 0.5
    assert (result.figures["recall_at_1"], result.figures["recall_at_3"], result.figures["mrr"]) == (0.5, 0.75, 0.625)
    assert result.curve[-1] == (1.0, 0.5)
    assert ranking_figures(cases, [["gone"]] * 4, answers.get)["mrr"] == 0.0


def test_an_entry_has_the_score_of_its_best_passage_that_is_no_negative():
    corpus = make_corpus()
    scores = np.random.default_rng(2).uniform(size=len(corpus.texts)).astype(np.float32)
    ranking = rank_passages(scores, corpus)
    best = int(np.argmax(np.where(corpus.role != 3, scores, -1)))
    assert ranking.entries[0] == corpus.entry_ids[int(corpus.entry_of[best])]
    assert ranking.score == pytest.approx(float(scores[best]))
    assert len(set(ranking.entries)) == 10


async def test_pairs_agree_where_both_wordings_get_the_same(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        '{"id":"1","a":"甲","b":"乙","same_answer":true}\n\n{"id":"2","a":"甲","b":"丙","same_answer":false}\n'
        '{"id":"3","a":"甲","b":"丙","same_answer":true}\n{"id":"4","a":"甲","b":"丁","same_answer":null}\n', encoding="utf-8",
    )  # fmt: skip

    async def ask(text: str) -> list[Answer]:
        return [given(entry_id="x") if text in "甲乙" else given(Verdict.HANDOFF_UNSURE)]

    lines = await run_pairs(load_pairs(path), ask)
    assert len(lines) == 3
    assert pair_metrics(lines) == {"paraphrases_same_entry": 0.5, "different_questions_different_entry": 1.0}


def test_a_line_that_is_no_case_is_named(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text('{"id":"1","q":"a","set":"in_scope","expect":"answer"}\n{"id":"2"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="第 2 行"):
        load_cases(path)


def test_both_plots_are_drawn_as_svg_and_png(tmp_path):
    draw_risk_coverage({"minda": [(0.1, 0.0), (0.5, 0.1)], "bm25": [(0.1, 0.2), (1.0, 0.5)], "nothing": []}, tmp_path)
    draw_reliability([{"from": 0.8, "count": 3, "confidence": 0.85, "right": 1.0}], 0.15, tmp_path)
    for name in ("risk_coverage", "reliability"):
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert "<svg" in (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
