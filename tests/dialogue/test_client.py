"""RasaClient against an honest local peer: late, dead, empty and odd are the same thing, and it heals by itself."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bot.dialogue.client import Breaker, RasaClient, guard_slash, should_rotate
from index.text import normalise

SENDER = "0123456789abcdef" * 2


class Peer:
    """Speaks the webhook's protocol; `answer` decides status, body and delay."""

    def __init__(self):
        self.answer, self.requests = (200, [{"custom": {"say": "thank"}}], 0.0), []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                peer.requests.append((dict(self.headers), json.loads(body)))
                status, payload, delay = peer.answer
                time.sleep(delay)
                raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                try:
                    self.send_response(status)
                    self.send_header("content-length", str(len(raw)))
                    self.end_headers()
                    self.wfile.write(raw)
                except OSError:
                    pass

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def peer():
    opened = Peer()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


def turn(peer_url, text="你好", timeout=0.5, times=1, client=None):
    async def go():
        used = client or RasaClient(peer_url, "secret", timeout)
        results = [await used.turn(SENDER, text, {"turn_id": "t"}) for _ in range(times)]
        await used.close()
        return results[-1]

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("custom", "kind", "value"),
    [
        ({"answer_id": "t"}, "answer", "t"), ({"say": "greet"}, "say", "greet"), ({"ask": "slot"}, "ask", "slot"), 
        ({"fallback": "core"}, "fallback", "core"),
    ],
)  # fmt: skip
def test_a_custom_message_is_a_result(peer, custom, kind, value):
    peer.answer = (200, [{"recipient_id": SENDER, "custom": custom}], 0)
    result = turn(peer.url)
    assert (result.kind, result.value) == (kind, value)
    headers, body = peer.requests[0]
    assert headers["X-Minda-Secret"] == "secret"
    assert body == {"sender": SENDER, "message": "你好", "metadata": {"turn_id": "t"}}


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ((200, [], 0), "empty"), ((200, [{"text": "policy text"}], 0), "malformed"), ((200, b"not json", 0), "refused"),
        ((500, [], 0), "refused"), ((401, {"status": "x"}, 0), "refused"), ((200, {"a": 1}, 0), "refused"), ((200, [], 1.0), "timeout"),
        ((200, [{"custom": {"say": 1}}], 0), "malformed"), ((200, ["x"], 0), "malformed"),
    ],
)  # fmt: skip
def test_everything_else_is_no_result(peer, answer, cause):
    peer.answer = answer
    result = turn(peer.url)
    assert (result.kind, result.cause) == ("none", cause)


def test_a_dead_peer_is_no_result():
    assert turn("http://127.0.0.1:9").cause == "refused"


def test_a_sender_that_is_not_ours_never_leaves(peer):
    for sender in ("", "default", "../x", "a:1", "A" * 32):
        with pytest.raises(ValueError, match="sender"):
            asyncio.run(RasaClient(peer.url, "s", 1).turn(sender, "x", {}))
    assert peer.requests == []


def test_the_breaker_opens_and_closes_again_by_itself(peer):
    now = [0.0]
    client = RasaClient(peer.url, "secret", 0.5, clock=lambda: now[0])

    async def go():
        peer.answer = (500, [], 0)
        for _ in range(5):
            await client.turn(SENDER, "x", {})
        seen = len(peer.requests)
        assert (await client.turn(SENDER, "x", {})).cause == "open"
        assert len(peer.requests) == seen, "an open breaker asks nobody"
        now[0] += 5.1
        assert client.breaker.state == "half_open"
        peer.answer = (200, [{"custom": {"say": "greet"}}], 0)
        assert (await client.turn(SENDER, "x", {})).kind == "say"
        assert client.breaker.state == "closed"
        await client.close()

    asyncio.run(go())


def test_only_one_call_tries_while_half_open():
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(5):
        breaker.failed()
    now[0] = 6
    assert [breaker.allows() for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    "text", ["/restart", "　/x{..}", "／x", "\u200b/x", "\ufeff/x", "/x@1.0{..}", "\n/x", "\U000e0001/inform{}", " / restart"]
)
def test_a_citizens_slash_is_never_a_command(text):
    assert not guard_slash(normalise(text)).lstrip().startswith("/")


def test_long_texts_are_cut_before_rasa():
    assert len(guard_slash("长" * 1000)) == 300


def test_long_and_idle_trackers_are_left_behind():
    assert should_rotate(30, 0)
    assert should_rotate(0, 1801)
    assert not should_rotate(29, 60)


def test_the_gateways_own_commands_reach_rasa_unchanged(peer):
    async def go():
        client = RasaClient(peer.url, "secret", 0.5)
        await client.command(SENDER, "inform", {"turn_id": "t"}, {"marriage_matter": "marry"})
        await client.command(SENDER, "start_marriage", {"turn_id": "t"})
        await client.close()

    asyncio.run(go())
    assert [body["message"] for _, body in peer.requests] == ['/inform{"marriage_matter": "marry"}', "/start_marriage"]
