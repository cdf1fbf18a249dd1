"""Candidates' features → the probability that each is the right entry, and that none is.

A small network scores every candidate with the same weights; a second one scores "none of these"; a softmax over
both gives one distribution. Several such members, alike but for their seed, are averaged: one alone would answer
differently after every training. Inference is NumPy alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .features import CANDIDATE_FEATURES, GLOBAL_FEATURES, FeatureTable

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]
HIDDEN = 24
MEMBERS = 8


@dataclass
class Ranker:
    parameters: dict[str, Floats]
    """mean, spread (features,); the members' layers: w1 (m, features, hidden), b1 (m, hidden), w2 (m, hidden), b2 (m,)
    for candidates, v1, c1, v2, c2 likewise for "none of these" """
    temperature: float = 1.0

    def probabilities(self, table: FeatureTable) -> Floats:
        """(candidates + 1,), the last is "none of these"; sums to 1."""
        w = self.parameters
        count, overall = len(table.values), len(GLOBAL_FEATURES)
        x = np.empty((count, len(w["mean"])), dtype=np.float32)
        x[:, :-overall], x[:, -overall:] = table.values, table.overall
        x = (x - w["mean"]) / w["spread"]
        scores = np.maximum(x @ w["w1"] + w["b1"][:, None], 0) @ w["w2"][..., None] + w["b2"][:, None, None]
        none = np.maximum(x[0, -overall:] @ w["v1"] + w["c1"], 0)
        logits = np.concatenate([scores[..., 0], ((none * w["v2"]).sum(axis=1) + w["c2"])[:, None]], axis=1)
        mean = _softmax(logits).mean(axis=0)
        if self.temperature != 1.0:
            mean = _softmax(np.log(np.maximum(mean, 1e-9)) / self.temperature)
        return np.asarray(mean, dtype=np.float32)

    def save(self, path: Path) -> None:
        np.savez(path, temperature=np.float32(self.temperature), **self.parameters)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Ranker:
        with np.load(path) as stored:
            arrays = {k: stored[k] for k in stored.files}
        return cls(arrays, float(arrays.pop("temperature")))


def _softmax(logits: Floats) -> Floats:
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=-1, keepdims=True), dtype=np.float32)


@dataclass(frozen=True)
class RankingExample:
    table: FeatureTable
    right: int
    """position among the candidates; -1 where the right entry is not among them"""
    weight: float = 1.0


def fit_ranker(examples: list[RankingExample], *, epochs: int = 40, seed: int = 0, members: int = MEMBERS) -> Ranker:
    """Cross-entropy over candidates and "none"; Adam, minibatches; temperature stays 1 (see calibration)."""
    import torch

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
    data = tuple(
        torch.from_numpy(a)
        for a in ((values - mean) / spread, (overall - mean[f:]) / spread[f:], mask, target, weight)
    )
    fitted = [_fit_member(*data, epochs=epochs, seed=seed * 1000 + number) for number in range(members)]
    layers = {name: np.stack([member[name] for member in fitted]) for name in fitted[0]}
    return Ranker({"mean": mean.astype(np.float32), "spread": spread.astype(np.float32), **layers})


def _fit_member(
    x: torch.Tensor, c: torch.Tensor, mask: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, *, epochs: int, seed: int
) -> dict[str, Floats]:
    import torch

    torch.manual_seed(seed)
    score = torch.nn.Sequential(torch.nn.Linear(x.shape[2], HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1))
    none = torch.nn.Sequential(torch.nn.Linear(c.shape[1], 12), torch.nn.ReLU(), torch.nn.Linear(12, 1))
    optimiser = torch.optim.AdamW([*score.parameters(), *none.parameters()], lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(512):
            optimiser.zero_grad()
            logits = score(x[batch]).squeeze(-1).masked_fill(~mask[batch], -1e9)
            logits = torch.cat([logits, none(c[batch])], dim=1)
            losses = torch.nn.functional.cross_entropy(logits, target[batch], reduction="none")
            (losses * weight[batch]).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
    layers = {"w1": score[0].weight.T, "b1": score[0].bias, "w2": score[2].weight[0], "b2": score[2].bias[0]}
    layers |= {"v1": none[0].weight.T, "c1": none[0].bias, "v2": none[2].weight[0], "c2": none[2].bias[0]}
    return {name: np.asarray(tensor.detach().numpy(), dtype=np.float32) for name, tensor in layers.items()}
