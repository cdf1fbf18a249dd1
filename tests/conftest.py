"""Shared parts of the tests: one converted encoder, one small prepared data folder, real servers on free ports."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
CONTENT = Path(__file__).with_name("content")
PASSWORD = "Keting-2026"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_minda(data: Path, *arguments: str, stdin: str | None = None, timeout: float = 280) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MINDA_DATA_DIR": str(data)}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bot", *arguments], cwd=ROOT, env=environment, input=stdin,
        capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


@pytest.fixture(scope="session")
def encoder_dir() -> Path:
    target = BUILD / "encoder"
    BUILD.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "index.convert", str(target)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return target


@pytest.fixture(scope="session")
def small_data(encoder_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the test content published and indexed, and one officer."""
    data = tmp_path_factory.mktemp("small")
    (data / "encoder").symlink_to(encoder_dir)
    for arguments in (["load-content", str(CONTENT)], ["build-index"]):
        done = run_minda(data, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert run_minda(data, "staff", "add", "王敏", "--role", "officer", stdin=PASSWORD + "\n").returncode == 0
    return data


@pytest.fixture(scope="session")
def full_data(encoder_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The knowledge that ships, published and indexed: built once for content and code as they are, and copied.
    MINDA_TEST_DATA names another prepared folder to copy instead."""
    prepared = Path(os.environ.get("MINDA_TEST_DATA") or BUILD / "full").resolve()
    if "MINDA_TEST_DATA" not in os.environ:
        build_full_data(encoder_dir, prepared)
    return copy_data(prepared, tmp_path_factory.mktemp("full"))


def build_full_data(encoder_dir: Path, data: Path) -> None:
    digest = hashlib.sha256((encoder_dir / "stamp.json").read_bytes())
    for folder in ("knowledge", "index", "bot"):
        for path in sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".yaml")):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    stamp = data / "stamp"
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    (data / "encoder").symlink_to(encoder_dir)
    for command in ("load-content", "build-index"):
        done = run_minda(data, command, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
    stamp.write_text(digest.hexdigest())


@pytest.fixture(scope="session")
def site(full_data: Path) -> Iterator[Server]:
    running = Server(full_data).start()
    yield running
    running.stop()


def copy_data(source: Path, target: Path) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    (target / "encoder").symlink_to((source / "encoder").resolve())
    shutil.copytree(source / "index", target / "index")
    for name in ("minda.db", "minda.db-wal", "minda.db-shm", "leave_one_out_misses.jsonl"):
        if (source / name).exists():
            shutil.copy(source / name, target / name)
    return target


@pytest.fixture
def data(small_data: Path, tmp_path: Path) -> Path:
    return copy_data(small_data, tmp_path / "data")


class Server:
    """A real gateway process on a free port."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self.log = data / "server.log"

    def start(self) -> Server:
        environment = {
            **os.environ, "MINDA_DATA_DIR": str(self.data), "MINDA_MESSAGES_PER_MINUTE": "10000", **self.environment,
        }  # fmt: skip
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "bot", "serve", "--port", str(self.port)], cwd=ROOT,
                env=environment, stdout=output, stderr=output,
            )  # fmt: skip
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200:
                    return self
            except httpx2.HTTPError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text()[-3000:])

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    running = Server(data).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def shared_server(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """For tests that leave nothing behind which another one would see."""
    running = Server(copy_data(small_data, tmp_path_factory.mktemp("shared") / "data")).start()
    yield running
    running.stop()


class Talk:
    """A citizen's conversation over HTTP."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=20, trust_env=False)
        opened = self.http.post("/api/v1/conversations").json()
        self.id, self.token = opened["conversation_id"], opened["token"]
        self.count = 0

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def post(self, **body: object) -> httpx2.Response:
        self.count += 1
        body.setdefault("client_msg_id", f"m{self.count}")
        return self.http.post(f"/api/v1/conversations/{self.id}/messages", json=body, headers=self.headers)

    def say(self, text: str) -> list[dict]:
        answer = self.post(text=text)
        assert answer.status_code == 200, answer.text
        return answer.json()["replies"]

    def choose(self, choice: str) -> list[dict]:
        answer = self.post(choice_id=choice)
        assert answer.status_code == 200, answer.text
        return answer.json()["replies"]


@pytest.fixture
def talk(shared_server: Server) -> Iterator[Talk]:
    opened = Talk(shared_server.url)
    yield opened
    opened.http.close()
