"""`minda build-index`, `minda train`, `minda train-encoder`: what is learnt, always from the knowledge's own examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from index.bundle import load_current
from index.encoder_training import MARGIN, tune_encoder
from index.training import TrainingReport

from ..app import Parts, build_parts
from ..engine import build_bundle, searchable
from ..errors import Refused
from ..evaluation.report import write_lines
from ..settings import Settings
from .options import Data, settings_of, tell

Seed = Annotated[int, typer.Option(help="随机种子")]


def build_index(
    keep_model: Annotated[bool, typer.Option(help="条目没有增减时沿用排序模型")] = False, data: Data = None
) -> None:
    """按已发布的修订重建索引，并训练排序和置信度。"""
    settings = settings_of(data)
    parts = build_parts(settings, tell)
    _show(build_bundle(parts.snapshot(), parts.encoder, settings.index_dir, parts.cues, retrain=not keep_model, progress=tell), settings)
    parts.database.close()


def train(seed: Seed = 0, data: Data = None) -> None:
    """用现有索引里的向量重新训练分类器、排序和置信度，不再编码。"""
    settings = settings_of(data)
    parts = build_parts(settings, tell)
    try:
        _refuse_without_index(parts, settings)
        _show(build_bundle(parts.snapshot(), parts.encoder, settings.index_dir, parts.cues, seed=seed, progress=tell), settings)
    finally:
        parts.database.close()


def _refuse_without_index(parts: Parts, settings: Settings) -> None:
    bundle = load_current(settings.index_dir, parts.encoder.digest)
    if bundle is None or bundle.snapshot != parts.snapshot().version:
        raise Refused("索引不是按现在的知识建的。请先运行 minda build-index。")


def _show(report: TrainingReport | None, settings: Settings) -> None:
    if report is not None:
        typer.echo(
            f"{report.questions} 个例句留一检验：第一位对 {report.top1:.1%}，前三位 {report.top3:.1%}，"
            f"校准误差 {report.ece:.3f}，用时 {report.seconds:.0f} 秒"
        )
        lines = [{"question": q, "entry": e, "found": f} for q, e, f in report.missed]
        write_lines(settings.data_dir / "leave_one_out_misses.jsonl", lines)


def train_encoder(
    steps: Annotated[int, typer.Option(help="训练多少步，每步 32 对问法", min=1)] = 400,
    margin: Annotated[float, typer.Option(help="没见过的例句第一位对的比例至少要高多少才换")] = MARGIN,
    seed: Seed = 0,
    record: Annotated[Path | None, typer.Option(help="记录写到这个 JSON；默认在编码器文件夹旁边")] = None,
    data: Data = None,
) -> None:
    """用知识自己的例句微调编码器；没见过的例句上明显更好才换上，换上后重建索引。"""
    settings = settings_of(data)
    if settings.encoder != "offline":
        raise Refused("只微调自带的编码器；别的模型请在它自己的环境里训练，再用 MINDA_ENCODER 指过来。")
    parts = build_parts(settings, tell)
    try:
        entries = searchable(parts.snapshot())
        result = tune_encoder(
            settings.encoder_dir, entries, steps=steps, margin=margin, seed=seed, progress=tell,
            record=record or settings.data_dir / "encoder_training.json",
        )  # fmt: skip
        typer.echo(
            f"没见过的 {result.held_back} 个例句第一位对：原来 {result.before:.1%}，微调后 {result.after:.1%}；"
            + ("换上新编码器。" if result.kept else f"没有高出 {margin:.1%}，保留原来的。")
        )
        if result.kept:
            (settings.rasa_dir / "minda.stamp").unlink(missing_ok=True)  # trained on the old vectors
            parts.database.close()
            parts = build_parts(settings, tell)
            _show(build_bundle(parts.snapshot(), parts.encoder, settings.index_dir, parts.cues, progress=tell), settings)
    finally:
        parts.database.close()
