"""What a run leaves behind: figures, tables, plots, replies, misses, and all that is needed to repeat it."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .judging import Outcome
from .metrics import STEPS, Figures, by_area, kinds_given, reliability
from .plots import draw_reliability, draw_risk_coverage
from .run import Run

PACKAGES = ("numpy", "faiss-cpu", "onnxruntime", "torch", "sentence-transformers")
COMPARED = (
    "recall_at_1", "recall_at_3", "mrr", "key_facts_of_answered", "confidently_wrong_in_scope",
    "clarify_or_handoff_on_answerable", "redirect_right", "out_of_scope_false_answer", "crisis_recall", "crisis_false_alarm",
    "area_right",
)  # fmt: skip


def reply_line(o: Outcome) -> dict[str, Any]:
    """One line of a replies file: what scoring programs read."""
    return {
        "id": o.case.id, "reply": o.text, "kind": "error" if o.kind == "failed" else o.kind, "area": o.area,
        "service": o.service, "latency_ms": round(o.latency_ms, 2),
    }  # fmt: skip


def miss_line(o: Outcome) -> dict[str, Any]:
    return {
        "id": o.case.id, "q": o.case.q, "why": o.why, "verdicts": o.verdicts, "entries": o.entries,
        "considered": o.ranked[:5], "confidence": o.confidence, "area": o.area, "expected_area": sorted(o.case.areas),
        "reply": o.text[:300],
    }  # fmt: skip


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")


def figure_lines(figures: Figures, spread: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The figures by answering step, with mean ± standard deviation over trainings where there were several."""
    lines = []
    for step, names in STEPS.items():
        known = [name for name in names if name in figures]
        lines += [f"— {step}"] if known else []
        for name in known:
            several = spread.get(name)
            extra = f"   {several['mean']:.4f} ± {several['sd']:.4f}" if several else ""
            lines.append(f"{name:36} {number(figures[name])}{extra}")
    return lines


def comparison_lines(columns: Mapping[str, Figures]) -> list[str]:
    """A Markdown table: a row a figure, a column a way of answering."""
    lines = ["| 指标 | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    return lines + [f"| {name} | " + " | ".join(number(f.get(name)) for f in columns.values()) + " |" for name in COMPARED]


def number(value: float | None) -> str:
    return "—" if value is None else str(round(value, 4))


def environment() -> dict[str, str]:
    return {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}}


def summary_lines(run: Run) -> list[str]:
    lines = [f"答复种类：{kinds_given(run.outcomes)}", *figure_lines(run.figures, run.seeds.get("figures", {}))]
    if run.seeds:
        lines.append(f"± 是 {run.seeds['count']} 次训练的标准差；变动的是：{run.seeds['varied']}")
    if run.rivals:
        lines += ["", "同样的覆盖面下各做法的比较（门槛各取一个）", *comparison_lines(run.columns)]
    return lines


def write_report(folder: Path, config: Mapping[str, Any], run: Run, lines: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    bins = reliability(run.outcomes)
    content = {
        "config": config, "figures": run.figures, "by_area": by_area(run.outcomes), "reliability": bins,
        "kinds": kinds_given(run.outcomes), "seeds": run.seeds, "compared": run.columns, "rivals": run.rivals,
        "pairs": run.pairs, "curves": run.curves,
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_lines(folder / "replies.jsonl", map(reply_line, run.outcomes))
    write_lines(folder / "misses.jsonl", (miss_line(o) for o in run.outcomes if o.why))
    draw_risk_coverage(run.curves, folder)
    draw_reliability(bins, run.figures["ece_of_stated"], folder)
