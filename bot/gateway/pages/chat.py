"""The chat page and the receipt page: plain forms (post, redirect, get); scripts only add comfort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from ... import store
from ...errors import MessageConflict, StoreBusy, UnknownConversation
from ...service import Service
from ..api import MessageRequest
from ..problems import Problem
from ..state import service_of
from .render import page

router = APIRouter(include_in_schema=False)
COOKIE = "minda_conversation"
WIDGET_FILE = Path(__file__).parent / "static" / "widget.js"
SAMPLES = ("结婚登记要带户口本吗", "低保怎么申请", "老人去世后要办哪些手续", "残疾人两项补贴怎么领", "我要离婚，最快几天")


@router.get("/widget.js")
async def widget() -> FileResponse:
    return FileResponse(WIDGET_FILE, media_type="text/javascript", headers={"Cache-Control": "max-age=300"})


@router.get("/chat")
async def show_chat(request: Request, q: str = "") -> HTMLResponse:
    return await _chat_page(request, draft=q[:300])


@router.post("/chat")
async def post_chat(
    request: Request, client_msg_id: Annotated[str, Form()], text: Annotated[str | None, Form()] = None,
    choice_id: Annotated[str | None, Form()] = None,
) -> Response:  # fmt: skip
    service = service_of(request)
    _same_origin(request)
    choice = choice_id or None
    try:
        body = MessageRequest(text=None if choice else (text or ""), choice_id=choice, client_msg_id=client_msg_id)
    except ValidationError as error:
        reasons = "；".join(str(e["msg"]).removeprefix("Value error, ") for e in error.errors())
        return await _chat_page(request, reasons, 422)
    keys = await _keys(request, service)
    response = RedirectResponse("/chat#ask", 303)
    if keys is None:
        keys = await service.open_conversation("web")
        response.set_cookie(COOKIE, ".".join(keys), httponly=True, samesite="lax", secure=request.url.scheme == "https")
    if not service.message_limit.allows(keys[0]):
        return await _chat_page(request, "发得太快了，请稍等一分钟再发。", 429)
    try:
        await service.handle_message(keys[0], body.client_msg_id, text=body.text, choice=body.choice_id)
    except (MessageConflict, StoreBusy):
        return await _chat_page(request, "服务暂时忙，消息没有受理，请再发一次。", 503)
    except ValueError as error:
        return await _chat_page(request, str(error), 422)
    return response


async def _keys(request: Request, service: Service) -> tuple[str, str] | None:
    conversation_id, _, token = request.cookies.get(COOKIE, "").partition(".")
    try:
        if token and await service.may_read(conversation_id, token):
            return conversation_id, token
    except UnknownConversation:
        return None
    return None


async def _chat_page(request: Request, problem: str | None = None, status: int = 200, draft: str = "") -> HTMLResponse:
    service = service_of(request)
    keys = await _keys(request, service)
    turns: list[dict[str, Any]] = []
    last = 0
    if keys:
        lines = await service.database.read(lambda c: store.transcript(c, keys[0]))
        last = await service.last_sequence(keys[0])
        turns = _as_turns(lines)
    return page(
        request, "chat.html", "chat", status, turns=turns, samples=SAMPLES, problem=problem, last_sequence=last, draft=draft,
        conversation_id=keys[0] if keys else None, token=keys[1] if keys else None,
    )  # fmt: skip


def _as_turns(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    labels: dict[str, str] = {}
    for line in lines:
        if line["citizen"]:
            text = line["text"]
            choice = text.removeprefix("（选择：").removesuffix("）")
            turns.append({"question": labels.get(choice, text), "replies": [], "last": False})
        else:
            body = {**line["reply"], "author": line["author"]}
            labels |= {c["id"]: c["label"] for c in body.get("choices") or []}
            if not turns:
                turns.append({"question": None, "replies": [], "last": False})
            turns[-1]["replies"].append(body)
    if turns:
        turns[-1]["last"] = True
    return turns


def _same_origin(request: Request) -> None:
    """A cookie-carrying form must come from our own pages."""
    origin = request.headers.get("origin")
    if origin and origin != "null" and origin.split("://", 1)[-1] != request.headers.get("host"):
        raise Problem(403, "请从本站的页面提交。")
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Problem(403, "请从本站的页面提交。")


@router.get("/ticket")
async def show_ticket(request: Request, number: str = "", code: str = "") -> HTMLResponse:
    if not number:
        return page(request, "ticket.html", "ticket", number="", problem=None, ticket=None)
    found = await service_of(request).find_ticket(number.strip().upper(), code)
    if not isinstance(found, dict):
        problem = (
            "查询码错了太多次，请过 15 分钟再试。" if found == "locked" else "没有找到。请核对受理号和查询码。"
        )
        return page(request, "ticket.html", "ticket", 404, number=number, problem=problem, ticket=None)
    shown = {**found, **{k: found[k][:16].replace("T", " ") for k in ("opened_at", "due_at")}}
    return page(request, "ticket.html", "ticket", number=number, problem=None, ticket=shown)


