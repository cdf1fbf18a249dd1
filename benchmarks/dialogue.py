"""What a turn costs the Rasa process: ours (launcher, rotation) side by side with stock Rasa on the same model.

    .envs/app/bin/python benchmarks/dialogue.py --data data      (a folder that run.py has prepared)
CPU time is the process's own, read per turn in nanoseconds, so that other load does not count. Asserts nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bot.dialogue.client import ROTATE_AFTER_TURNS
from tests.conftest import ROOT, Server, copy_data, free_port
from tests.rasa.running import PYTHON, SECRET, Rasa

TURNS = 200
CLIENTS = 16
QUESTIONS = ("结婚登记要带什么", "低保怎么申请", "老人去世以后要办哪些手续", "残疾人补贴一个月多少", "协会年检什么时候报")
MIX = (
    "/start_marriage", '/inform{"marriage_matter": "marry"}', "question", '/inform{"marriage_residents": "hmt"}', "谢谢", "question",
    "上一步", "/cancel", "您好", "question",
)  # fmt: skip


def message(number: int) -> str:
    """A service begun, interrupted and left, courtesies and policy questions that no cache knows."""
    kind = MIX[number % len(MIX)]
    return f"{QUESTIONS[number % len(QUESTIONS)]}，{number}号的" if kind == "question" else kind


class StockRasa(Rasa):
    def start(self) -> Rasa:
        log = (self.folder / "stock.log").open("ab")
        self.process = subprocess.Popen(
            [PYTHON, "-W", "ignore", "-m", "rasa", "run", "--model", str(self.folder / "minda.tar.gz"), "--port", str(self.port),
             "--interface", "127.0.0.1", "--endpoints", "endpoints.yml", "--credentials", "credentials.yml"],
            cwd=ROOT / "bot" / "rasa", env=self.environment, stdout=log, stderr=log,
        )  # fmt: skip
        return self.wait()


def cpu_ns(pid: int) -> int:
    """Time on a processor of all threads (Linux)."""
    return sum(int(Path(t, "schedstat").read_text().split()[0]) for t in Path(f"/proc/{pid}/task").iterdir())


def vector(gateway: str) -> dict[str, str]:
    """What the gateway sends along with a text; stock Rasa has no use for it and fetches its own."""
    answer = httpx2.post(f"{gateway}/internal/encode", json={"texts": [QUESTIONS[0]]}, headers={"X-Minda-Secret": SECRET}, trust_env=False)
    return {"vector": answer.json()["vectors"]}


def one_conversation(rasa: Rasa, rotate_after: int, metadata: dict[str, str]) -> list[float]:
    """CPU ms of each turn, one after the other."""
    spent, sender = [], uuid.uuid4().hex
    for number in range(TURNS):
        if number and number % rotate_after == 0:
            sender = uuid.uuid4().hex
        before = cpu_ns(rasa.process.pid)
        with contextlib.suppress(httpx2.TimeoutException):  # what stock Rasa spends beyond is counted with the next turn
            rasa.post(message(number), sender=sender, metadata=metadata)
        spent.append((cpu_ns(rasa.process.pid) - before) / 1e6)
    return spent


def throughput(rasa: Rasa, metadata: dict[str, str], each: int = 40) -> float:
    def client() -> None:
        sender = uuid.uuid4().hex
        with httpx2.Client(base_url=rasa.url, headers={"X-Minda-Secret": SECRET}, timeout=30, trust_env=False) as own:
            for number in range(each):
                own.post("/webhooks/rest/webhook", json={"sender": sender, "message": message(number), "metadata": metadata})

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return CLIENTS * each / (time.perf_counter() - started)


def measure(name: str, rasa: Rasa, rotate_after: int, metadata: dict[str, str]) -> tuple[float, float]:
    one_conversation(rasa, rotate_after, metadata)
    spent = one_conversation(rasa, rotate_after, metadata)
    middle = statistics.median(spent)
    flat = statistics.median(spent[-50:]) / statistics.median(spent[:50])
    per_second = throughput(rasa, metadata)
    p95 = sorted(spent)[int(TURNS * 0.95)]
    print(f"{name:6} CPU p50 {middle:6.1f} ms  p95 {p95:6.1f} ms   last 50 / first 50 {flat:4.2f} ×   {per_second:5.0f} turns/s")
    return middle, per_second


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data"))
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    folder = Path(tempfile.mkdtemp(prefix="minda-benchmark-"))
    gateway = Server(copy_data(options.data.resolve(), folder / "data"), MINDA_SECRET=SECRET).start()
    figures = {}
    try:
        for name, kind, rotate_after in (("ours", Rasa, ROTATE_AFTER_TURNS), ("stock", StockRasa, TURNS)):
            rasa = kind(gateway.url, folder)
            rasa.port = free_port()
            rasa.url = f"http://127.0.0.1:{rasa.port}"
            for file in ("minda.tar.gz", "minda.stamp"):
                shutil.copy(options.data / "rasa" / file, folder / file)
            rasa.start()
            try:
                figures[name] = measure(name, rasa, rotate_after, vector(gateway.url) if name == "ours" else {})
            finally:
                rasa.stop()
    finally:
        gateway.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"stock / ours: CPU {figures['stock'][0] / figures['ours'][0]:.1f} ×, turns/s {figures['ours'][1] / figures['stock'][1]:.1f} × more")


if __name__ == "__main__":
    main()
