"""Around every request: limits on the body, measures, a few headers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from starlette.requests import Request

from services.core.errors import Message
from services.gateway.adapters.http.problems import respond
from services.gateway.errors import MediaTypeError, SlowError, TooLargeError
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Counter, Histogram
    from starlette.types import ASGIApp, Receive, Scope, Send
    from starlette.types import Message as Event

BODY_BYTES_MAX = 64 * 1024
"""As much as a message on the log may hold."""
BULK_BYTES_MAX = 4 * 1024 * 1024
"""A thousand items of ordinary size; each item still has the limit of a single one."""

BULK_STREAM_BYTES_MAX = 64 * 1024 * 1024
"""Ten thousand lines of ten times the ordinary size; they are read as they come and not kept."""
NDJSON = "application/x-ndjson"

# A client that sends 64 KiB slower than this keeps a connection for nothing.
BODY_S_MAX = 10.0
"""Seconds until a body must be whole."""
_JSON_TYPES = ("application/json", NDJSON, "application/problem+json")
_FORM_TYPE = "application/x-www-form-urlencoded"


class BodyLimit:
    """Reads the body before anything parses it; refuses one that is too large or too slow.

    Args:
        app: What comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if is_streamed(scope):
            await self._streamed(request, scope, receive, send)
            return
        limit = BULK_BYTES_MAX if scope["path"].endswith(":bulk") else BODY_BYTES_MAX
        error: TooLargeError | MediaTypeError | SlowError | None
        try:
            async with asyncio.timeout(BODY_S_MAX):
                body, error = await _read(request, receive, limit)
        except TimeoutError:
            body, error = b"", slow()
        if error is None and body:
            error = _media_type(request.headers.get("content-type", ""), scope["path"])
        if error is not None:
            await respond(error, request)(scope, receive, send)
            return
        await self._app(scope, replay(body, receive), send)

    async def _streamed(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > BULK_STREAM_BYTES_MAX:
            error = _too_large(declared, BULK_STREAM_BYTES_MAX)
            await respond(error, request)(scope, receive, send)
            return
        await self._app(scope, _counted(receive), send)


def is_streamed(scope: Scope) -> bool:
    """Return whether the body is read by its route, line by line, and not before it."""
    if scope["method"] != "POST" or not scope["path"].endswith(":bulk"):
        return False
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return bool(kind.partition(b";")[0].strip().lower() == NDJSON.encode())


def _counted(receive: Receive) -> Receive:
    """Return a receiver that refuses a body that is too large, or whose pieces come too slowly."""
    size = 0
    more = True

    async def again() -> Event:
        nonlocal size, more
        if not more:
            return await receive()
        try:
            async with asyncio.timeout(BODY_S_MAX):
                event = await receive()
        except TimeoutError:
            raise slow() from None
        size += len(event.get("body", b""))
        more = bool(event.get("more_body", False))
        if size > BULK_STREAM_BYTES_MAX:
            raise _too_large(f"more than {BULK_STREAM_BYTES_MAX}", BULK_STREAM_BYTES_MAX)
        return event

    return again


async def _read(
    request: Request, receive: Receive, limit: int
) -> tuple[bytes, TooLargeError | None]:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        return b"", _too_large(declared, limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return b"".join(chunks), None
        chunks.append(event.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            return b"", _too_large(f"more than {limit}", limit)
        if not event.get("more_body", False):
            return b"".join(chunks), None


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a receiver that gives a body that was read already, then goes on."""
    given = False

    async def again() -> Event:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _too_large(found: str, limit: int) -> TooLargeError:
    return TooLargeError(
        "validation.too_large",
        Message(
            f"body: must be at most {limit} bytes, was {found}",
            f"请求体不得超过 {limit} 字节，实为 {found}",
        ),
        field="body",
        value=f"{found} bytes",
        allowed=f"at most {limit} bytes",
    )


def _media_type(found: str, path: str) -> MediaTypeError | None:
    kind = found.partition(";")[0].strip().lower()
    # Forms are what pages send; the API takes none, since any site can send one.
    if kind in _JSON_TYPES or (kind == _FORM_TYPE and not path.startswith("/v1/")):
        return None
    shown = found or "absent"
    return MediaTypeError(
        "validation.media_type",
        Message(
            f"Content-Type: must be application/json, was {shown}",
            f"Content-Type：须为 application/json，实为 {shown}",
        ),
        field="Content-Type",
        value=shown,
        allowed="application/json",
    )


def slow() -> SlowError:
    """Return the refusal of a body that is not whole in time."""
    return SlowError(
        "body_too_slow",
        Message(
            f"body: must arrive within {BODY_S_MAX:g} s, was not whole by then",
            f"请求体须在 {BODY_S_MAX:g} 秒内到达",
        ),
        field="body",
        allowed=f"within {BODY_S_MAX:g} s",
    )


SAFE = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
"""What every reply says, so that no browser guesses what it is or tells where it was asked."""


class Tally:
    """Counts requests and their time by route, never by path."""

    def __init__(self) -> None:
        labels = ("method", "route", "status")
        self._count = METRICS.counter("http_requests_total", "HTTP requests", labels)
        self._seconds = METRICS.histogram(
            "http_request_seconds", "Time to answer", ("method", "route")
        )
        # To look one up by its labels costs more than to count; there are few of them.
        self._counts: dict[tuple[str, str, int], Counter] = {}
        self._times: dict[tuple[str, str], Histogram] = {}

    def tell(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        count = self._counts.get((method, route, status))
        if count is None:
            count = self._count.labels(method, route, str(status))
            self._counts[method, route, status] = count
        count.inc()
        times = self._times.get((method, route))
        if times is None:
            times = self._times[method, route] = self._seconds.labels(method, route)
        times.observe(seconds)


class Measure:
    """Counts requests and their time by route, and adds safe headers.

    Args:
        app: What comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tally = Tally()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def sending(event: Event) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
                event["headers"] = safe(event.get("headers", []))
            await send(event)

        try:
            await self._app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._tally.tell(method, route, status, time.perf_counter() - started)


def safe(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers with those that every reply has; a page may say more of where it was asked."""
    nosniff, referrer = SAFE
    found = [*headers, nosniff]
    if not any(name == referrer[0] for name, _ in found):
        found.append(referrer)
    return found


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
