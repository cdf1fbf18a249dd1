"""A real Rasa process: compiled, trained and started by the product's own code."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx2

from bot.dialogue.compiler import compile_project
from knowledge.loading import load_content
from tests.conftest import ROOT, free_port

SECRET = "test-secret"
SENDER = "0123456789abcdef" * 2
PYTHON = os.environ.get("MINDA_TEST_RASA_PYTHON") or str(ROOT / ".envs" / "rasa" / "bin" / "python")


class Rasa:
    def __init__(self, gateway: str, folder: Path):
        self.port, self.folder, self.project = free_port(), folder, folder / "project"
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")},
            "MINDA_SECRET": SECRET, "MINDA_ENCODE_URL": f"{gateway}/internal/encode", "OMP_NUM_THREADS": "1", "LOG_LEVEL": "ERROR",
            "MINDA_ACTION_URL": f"{gateway}/internal/rasa/actions", "RASA_TELEMETRY_ENABLED": "false",
        }  # fmt: skip
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def train(self):
        if not self.project.exists():
            compile_project(list(load_content().scenarios.values()), self.project)
        done = subprocess.run(
            [PYTHON, "-W", "ignore", str(ROOT / "bot/rasa/train.py"), str(self.project), str(self.folder)], env=self.environment,
            capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def start(self):
        log = (self.folder / "rasa.log").open("ab")
        self.process = subprocess.Popen(
            [PYTHON, "-W", "ignore", str(ROOT / "bot/rasa/launcher.py"), str(self.folder / "minda.tar.gz"), str(self.port)],
            env=self.environment, stdout=log, stderr=log,
        )  # fmt: skip
        return self.wait()

    def wait(self):
        end = time.monotonic() + 180
        while time.monotonic() < end:
            try:
                if self.post("谢谢").status_code == 200:
                    return self
            except httpx2.HTTPError:
                time.sleep(0.3)
        raise AssertionError((self.folder / "rasa.log").read_text()[-3000:])

    def post(self, text, secret=SECRET, **changes):
        body = {"sender": SENDER, "message": text, **changes}
        return httpx2.post(
            f"{self.url}/webhooks/rest/webhook", json=body, headers={"X-Minda-Secret": secret}, timeout=5, trust_env=False
        )

    def stop(self, how=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)
