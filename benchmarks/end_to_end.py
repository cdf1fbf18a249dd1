"""One question end to end against a running service, side by side with encoding alone.

    python3 run.py minda serve   (or run.py)      then      .envs/app/bin/python benchmarks/end_to_end.py [--url URL] [--data DIR]
Prints medians, ratios and resident memory; asserts nothing.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import threading
import time
from pathlib import Path

import httpx2
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from index.encoder import load_encoder
from knowledge.loading import load_content


def questions(count: int) -> list[str]:
    """Example questions made unique, so that no cache helps."""
    pool = [q for e in load_content().entries.values() if e.kind in ("answer", "redirect") for q in e.questions]
    rng = random.Random(0)
    return [f"{rng.choice(pool)}{rng.choice('啊呀呢吗嘛哦')}{n}" for n in range(count)]


def timed(work, items):
    times = []
    for item in items:
        started = time.perf_counter()
        work(item)
        times.append((time.perf_counter() - started) * 1000)
    return times


def show(name: str, times: list[float]) -> float:
    middle = statistics.median(times)
    print(f"{name:34} p50 {middle:7.2f} ms   p95 {sorted(times)[int(len(times) * 0.95)]:7.2f} ms   n={len(times)}")
    return middle


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    encoder = load_encoder("offline", options.data / "encoder")
    encoder.encode_query(["热身"])
    http = httpx2.Client(base_url=options.url, timeout=10, trust_env=False)
    http.post("/api/v1/ask", json={"text": "您好"})
    alone = show("encoding alone", timed(lambda q: encoder.encode_query([q]), questions(options.count)))
    ask = show("/ask, one client", timed(lambda q: http.post("/api/v1/ask", json={"text": q}), questions(options.count)))

    def conversation(question: str) -> None:
        opened = http.post("/api/v1/conversations").json()
        headers = {"Authorization": f"Bearer {opened['token']}"}
        http.post(f"/api/v1/conversations/{opened['conversation_id']}/messages", json={"text": question, "client_msg_id": "1"}, headers=headers)

    try:
        full = show("conversation + message", timed(conversation, questions(min(options.count, 50))))
        print(f"ratio conversation / encoding      {full / alone:.2f}")
    except KeyError:
        print("conversation + message: too many new conversations a minute; raise MINDA_MESSAGES_PER_MINUTE")
    print(f"ratio /ask / encoding              {ask / alone:.2f}")
    started = time.perf_counter()
    encoder.encode_query(questions(320))
    batch = 320 / (time.perf_counter() - started)

    def client(items: list[str]) -> None:
        with httpx2.Client(base_url=options.url, timeout=30, trust_env=False) as own:
            for item in items:
                own.post("/api/v1/ask", json={"text": item})

    items = questions(16 * 20)
    threads = [threading.Thread(target=client, args=(items[n::16],)) for n in range(16)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    served = len(items) / (time.perf_counter() - started)
    print(f"16 clients {served:.0f}/s, encoder's batches {batch:.0f}/s, ratio {served / batch:.2f}")
    for process in psutil.process_iter(["cmdline", "memory_info"]):
        command = " ".join(process.info["cmdline"] or [])
        if "-m bot serve" in command or "launcher.py" in command:
            print(f"resident {process.info['memory_info'].rss / 1e6:6.0f} MB  {'rasa' if 'launcher' in command else 'gateway'}")


if __name__ == "__main__":
    main()
