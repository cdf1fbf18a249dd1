"""Candidates' features → the probability that each is the right entry, and that none is.

A small network scores every candidate with the same weights; a second one scores "none of these"; a softmax over
both gives one distribution. Inference is NumPy alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .features import CANDIDATE_FEATURES, GLOBAL_FEATURES, FeatureTable

Floats = NDArray[np.float32]
HIDDEN = 24


@dataclass
class Ranker:
    parameters: dict[str, Floats]
    temperature: float = 1.0

    def probabilities(self, table: FeatureTable) -> Floats:
        """(candidates + 1,), the last is "none of these"; sums to 1."""
        w = self.parameters
        context = np.broadcast_to(table.overall, (len(table.values), len(table.overall)))
        x = (np.concatenate([table.values, context], axis=1) - w["mean"]) / w["spread"]
        scores = np.maximum(x @ w["w1"] + w["b1"], 0) @ w["w2"] + w["b2"]
        g = (table.overall - w["mean"][-len(GLOBAL_FEATURES) :]) / w["spread"][-len(GLOBAL_FEATURES) :]
        none = np.maximum(g @ w["v1"] + w["c1"], 0) @ w["v2"] + w["c2"]
        logits = np.append(scores.ravel(), none.ravel()) / self.temperature
        exp = np.exp(logits - logits.max())
        return np.asarray(exp / exp.sum(), dtype=np.float32)

    def save(self, path: Path) -> None:
        np.savez(path, temperature=np.float32(self.temperature), **self.parameters)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Ranker:
        with np.load(path) as stored:
            arrays = {k: stored[k] for k in stored.files}
        return cls(arrays, float(arrays.pop("temperature")))


@dataclass(frozen=True)
class RankingExample:
    table: FeatureTable
    right: int
    """position among the candidates; -1 where the right entry is not among them"""
    weight: float = 1.0


def fit_ranker(examples: list[RankingExample], *, epochs: int = 40, seed: int = 0) -> Ranker:
    """Cross-entropy over candidates and "none"; Adam, minibatches; temperature stays 1 (see calibration)."""
    import torch

    torch.manual_seed(seed)
    width = max(len(e.table.values) for e in examples)
    n, f, g = len(examples), len(CANDIDATE_FEATURES), len(GLOBAL_FEATURES)
    values = np.zeros((n, width, f + g), dtype=np.float32)
    overall = np.zeros((n, g), dtype=np.float32)
    mask = np.zeros((n, width), dtype=bool)
    target = np.zeros(n, dtype=np.int64)
    weight = np.array([e.weight for e in examples], dtype=np.float32)
    for i, example in enumerate(examples):
        k = len(example.table.values)
        values[i, :k, :f] = example.table.values
        values[i, :k, f:] = example.table.overall
        overall[i], mask[i, :k] = example.table.overall, True
        target[i] = example.right if example.right >= 0 else width
    mean = values[mask].mean(axis=0)
    spread = values[mask].std(axis=0) + 1e-3
    x = torch.from_numpy((values - mean) / spread)
    c = torch.from_numpy((overall - mean[f:]) / spread[f:])
    m, y, w = torch.from_numpy(mask), torch.from_numpy(target), torch.from_numpy(weight)
    score = torch.nn.Sequential(torch.nn.Linear(f + g, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1))
    none = torch.nn.Sequential(torch.nn.Linear(g, 12), torch.nn.ReLU(), torch.nn.Linear(12, 1))
    optimiser = torch.optim.AdamW([*score.parameters(), *none.parameters()], lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(n).split(512):
            optimiser.zero_grad()
            logits = score(x[batch]).squeeze(-1).masked_fill(~m[batch], -1e9)
            logits = torch.cat([logits, none(c[batch])], dim=1)
            losses = torch.nn.functional.cross_entropy(logits, y[batch], reduction="none")
            (losses * w[batch]).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()

    def array(tensor: torch.Tensor) -> Floats:
        return np.asarray(tensor.detach().numpy(), dtype=np.float32)

    return Ranker(
        {
            "mean": mean.astype(np.float32),
            "spread": spread.astype(np.float32),
            "w1": array(score[0].weight).T,  # type: ignore[arg-type]
            "b1": array(score[0].bias),  # type: ignore[arg-type]
            "w2": array(score[2].weight).T,  # type: ignore[arg-type]
            "b2": array(score[2].bias),  # type: ignore[arg-type]
            "v1": array(none[0].weight).T,  # type: ignore[arg-type]
            "c1": array(none[0].bias),  # type: ignore[arg-type]
            "v2": array(none[2].weight).T,  # type: ignore[arg-type]
            "c2": array(none[2].bias),  # type: ignore[arg-type]
        }
    )
