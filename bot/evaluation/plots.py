"""Two plots: what is risked for how much is answered, and whether stated confidence comes true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .metrics import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_risk_coverage(curves: Mapping[str, Curve], folder: Path) -> None:
    figure = _new_figure()
    axes = figure.subplots()
    for number, (name, curve) in enumerate(curves.items()):
        if curve:
            axes.plot(*zip(*curve, strict=True), label=name, linewidth=2.4 if number == 0 else 1.2)
    axes.set(xlabel="coverage: share of questions stated an answer", ylabel="risk: share wrong of these", xlim=(0, 1), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, folder / "risk_coverage")


def draw_reliability(bins: Sequence[Mapping[str, float]], ece: float | None, folder: Path) -> None:
    figure = _new_figure()
    axes, counts = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    axes.plot([b["confidence"] for b in bins], [b["right"] for b in bins], marker="o")
    axes.set(ylabel="share right", xlim=(0, 1), ylim=(0, 1.02), title="" if ece is None else f"ECE {ece:.3f}")
    axes.grid(alpha=0.3)
    counts.bar([b["from"] + 0.05 for b in bins], [b["count"] for b in bins], width=0.09)
    counts.set(xlabel="stated confidence", ylabel="replies")
    _save(figure, folder / "reliability")


def _new_figure() -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(7, 5), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    for ending in ("svg", "png"):
        figure.savefig(path.with_suffix(f".{ending}"), dpi=120)
