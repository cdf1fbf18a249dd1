"""Scores → Confidence: a temperature, the calibration error, and thresholds for a stated risk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]





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


RUNNERS_UP = 2
RUNNER_UP_SHARE = 0.25
"""of the best candidate's probability: from there on another reading of the question is shown as well"""


def readings(probabilities: Sequence[float]) -> list[int]:
    """Positions of the readings that an answer to be checked shows: the best candidate and those close to it."""
    order = sorted(range(len(probabilities)), key=lambda i: -probabilities[i])
    close = [i for i in order[1:] if probabilities[i] >= RUNNER_UP_SHARE * probabilities[order[0]]]
    return [*order[:1], *close[:RUNNERS_UP]]


def choose_threshold(
    confidence: Floats, wrong: NDArray[np.bool_], risk: float, weight: Floats | None = None
) -> float:
    """Lowest confidence such that answers from it up are wrong at most at the stated rate; 1.0 where there is none."""
    return _lowest(confidence, wrong, np.ones(len(confidence)) if weight is None else weight, risk)


def _lowest(confidence: Floats, wrong: NDArray[np.bool_], weight: Floats, risk: float) -> float:
    order = np.argsort(-confidence)
    rate = np.cumsum(wrong[order] * weight[order]) / np.cumsum(weight[order])
    within = np.flatnonzero(rate <= risk)
    if len(within) == 0:
        return 1.0
    return float(confidence[order[within[-1]]])
