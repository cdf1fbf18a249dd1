"""Alive, ready, metrics; and the headers that every response carries."""

from __future__ import annotations

import shutil
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from .limits import Receive, Scope, Send
from .state import service_of

router = APIRouter(tags=["运行"])
registry = CollectorRegistry()
requests_seconds = Histogram(
    "minda_http_request_seconds", "HTTP 请求用时", ["route", "code"], registry=registry,
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)  # fmt: skip
questions_total = Counter("minda_question_total", "回答过的问题", ["verdict"], registry=registry)
breaker_open = Gauge("minda_rasa_breaker_state", "0 通，1 半开，2 断", registry=registry)
dialogue_none = Gauge("minda_dialogue_none_total", "没有对话结果的次数", ["cause"], registry=registry)
disk_free = Gauge("minda_disk_free_ratio", "数据盘剩余比例", registry=registry)
tickets_open = Gauge("minda_tickets", "受理件", ["state"], registry=registry)

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = [
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]


@router.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Able to answer; without Rasa the service is degraded but ready."""
    service = service_of(request)
    checks: dict[str, Any] = {}
    try:
        await service.database.write(lambda c: c.exec_driver_sql("SELECT 1").scalar())
        checks["database"] = "ok"
    except Exception:
        checks["database"] = "failed"
    snapshot = service.public.snapshot()
    checks["knowledge"] = {"snapshot": snapshot.version, "entries": len(snapshot.entries)}
    dialogue = service.dialogue
    checks["dialogue"] = "single_turn" if dialogue is None else dialogue.breaker.state
    ready = checks["database"] == "ok" and bool(snapshot.entries)
    degraded = dialogue is None or dialogue.breaker.state != "closed"
    status = ("degraded" if degraded else "ok") if ready else "unready"
    return JSONResponse({"status": status, "checks": checks}, 200 if ready else 503)


@router.get("/metrics")
async def metrics(request: Request) -> PlainTextResponse:
    service = service_of(request)
    if service.dialogue is not None:
        breaker_open.set({"closed": 0, "half_open": 1, "open": 2}[service.dialogue.breaker.state])
        for cause, count in service.dialogue.causes.items():
            dialogue_none.labels(cause).set(count)
    usage = shutil.disk_usage(service.settings.data_dir)
    disk_free.set(usage.free / usage.total)
    from ..inbox import desk

    for state, count in (await service.database.read(desk.count_tickets)).items():
        tickets_open.labels(state).set(count)
    return PlainTextResponse(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class Headers:
    """ASGI middleware: security headers on every response, time of every request."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, code = time.perf_counter(), 500

        async def send_with_headers(message: Any) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((n, v) for n, v in SECURITY_HEADERS if n not in present),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "other")
            requests_seconds.labels(path, str(code)).observe(time.perf_counter() - started)
