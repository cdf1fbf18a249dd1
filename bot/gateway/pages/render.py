"""One Jinja environment for all pages, and what every page is told."""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..state import service_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
VERSION = "1"
ELDER_COOKIE = "minda_elder"
_environment = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def chinese_day(moment: datetime) -> str:
    local = moment.astimezone(SHANGHAI)
    return f"{local.year}年{local.month}月{local.day}日"


def chinese_time(moment: datetime) -> str:
    return f"{chinese_day(moment)} {moment.astimezone(SHANGHAI):%H:%M}"


_environment.filters["day"] = chinese_day
_environment.filters["time"] = chinese_time


def page(request: Request, template: str, here: str = "", status: int = 200, **values: Any) -> HTMLResponse:
    service = service_of(request)
    profile = service.city.profile
    elder = request.query_params.get("elder", request.cookies.get(ELDER_COOKIE, "0")) == "1"
    text = _environment.get_template(template).render(
        {
            "bureau": profile.bureau, "hotline": profile.hotline, "example": profile.example, "version": VERSION,
            "unset": [d.name for d in service.city.unset(service.assistant.today())],
            "elder": elder, "elder_link": f"{request.url.path}?elder={'0' if elder else '1'}", "here": here,
            "new_id": lambda: uuid.uuid4().hex, **values,
        }
    )  # fmt: skip
    response = HTMLResponse(text, status, headers={"Cache-Control": "no-store"})
    if "elder" in request.query_params:
        response.set_cookie(ELDER_COOKIE, "1" if elder else "0", max_age=31_536_000, samesite="lax", httponly=True)
    return response
