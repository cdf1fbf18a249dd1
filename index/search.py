"""Both searches over one bundle: what the features are built from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .bundle import IndexBundle
from .features import DEPTH, Found

Floats = NDArray[np.float32]
_SPARE = 40
"""negative examples found on the way are dropped, so a few more are asked for"""


class BundleSearch:
    def __init__(self, bundle: IndexBundle) -> None:
        self.bundle = bundle
        self._positive = np.array([p.role != "negative" for p in bundle.passages])

    def __call__(self, text: str, vector: Floats) -> Found:
        rows, cosines = self.bundle.index.search(vector, DEPTH + _SPARE)
        keep = self._positive[rows]
        dense_rows, dense = rows[keep][:DEPTH], cosines[keep][:DEPTH]
        rows, scores = self.bundle.lexical.search(text, DEPTH + _SPARE)
        keep = self._positive[rows]
        return Found(dense_rows, dense, rows[keep][:DEPTH], scores[keep][:DEPTH])
