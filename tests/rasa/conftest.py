"""One gateway with the knowledge that ships and one Rasa for all tests of this folder: trained once, started once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server, copy_data, free_port
from tests.rasa.running import SECRET, Rasa


@pytest.fixture(scope="session")
def system(full_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Rasa]]:
    folder = tmp_path_factory.mktemp("rasa")
    data = copy_data(full_data, folder / "data")
    rasa_port = free_port()
    gateway = Server(data, MINDA_SECRET=SECRET, MINDA_RASA_URL=f"http://127.0.0.1:{rasa_port}").start()
    rasa = Rasa(gateway.url, folder)
    rasa.port, rasa.url = rasa_port, f"http://127.0.0.1:{rasa_port}"
    if prepared := os.environ.get("MINDA_TEST_DATA"):
        for name in ("minda.tar.gz", "minda.stamp"):
            shutil.copy(Path(prepared) / "rasa" / name, folder / name)
    rasa.train()
    rasa.start()
    yield gateway, rasa
    rasa.stop()
    gateway.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of this folder trains the model; on a busy machine that takes minutes."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(1500))
