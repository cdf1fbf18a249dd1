"""IndexBundle: files and a manifest with digests. Built aside, renamed, pointed at; a broken one is never loaded."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .convert import file_digest
from .errors import BundleInvalid
from .lexical import LexicalIndex
from .passages import Passage
from .vectors import VectorIndex

Floats = NDArray[np.float32]
SCHEMA = 4
POINTER = "current"
MANIFEST = "manifest.json"
KEPT = 3


@dataclass(frozen=True)
class IndexBundle:
    version: str
    snapshot: str
    encoder: str
    passages: list[Passage]
    vectors: Floats
    """(n, dim)"""
    index: VectorIndex
    lexical: LexicalIndex
    folder: Path
    files: dict[str, str]
    """name → digest"""


def write_bundle(
    root: Path, *, snapshot: str, encoder: str, passages: list[Passage], vectors: Floats,
    lexical: LexicalIndex | None = None, extra: Callable[[Path], None] = lambda folder: None,
) -> Path:  # fmt: skip
    """Builds the bundle's folder completely aside, then renames it. `extra` adds the files of a trained model."""
    if vectors.shape[0] != len(passages) or not np.isfinite(vectors).all():
        raise BundleInvalid("向量的个数或者数值不对")
    aside = root / f"{snapshot}-{encoder[:8]}.new"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    np.save(aside / "vectors.npy", vectors)
    VectorIndex.build(vectors).save(aside / "vectors.faiss")
    (lexical or LexicalIndex.build([p.text for p in passages])).save(aside / "lexical.npz")
    (aside / "passages.json").write_text(
        json.dumps([[p.entry_id, p.role, p.text] for p in passages], ensure_ascii=False), encoding="utf-8"
    )
    extra(aside)
    files = {path.name: file_digest(path) for path in sorted(aside.iterdir())}
    version = f"{snapshot}-{encoder[:8]}-{sha256(json.dumps(files).encode()).hexdigest()[:8]}"
    target = root / version
    manifest = {
        "schema": SCHEMA, "version": version, "snapshot": snapshot, "encoder": encoder, "count": len(passages),
        "dim": int(vectors.shape[1]), "files": files,
    }  # fmt: skip
    (aside / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
    for path in aside.iterdir():
        _fsync(path)
    _fsync(aside)
    if target.exists():
        shutil.rmtree(target)
    os.replace(aside, target)
    _fsync(root)
    return target


def point_to(root: Path, version: str) -> None:
    """Makes the bundle the current one, atomically, and forgets all but the newest few."""
    aside = root / f"{POINTER}.new"
    aside.write_text(version, encoding="utf-8")
    _fsync(aside)
    os.replace(aside, root / POINTER)
    _fsync(root)
    folders = sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in [p for p in folders if p.name != version][KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


def load_bundle(folder: Path, encoder: str | None = None) -> IndexBundle:
    """Raises BundleInvalid where a file is missing, changed, or made for another encoder."""
    manifest = read_manifest(folder)
    if encoder is not None and manifest["encoder"] != encoder:
        raise BundleInvalid(f"{folder.name} 是给另一个编码器做的")
    try:
        rows = json.loads((folder / "passages.json").read_text(encoding="utf-8"))
        vectors = np.load(folder / "vectors.npy")
        index = VectorIndex.load(folder / "vectors.faiss")
        lexical = LexicalIndex.load(folder / "lexical.npz")
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BundleInvalid(f"{folder.name} 读不出来：{error}") from error
    passages = [Passage(*row) for row in rows]
    shape = (manifest["count"], manifest["dim"])
    if vectors.shape != shape or len(passages) != shape[0] or len(index) != shape[0] or lexical.count != shape[0]:
        raise BundleInvalid(f"{folder.name} 里的条数对不上")
    return IndexBundle(
        manifest["version"], manifest["snapshot"], manifest["encoder"], passages, vectors, index, lexical, folder,
        manifest["files"],
    )  # fmt: skip


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, once every file has the digest that it names."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"]
        damaged = [name for name, digest in files.items() if file_digest(folder / name) != digest]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise BundleInvalid(f"{folder.name} 的清单不完整：{error}") from error
    if manifest.get("schema") != SCHEMA or damaged:
        raise BundleInvalid(f"{folder.name} 的文件损坏：{'、'.join(damaged) or '版本不同'}")
    return manifest


def load_current(root: Path, encoder: str | None = None) -> IndexBundle | None:
    """The bundle that the pointer names, else the newest other one that is whole; None where there is none."""
    for folder in _candidates(root):
        try:
            return load_bundle(folder, encoder)
        except BundleInvalid:
            continue
    return None


def _candidates(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    try:
        current = (root / POINTER).read_text(encoding="utf-8").strip()
    except OSError:
        current = ""
    folders = [p for p in root.iterdir() if p.is_dir() and not p.name.endswith(".new")]
    folders.sort(key=lambda p: (p.name == current, p.stat().st_mtime), reverse=True)
    return folders


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
