"""Refusals as problem details (RFC 9457), in the language that the caller asks for."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import asyncpg
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from schemas.problem import PROBLEM_MEDIA_TYPE, FieldError, Problem
from services.core.errors import AuthError, DomainError, Message
from services.gateway import errors
from services.gateway.adapters.http.translate import faults_of
from services.kit.logging import get_logger
from services.kit.postgres import LOST_ERRORS

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

_DOCS = "/docs#errors"
_RETRY_AFTER_S = "1"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# The first class that fits decides.
_STATUS: tuple[tuple[type[DomainError], HTTPStatus], ...] = (
    (errors.UnauthenticatedError, HTTPStatus.UNAUTHORIZED),
    (AuthError, HTTPStatus.FORBIDDEN),
    (errors.NotFoundError, HTTPStatus.NOT_FOUND),
    (errors.ConflictError, HTTPStatus.CONFLICT),
    (errors.BusyError, HTTPStatus.CONFLICT),
    (errors.GoneError, HTTPStatus.GONE),
    (errors.TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (errors.MediaTypeError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (errors.SlowError, HTTPStatus.REQUEST_TIMEOUT),
    (errors.LimitError, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.UnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
    (DomainError, HTTPStatus.UNPROCESSABLE_ENTITY),
)

# Python names statuses in English alone; these are what a server here answers by itself.
_PHRASES_ZH = {
    HTTPStatus.BAD_REQUEST: "请求无效",
    HTTPStatus.NOT_ACCEPTABLE: "无法提供所要求的格式",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "所要求的范围无法满足",
    HTTPStatus.REQUEST_URI_TOO_LONG: "地址过长",
    HTTPStatus.UNPROCESSABLE_ENTITY: "请求无法处理",
}

# What a lost or restarting database raises; the caller may ask again.
STORE_ERRORS: tuple[type[Exception], ...] = (
    *LOST_ERRORS,
    TimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
)


def status_of(error: DomainError) -> HTTPStatus:
    """Return the HTTP status of an error."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def prefers_chinese(accept_language: str) -> bool:
    """Return whether Chinese ranks above English in an ``Accept-Language`` header."""
    rank = {"zh": 0.0, "en": 0.0}
    for position, item in enumerate(accept_language.split(",")[:20]):
        tag, _, quality = item.strip().partition(";q=")
        language = tag.split("-")[0].lower()
        if language in rank and rank[language] == 0:
            weight = float(quality) if quality.replace(".", "", 1).isdigit() else 1.0
            # Of equal weights the earlier one is meant.
            rank[language] = weight - position / 1000
    return rank["zh"] > rank["en"]


def problem_of(
    error: DomainError, *, chinese: bool = False, incident: str | None = None
) -> Problem:
    """Return the problem details of an error."""
    status = status_of(error) if incident is None else HTTPStatus.INTERNAL_SERVER_ERROR
    faults = getattr(error, "faults", None)
    if faults is None and (error.field or error.value or error.allowed):
        faults = (errors.Fault(error.field, error.value, error.allowed, error.message, error.code),)
    return Problem(
        type=f"urn:suanli:problem:{error.code}",
        title=status.phrase,
        status=status.value,
        code=error.code,
        detail=error.message.zh if chinese else error.message.en,
        detail_en=error.message.en,
        detail_zh=error.message.zh,
        errors=tuple(
            FieldError(
                field=fault.field,
                value=fault.value[:200],
                allowed=fault.allowed,
                en=fault.message.en,
                zh=fault.message.zh,
                code=fault.code or error.code,
            )
            for fault in faults or ()
        ),
        docs=_DOCS,
        incident=incident,
    )


def respond(error: DomainError, request: Request, incident: str | None = None) -> Response:
    """Return the reply to a refused request."""
    language = request.headers.get("accept-language", "")
    problem = problem_of(error, chinese=prefers_chinese(language), incident=incident)
    headers = {"Vary": "Accept-Language", "Cache-Control": "no-store"}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="suanli"'
    if isinstance(error, errors.UnavailableError | errors.BusyError):
        headers["Retry-After"] = _RETRY_AFTER_S
    standing = getattr(request.state, "standing", None)
    if isinstance(error, errors.LimitError):
        headers |= {"Retry-After": str(error.wait_s)} | error.headers
    elif standing is not None:
        headers |= standing.headers()
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=problem.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=headers,
    )


def install(app: FastAPI) -> None:
    """Make every refusal of an app problem+json, foreseen or not."""
    handlers: dict[Any, Any] = {
        DomainError: _domain,
        RequestValidationError: _invalid,
        HTTPException: _http,
        # Starlette hands this the exceptions that nobody foresaw and raises them again
        # afterwards, so they are logged; the reply must not show them.
        Exception: _unforeseen,
    }
    handlers |= dict.fromkeys(STORE_ERRORS, _store)
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _domain(request: Request, error: DomainError) -> Response:
    return respond(error, request)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    return respond(faults_of(error.errors()), request)


async def _http(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    path = f"{request.method} {request.url.path}"
    phrase_zh = _PHRASES_ZH.get(status, status.phrase)
    message = Message(f"{path}: {status.phrase}", f"{path}：{phrase_zh}")
    if status is HTTPStatus.NOT_FOUND:
        found: DomainError = errors.not_found("path", request.url.path)
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        found = _wrong_method(request)
    else:
        found = DomainError("http", message)
    reply = respond(found, request)
    if reply.status_code != status:
        problem = problem_of(
            found, chinese=prefers_chinese(request.headers.get("accept-language", ""))
        )
        changed = problem.model_copy(update={"status": status.value, "title": status.phrase})
        reply = Response(
            changed.model_dump_json(exclude_none=True), status.value, media_type=PROBLEM_MEDIA_TYPE
        )
    reply.headers.update(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        # Starlette tells those of one operation of the path; others may have more.
        reply.headers["Allow"] = found.allowed
    return reply


def _wrong_method(request: Request) -> DomainError:
    fitting = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    methods, value = ", ".join(fitting), request.method
    message = Message(
        f"method: must be {methods} for {request.url.path}, was {value}",
        f"method：{request.url.path} 仅支持 {methods}，实为 {value}",
    )
    return DomainError("method_not_allowed", message, field="method", value=value, allowed=methods)


async def _store(request: Request, error: Exception) -> Response:
    return store_failed(request, error)


def store_failed(request: Request, error: Exception) -> Response:
    """Return the reply to a request for which the database was lost."""
    get_logger("gateway.http").warning("store unavailable", error=repr(error))
    message = Message(
        "store: must answer in time, was silent; ask again", "存储未能及时响应，请稍后重试"
    )
    found = errors.UnavailableError("store_unavailable", message, field="store")
    return respond(found, request)


async def _unforeseen(request: Request, error: Exception) -> Response:
    incident = f"inc_{secrets.token_hex(8)}"
    get_logger("gateway.http").error(
        "unforeseen error",
        incident=incident,
        method=request.method,
        path=request.url.path,
        error=repr(error)[:500],
    )
    message = Message(
        f"The exchange failed to answer; tell the operator incident {incident}",
        f"交易所内部错误，请将编号 {incident} 告知运营方",
    )
    return respond(DomainError("internal", message), request, incident)
