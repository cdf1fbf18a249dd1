"""run.py: finds interpreters, builds once, starts again what dies, and stops without leaving anything behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, copy_data, free_port

spec = importlib.util.spec_from_file_location("run", ROOT / "run.py")
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)


def shim(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_is_run_before_it_is_believed(tmp_path):
    assert run.version_of(sys.executable) == sys.version_info[:2]
    assert run.version_of(shim(tmp_path, "broken", "echo 'pyenv: python3.10: command not found' >&2; exit 127")) is None
    assert run.version_of(shim(tmp_path, "lies", "echo three ten")) is None
    assert run.version_of(str(tmp_path / "missing")) is None


def test_rasas_python_is_the_first_one_that_really_is_3_10(tmp_path, monkeypatch):
    broken, wrong = shim(tmp_path, "a", "exit 1"), shim(tmp_path, "b", "echo 3 12")
    good = shim(tmp_path, "c", "echo 3 10")
    monkeypatch.setattr(run, "rasa_candidates", lambda: [broken, wrong, good])
    assert run.find_rasa_python() == good
    monkeypatch.setattr(run, "rasa_candidates", lambda: [broken, wrong])
    assert run.find_rasa_python() is None


def test_without_3_10_it_says_so_in_one_line_and_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(run, "find_rasa_python", lambda: None)
    assert run.ensure_rasa() is None
    said = capsys.readouterr().out.strip()
    assert said.count("\n") == 0
    assert "Python 3.10" in said
    assert "单轮模式" in said


def test_an_environment_is_built_once_and_again_after_an_interruption(tmp_path, monkeypatch):
    lock, steps = tmp_path / "lock", []
    lock.write_text("x==1\n")
    monkeypatch.setattr(run, "ENVS", tmp_path)

    def step(command, what, **options):
        steps.append(what)
        if what == "建立虚拟环境":
            (tmp_path / "rasa" / "bin").mkdir(parents=True)
            (tmp_path / "rasa" / "bin" / "python").write_text("")
        if fail and what.startswith("安装"):
            raise run.Stop("interrupted")

    monkeypatch.setattr(run, "step", step)
    build = lambda: run.ensure_environment("rasa", "python3.10", (3, 10), lock, [])  # noqa: E731
    fail = True
    with pytest.raises(run.Stop):
        build()
    fail = False
    build()
    assert steps.count("建立虚拟环境") == 2, "an unfinished environment is built again"
    build()
    assert steps.count("建立虚拟环境") == 2
    lock.write_text("x==2\n")
    build()
    assert steps.count("建立虚拟环境") == 3


@pytest.mark.parametrize("lock", [run.APP_LOCK, run.RASA_LOCK], ids=["app", "rasa"])
def test_locks_are_full_and_name_no_host(lock):
    lines = lock.read_text().split()
    assert all("==" in line for line in lines)
    assert not any("://" in line or "@" in line for line in lines)
    assert not any(line.lower().startswith("torch==") for line in lines)


def test_torch_is_the_build_without_gpu_libraries():
    import torch

    assert torch.version.cuda is None


def test_the_internal_secret_is_for_its_owner_only(tmp_path):
    (tmp_path / "run").mkdir()
    first = run.shared_secret(tmp_path)
    assert run.shared_secret(tmp_path) == first
    assert len(first) > 30
    assert (tmp_path / "run" / "secret").stat().st_mode & 0o777 == 0o600


def test_data_are_prepared_again_where_a_part_is_missing_or_the_database_is_another(tmp_path, monkeypatch):
    monkeypatch.delenv("MINDA_DATABASE_URL", raising=False)
    assert run.prepared_from(tmp_path) == ""
    for name in ("index/current", "rasa/project/domain.yml", "minda.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    before = run.prepared_from(tmp_path)
    assert before == run.prepared_from(tmp_path) != ""
    (tmp_path / "restored").write_text("1")
    os.replace(tmp_path / "restored", tmp_path / "minda.db")
    assert run.prepared_from(tmp_path) != before
    monkeypatch.setenv("MINDA_CITY", "another")
    other = run.prepared_from(tmp_path)
    monkeypatch.setenv("MINDA_CITY", "a third")
    assert run.prepared_from(tmp_path) != other
    (tmp_path / "rasa" / "project" / "domain.yml").unlink()
    assert run.prepared_from(tmp_path) == ""


def test_a_taken_port_is_replaced(capsys):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        assert run.free_port(wanted) != wanted
    assert "已被占用" in capsys.readouterr().out


def test_a_child_that_dies_is_started_again_after_a_pause(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "PAUSES_S", (0.2,))
    child = run.Supervised("子进程", [sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ), tmp_path / "log")
    child.start()
    first = child.process.pid
    os.kill(first, signal.SIGKILL)
    end = time.monotonic() + 10
    while (child.process is None or child.process.pid == first) and time.monotonic() < end:
        child.tend()
        time.sleep(0.05)
    assert child.process is not None
    assert child.process.pid != first
    child.stop()
    assert child.process.poll() is not None


def test_the_service_starts_restarts_its_gateway_and_leaves_no_orphan(full_data, tmp_path):
    data = copy_data(full_data, tmp_path / "data")
    port = free_port()
    launcher = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), "--data", str(data), "--port", str(port), "--no-browser", "--no-rasa"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path,
    )  # fmt: skip
    try:
        assert run.wait_for(lambda: run.get(port, "/readyz")[0] == 200, 200)
        again = subprocess.run(
            [sys.executable, str(ROOT / "run.py"), "--data", str(data), "--no-browser", "--no-rasa"], capture_output=True, text=True
        )
        assert again.returncode == 1
        assert "已经在运行" in again.stdout
        children = psutil.Process(launcher.pid).children()
        children[0].kill()
        assert run.wait_for(lambda: run.get(port, "/readyz")[0] == 0, 10)
        assert run.wait_for(lambda: run.get(port, "/readyz")[0] == 200, 40)
        children = psutil.Process(launcher.pid).children(recursive=True)
        launcher.send_signal(signal.SIGTERM)
        output, _ = launcher.communicate(timeout=30)
        assert launcher.returncode == 0
        assert "可以提问了" in output
        assert f"http://127.0.0.1:{port}/desk" in output
        assert not [c for c in children if c.is_running() and c.status() != psutil.STATUS_ZOMBIE]
    finally:
        if launcher.poll() is None:
            launcher.kill()
