"""The knowledge that ships, published and indexed once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server, run_minda


@pytest.fixture(scope="session")
def full_data(encoder_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("full")
    (data / "encoder").symlink_to(encoder_dir)
    for command in ("load-content", "build-index"):
        done = run_minda(data, command)
        assert done.returncode == 0, done.stdout + done.stderr
    return data


@pytest.fixture(scope="session")
def site(full_data: Path) -> Iterator[Server]:
    running = Server(full_data).start()
    yield running
    running.stop()
