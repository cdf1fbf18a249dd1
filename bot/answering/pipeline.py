"""Runs the steps in order. The last one always answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..answer import Answer
from .draft import Draft, Step


def run_steps(steps: Sequence[Step], draft: Draft) -> Answer:
    for step in steps:
        with draft.timed(step.name):
            answer = step(draft)
        if answer is not None:
            return replace(answer, trace={**draft.trace, **answer.trace, "decided_by": step.name})
    raise RuntimeError("no step answered")
