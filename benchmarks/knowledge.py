"""How long it takes to load all content, to build the index from nothing and to rebuild after one changed entry.

    .envs/app/bin/python benchmarks/knowledge.py [--encoder data/encoder]
Prints seconds and ratios of one run; asserts nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bot.app import build_parts, load_content_files
from bot.engine import build_bundle
from bot.settings import Settings
from knowledge.loading import load_content
from knowledge.snapshot import Snapshot


def timed(label: str, work) -> float:
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    print(f"{label:<34} {seconds:7.2f} s")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", type=Path, default=Path("data/encoder"))
    options = parser.parse_args()
    load = timed("load all content files", load_content)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        (data / "encoder").symlink_to(options.encoder.resolve())
        settings = Settings(data_dir=data)
        parts = build_parts(settings)
        timed("publish all content", lambda: load_content_files(parts))
        snapshot = parts.snapshot()
        full = timed("index and model from nothing", lambda: build_bundle(snapshot, parts.encoder, settings.index_dir, parts.cues))
        entry = next(e for e in snapshot.entries.values() if e.kind == "answer")
        changed = entry.model_copy(update={"questions": (*entry.questions, "这是新写的一个例句")})
        fresh = Snapshot(
            entries={**snapshot.entries, entry.id: changed}, guides=snapshot.guides, scenarios=snapshot.scenarios,
            revisions={**snapshot.revisions, ("entry", entry.id): "changed"},
        )  # fmt: skip
        one = timed(
            "rebuild after one changed entry",
            lambda: build_bundle(fresh, parts.encoder, settings.index_dir, parts.cues, retrain=False),
        )
        parts.database.close()
    print(f"rebuild / from nothing {one / full:.3f}; load / from nothing {load / full:.3f}")


if __name__ == "__main__":
    main()
