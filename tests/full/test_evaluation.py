"""`minda eval` with everything it can do, on the knowledge that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import run_minda
from tests.full.test_answers import SETS
from tests.rasa.test_live import PYTHON


@pytest.fixture(scope="module")
def short_set(tmp_path_factory) -> Path:
    """Every fourth public question: enough of each kind, quick enough for several runs."""
    lines = (SETS / "public.jsonl").read_text(encoding="utf-8").splitlines()
    path = tmp_path_factory.mktemp("eval") / "short.jsonl"
    path.write_text("\n".join(lines[::4]) + "\n", encoding="utf-8")
    return path


def test_a_report_holds_all_that_is_needed_to_repeat_it(full_data, short_set, tmp_path):
    folder = tmp_path / "report"
    done = run_minda(
        full_data, "eval", str(short_set), "--report", str(folder), "--seeds", "2", "--rivals", "--rasa-python",
        str(tmp_path / "none"), "--pairs", str(SETS / "pairs.jsonl"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "这次不比 Rasa" in done.stdout
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    config = report["config"]
    assert [len(d["sha256"]) for d in config["data"]] == [64, 64]
    assert all(config["models"][name] for name in ("bundle", "encoder", "ranker", "classifier", "thresholds"))
    assert config["environment"]["onnxruntime"]
    assert set(report["compared"]) == {"minda", "bm25", "encoder"}
    ours, alone = report["compared"]["minda"], report["compared"]["encoder"]
    assert ours["recall_at_1"] >= alone["recall_at_1"] >= report["compared"]["bm25"]["recall_at_1"] - 0.1
    assert abs(ours["clarify_or_handoff_on_answerable"] - alone["clarify_or_handoff_on_answerable"]) < 0.03
    spread = report["seeds"]["figures"]["key_facts_micro"]
    assert spread["min"] <= spread["mean"] <= spread["max"]
    assert "分类器" in report["seeds"]["varied"]
    assert report["figures"]["paraphrases_same_entry"] >= 0.8
    asked = len(short_set.read_text(encoding="utf-8").splitlines())
    assert len((folder / "replies.jsonl").read_text(encoding="utf-8").splitlines()) == asked == config["questions"]
    for name in ("risk_coverage.svg", "risk_coverage.png", "reliability.svg", "reliability.png", "misses.jsonl", "report.md"):
        assert (folder / name).stat().st_size > 0, name


@pytest.mark.rasa
@pytest.mark.timeout(900)
def test_rasa_answers_from_the_same_entries(small_data, tmp_path):
    questions = tmp_path / "q.jsonl"
    questions.write_text(
        '{"id":"1","q":"离婚冷静期是几天","set":"in_scope","expect":"answer","area":"A03","must":[["30日|三十日"]]}\n'
        '{"id":"2","q":"结婚登记要带户口本吗","set":"in_scope","expect":"answer","area":"A03","must":[["户口簿"]]}\n', encoding="utf-8",
    )  # fmt: skip
    done = run_minda(
        small_data, "eval", str(questions), "--rivals", "--rasa-python", PYTHON, "--report", str(tmp_path / "r"), timeout=800
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))
    assert report["compared"]["rasa"]["recall_at_3"] == 1.0
    assert any(step["name"] == "ResponseSelector" for step in report["rivals"]["rasa"]["pipeline"])
