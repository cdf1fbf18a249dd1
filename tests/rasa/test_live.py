"""A real Rasa beside a real gateway: trained once, started once."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time

import httpx2
import psutil
import pytest

from bot.texts import say
from tests.conftest import ROOT, Talk
from tests.rasa.running import PYTHON, SECRET, SENDER, Rasa

pytestmark = pytest.mark.rasa


def wait_until_closed(gateway):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if httpx2.get(f"{gateway.url}/readyz", trust_env=False).json()["checks"]["dialogue"] == "closed":
            return
        Talk(gateway.url).say("谢谢")
        time.sleep(0.5)
    raise AssertionError("the breaker did not close")


def trace(gateway, reply_id):
    import sqlite3

    with sqlite3.connect(gateway.data / "minda.db") as connection:
        return json.loads(connection.execute("SELECT trace FROM reply WHERE id = ?", (reply_id,)).fetchone()[0])


def test_the_environment_is_the_locked_one():
    version = subprocess.run([PYTHON, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True)
    assert version.stdout.strip() == "(3, 10)"
    frozen = subprocess.run([PYTHON, "-m", "pip", "freeze", "--all"], capture_output=True, text=True).stdout.lower().split()
    locked = (ROOT / "bot/rasa/requirements.lock").read_text().lower().split()
    assert "rasa==3.6.21" in locked
    assert set(locked) <= set(frozen)



def test_a_trained_model_is_not_trained_again(system):
    _, rasa = system
    before = (rasa.folder / "minda.tar.gz").stat().st_mtime_ns
    started = time.monotonic()
    rasa.train()
    assert (rasa.folder / "minda.tar.gz").stat().st_mtime_ns == before
    assert time.monotonic() - started < 10


def test_a_policy_question_goes_through_rasa_and_is_answered_by_our_steps(system):
    gateway, _ = system
    reply = Talk(gateway.url).say("结婚登记要带户口本吗")[0]
    assert "户口簿" in reply["text"]
    assert trace(gateway, reply["id"])["dialogue"] == "rasa"


def test_courtesy_and_handing_over_through_rasa(system):
    gateway, _ = system
    talk = Talk(gateway.url)
    assert talk.say("您好呀")[0]["verdict"] == "decline_courtesy"
    assert talk.say("请转人工")[0]["verdict"] == "handoff_asked"
    assert talk.say("好的转吧")[0]["verdict"] == "handoff_ticket"


def test_the_webhook_needs_the_secret_and_nothing_else_is_open(system):
    _, rasa = system
    assert rasa.post("谢谢", secret="wrong").status_code == 401
    headers = {"X-Minda-Secret": SECRET}
    for path in (f"/conversations/{SENDER}/tracker", "/model", "/status", "/domain"):
        assert httpx2.get(f"{rasa.url}{path}", headers=headers, trust_env=False).status_code == 404
    addresses = {c.laddr.ip for c in psutil.Process(rasa.process.pid).net_connections() if c.status == "LISTEN"}
    assert addresses == {"127.0.0.1"}
    assert psutil.Process(rasa.process.pid).environ()["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize("text", ["/restart", "　/greet", "／x{..}", "\u200b/restart", "/x@1.0{..}", "\n/inform{\"a\":\"b\"}"])
def test_a_citizens_slash_is_not_obeyed(system, text):
    gateway, _ = system
    talk = Talk(gateway.url)
    talk.say("转人工")
    reply = talk.say(text)[0]
    assert reply["verdict"] != "failed_error"
    read_as_words = "restart" in text and reply["text"] == say("no_form", "zh-Hans")
    assert read_as_words or reply["verdict"] != "decline_courtesy", "never the slash handler's intent"
    assert "补" in talk.say("结婚证丢了怎么补办")[0]["text"]


@pytest.mark.parametrize("body", [{"message": ""}, {"message": "  "}, {"message": None}, {"message": 5}, {"message": ["a"]}])
def test_odd_bodies_give_nothing_and_the_next_turn_is_fine(system, body):
    _, rasa = system
    answer = rasa.post("x", **body)
    assert answer.status_code in (200, 400, 500)
    assert answer.status_code != 200 or answer.json() == []
    assert rasa.post("谢谢").json()[0]["custom"] == {"say": "thank"}


def test_twenty_quick_messages_keep_their_order(system):
    gateway, _ = system
    talk = Talk(gateway.url)
    done: list[int] = []

    def send(number):
        talk.http.post(
            f"/api/v1/conversations/{talk.id}/messages", json={"text": f"谢谢{'啊' * (number % 3)}", "client_msg_id": f"q{number}"},
            headers=talk.headers, timeout=30,
        )  # fmt: skip
        done.append(number)

    started = time.monotonic()
    threads = []
    for number in range(20):
        threads.append(threading.Thread(target=send, args=(number,)))
        threads[-1].start()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(20))
    assert time.monotonic() - started < 10, "Rasa's lock would poll a second for each"


def test_a_killed_rasa_means_single_turn_and_it_heals(system):
    gateway, rasa = system
    wait_until_closed(gateway)
    rasa.stop()
    talk = Talk(gateway.url)
    started = time.monotonic()
    reply = talk.say("离婚冷静期多久")[0]
    assert time.monotonic() - started < 2.5
    assert "30日" in reply["text"]
    assert trace(gateway, reply["id"])["dialogue"] == "single_turn"
    assert talk.say("谢谢")[0]["verdict"] == "decline_courtesy"
    rasa.start()
    wait_until_closed(gateway)
    reply = talk.say("结婚登记要带户口本吗")[0]
    assert trace(gateway, reply["id"])["dialogue"] == "rasa"


def test_a_hung_rasa_costs_a_second_and_a_half_at_most(system):
    gateway, rasa = system
    wait_until_closed(gateway)
    rasa.process.send_signal(signal.SIGSTOP)
    try:
        talk = Talk(gateway.url)
        started = time.monotonic()
        reply = talk.say("离婚冷静期多久")[0]
        assert time.monotonic() - started < 3
        assert "30日" in reply["text"]
        assert trace(gateway, reply["id"])["dialogue_cause"] == "timeout"
    finally:
        rasa.process.send_signal(signal.SIGCONT)
    wait_until_closed(gateway)


def test_a_dead_action_server_gives_no_result_and_no_harm(system):
    gateway, rasa = system
    wait_until_closed(gateway)
    other = Rasa("http://127.0.0.1:9", rasa.folder)
    other.environment["MINDA_ENCODE_URL"] = f"{gateway.url}/internal/encode"
    other.start()
    try:
        assert other.post("结婚登记要带户口本吗").json() == []
        assert other.post("谢谢").json()[0]["custom"] == {"say": "thank"}
    finally:
        other.stop()


def test_rasas_log_holds_no_citizens_words(system):
    gateway, rasa = system
    Talk(gateway.url).say("金丝雀暗号七七四九怎么办")
    time.sleep(0.5)
    assert "金丝雀" not in (rasa.folder / "rasa.log").read_text(errors="replace")
    assert "金丝雀" not in gateway.log.read_text()
