"""Wordings that mean the same get the same entry; wordings that do not, do not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ..answer import Answer
from .cases import Pair
from .metrics import Figures, share


async def run_pairs(pairs: Sequence[Pair], ask: Callable[[str], Awaitable[list[Answer]]]) -> list[dict[str, Any]]:
    """A line a pair that says whether its wordings should agree: what each got, and whether they do."""
    lines = []
    for pair in pairs:
        if pair.same_answer is not None:
            got = [_outcome(await ask(text)) for text in (pair.a, pair.b)]
            lines.append(
                {"id": pair.id, "a": pair.a, "b": pair.b, "same_answer": pair.same_answer, "got": got, "same": got[0] == got[1]}
            )
    return lines


def _outcome(answers: Sequence[Answer]) -> list[str]:
    """The entries given; where a reply gives none, what became of the question."""
    return [a.reply.entry_id or a.reply.verdict.value for a in answers]


def pair_metrics(lines: Sequence[dict[str, Any]]) -> Figures:
    return {
        "paraphrases_same_entry": share(line["same"] for line in lines if line["same_answer"]),
        "different_questions_different_entry": share(not line["same"] for line in lines if not line["same_answer"]),
    }
