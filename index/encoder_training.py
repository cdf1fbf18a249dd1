"""Fine-tuning the offline encoder with the knowledge's own example questions; kept only where it is clearly better.

Two questions of one entry belong together, all others of the batch do not (MultipleNegativesRankingLoss). Word
embeddings stay as they are: they are most of the weights and the examples touch few of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np

from .convert import STAMP, file_digest, write_int8
from .encoder import QUERY, OfflineEncoder
from .passages import EntryLike, Passage, passages_of

MARGIN = 0.01
"""held-back questions whose first hit is right, as a share: less than this more is taken for chance"""
HELD_BACK_SHARE = 0.15
BATCH = 32
LEARNING_RATE = 2e-5
WARM_UP_SHARE = 0.1
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Tuning:
    before: float
    """R@1 on held-back questions, by the int8 encoder that serves"""
    after: float
    kept: bool
    held_back: int
    steps: int
    seed: int
    margin: float
    data: str
    """digest of all passages"""
    encoder_before: str
    encoder_after: str
    seconds: float
    versions: dict[str, str]


def tune_encoder(
    folder: Path, entries: Sequence[EntryLike], record: Path, *, steps: int, margin: float = MARGIN, seed: int = 0,
    progress: Progress = lambda line: None,
) -> Tuning:  # fmt: skip
    """Writes the record; replaces fp32 and int8 in `folder` where the new encoder is better by the margin."""
    started = perf_counter()
    folder = folder.resolve()
    known, held_back = split_passages(passages_of(entries), seed)
    progress(f"原来的编码器：{len(held_back)} 个留出的例句")
    before = first_hit_share(OfflineEncoder(folder), known, held_back)
    aside = folder.with_name(folder.name + ".tuned")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(folder / "fp32", aside / "fp32")
    _train(aside / "fp32", known, steps, seed, progress)
    progress("写出 int8 模型")
    write_int8(aside / "fp32", aside / "int8")
    old = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    stamp = {**old, "int8_digest": file_digest(aside / "int8" / "model.onnx"), "tuned": {"seed": seed, "steps": steps}}
    (aside / STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    progress("微调后的编码器")
    after = first_hit_share(OfflineEncoder(aside), known, held_back)
    tuning = Tuning(
        round(before, 4), round(after, 4), after >= before + margin, len(held_back), steps, seed, margin,
        hashlib.sha256("\n".join(p.digest for p in [*known, *held_back]).encode()).hexdigest(), old["int8_digest"],
        stamp["int8_digest"], round(perf_counter() - started, 1),
        {name: version(name) for name in ("sentence-transformers", "torch", "transformers", "onnxruntime")},
    )  # fmt: skip
    record.write_text(json.dumps(asdict(tuning), ensure_ascii=False, indent=1), encoding="utf-8")
    if tuning.kept:
        _replace(folder, aside)
    else:
        shutil.rmtree(aside)
    return tuning


def split_passages(passages: Sequence[Passage], seed: int) -> tuple[list[Passage], list[Passage]]:
    """What may be learnt from and searched, and the questions held back; negative examples are left out."""
    rng = np.random.default_rng(seed)
    known, held_back = [], []
    for passage in passages:
        if passage.role == "question" and rng.random() < HELD_BACK_SHARE:
            held_back.append(passage)
        elif passage.role != "negative":
            known.append(passage)
    return known, held_back


def first_hit_share(encoder: OfflineEncoder, known: Sequence[Passage], held_back: Sequence[Passage]) -> float:
    """R@1: how often the nearest known passage is of the question's own entry."""
    asked = np.array([p.is_question for p in known])
    vectors = np.zeros((len(known), encoder.dim), dtype=np.float32)
    vectors[asked] = encoder.encode_query([p.text for p in known if p.is_question])
    vectors[~asked] = encoder.encode_passage([p.text for p in known if not p.is_question])
    nearest = (encoder.encode_query([p.text for p in held_back]) @ vectors.T).argmax(axis=1)
    return float(np.mean([known[n].entry_id == p.entry_id for n, p in zip(nearest, held_back, strict=True)]))


def pair_batches(known: Sequence[Passage], steps: int, seed: int) -> Iterator[tuple[list[str], list[str]]]:
    """Each batch: at most BATCH entries, two different questions of each."""
    rng = np.random.default_rng(seed)
    by_entry: dict[str, list[str]] = {}
    for passage in known:
        if passage.role == "question":
            by_entry.setdefault(passage.entry_id, []).append(QUERY + passage.text)
    groups = [texts for texts in by_entry.values() if len(texts) > 1]
    for _ in range(steps):
        chosen = rng.choice(len(groups), size=min(BATCH, len(groups)), replace=False)
        pairs = [rng.choice(groups[int(n)], size=2, replace=False).tolist() for n in chosen]
        yield [a for a, _ in pairs], [b for _, b in pairs]


def _train(fp32: Path, known: Sequence[Passage], steps: int, seed: int, progress: Progress) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    torch.manual_seed(seed)
    model = SentenceTransformer(str(fp32), device="cpu")
    bert = model[0].auto_model
    bert.embeddings.requires_grad_(False)
    loss_of = MultipleNegativesRankingLoss(model)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=LEARNING_RATE, weight_decay=0.01)
    warm_up = max(1, int(WARM_UP_SHARE * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: min((n + 1) / warm_up, (steps - n) / max(1, steps - warm_up)))
    model.train()
    for number, sides in enumerate(pair_batches(known, steps, seed), 1):
        loss = loss_of([model.preprocess(side) for side in sides], labels=None)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        schedule.step()
        if number % 20 == 0 or number == steps:
            progress(f"微调 {number}/{steps} 步，损失 {float(loss):.3f}")
    model.eval()
    bert.save_pretrained(fp32)


def _replace(folder: Path, aside: Path) -> None:
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(folder, old)
    os.replace(aside, folder)
    shutil.rmtree(old)
