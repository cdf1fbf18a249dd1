"""build_vectors: only passages that changed are encoded; the rest come from the last bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .bundle import IndexBundle
from .encoder import Encoder
from .passages import Passage

Floats = NDArray[np.float32]
CHUNK = 512


def build_vectors(
    passages: Sequence[Passage],
    encoder: Encoder,
    previous: IndexBundle | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Floats, int]:
    """(n, dim) unit rows, and how many were encoded anew."""
    known: dict[str, Floats] = {}
    if previous is not None and previous.encoder == encoder.digest:
        known = {p.digest: row for p, row in zip(previous.passages, previous.vectors, strict=True)}
    vectors = np.zeros((len(passages), encoder.dim), dtype=np.float32)
    fresh = []
    for number, passage in enumerate(passages):
        row = known.get(passage.digest)
        if row is None:
            fresh.append(number)
        else:
            vectors[number] = row
    fresh.sort(key=lambda n: (passages[n].is_question, len(passages[n].text)))  # alike in length: little padding
    for start in range(0, len(fresh), CHUNK):
        part = fresh[start : start + CHUNK]
        for asked in (True, False):
            rows = [n for n in part if passages[n].is_question is asked]
            if rows:
                encode = encoder.encode_query if asked else encoder.encode_passage
                vectors[rows] = encode([passages[n].text for n in rows])
        progress(f"编码 {min(start + CHUNK, len(fresh))}/{len(fresh)} 句")
    return vectors, len(fresh)
