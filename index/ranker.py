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

from .cases import Cases
from .features import GLOBAL_FEATURES, FeatureTable

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]
HIDDEN = 24
HIDDEN_NONE = 12
BATCH = 256
CHUNK = 1024
MEMBERS = 8


@dataclass
class Ranker:
    parameters: dict[str, Floats]
    """mean, spread (features,); the members' layers: w1 (m, features, hidden), b1 (m, hidden), w2 (m, hidden), b2 (m,)
    for candidates, v1, c1, v2, c2 likewise for "none of these" """
    temperature: float = 1.0

    def probabilities(self, table: FeatureTable) -> Floats:
        """(candidates + 1,), the last is "none of these"; sums to 1."""
        one = np.ones((1, len(table.values)), dtype=bool)
        return np.asarray(self._probabilities(table.values[None], table.overall[None], one)[0])

    def probabilities_of(self, cases: Cases) -> Floats:
        """(n, candidates + 1), 0 for candidates that are not there."""
        there = cases.candidates >= 0
        parts = [slice(start, start + CHUNK) for start in range(0, len(cases), CHUNK)]
        return np.concatenate([self._probabilities(cases.values[i], cases.overall[i], there[i]) for i in parts])

    def _probabilities(self, values: Floats, overall: Floats, there: NDArray[np.bool_]) -> Floats:
        w = self.parameters
        x = np.concatenate([values, np.broadcast_to(overall[:, None], (*values.shape[:2], overall.shape[1]))], axis=2)
        x = (x - w["mean"]) / w["spread"]
        hidden = np.maximum(np.tensordot(x, w["w1"], axes=(2, 1)) + w["b1"], 0)
        scores = (hidden * w["w2"]).sum(axis=3) + w["b2"]
        unknown = np.maximum(np.tensordot(x[:, 0, -overall.shape[1] :], w["v1"], axes=(1, 1)) + w["c1"], 0)
        scores[~there] = -1e9
        logits = np.concatenate([scores, ((unknown * w["v2"]).sum(axis=2) + w["c2"])[:, None]], axis=1)
        mean = _softmax(logits).mean(axis=2)
        if self.temperature != 1.0:
            mean = _softmax(np.where(mean > 0, np.log(np.maximum(mean, 1e-9)), -np.inf) / self.temperature)
        return np.asarray(mean, dtype=np.float32)

    def save(self, path: Path) -> None:
        np.savez(path, temperature=np.float32(self.temperature), **self.parameters)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Ranker:
        with np.load(path) as stored:
            arrays = {k: stored[k] for k in stored.files}
        return cls(arrays, float(arrays.pop("temperature")))


def _softmax(logits: NDArray[np.floating]) -> Floats:
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=1, keepdims=True), dtype=np.float32)


def fit_ranker(cases: Cases, *, epochs: int, seed: int = 0, members: int = MEMBERS) -> Ranker:
    """Cross-entropy over candidates and "none"; Adam, minibatches; temperature stays 1 (see calibration)."""
    import torch

    n, width, f = cases.values.shape
    mask = cases.candidates >= 0
    values = np.concatenate([cases.values, np.broadcast_to(cases.overall[:, None], (n, width, len(GLOBAL_FEATURES)))], axis=2)
    mean, spread = values[mask].mean(axis=0), values[mask].std(axis=0) + 1e-3
    values = np.where(mask[..., None], (values - mean) / spread, 0)
    target = np.where(cases.right >= 0, cases.right, width)
    data = [torch.from_numpy(a) for a in (values, (cases.overall - mean[f:]) / spread[f:], mask, target, cases.weight)]
    layers = _fit_members(*data, epochs=epochs, seeds=[seed * 1000 + number for number in range(members)])
    return Ranker({"mean": mean.astype(np.float32), "spread": spread.astype(np.float32), **layers})


def _fit_members(
    x: torch.Tensor, c: torch.Tensor, mask: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, *,
    epochs: int, seeds: list[int],
) -> dict[str, Floats]:  # fmt: skip
    """All members at once: a leading dimension more in every layer; each its own start."""
    import torch

    layers = {name: _first_weights(shape, inputs, seeds) for name, shape, inputs in _layer_shapes(x.shape[2], c.shape[1])}
    optimiser = torch.optim.AdamW(layers.values(), lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    order = torch.Generator().manual_seed(seeds[0])
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=order).split(BATCH):
            optimiser.zero_grad()
            scores = _two_layers(x[batch].flatten(0, 1), *(layers[n] for n in ("w1", "b1", "w2", "b2")))
            scores = scores.unflatten(0, (len(batch), -1)).masked_fill(~mask[batch][..., None], -1e9)
            unknown = _two_layers(c[batch], *(layers[n] for n in ("v1", "c1", "v2", "c2")))
            logits = torch.cat([scores, unknown[:, None]], dim=1)
            wanted = target[batch][:, None].expand(-1, len(seeds))
            losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
            (losses * weight[batch][:, None]).mean(dim=0).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
    return {name: np.asarray(tensor.detach().numpy(), dtype=np.float32) for name, tensor in layers.items()}


def _two_layers(x: torch.Tensor, w1: torch.Tensor, b1: torch.Tensor, w2: torch.Tensor, b2: torch.Tensor) -> torch.Tensor:
    """(n, features) → (n, members): every member's units side by side in one product"""
    hidden = (x @ w1.transpose(0, 1).flatten(1) + b1.flatten()).relu()
    return (hidden.unflatten(1, w2.shape) * w2).sum(dim=2) + b2


def _layer_shapes(features: int, overall: int) -> list[tuple[str, tuple[int, ...], int]]:
    """name, shape of one member's layer, inputs of a unit"""
    return [
        ("w1", (features, HIDDEN), features), ("b1", (HIDDEN,), features), ("w2", (HIDDEN,), HIDDEN), ("b2", (), HIDDEN),
        ("v1", (overall, HIDDEN_NONE), overall), ("c1", (HIDDEN_NONE,), overall), ("v2", (HIDDEN_NONE,), HIDDEN_NONE),
        ("c2", (), HIDDEN_NONE),
    ]  # fmt: skip


def _first_weights(shape: tuple[int, ...], inputs: int, seeds: list[int]) -> torch.Tensor:
    import torch

    drawn = torch.stack([torch.rand(shape, generator=torch.Generator().manual_seed(s * 8 + inputs)) for s in seeds])
    return ((drawn * 2 - 1) / inputs**0.5).requires_grad_()
