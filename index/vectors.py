"""Nearest vectors: exact up to FLAT_LIMIT passages, a graph beyond. The only importer of faiss."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
FLAT_LIMIT = 30_000
HNSW_LINKS = 32
HNSW_SEARCH = 64


class VectorIndex:
    def __init__(self, index: faiss.Index) -> None:
        self._index = index

    @classmethod
    def build(cls, vectors: Floats) -> VectorIndex:
        """vectors (n, dim), unit rows."""
        count, dim = vectors.shape
        if count <= FLAT_LIMIT:
            index: faiss.Index = faiss.IndexFlatIP(dim)
        else:
            index = faiss.IndexHNSWFlat(dim, HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = 80
            index.hnsw.efSearch = HNSW_SEARCH
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        return cls(index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, vector: Floats, limit: int) -> tuple[NDArray[np.int64], Floats]:
        """Rows and cosines, best first, at most `limit`."""
        faiss.omp_set_num_threads(1)  # one question is too little to share; the calling thread's setting
        scores, rows = self._index.search(np.ascontiguousarray(vector[None, :]), min(limit, len(self)))
        found = rows[0] >= 0
        return rows[0][found].astype(np.int64), scores[0][found]

    def save(self, path: Path) -> None:
        faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path) -> VectorIndex:
        return cls(faiss.read_index(str(path)))
