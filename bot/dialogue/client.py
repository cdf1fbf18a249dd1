"""RasaClient: one turn to Rasa, one DialogueResult back; late, dead and empty are the same thing: none."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import structlog

log = structlog.get_logger()
MAX_CHARS = 300
SENDER = re.compile(r"[0-9a-f]{32}")
FAILURES_TO_OPEN = 5
HALF_OPEN_AFTER_S = 5.0
ROTATE_AFTER_TURNS = 30
ROTATE_AFTER_IDLE_S = 1800.0


@dataclass(frozen=True)
class DialogueResult:
    kind: Literal["answer", "ask", "say", "fallback", "none"]
    value: str | None
    cause: str = ""
    """why there is no result: off, open, timeout, refused, empty, malformed"""


class Breaker:
    """Opens after failures in a row; after a while lets one call try, and closes again by itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None

    @property
    def state(self) -> Literal["closed", "open", "half_open"]:
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._clock() - self._opened_at >= HALF_OPEN_AFTER_S else "open"

    def allows(self) -> bool:
        if self.state == "half_open":
            self._opened_at = self._clock()  # one trial; others wait for its outcome
            return True
        return self.state == "closed"

    def succeeded(self) -> None:
        self._failures, self._opened_at = 0, None

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._opened_at = self._clock()


class RasaClient:
    def __init__(
        self, url: str, secret: str, timeout_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = _webhook(url)
        self._client = httpx2.AsyncClient(
            timeout=timeout_s, headers={"X-Minda-Secret": secret}, trust_env=False
        )
        self.breaker = Breaker(clock)
        self.causes: dict[str, int] = {}

    def turn_to(self, url: str) -> None:
        """From the next turn on another Rasa is asked; turns under way end with the one that they began with."""
        self._url = _webhook(url)
        self.breaker.succeeded()

    async def turn(self, sender_id: str, text: str, metadata: dict[str, str]) -> DialogueResult:
        """text is normalised. Raises ValueError for a sender id that is not ours."""
        return await self._send(sender_id, guard_slash(text), metadata)

    async def command(
        self, sender_id: str, intent: str, metadata: dict[str, str], slots: Mapping[str, str] | None = None
    ) -> DialogueResult:
        """An intent of the gateway's own, read by Rasa without NLU."""
        return await self._send(sender_id, f"/{intent}{json.dumps(slots) if slots else ''}", metadata)

    async def _send(self, sender_id: str, message: str, metadata: dict[str, str]) -> DialogueResult:
        if not SENDER.fullmatch(sender_id):
            raise ValueError("sender id")
        if not self.breaker.allows():
            return self._none("open")
        try:
            answer = await self._client.post(
                self._url, json={"sender": sender_id, "message": message, "metadata": metadata}
            )
            messages = answer.json() if answer.status_code == 200 else None
        except httpx2.TimeoutException:
            self.breaker.failed()
            return self._none("timeout")
        except (httpx2.HTTPError, ValueError):
            self.breaker.failed()
            return self._none("refused")
        if messages is None or not isinstance(messages, list):
            self.breaker.failed()
            return self._none("refused")
        self.breaker.succeeded()
        if not messages:
            return self._none("empty")
        return self._read(messages)

    def _read(self, messages: list[Any]) -> DialogueResult:
        for message in messages:
            custom = message.get("custom") if isinstance(message, dict) else None
            if isinstance(custom, dict):
                for key, kind in (("answer_id", "answer"), ("ask", "ask"), ("say", "say"), ("fallback", "fallback")):
                    if isinstance(custom.get(key), str):
                        return DialogueResult(kind, custom[key])  # type: ignore[arg-type]
        return self._none("malformed")

    def _none(self, cause: str) -> DialogueResult:
        self.causes[cause] = self.causes.get(cause, 0) + 1
        return DialogueResult("none", None, cause)

    async def close(self) -> None:
        await self._client.aclose()


def _webhook(url: str) -> str:
    return f"{url.rstrip('/')}/webhooks/rest/webhook"


def guard_slash(text: str) -> str:
    """At most MAX_CHARS of normalised text, never read as a command: Rasa obeys `/intent{...}`."""
    text = text.strip()[:MAX_CHARS]
    return "／" + text[1:] if text.startswith("/") else text


def should_rotate(turns: int, idle_s: float) -> bool:
    """Whether the tracker should be left behind: long ones are slow, and an idle thread is over."""
    return turns >= ROTATE_AFTER_TURNS or idle_s >= ROTATE_AFTER_IDLE_S
