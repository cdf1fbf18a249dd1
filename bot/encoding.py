"""One encoder for everybody: concurrent questions are encoded in one batch, a question once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from index.encoder import Encoder

Floats = NDArray[np.float32]
MAX_BATCH = 8
"""small enough that the answers of one batch are ranked while the next is encoded"""
CACHE_SIZE = 8192


class EncodingService:
    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._cache: OrderedDict[str, Floats] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Floats]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._worker: asyncio.Task[None] | None = None

    async def encode(self, texts: Sequence[str]) -> Floats:
        """(n, dim) query vectors of normalised texts."""
        if not texts:
            return np.zeros((0, self.encoder.dim), dtype=np.float32)
        return np.stack([await f for f in [self._ask(text) for text in texts]])

    def _ask(self, text: str) -> asyncio.Future[Floats]:
        loop = asyncio.get_running_loop()
        cached = self._cache.get(text)
        if cached is not None:
            self._cache.move_to_end(text)
            done: asyncio.Future[Floats] = loop.create_future()
            done.set_result(cached)
            return done
        future = self._waiting.get(text)
        if future is None:
            future = self._waiting[text] = loop.create_future()
            if self._worker is None or self._worker.done():
                self._worker = loop.create_task(self._drain())
        return future

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = list(self._waiting)[:MAX_BATCH]
            try:
                vectors = await loop.run_in_executor(self._pool, self.encoder.encode_query, batch)
            except Exception as error:  # the encoder failed: every waiting question learns it
                for text in batch:
                    self._settle(text, error=error)
                continue
            for text, vector in zip(batch, vectors, strict=True):
                self._settle(text, vector)

    def _settle(self, text: str, vector: Floats | None = None, error: Exception | None = None) -> None:
        future = self._waiting.pop(text)
        if error is not None or vector is None:
            if not future.cancelled():
                future.set_exception(error or RuntimeError("no vector"))
            return
        self._cache[text] = vector
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        if not future.cancelled():
            future.set_result(vector)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
