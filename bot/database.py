"""The database: one writer with group commit, reads on other connections; SQLite by default, PostgreSQL by setting.

Functions submitted together share one transaction, each in a SAVEPOINT of its own; their futures resolve after the
COMMIT, so whatever was acknowledged is on disk.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from .errors import StoreBusy

T = TypeVar("T")
Work = Callable[[Connection], T]
MAX_GROUP = 64
BUSY_TIMEOUT_MS = 5000
MAX_WAITING = 1000


def create_engine(url: str) -> Engine:
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url, connect_args={"check_same_thread": False}, pool_size=8)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    return sa.create_engine(url, pool_pre_ping=True, pool_size=8)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the "begin" event says how a transaction starts
    for pragma in (
        "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}",
        "secure_delete=ON",
    ):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    kind = "IMMEDIATE" if connection.get_execution_options().get("minda_write") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {kind}")


class Database:
    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_engine(url)
        self._work: queue.Queue[tuple[Work[Any], Future[Any]] | None] = queue.Queue(MAX_WAITING)
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="reader")
        self._thread = threading.Thread(target=self._write_loop, name="writer", daemon=True)
        self._thread.start()

    async def write(self, work: Work[T]) -> T:
        """Runs `work` on the writer; returns after COMMIT. Raises StoreBusy, or what `work` raised."""
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Work[T]) -> Future[T]:
        future: Future[T] = Future()
        try:
            self._work.put_nowait((work, future))
        except queue.Full:
            future.set_exception(StoreBusy("等待写入的太多"))
        return future

    async def read(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    def read_now(self, work: Work[T]) -> T:
        with self.engine.connect() as connection:
            return work(connection)

    def close(self) -> None:
        self._work.put(None)
        self._thread.join(timeout=10)
        self._readers.shutdown()
        self.engine.dispose()

    def _write_loop(self) -> None:
        while True:
            first = self._work.get()
            if first is None:
                return
            group = [first]
            stopping = False
            while len(group) < MAX_GROUP:
                try:
                    item = self._work.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    stopping = True
                    break
                group.append(item)
            self._commit_group(group)
            if stopping:
                return

    def _commit_group(self, group: list[tuple[Work[Any], Future[Any]]]) -> None:
        results: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self.engine.connect().execution_options(minda_write=True) as connection, connection.begin():
                for work, future in group:
                    results.append((future, *_in_savepoint(connection, work)))
        except (OperationalError, SQLAlchemyError, OSError) as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(StoreBusy(str(error)))
            return
        for future, value, failure in results:
            if future.done():
                continue
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(value)


def _in_savepoint(connection: Connection, work: Work[Any]) -> tuple[Any, BaseException | None]:
    savepoint = connection.begin_nested()
    try:
        value = work(connection)
    except OperationalError:
        raise
    except Exception as error:
        savepoint.rollback()
        return None, error
    savepoint.commit()
    return value, None
