"""Backup and restore of the SQLite database; PostgreSQL has its own tools."""

from __future__ import annotations

import os
import sqlite3
from datetime import datetime
from pathlib import Path

from .errors import Refused
from .settings import Settings


def back_up(settings: Settings, target: Path) -> int:
    """Online copy, checked before it gets its name. Returns bytes."""
    source = _database_file(settings)
    if target.exists():
        raise Refused(f"{target} 已经存在，不覆盖。")
    aside = target.with_name(target.name + ".part")
    with sqlite3.connect(source) as live, sqlite3.connect(aside) as copy:
        live.backup(copy)
    _check(aside)
    os.replace(aside, target)
    return target.stat().st_size


def restore(settings: Settings, source: Path) -> str:
    if not source.is_file():
        raise Refused(f"没有备份文件 {source}。")
    _check(source)
    target = settings.data_dir / "minda.db"
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    aside = target.with_name("minda.db.restoring")
    with sqlite3.connect(source) as backup, sqlite3.connect(aside) as copy:
        backup.backup(copy)
    kept = ""
    if target.exists():
        kept_file = target.with_name(f"minda-before-{datetime.now():%Y%m%d%H%M%S}.db")
        with sqlite3.connect(target) as old, sqlite3.connect(kept_file) as copy:
            old.backup(copy)
        kept = f"原来的库留在 {kept_file.name}。"
        for rest in (target, target.with_name("minda.db-wal"), target.with_name("minda.db-shm")):
            rest.unlink(missing_ok=True)
    os.replace(aside, target)
    return f"已恢复。{kept}"


def _database_file(settings: Settings) -> Path:
    path = settings.data_dir / "minda.db"
    if settings.database_url or not path.is_file():
        raise Refused("这里没有 SQLite 数据库；PostgreSQL 请用 pg_dump 或基础备份。")
    return path


def _check(path: Path) -> None:
    try:
        with sqlite3.connect(path) as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise Refused(f"{path} 不是完好的数据库：{error}") from error
    if verdict != "ok":
        raise Refused(f"{path} 已损坏：{verdict}")
