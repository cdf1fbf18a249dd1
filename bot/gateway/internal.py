"""Routes for Rasa on loopback, behind the shared secret: encode texts, run an action."""

from __future__ import annotations

import base64
import hmac

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from index.text import normalise

from ..dialogue.actions import find_action
from .problems import Problem
from .state import service_of

HEADER = "X-Minda-Secret"


async def require_secret(request: Request) -> None:
    given = request.headers.get(HEADER, "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, service_of(request).settings.secret.encode()):
        raise Problem(401, "没有权限。")


router = APIRouter(prefix="/internal", dependencies=[Depends(require_secret)], include_in_schema=False)


class EncodeRequest(BaseModel):
    texts: list[str] = Field(max_length=256)
    kind: str = "query"


class EncodeResponse(BaseModel):
    dim: int
    vectors: str
    """base64 of float32 little-endian, n × dim"""


@router.post("/encode")
async def encode(body: EncodeRequest, request: Request) -> EncodeResponse:
    encoding = service_of(request).encoding
    vectors = await encoding.encode([normalise(t) for t in body.texts])
    return EncodeResponse(
        dim=encoding.encoder.dim, vectors=base64.b64encode(vectors.astype("<f4").tobytes()).decode()
    )


class DialogueAddress(BaseModel):
    url: str = Field(pattern=r"^http://127\.0\.0\.1:\d{1,5}$")


@router.post("/dialogue")
async def turn_to(body: DialogueAddress, request: Request) -> dict[str, str]:
    """A newly trained Rasa is ready at this address; conversations go on with it from their next turn."""
    dialogue = service_of(request).dialogue
    if dialogue is None:
        raise Problem(409, "单轮模式，没有对话进程。")
    dialogue.turn_to(body.url)
    return {"url": body.url}


@router.post("/rasa/actions")
async def rasa_action(request: Request) -> JSONResponse:
    """Rasa's action endpoint. 404 for an unknown action; never 400, which Rasa would read as a rejected form."""
    try:
        body = await request.json()
        name = body["next_action"]
    except (ValueError, KeyError, TypeError):
        raise Problem(422, "不是动作请求。") from None
    assistant = service_of(request).assistant
    action = find_action(name, service_of(request).public.snapshot().scenarios)
    if action is None:
        raise Problem(404, "没有这个动作。")
    return JSONResponse(await action(body, assistant))
