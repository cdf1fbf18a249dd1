"""The public API under /api/v1: what contract.md promises to portals, widgets and harnesses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..answer import Reply
from ..service import ConversationBusy, MessageConflict, Service, UnknownConversation
from .limits import MAX_QUESTION_CHARS
from .problems import Problem
from .state import service_of

router = APIRouter(prefix="/api/v1", tags=["民答"])
EVENT_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def _checked_text(text: str) -> str:
    if not text.strip():
        raise ValueError("请写下您的问题")
    if len(text) > MAX_QUESTION_CHARS:
        raise ValueError(f"问题请控制在 {MAX_QUESTION_CHARS} 字以内")
    if "\x00" in text or any(0xD800 <= ord(ch) <= 0xDFFF for ch in text):
        raise ValueError("含有无法显示的字符")
    return text


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AskRequest(_Body):
    text: str
    as_of: date | None = None

    _text = field_validator("text")(_checked_text)


class MessageRequest(_Body):
    text: str | None = None
    choice_id: str | None = Field(None, max_length=120)
    client_msg_id: str = Field(min_length=1, max_length=64, pattern=r"^[\w.:-]+$")

    @field_validator("text")
    @classmethod
    def _check(cls, text: str | None) -> str | None:
        return None if text is None else _checked_text(text)

    @model_validator(mode="after")
    def _one_of_both(self) -> MessageRequest:
        if (self.text is None) == (self.choice_id is None):
            raise ValueError("text 和 choice_id 要写一个，且只写一个")
        return self


class ConversationOpened(BaseModel):
    conversation_id: str
    token: str


class Replies(BaseModel):
    replies: list[Reply]


class FeedbackRequest(_Body):
    reply_id: str = Field(min_length=1, max_length=64)
    useful: bool
    comment: str | None = Field(None, max_length=500)


@router.post("/ask")
async def ask(body: AskRequest, request: Request) -> Reply:
    """无状态的单个问题；问题含几问时给第一问的答复，其余在 /conversations 里逐条给。"""
    answers = await service_of(request).assistant.ask(body.text, body.as_of)
    reply = answers[0].reply
    if len(answers) > 1:
        reply = reply.model_copy(update={"text": "\n\n".join(a.reply.text for a in answers)})
    return reply


@router.post("/conversations", status_code=201)
async def open_conversation(request: Request) -> ConversationOpened:
    service = service_of(request)
    client = request.client.host if request.client else "?"
    if not service.opening_limit.allows(client):
        raise Problem(429, "新对话太多，请过一分钟再试。", headers={"Retry-After": "60"})
    conversation_id, token = await service.open_conversation("web")
    return ConversationOpened(conversation_id=conversation_id, token=token)


async def conversation_access(
    service: Service, conversation_id: str, authorization: str | None
) -> None:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(401, "请在 Authorization 里带上对话的 token。", headers={"WWW-Authenticate": "Bearer"})
    try:
        allowed = await service.may_read(conversation_id, token)
    except UnknownConversation:
        raise Problem(404, "没有这个对话，可能已经过期。") from None
    if not allowed:
        raise Problem(401, "对话的 token 不对。", headers={"WWW-Authenticate": "Bearer"})


Authorization = Annotated[str | None, Header()]


@router.post("/conversations/{conversation_id}/messages")
async def post_message(
    conversation_id: str, body: MessageRequest, request: Request, authorization: Authorization = None
) -> Replies:
    service = service_of(request)
    await conversation_access(service, conversation_id, authorization)
    if not service.message_limit.allows(conversation_id):
        raise Problem(429, "发得太快了，请稍等一分钟再发。", headers={"Retry-After": "60"})
    try:
        replies = await service.handle_message(
            conversation_id, body.client_msg_id, text=body.text, choice=body.choice_id
        )
    except MessageConflict:
        raise Problem(409, "同一个 client_msg_id 已经用于另一条内容，请换一个编号。") from None
    except ConversationBusy:
        raise Problem(503, "服务暂时忙，请稍后再发，消息没有受理。", headers={"Retry-After": "5"}) from None
    except ValueError as error:
        raise Problem(422, str(error)) from None
    return Replies(replies=replies)


@router.get("/conversations/{conversation_id}/events")
async def events(
    conversation_id: str, request: Request, authorization: Authorization = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:  # fmt: skip
    """以后到的答复（工作人员的、通知）。断线后带 Last-Event-ID 接着收。"""
    service = service_of(request)
    await conversation_access(service, conversation_id, authorization)
    if last_event_id is not None and not last_event_id.isdigit():
        raise Problem(400, "Last-Event-ID 应当是一个数字。")
    start = int(last_event_id) if last_event_id else await service.last_sequence(conversation_id)

    async def stream() -> AsyncIterator[str]:
        yield "retry: 3000\n: 已连接\n\n"
        async for sequence, reply in service.later_replies(conversation_id, start, request.is_disconnected):
            if reply is None:
                yield ": 在线\n\n"
            else:
                yield f"id: {sequence}\nevent: reply\ndata: {json.dumps(reply, ensure_ascii=False)}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream", headers=EVENT_HEADERS)


@router.get("/tickets/{number}")
async def ticket(number: str, request: Request, code: Annotated[str, Query(max_length=16)] = "") -> dict[str, Any]:
    """凭受理号和查询码看进度、答复期限和答复。"""
    found = await service_of(request).find_ticket(number, code)
    if found == "locked":
        raise Problem(429, "查询码错了太多次，请过 15 分钟再试。", headers={"Retry-After": "900"})
    if not isinstance(found, dict):
        raise Problem(404, "没有找到。请核对受理号和查询码。")
    return found


@router.post("/feedback", status_code=201)
async def feedback(body: FeedbackRequest, request: Request) -> dict[str, bool]:
    if not await service_of(request).record_feedback(body.reply_id, body.useful, body.comment):
        raise Problem(404, "没有这条答复。")
    return {"ok": True}


@router.get("/areas")
async def areas(request: Request) -> list[dict[str, Any]]:
    return service_of(request).public.areas()


@router.get("/services")
async def services(request: Request) -> list[dict[str, Any]]:
    return service_of(request).public.services()


@router.get("/services/{code}")
async def one_service(code: str, request: Request) -> dict[str, Any]:
    found = service_of(request).public.find_service(code)
    if found is None:
        raise Problem(404, "没有这项服务，编号是 S01 到 S20。")
    return found


@router.get("/scenarios")
async def scenarios(request: Request) -> list[dict[str, Any]]:
    return service_of(request).public.scenarios()
