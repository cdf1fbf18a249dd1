"""A linear classifier over entries on sentence vectors: errs differently from nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SCALE = 20.0
"""unit vectors of E5 lie close together; scaled, the probabilities are not flat"""


class EntryClassifier:
    def __init__(self, weights: Floats, bias: Floats) -> None:
        self.weights = weights
        """(entries, dim)"""
        self.bias = bias
        """(entries,)"""

    def log_probabilities(self, vectors: Floats) -> Floats:
        """(n, dim) → (n, entries), natural logarithm."""
        scores = vectors @ self.weights.T + self.bias
        scores -= scores.max(axis=1, keepdims=True)
        return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)), dtype=np.float32)


def fit_classifier(
    vectors: Floats, labels: NDArray[np.int64], classes: int, *, epochs: int = 60, seed: int = 0
) -> EntryClassifier:
    """Softmax regression with weight decay by Adam; a class without examples keeps a very low bias."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(np.ascontiguousarray(vectors * SCALE, dtype=np.float32))
    y = torch.from_numpy(labels.astype(np.int64))
    weight = torch.zeros(classes, x.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.AdamW([weight, bias], lr=0.02, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=generator).split(512):
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(
                x[batch] @ weight.T + bias, y[batch], label_smoothing=0.05
            )
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
    seen = np.bincount(labels, minlength=classes) > 0
    b = bias.detach().numpy().astype(np.float32)
    b[~seen] = -50.0
    return EntryClassifier((weight.detach().numpy() * SCALE).astype(np.float32), b)
