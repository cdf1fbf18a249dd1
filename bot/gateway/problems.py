"""Errors as application/problem+json (RFC 9457), in Chinese, with nothing internal in them."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "请求不对",
    401: "没有登录或者凭证不对",
    403: "没有权限",
    404: "没有找到",
    405: "不支持这种请求方法",
    409: "和已有的内容冲突",
    413: "内容太大",
    415: "不支持这种内容类型",
    422: "内容不符合要求",
    429: "请求太频繁",
    500: "服务出错了",
    503: "服务暂时忙",
}
_REASONS = {
    "missing": "缺少这一项",
    "string_too_short": "不能为空",
    "string_too_long": "太长",
    "string_type": "应当是文字",
    "json_invalid": "不是合法的 JSON",
    "extra_forbidden": "没有这个字段",
    "model_attributes_type": "应当是一个 JSON 对象",
    "dict_type": "应当是一个 JSON 对象",
    "date_from_datetime_parsing": "日期应当写成 2026-01-31 的样子",
    "date_parsing": "日期应当写成 2026-01-31 的样子",
    "bool_parsing": "应当是 true 或 false",
    "bool_type": "应当是 true 或 false",
    "int_parsing": "应当是整数",
}


class Problem(Exception):
    """An error that the caller is told."""

    def __init__(self, status: int, detail: str, *, code: str = "about:blank", headers: dict[str, str] | None = None):
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.headers = headers


def problem_response(
    status: int, detail: str, *, code: str = "about:blank", errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:  # fmt: skip
    body: dict[str, Any] = {
        "type": code, "title": TITLES.get(status, "出错了"), "status": status, "detail": detail,
    }  # fmt: skip
    if errors:
        body["errors"] = errors
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return problem_response(error.status, error.detail, code=error.code, headers=error.headers)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        detail = TITLES.get(error.status_code, "出错了")
        return problem_response(error.status_code, f"{detail}。", headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        fields = [
            {
                "field": ".".join(str(p) for p in e["loc"] if p not in ("body", "query", "path")) or "(内容)",
                "reason": _REASONS.get(e["type"]) or str(e["msg"]).removeprefix("Value error, "),
            }
            for e in error.errors()
        ]
        detail = "；".join(f"{f['field']}：{f['reason']}" for f in fields[:5])
        return problem_response(422, detail, errors=fields)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected", path=request.url.path, error=type(error).__name__, exc_info=error)
        return problem_response(500, "服务出错了，已经记录。请稍后再试，或者拨打 12345。")
