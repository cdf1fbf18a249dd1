"""kill -9 of the gateway at random moments: every acknowledged message has its answer, once, in order."""

from __future__ import annotations

import random
import sqlite3
import threading
import time

import httpx2
import pytest

from tests.conftest import Server, Talk

pytestmark = pytest.mark.faults
QUESTIONS = ["结婚登记要带户口本吗", "离婚冷静期多久", "结婚证丢了怎么办", "落户要什么", "你多大了"]
KILLS = 4


def test_nothing_acknowledged_is_lost_or_doubled(data):
    server = Server(data).start()
    acknowledged: dict[tuple[str, str], list[str]] = {}
    stop = threading.Event()
    faults: list[str] = []

    def client(number: int) -> None:
        rng, count, talk = random.Random(number), 0, None
        while not stop.is_set():
            try:
                talk = talk or Talk(server.url)
                key = f"{number}-{count if rng.random() > 0.1 else max(0, count - 1)}"
                text = QUESTIONS[int(key.split("-")[1]) % len(QUESTIONS)]
                answer = talk.http.post(
                    f"/api/v1/conversations/{talk.id}/messages", json={"text": text, "client_msg_id": key}, headers=talk.headers, timeout=5
                )
                if answer.status_code == 200:
                    ids = [r["id"] for r in answer.json()["replies"]]
                    known = acknowledged.setdefault((talk.id, key), ids)
                    if known != ids:
                        faults.append(f"{key}: {known} != {ids}")
                    count += 1
                elif answer.status_code != 503:
                    faults.append(f"{key}: {answer.status_code}")
            except (httpx2.HTTPError, KeyError, ValueError):
                time.sleep(0.05)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for number in range(KILLS):
        time.sleep(random.Random(number).uniform(0.4, 1.2))
        server.kill()
        server.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    server.kill()
    server.start()
    end = time.monotonic() + 20
    while _open_turns(data) and time.monotonic() < end:
        time.sleep(0.2)
    server.stop()
    assert faults == []
    assert len(acknowledged) > 20
    with sqlite3.connect(data / "minda.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute(
            "SELECT t.conversation_id, t.message_key, r.id FROM turn t LEFT JOIN reply r ON r.turn_id = t.id ORDER BY t.seq, r.seq"
        ).fetchall()
        assert connection.execute("SELECT count(*) FROM turn WHERE state = 'new'").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM reply WHERE id NOT IN (SELECT reply_id FROM outbox)").fetchone() == (0,)
    stored: dict[tuple[str, str], list[str]] = {}
    for conversation, key, reply in rows:
        stored.setdefault((conversation, key), []).append(reply)
    for message, ids in acknowledged.items():
        assert stored[message] == ids
    assert all(len(ids) == 1 and ids[0] for ids in stored.values()), "one answer a message"


def _open_turns(data) -> int:
    with sqlite3.connect(data / "minda.db") as connection:
        return connection.execute("SELECT count(*) FROM turn WHERE state = 'new'").fetchone()[0]
