"""Scores → Confidence: a temperature, the calibration error, and thresholds for a stated risk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def expected_calibration_error(
    confidence: Floats, right: NDArray[np.bool_], bins: int = 10, weight: Floats | None = None
) -> float:
    """Mean |accuracy − confidence| over equal-width bins, weighted by how much falls into each."""
    weight = np.ones(len(confidence)) if weight is None else weight
    which = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = which == b
        if inside.any():
            accuracy = np.average(right[inside], weights=weight[inside])
            total += weight[inside].sum() * abs(accuracy - np.average(confidence[inside], weights=weight[inside]))
    return float(total / weight.sum())


def fit_temperature(logits: Floats, targets: NDArray[np.int64], weights: NDArray[np.floating] | None = None) -> float:
    """The temperature in [0.5, 5] with the least cross-entropy on held-out questions (grid, then finer grid). logits
    (n, classes), -inf where a question has no such class."""
    weights = np.ones(len(logits)) if weights is None else weights
    wanted = logits[np.arange(len(logits)), targets]
    top = logits.max(axis=1)

    def loss(temperature: float) -> float:
        spread = np.log(np.exp((logits - top[:, None]) / temperature).sum(axis=1))
        return float(weights @ (spread - (wanted - top) / temperature))

    coarse = min(np.arange(0.5, 5.01, 0.25), key=loss)
    return float(min(np.arange(max(0.5, coarse - 0.2), coarse + 0.21, 0.05), key=loss))


FIELD_SLOPE, FIELD_OFFSET = 0.24, 3.14
"""fitted by benchmarks/field_calibration.py on tests/evaluation/public.jsonl: left-out examples are written to be far
apart, so a probability that is calibrated on them understates what people really ask"""


def as_in_the_field(probability: float) -> float:
    """A probability calibrated on left-out examples → the one calibrated on ordinary questions."""
    p = min(max(probability, 1e-4), 1 - 1e-4)
    return float(1 / (1 + np.exp(-(FIELD_SLOPE * np.log(p / (1 - p)) + FIELD_OFFSET))))


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
