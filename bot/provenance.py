"""Which models stand behind a reply, by their digests; kept with the reply, so that it can be explained later."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from index.bundle import IndexBundle
from index.convert import file_digest

RASA_MODEL = "minda.tar.gz"


def models_behind(bundle: IndexBundle, rasa_dir: Path) -> dict[str, Any]:
    files = {name: bundle.files.get(f"{name}.npz", "")[:16] for name in ("ranker", "classifier", "lexical")}
    return {
        "bundle": bundle.version, "encoder": bundle.encoder[:16], **files, "thresholds": bundle.files.get("model.json", "")[:16],
        "rasa": rasa_digest(rasa_dir),
    }  # fmt: skip


def rasa_digest(folder: Path) -> str | None:
    path = folder / RASA_MODEL
    try:
        return _digest_of(path, path.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=4)
def _digest_of(path: Path, modified: int) -> str:
    return file_digest(path)[:16]
