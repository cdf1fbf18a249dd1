"""What a request may cost: body size, well-formed text, questions a minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .problems import problem_response

MAX_BODY_BYTES = 16 * 1024
MAX_QUESTION_CHARS = 300
WINDOW_S = 60.0

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class BodyLimit:
    """ASGI middleware: refuses a body over the limit before it is read, and broken UTF-8 in JSON."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], exempt: tuple[str, ...] = ()) -> None:
        self._app = app
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._exempt):
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            await self._refuse(scope, receive, send)
            return
        body = bytearray()
        more = scope["method"] not in ("GET", "HEAD")
        while more:
            message = await receive()
            if message["type"] != "http.request":
                break
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                await self._refuse(scope, receive, send)
                return
            more = message.get("more_body", False)
        given = False

        async def replay() -> MutableMapping[str, Any]:
            nonlocal given
            if given or scope["method"] in ("GET", "HEAD"):
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        if _is_json(scope) and not _is_utf8(body):
            await problem_response(400, "内容不是 UTF-8 编码的 JSON。")(scope, receive, send)
            return
        await self._app(scope, replay, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await problem_response(413, "内容太大，请缩短到 300 字以内。", headers={"connection": "close"})(
            scope, receive, send
        )


def _is_json(scope: Scope) -> bool:
    return b"json" in dict(scope["headers"]).get(b"content-type", b"")


def _is_utf8(body: bytes | bytearray) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class RateLimit:
    """Sliding window in this process: at most `limit` events a key a minute."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._events: dict[str, deque[float]] = {}

    def allows(self, key: str) -> bool:
        now = self._clock()
        events = self._events.setdefault(key, deque())
        while events and events[0] <= now - WINDOW_S:
            events.popleft()
        if len(events) >= self._limit:
            return False
        events.append(now)
        if len(self._events) > 10_000:
            self._events = {k: e for k, e in self._events.items() if e and e[-1] > now - WINDOW_S}
        return True
