"""What citizens get from the whole knowledge: the facts most often told wrong, and floors on a set of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import run_minda

SETS = Path(__file__).resolve().parents[1] / "evaluation"


def evaluate(data: Path, name: str, tmp_path: Path, *options: str) -> tuple[dict[str, float], list[dict]]:
    misses = tmp_path / "misses.jsonl"
    done = run_minda(data, "eval", str(SETS / name), "--misses", str(misses), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    figures = {r[0]: float(r[1]) for r in rows if len(r) == 2 and r[1].replace(".", "", 1).isdigit()}
    return figures, [json.loads(line) for line in misses.read_text(encoding="utf-8").splitlines()]


def test_every_fact_that_is_easily_told_wrong_is_told_right(full_data, tmp_path):
    figures, misses = evaluate(full_data, "facts.jsonl", tmp_path)
    assert [m["q"] for m in misses] == []
    assert figures["key_facts_of_answered"] == 1.0


FLOORS = {
    "public.jsonl": {"key_facts": 0.88, "wrong": 0.05, "redirects": 0.85, "crisis": 1.0},
    "indirect.jsonl": {"key_facts": 0.87, "wrong": 0.1, "redirects": 0.75, "crisis": 0.95},
}
"""indirect questions say nothing by its name; their floors lie just below what was reached when the set was written"""


@pytest.mark.parametrize("name", FLOORS)
def test_our_own_questions_keep_their_floors(full_data, tmp_path, name):
    figures, _ = evaluate(full_data, name, tmp_path)
    floors = FLOORS[name]
    assert figures["key_facts_of_answered"] >= floors["key_facts"]
    assert figures["confidently_wrong_in_scope"] <= floors["wrong"]
    assert figures["redirect_right"] >= floors["redirects"]
    assert figures["out_of_scope_false_answer"] <= 0.04
    assert figures["crisis_recall"] >= floors["crisis"]


@pytest.mark.parametrize(("name", "same", "different"), [("pairs.jsonl", 0.8, 0.95), ("indirect_pairs.jsonl", 0.42, 0.95)])
def test_paraphrases_get_the_same_entry_as_often_as_measured(full_data, tmp_path, name, same, different):
    """Indirect pairs share hardly a word: .475 were reached when the floor was set."""
    figures, _ = evaluate(full_data, "facts.jsonl", tmp_path, "--pairs", str(SETS / name))
    assert figures["paraphrases_same_entry"] >= same
    assert figures["different_questions_different_entry"] >= different


def test_a_left_out_example_finds_its_entry_among_the_first_three(full_data):
    model = json.loads(max((full_data / "index").glob("*/model.json")).read_text(encoding="utf-8"))
    assert model["top3"] >= 0.74
    missed = [json.loads(line) for line in (full_data / "leave_one_out_misses.jsonl").read_text("utf-8").splitlines()]
    assert 0 < len(missed) < 0.26 * model["questions"]


@pytest.mark.parametrize(
    ("question", "entry"),
    [("低保多久能批下来", "dibao-time-limit"), ("五保户必须住敬老院吗", "destitute-where-live"), ("体彩兑奖找谁", "lottery-sports")],
)
def test_a_reviewed_example_question_gets_its_own_entry(full_data, question, entry):
    reply = json.loads(run_minda(full_data, "ask", question, "--json").stdout)
    assert (reply["entry_id"], reply["band"]) == (entry, "direct")


@pytest.mark.parametrize(
    ("text", "track"),
    [
        ("东山村去年的低保名单全是干部亲戚，请有关部门核实处理", "track-complaint-assistance"),
        ("强烈要求查处桥头那家没有手续还在停放遗体的殡葬店", "track-report-funeral"),
    ],
)
def test_a_complaint_opens_its_track(full_data, text, track):
    reply = json.loads(run_minda(full_data, "ask", text, "--json").stdout)
    assert (reply["kind"], reply["verdict"], reply["entry_id"]) == ("handoff", "handoff_track", track)


def test_another_departments_complaint_goes_to_the_other_department(full_data):
    reply = json.loads(run_minda(full_data, "ask", "举报楼下饭店噪音太大，请查处", "--json").stdout)
    assert reply["kind"] == "redirect"


def test_an_amount_and_a_law_are_those_in_force_that_day(full_data):
    before, after = (run_minda(full_data, "ask", "低保一个月多少钱", "--as-of", day).stdout for day in ("2026-06-30", "2026-07-01"))
    assert "840元" in after
    assert "社会救助法" in after
    assert "840元" not in before, "the new standard is not in force yet"
    assert "社会救助法" not in before, "the law is not in force yet"
