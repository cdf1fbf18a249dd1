"""What another process publishes, withdraws or what time makes too old, seen from outside."""

from __future__ import annotations

import shutil
import sqlite3
import time

import httpx2

from tests.conftest import CONTENT, Server, Talk, run_minda

QUESTION = "结婚登记要带户口本吗"
ENTRY = "marriage-booklet"


def ask(server):
    return httpx2.post(f"{server.url}/api/v1/ask", json={"text": QUESTION}, timeout=20, trust_env=False).json()


def opened(server, talk):
    """Whether the conversation is still there; asking this way does not make it younger."""
    with httpx2.stream("GET", f"{server.url}/api/v1/conversations/{talk.id}/events", headers=talk.headers, trust_env=False) as answer:
        return answer.status_code == 200


def publish(data, folder, change):
    path = folder / "A03" / "entries.yaml"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    done = run_minda(data, "load-content", str(folder))
    assert done.returncode == 0, done.stderr


def without_entry(text):
    start = text.index(f"- id: {ENTRY}")
    return text[:start] + text[text.index("- id: ", start + 1) :]


def test_new_words_are_taken_up_and_a_withdrawn_entry_disappears_at_once(server, data, tmp_path):
    folder = tmp_path / "content"
    shutil.copytree(CONTENT, folder)
    old = ask(server)
    assert old["entry_id"] == ENTRY
    first = old["text"].split("。")[0]
    publish(data, folder, lambda text: text.replace(first, f"新写法：{first}"))
    for _ in range(60):
        new = ask(server)
        assert new["text"] != old["text"], "neither the cache nor the index may keep old words alive"
        if new["entry_id"] == ENTRY:
            break
        time.sleep(0.25)
    assert new["text"].startswith("新写法：")
    assert new["revisions"] != old["revisions"]
    publish(data, folder, without_entry)
    assert ask(server)["entry_id"] != ENTRY


def test_a_conversation_past_its_time_is_erased_when_the_service_starts(data):
    server = Server(data).start()
    kept, old = Talk(server.url), Talk(server.url)
    for talk in (kept, old):
        talk.say(QUESTION)
    server.stop()
    with sqlite3.connect(data / "minda.db") as connection:
        connection.execute("update conversation set last_at = '2026-01-02 03:04:05' where id = ?", [old.id])
    again = Server(data).start()
    try:
        kept.http.base_url = old.http.base_url = again.url
        end = time.monotonic() + 20
        while opened(again, old):
            assert time.monotonic() < end
            time.sleep(0.2)
        assert kept.post(text=QUESTION).status_code == 200
    finally:
        again.stop()
