"""`minda build-index`, `minda train`, `minda train-encoder`: what is learnt, always from the knowledge's own examples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import Refused
from ..settings import Settings
from .options import Data, settings_of, tell

if TYPE_CHECKING:
    from ..app import Parts

Seed = Annotated[int, typer.Option(help="随机种子")]


def build_index(
    keep_model: Annotated[bool, typer.Option(help="条目没有增减时沿用排序模型")] = False, data: Data = None
) -> None:
    """按已发布的修订重建索引，并训练排序和置信度。"""
    parts = _open(settings_of(data))
    try:
        _build(parts, retrain=not keep_model)
    finally:
        parts.database.close()


def train(seed: Seed = 0, data: Data = None) -> None:
    """用现有索引里的向量重新训练分类器、排序和置信度，不再编码。"""
    from index.bundle import load_current

    parts = _open(settings_of(data))
    try:
        bundle = load_current(parts.settings.index_dir, parts.encoder.digest)
        if bundle is None or bundle.snapshot != parts.snapshot().version:
            raise Refused("索引不是按现在的知识建的。请先运行 minda build-index。")
        _build(parts, seed=seed, retrain=True)
    finally:
        parts.database.close()


def train_encoder(
    steps: Annotated[int, typer.Option(help="训练多少步，每步 32 对问法", min=1)] = 400,
    margin: Annotated[float | None, typer.Option(help="没见过的例句第一位对的比例至少要高多少才换，默认 0.01")] = None,
    seed: Seed = 0,
    data: Data = None,
) -> None:
    """用知识自己的例句微调编码器；没见过的例句上明显更好才换上，换上后重建索引。"""
    from index.encoder_training import MARGIN, tune_encoder

    from ..engine import searchable

    settings = settings_of(data)
    if settings.encoder != "offline":
        raise Refused("只微调自带的编码器；别的模型请在它自己的环境里训练，再用 MINDA_ENCODER 指过来。")
    margin = MARGIN if margin is None else margin
    parts = _open(settings)
    try:
        record = settings.data_dir / "encoder_training.json"
        entries = searchable(parts.snapshot())
        result = tune_encoder(settings.encoder_dir, entries, record, steps=steps, margin=margin, seed=seed, progress=tell)
    finally:
        parts.database.close()
    typer.echo(
        f"没见过的 {result.held_back} 个例句第一位对：原来 {result.before:.1%}，微调后 {result.after:.1%}；"
        + ("换上新编码器。" if result.kept else f"没有高出 {margin:.1%}，保留原来的。")
    )
    if result.kept:
        (settings.rasa_dir / "minda.stamp").unlink(missing_ok=True)  # the dialogue model learnt the old vectors
        build_index(data=data)


def _open(settings: Settings) -> Parts:
    from ..app import build_parts

    return build_parts(settings, tell)


def _build(parts: Parts, **options: Any) -> None:
    from ..engine import build_bundle

    folder = parts.settings.index_dir
    report = build_bundle(parts.snapshot(), parts.encoder, folder, parts.cues, progress=tell, **options)
    if report is None:
        return
    typer.echo(
        f"{report.questions} 个例句留一检验：第一位对 {report.top1:.1%}，前三位 {report.top3:.1%}，"
        f"校准误差 {report.ece:.3f}，用时 {report.seconds:.0f} 秒"
    )
    lines = (json.dumps({"question": q, "entry": e, "found": f}, ensure_ascii=False) for q, e, f in report.missed)
    (parts.settings.data_dir / "leave_one_out_misses.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
