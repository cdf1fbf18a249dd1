"""The staff desk: sign in, list of tickets, a ticket's conversation, claim, reply, note, close. Plain forms."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.engine import Connection

from ... import staff, store
from ...errors import Refused, VersionConflict
from ...explanation import explain_trace
from ...inbox import desk
from ..limits import RateLimit
from ..problems import Problem
from ..state import service_of
from .render import chinese_time, page

router = APIRouter(prefix="/desk", include_in_schema=False)
SESSION = "minda_session"
LOGIN_CSRF = "minda_login"
_sign_in_limit = RateLimit(20)
FILTERS = (("", "全部"), *desk.STATES.items())




async def officer_of(request: Request) -> staff.Officer:
    service = service_of(request)
    session_id = request.cookies.get(SESSION, "")
    found = await service.database.read(lambda c: staff.find_officer(c, session_id, service.clock()))
    if found is None:
        raise Problem(303, "请先登录。", headers={"Location": "/desk/login"})
    if request.method == "GET" and request.url.path == "/desk":
        await service.database.write(lambda c: staff.touch_session(c, session_id, service.clock()))
    return found


async def officer_with_csrf(request: Request, csrf: Annotated[str, Form()]) -> staff.Officer:
    officer = await officer_of(request)
    if not hmac.compare_digest(csrf.encode("utf-8", "replace"), officer.csrf.encode()):
        raise Problem(403, "页面已经过期，请刷新后再试。")
    return officer


Officer = Annotated[staff.Officer, Depends(officer_of)]
ActingOfficer = Annotated[staff.Officer, Depends(officer_with_csrf)]


@router.get("/login")
async def show_login(request: Request) -> HTMLResponse:
    return _login_page(request)


def _login_page(request: Request, problem: str | None = None, status: int = 200) -> HTMLResponse:
    csrf = request.cookies.get(LOGIN_CSRF) or secrets.token_urlsafe(24)
    response = page(request, "desk_login.html", status=status, officer=None, csrf=csrf, problem=problem)
    response.set_cookie(LOGIN_CSRF, csrf, httponly=True, samesite="strict", path="/desk")
    return response


@router.post("/login")
async def login(
    request: Request, name: Annotated[str, Form()], password: Annotated[str, Form()], csrf: Annotated[str, Form()]
) -> Response:
    service = service_of(request)
    if not hmac.compare_digest(csrf.encode(), request.cookies.get(LOGIN_CSRF, "").encode()):
        return _login_page(request, "页面已经过期，请再试一次。", 403)
    if not _sign_in_limit.allows(request.client.host if request.client else "?"):
        return _login_page(request, "登录太频繁，请过一分钟再试。", 429)
    right = await asyncio.to_thread(service.database.read_now, lambda c: staff.password_fits(c, name, password))
    try:
        session_id = await service.database.write(lambda c: staff.sign_in(c, name, right, service.clock()))
    except Refused as error:
        return _login_page(request, str(error), 403)
    if session_id is None:
        return _login_page(request, "账号或者密码不对。", 403)
    response = RedirectResponse("/desk", 303)
    response.set_cookie(
        SESSION, session_id, httponly=True, samesite="lax", path="/desk", secure=request.url.scheme == "https"
    )
    response.delete_cookie(LOGIN_CSRF, path="/desk")
    return response


@router.post("/logout")
async def logout(request: Request, officer: ActingOfficer) -> Response:
    session_id = request.cookies.get(SESSION, "")
    await service_of(request).database.write(lambda c: staff.sign_out(c, session_id))
    response = RedirectResponse("/desk/login", 303)
    response.delete_cookie(SESSION, path="/desk")
    return response


@router.get("")
async def show_list(request: Request, officer: Officer, state: str = "") -> HTMLResponse:
    service = service_of(request)
    chosen = state if state in desk.STATES else ""
    rows = await service.database.read(lambda c: desk.list_tickets(c, chosen or None))
    counts = await service.database.read(desk.count_tickets)
    counts[""] = sum(counts.values())
    tickets = [_ticket(row, service.clock()) for row in rows]
    return page(
        request, "desk_list.html", "desk", officer=officer, csrf=officer.csrf, tickets=tickets, filters=FILTERS,
        counts=counts, chosen=chosen,
    )  # fmt: skip


@router.get("/tickets/{number}")
async def show_ticket(request: Request, number: str, officer: Officer, done: str | None = None) -> HTMLResponse:
    return await _ticket_page(request, number, officer, done=done)


async def _ticket_page(
    request: Request, number: str, officer: staff.Officer, *, problem: str | None = None, done: str | None = None,
    draft: str | None = None, status: int = 200,
) -> HTMLResponse:  # fmt: skip
    service = service_of(request)

    def load(c: Connection) -> tuple[Any, list[dict[str, Any]], list[Any]] | None:
        row = desk.find_ticket(c, number)
        return None if row is None else (row, store.transcript(c, row.conversation_id), desk.events_of(c, number))

    found = await service.database.read(load)
    if found is None:
        raise Problem(404, "没有这个受理件。")
    row, lines, events = found
    messages = [{**m, "at": chinese_time(m["at"]), "officer": m.get("officer", False)} for m in lines]
    area = service.public.taxonomy.area_by_code.get(row.area or "")
    ticket = _ticket(row, service.clock()) | {
        "version": row.version, "reason_name": desk.REASONS.get(row.reason, row.reason),
        "area_name": area.name if area else None, "opened_at": chinese_time(row.opened_at),
        "due_estimated": row.due_estimated, "outcome_name": desk.OUTCOMES.get(row.outcome or ""),
    }  # fmt: skip
    shown = [
        {"at": chinese_time(e.at), "who": e.who, "what_name": desk.EVENTS[e.what], "text": e.text if e.what != "replied" else None}
        for e in events
    ]  # fmt: skip
    return page(
        request, "desk_ticket.html", "desk", status, officer=officer, csrf=officer.csrf, ticket=ticket,
        messages=messages, events=shown, outcomes=desk.OUTCOMES.items(), problem=problem, done=done, draft=draft,
    )  # fmt: skip


@router.get("/tickets/{number}/replies/{reply_id}")
async def show_explanation(request: Request, number: str, reply_id: str, officer: Officer) -> HTMLResponse:
    """How a reply of this ticket's conversation came about."""
    service = service_of(request)
    row = await service.database.read(lambda c: desk.find_ticket(c, number))
    found = await service.database.read(lambda c: store.find_trace(c, reply_id))
    if row is None or found is None or found["conversation"] != row.conversation_id:
        raise Problem(404, "没有这条答复。")
    return page(
        request, "desk_reply.html", "desk", officer=officer, csrf=officer.csrf, number=number, text=found["reply"]["text"],
        sections=explain_trace(found),
    )  # fmt: skip


def _ticket(row: Any, now: Any) -> dict[str, Any]:
    return {
        "number": row.number, "question": row.question, "state": row.state, "state_name": desk.STATES[row.state],
        "assignee": row.assignee, "due_at": chinese_time(row.due_at), "urgent": row.urgent,
        "overdue": row.state in ("open", "claimed") and row.due_at < now,
    }  # fmt: skip


async def _act(request: Request, number: str, officer: staff.Officer, work: Any, done: str, draft: str | None = None) -> Response:
    service = service_of(request)
    try:
        conversation_id = await service.database.write(work)
    except VersionConflict:
        return await _ticket_page(
            request, number, officer, problem="别人刚刚处理过这个受理件，下面是最新情况，请看过再办。", draft=draft, status=409
        )  # fmt: skip
    except Refused as error:
        return await _ticket_page(request, number, officer, problem=str(error), draft=draft, status=422)
    if conversation_id:
        service.notifier.notify(conversation_id)
    return RedirectResponse(f"/desk/tickets/{number}?done={quote(done)}", 303)


Version = Annotated[int, Form()]
Words = Annotated[str, Form()]


@router.post("/tickets/{number}/claim")
async def claim(request: Request, number: str, officer: ActingOfficer, version: Version) -> Response:
    now = service_of(request).clock()
    return await _act(
        request, number, officer, lambda c: desk.claim(c, number, version, officer.name, now), "已领取。"
    )


@router.post("/tickets/{number}/reply")
async def reply(request: Request, number: str, officer: ActingOfficer, version: Version, text: Words) -> Response:
    now = service_of(request).clock()
    return await _act(
        request, number, officer, lambda c: desk.answer_ticket(c, number, version, officer.name, text, now),
        "答复已发给群众。", text,
    )  # fmt: skip


@router.post("/tickets/{number}/note")
async def note(request: Request, number: str, officer: ActingOfficer, version: Version, text: Words) -> Response:
    now = service_of(request).clock()
    return await _act(
        request, number, officer, lambda c: desk.add_note(c, number, version, officer.name, text, now), "备注已记下。"
    )


@router.post("/tickets/{number}/close")
async def close(request: Request, number: str, officer: ActingOfficer, version: Version, outcome: Words) -> Response:
    now = service_of(request).clock()
    return await _act(
        request, number, officer, lambda c: desk.close(c, number, version, officer.name, outcome, now), "已办结。"
    )
