"""One evaluation: our whole path, the same path after other trainings, and the rivals, all on the same questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from index.features import KINDS
from index.text import normalise

from ..answering.answerer import Answerer
from ..answering.retrieve import Engine
from ..assistant import Assistant
from ..encoding import EncodingService
from ..engine import retrain
from .cases import Case, Pair
from .judging import Outcome, run_cases
from .metrics import Curve, Figures, metrics, spread
from .pairs import pair_metrics, run_pairs
from .rivals import AnswerEntry, Ranking, our_curve, rank_by_rasa, rank_passages, ranking_figures, try_rival

OURS = "minda"
VARIED = "排序器的初始权重和例子的次序、校准和选门槛时的对半分法；分类器、编码器、检索和题目不变"
BuildAnswerer = Callable[[Engine | None], Answerer]
Tell = Callable[[str], None]


@dataclass
class Run:
    outcomes: list[Outcome]
    figures: Figures
    pairs: list[dict[str, Any]]
    curves: dict[str, Curve]
    columns: dict[str, Figures]
    """figures of ours and of each rival"""
    seeds: dict[str, Any] = field(default_factory=dict)
    rivals: dict[str, Any] = field(default_factory=dict)
    """threshold and configuration of each"""


@dataclass(frozen=True)
class Measured:
    outcomes: list[Outcome]
    pairs: list[dict[str, Any]]
    figures: Figures


async def evaluate(
    cases: Sequence[Case], pairs: Sequence[Pair], build: BuildAnswerer, encoding: EncodingService, on: date, *,
    seeds: int = 0, rivals: bool = False, rasa_python: Path | None = None, tell: Tell = lambda line: None,
) -> Run:  # fmt: skip
    answerer = build(None)
    engine = answerer.engine
    answer_entry = cache(lambda entry: answerer.answer_entry(entry, on, "zh-Hans"))
    await encoding.encode(["您好"])
    ours = await _measure(answerer, cases, pairs, on, answer_entry)
    run = Run(ours.outcomes, ours.figures, ours.pairs, {OURS: our_curve(ours.outcomes)}, {OURS: ours.figures})
    if seeds:
        runs = []
        for seed in range(seeds):
            tell(f"重新训练排序器：第 {seed + 1}/{seeds} 次")
            other = build(retrain(engine, engine.search.bundle.folder, seed))
            runs.append((await _measure(other, cases, pairs, on, answer_entry)).figures)
        run.seeds = {"count": seeds, "varied": VARIED, "figures": spread(runs)}
    if rivals:
        for name, (rankings, facts) in (await _rank_by_rivals(engine, encoding, cases, rasa_python, tell)).items():
            coverage = 1 - (ours.figures["clarify_or_handoff_on_answerable"] or 0.0)
            result = try_rival(cases, rankings, answer_entry, coverage, on)
            run.columns[name], run.curves[name] = result.figures, result.curve
            run.rivals[name] = {"threshold": result.threshold, **facts}
    return run


async def _measure(
    answerer: Answerer, cases: Sequence[Case], pairs: Sequence[Pair], on: date, answer_entry: AnswerEntry
) -> Measured:
    assistant = Assistant(lambda: answerer, None)
    outcomes = await run_cases(cases, lambda text: assistant.ask(text, on))
    lines = await run_pairs(pairs, lambda text: assistant.ask(text, on))
    ranking = ranking_figures(cases, [o.ranked for o in outcomes], answer_entry)
    return Measured(outcomes, lines, {**metrics(outcomes), **ranking, **(pair_metrics(lines) if lines else {})})


async def _rank_by_rivals(
    engine: Engine, encoding: EncodingService, cases: Sequence[Case], rasa_python: Path | None, tell: Tell
) -> Mapping[str, tuple[list[Ranking], dict[str, Any]]]:
    corpus, lexical = engine.corpus, engine.search.bundle.lexical
    questions = [normalise(case.q) for case in cases]
    vectors = await encoding.encode(questions)
    found: dict[str, tuple[list[Ranking], dict[str, Any]]] = {
        "bm25": ([rank_passages(lexical.scores(q), corpus) for q in questions], {}),
        "encoder": ([rank_passages(corpus.vectors @ v, corpus) for v in vectors], {}),
    }
    if rasa_python is None or not rasa_python.is_file():
        tell("没有找到对话环境，这次不比 Rasa")
        return found
    tell("训练 Rasa 的分类器和 ResponseSelector（几分钟）")
    kinds = {entry: KINDS[int(kind)] for entry, kind in zip(corpus.entry_ids, corpus.kinds, strict=True)}
    rankings, config = rank_by_rasa(rasa_python, corpus, kinds, questions, vectors)
    return {**found, "rasa": (rankings, {"pipeline": config})}
