"""The answering path beside what it cannot do without, in one run: ratios, since machines differ.

    .envs/app/bin/python benchmarks/answering.py [--data DIR] [--count N] [--sizes 400 10000] [--passages 100000]
One client and 16 clients against the encoder alone; 400 against 10 000 entries and 100 000 passages (synthetic growth);
a repeated question; resident memory of each size, each in a process of its own. Prints; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bot.__main__ import LIBRARIES

os.environ.update(LIBRARIES)

import numpy as np
import psutil

from bot.answering.answerer import Answerer
from bot.answering.retrieve import Engine
from bot.app import build_answerer, build_parts
from bot.assistant import Assistant
from bot.encoding import EncodingService
from bot.engine import build_corpus
from bot.settings import Settings
from index.classifier import EntryClassifier
from index.features import ROLES
from index.lexical import LexicalIndex
from index.passages import Passage
from index.search import BundleSearch
from index.vectors import VectorIndex

CLIENTS = 16
NOISE = 0.35
"""of a copied vector: copies are neighbours, not the same point"""
TAILS = "啊呀呢吗嘛哦"


numbers = itertools.count()


def fresh_questions(pool: list[str], count: int) -> list[str]:
    """Example questions made unique, so that no cache helps."""
    rng = random.Random(next(numbers))
    return [f"{rng.choice(pool)}{rng.choice(TAILS)}{next(numbers)}" for _ in range(count)]


def grow(engine: Engine, entries: int, passages: int, seed: int = 0) -> Engine:
    """An engine over that many entries: the real ones, then copies of them with mixed words and moved vectors."""
    rng = np.random.default_rng(seed)
    real = [engine.snapshot.entries[i] for i in engine.corpus.entry_ids]
    per_entry = max(3, passages // entries)
    grown, made, revisions = [], [], {}
    source = engine.corpus
    copied: list[int] = []
    for number in range(entries):
        base = number % len(real)
        entry = real[base] if number < len(real) else real[base].model_copy(update={"id": f"{real[base].id}-{number}"})
        grown.append(entry)
        revisions["entry", entry.id] = engine.snapshot.revision_of(real[base].id)
        own = source.rows_of(base)
        for row in rng.choice(own, min(per_entry, len(own)), replace=False).tolist():
            other = source.texts[int(rng.integers(len(source.texts)))]
            text = source.texts[row] if number < len(real) else _mixed(source.texts[row], other, rng)
            made.append(Passage(entry.id, ROLES[source.role[row]], text))
            copied.append(row)
    real_ones = sum(p.entry_id in engine.snapshot.entries for p in made)
    vectors = source.vectors[copied].copy()
    noise = rng.normal(size=(len(copied) - real_ones, vectors.shape[1])).astype(np.float32)
    vectors[real_ones:] += NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    snapshot = dataclasses.replace(engine.snapshot, entries={e.id: e for e in grown}, revisions=revisions | engine.snapshot.revisions)
    corpus = build_corpus(grown, made, vectors)
    index, lexical = VectorIndex.build(vectors), LexicalIndex.build(corpus.texts)
    bundle = dataclasses.replace(engine.search.bundle, passages=made, vectors=vectors, index=index, lexical=lexical)
    copies = [n % len(real) for n in range(entries)]
    classifier = EntryClassifier(
        engine.classifier.weights[copies] + rng.normal(0, 0.05, (entries, vectors.shape[1])).astype(np.float32),
        engine.classifier.bias[copies],
    )  # fmt: skip
    return dataclasses.replace(engine, snapshot=snapshot, corpus=corpus, search=BundleSearch(bundle), classifier=classifier)


def _mixed(text: str, other: str, rng: np.random.Generator) -> str:
    cut = int(rng.integers(0, len(text) + 1))
    return text[:cut] + other[: max(2, len(text) - cut)]


async def timed(work: Callable[[str], Awaitable[object]], items: list[str]) -> list[float]:
    times = []
    for item in items:
        started = time.perf_counter()
        await work(item)
        times.append((time.perf_counter() - started) * 1000)
    return times


async def side_by_side(works: dict[str, Callable[[str], Awaitable[object]]], pool: list[str], count: int) -> list[tuple[float, float]]:
    """p50 and mean processor time of each in ms; the works take turns, so that a busy moment hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in works}
    processor = dict.fromkeys(works, 0.0)
    for _ in range(0, count, 10):
        for name, work in works.items():
            questions = fresh_questions(pool, 10)
            before = time.process_time()
            times[name] += await timed(work, questions)
            processor[name] += time.process_time() - before
    found = []
    for name, values in times.items():
        found.append((statistics.median(values), 1000 * processor[name] / len(values)))
        print(f"{name:38} p50 {found[-1][0]:7.2f} ms   p95 {sorted(values)[int(0.95 * len(values))]:7.2f} ms   processor {found[-1][1]:6.2f} ms")
    return found


def show_ratio(name: str, of: tuple[float, float], to: tuple[float, float], target: float) -> None:
    print(f"ratio {name:32} {of[0] / to[0]:.2f}, of processor time {of[1] / to[1]:.2f}   (target ≤ {target})")


def asker(answerer: Answerer, on: date) -> Callable[[str], Awaitable[object]]:
    assistant = Assistant(lambda: answerer, None)
    return lambda text: assistant.ask(text, on)


async def throughput(work: Callable[[str], Awaitable[object]], items: list[str]) -> float:
    """Questions a second with CLIENTS clients, each asking when it has its answer."""
    waiting = iter(items)

    async def client() -> None:
        for item in waiting:
            await work(item)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return len(items) / (time.perf_counter() - started)


async def compare(options: argparse.Namespace) -> None:
    parts = build_parts(Settings(data_dir=options.data))
    encoding, on = EncodingService(parts.encoder), date.today()
    answerer = build_answerer(parts, encoding)
    engine = answerer.engine
    pool = [p.text for p in engine.search.bundle.passages if p.role == "question"]

    async def encode_alone(text: str) -> None:
        parts.encoder.encode_query([text])

    await timed(asker(answerer, on), fresh_questions(pool, 20))
    print(f"as shipped: {len(engine.corpus.entry_ids)} entries, {len(engine.corpus.texts)} passages")
    alone, path = await side_by_side({"encoding alone": encode_alone, "whole path": asker(answerer, on)}, pool, options.count)
    show_ratio("path / encoding", path, alone, 2.0)
    again = fresh_questions(pool, 50)
    await timed(asker(answerer, on), again)
    repeated = statistics.median(await timed(asker(answerer, on), again))
    renewed = statistics.median(await timed(asker(build_answerer(parts, encoding), on), again))
    print(f"the same questions again               p50 {repeated:7.3f} ms   (from the cache)")
    print(f"after a publication, a new answerer    p50 {renewed:7.3f} ms   (decided anew; vectors still known)")
    for _ in range(3):
        batch = fresh_questions(pool, options.count)
        started, cpu = time.perf_counter(), time.process_time()
        parts.encoder.encode_query(batch)
        encoded, cpu_alone = len(batch) / (time.perf_counter() - started), time.process_time() - cpu
        cpu = time.process_time()
        served = await throughput(asker(answerer, on), fresh_questions(pool, options.count))
        share = cpu_alone / (time.process_time() - cpu)
        print(f"{CLIENTS} clients {served:.0f}/s, encoder's batches {encoded:.0f}/s, ratio {served / encoded:.2f}   (target ≥ 0.6); "
              f"of processor time {share:.2f}")
    small, large = options.sizes
    grown = {
        f"{small} entries": grow(engine, small, 20 * small), f"{large} entries": grow(engine, large, 4 * large),
        f"{options.passages} passages": grow(engine, large, options.passages),
    }  # fmt: skip
    works = {name: asker(build_answerer(parts, encoding, e), on) for name, e in grown.items()}
    for name, e in grown.items():
        print(f"{name}: {len(e.corpus.entry_ids)} entries, {len(e.corpus.texts)} passages")
    first, second, third = await side_by_side(works, pool, options.count)
    show_ratio(f"{large} / {small} entries", second, first, 1.2)
    show_ratio(f"{options.passages} passages / {small} entries", third, first, 2.0)
    encoding.close()


async def remember(options: argparse.Namespace) -> None:
    """Resident memory with one engine of this size alone in the process."""
    parts = build_parts(Settings(data_dir=options.data))
    encoding = EncodingService(parts.encoder)
    engine = build_answerer(parts, encoding).engine
    pool = [p.text for p in engine.search.bundle.passages if p.role == "question"]
    entries, passages = options.resident
    if entries:
        engine = grow(engine, entries, passages)
    await timed(asker(build_answerer(parts, encoding, engine), date.today()), fresh_questions(pool, 20))
    resident = psutil.Process().memory_info().rss / 1e6
    print(f"resident with {len(engine.corpus.entry_ids)} entries, {len(engine.corpus.texts)} passages: {resident:.0f} MB")
    encoding.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs=2, default=(400, 10_000))
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--resident", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.resident:
        asyncio.run(remember(options))
        return
    asyncio.run(compare(options))
    small, large = options.sizes
    for entries, passages in ((0, 0), (small, 20 * small), (large, 4 * large), (large, options.passages)):
        again = [sys.executable, "-W", "ignore", __file__, "--data", str(options.data), "--resident", str(entries), str(passages)]
        subprocess.run(again, check=True)


if __name__ == "__main__":
    main()
