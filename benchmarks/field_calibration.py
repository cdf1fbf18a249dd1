"""How far stated confidence lies from what proves right: fits slope and offset on one set, shows the error on others.

    .envs/app/bin/python benchmarks/field_calibration.py tests/evaluation/public.jsonl [other.jsonl …] [--data DIR]
Prints the two constants of index/calibration.py and the expected calibration error before and after; changes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bot.app import build_answerer, build_parts
from bot.assistant import Assistant
from bot.encoding import EncodingService
from bot.evaluation.cases import load_cases
from bot.evaluation.judging import run_cases
from bot.settings import Settings
from index.calibration import FIELD_OFFSET, FIELD_SLOPE, expected_calibration_error

COUNTED = ("answer", "redirect", "decline")


async def stated_and_right(assistant: Assistant, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """logits of the confidences before the field mapping, and whether each reply was right"""
    outcomes = [o for o in await run_cases(load_cases(path), assistant.ask) if o.kind in COUNTED and o.case.set != "crisis"]
    stated = np.clip([o.confidence for o in outcomes], 1e-4, 1 - 1e-4)
    raw = (np.log(stated / (1 - stated)) - FIELD_OFFSET) / FIELD_SLOPE
    return raw, np.array([o.right for o in outcomes])


def fit(logits: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Platt scaling by Newton steps with Platt's smoothed targets."""
    n, k = len(right), int(right.sum())
    target = np.where(right, (k + 1) / (k + 2), 1 / (n - k + 2))
    x, theta = np.stack([logits, np.ones(n)], 1), np.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ theta))
        hessian = x.T @ (x * (p * (1 - p))[:, None]) + 1e-3 * np.eye(2)
        theta = theta - np.linalg.solve(hessian, x.T @ (p - target))
    return theta


def error(theta: np.ndarray, logits: np.ndarray, right: np.ndarray) -> float:
    return expected_calibration_error(1 / (1 + np.exp(-(theta[0] * logits + theta[1]))), right)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data"))
    options = parser.parse_args()
    parts = build_parts(Settings(data_dir=options.data))
    answerer = build_answerer(parts, EncodingService(parts.encoder))
    assistant = Assistant(lambda: answerer, None)
    theta = None
    for path in options.files:
        logits, right = await stated_and_right(assistant, path)
        if theta is None:
            theta = fit(logits, right)
            print(f"FIELD_SLOPE, FIELD_OFFSET = {theta[0]:.2f}, {theta[1]:.2f}")
        print(f"{path.name}: {len(right)} replies, right {right.mean():.3f}, "
              f"ECE as trained {error(np.array([1.0, 0.0]), logits, right):.3f}, as in the field {error(theta, logits, right):.3f}")


if __name__ == "__main__":
    asyncio.run(main())
