"""The content that ships is complete, checked and can be handed out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from openpyxl import load_workbook

from knowledge.loading import load_content

ROOT = Path(__file__).resolve().parents[2]
LARGE = {"A01", "A03", "A04", "A06", "A08", "A14", "A15"}


@pytest.fixture(scope="module")
def content():
    return load_content()


def knowledge(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "knowledge", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_the_checker_finds_no_error():
    done = knowledge("check")
    assert done.returncode == 0, done.stdout


def test_every_area_is_covered(content):
    counts = Counter(e.area for e in content.entries.values() if e.kind in ("answer", "redirect"))
    for number in range(1, 20):
        area = f"A{number:02}"
        assert counts[area] >= (25 if area in LARGE else 12), area


def test_enough_is_known_of_what_is_not_ours(content):
    assert sum(len(e.questions) for e in content.entries.values() if e.kind in ("redirect", "decline")) >= 600


def test_answers_begin_short(content):
    assert [e.id for e in content.entries.values() if len(e.answer) > 220] == []


def test_loading_is_quick_enough_for_an_editor():
    started = time.perf_counter()
    load_content()
    assert time.perf_counter() - started < 30, "something is wrong beyond noise; the benchmark gives the figure"


def test_everything_can_be_exported(content, tmp_path):
    for name in ("all.xlsx", "all.json"):
        assert knowledge("export", str(tmp_path / name)).returncode == 0
    book = load_workbook(tmp_path / "all.xlsx")
    assert book["问答"].max_row == len(content.entries) + 1
    assert book["办事指南"].max_row == len(content.guides) + 1
    rows = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert Counter(r["type"] for r in rows) == {
        "entry": len(content.entries), "guide": len(content.guides), "scenario": len(content.scenarios),
    }  # fmt: skip


def test_an_unknown_export_form_is_refused(tmp_path):
    done = knowledge("export", str(tmp_path / "all.pdf"))
    assert done.returncode == 2
    assert ".xlsx 或 .json" in done.stderr
    assert list(tmp_path.iterdir()) == []
