"""Scores → Confidence: a temperature, the calibration error, and thresholds for a stated risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """Confidence from which an answer is given as `direct`, and with the check line (`check`)."""

    direct: float
    check: float


def expected_calibration_error(confidence: Floats, right: NDArray[np.bool_], bins: int = 10) -> float:
    """Mean |confidence − accuracy| over equally filled bins."""
    if len(confidence) == 0:
        return 0.0
    order = np.argsort(confidence)
    return float(
        sum(
            len(part) * abs(confidence[part].mean() - right[part].mean())
            for part in np.array_split(order, bins)
            if len(part)
        )
        / len(confidence)
    )


def fit_temperature(
    logits: Sequence[Floats], targets: Sequence[int], weights: Sequence[float] | None = None
) -> float:
    """The temperature in [0.5, 5] with the least cross-entropy on held-out questions (grid, then finer grid)."""

    def loss(temperature: float) -> float:
        total = 0.0
        for row, target, weight in zip(logits, targets, weights or [1.0] * len(targets), strict=True):
            scaled = row / temperature
            total -= weight * float(scaled[target] - scaled.max() - np.log(np.exp(scaled - scaled.max()).sum()))
        return total

    coarse = min(np.arange(0.5, 5.01, 0.25), key=loss)
    return float(min(np.arange(max(0.5, coarse - 0.2), coarse + 0.21, 0.05), key=loss))


def choose_thresholds(
    confidence: Floats, wrong: NDArray[np.bool_], *, direct_risk: float, check_risk: float, weight: Floats | None = None
) -> Thresholds:
    """Lowest confidence at which answers above it are wrong at most at the stated rate; direct ≥ check."""
    weight = np.ones(len(confidence)) if weight is None else weight
    direct = _lowest(confidence, wrong, weight, direct_risk)
    check = _lowest(confidence, wrong, weight, check_risk)
    return Thresholds(direct=max(direct, check), check=check)


def _lowest(confidence: Floats, wrong: NDArray[np.bool_], weight: Floats, risk: float) -> float:
    order = np.argsort(-confidence)
    rate = np.cumsum(wrong[order] * weight[order]) / np.cumsum(weight[order])
    within = np.flatnonzero(rate <= risk)
    if len(within) == 0:
        return 1.0
    return float(confidence[order[within[-1]]])
