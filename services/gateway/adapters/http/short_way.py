"""The short way of a new order, which nearly every one takes.

For each request FastAPI solves ten dependencies anew, which takes more time than all else that the
gateway does for an order. So an order that is sent as the guides say is read, counted and answered
here, before everything else that looks at requests. Whatever is not - a query, a header twice, no
length, a body that does not fit - goes on to its route, which tells what is wrong. Nothing is done
or counted before that is decided, so a request goes one way.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from starlette.requests import Request

from schemas.api import DemandNew, IdempotencyKey, OfferNew
from schemas.identity import Scope as KeyScope
from schemas.types import Side
from services.core.errors import AuthError, DomainError
from services.gateway.adapters.http import routes_orders
from services.gateway.adapters.http.context import parse_json
from services.gateway.adapters.http.middleware import (
    BODY_BYTES_MAX,
    BODY_S_MAX,
    SAFE,
    Tally,
    replay,
    safe,
    slow,
)
from services.gateway.adapters.http.problems import STORE_ERRORS, respond, store_failed
from services.gateway.adapters.sight import see_as, see_nothing
from services.gateway.app.door import RECORDED
from services.gateway.app.orders import Submission
from services.gateway.app.scopes import require_scope
from services.gateway.errors import UnavailableError
from services.kit.telemetry import child_traceparent

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from services.gateway.app.limits import Standing
    from services.gateway.ports import Principal

# Nothing is written into the record of acts here.
assert KeyScope.TRADE not in RECORDED

_JSON = b"application/json"
_AUTHORIZATION, _KEY, _TYPE, _LENGTH, _TRACE = (
    b"authorization",
    b"idempotency-key",
    b"content-type",
    b"content-length",
    b"traceparent",
)
_READ = frozenset({_AUTHORIZATION, _KEY, _TYPE, _LENGTH, _TRACE})
_IDEMPOTENCY_KEY: TypeAdapter[str] = TypeAdapter(IdempotencyKey)


@dataclass(frozen=True, slots=True)
class _Way:
    """An operation that may be answered here.

    Attributes:
        path: Its path, and that of its route, which stands for it in measures.
        side: The side of its orders.
        model: What its body must be.
    """

    path: str
    side: Side
    model: type[OfferNew | DemandNew]


_WAYS = {
    way.path: way
    for way in (
        _Way("/v1/offers", Side.OFFER, OfferNew),
        _Way("/v1/demand", Side.DEMAND, DemandNew),
    )
}


class ShortWay:
    """Answers new orders; hands everything else on. It comes before all else.

    Args:
        app: What comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tally = Tally()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        way = None
        if scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"]:
            way = _WAYS.get(scope["path"])
        found = None if way is None else _single(scope)
        if way is None or found is None:
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), HTTPStatus.INTERNAL_SERVER_ERROR.value
        body = await _body(receive)
        submission = None if body is None else _submission(way, found[_KEY], body)
        if body is not None and submission is None:
            await self._app(scope, replay(body, receive), send)
            return
        try:
            if submission is None:
                response: Response | None = respond(slow(), Request(scope))
            else:
                asked = _Asked(scope, found, len(body or b""))
                response = await _answer(asked, way.side, submission, send)
            status = routes_orders.ACCEPTED
            if response is not None:
                status = response.status_code
                response.raw_headers = safe(response.raw_headers)
                await response(scope, receive, send)
        finally:
            self._tally.tell("POST", way.path, status, time.perf_counter() - started)


def _single(scope: Scope) -> dict[bytes, bytes] | None:
    """Return the headers that count; ``None`` if one is missing, unusual or there twice."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            if name in found:
                return None
            found[name] = value
    if found.get(_TYPE) != _JSON or _AUTHORIZATION not in found or _KEY not in found:
        return None
    length = found.get(_LENGTH, b"")
    # The server lets nothing through that is longer than it says.
    return found if length.isdigit() and int(length) <= BODY_BYTES_MAX else None


async def _body(receive: Receive) -> bytes | None:
    """Return the body; ``None`` if it is not whole in time."""
    try:
        async with asyncio.timeout(BODY_S_MAX):
            event = await receive()
            pieces = [event.get("body", b"")]
            while event.get("more_body", False):
                event = await receive()
                pieces.append(event.get("body", b""))
    except TimeoutError:
        return None
    return b"".join(pieces)


def _submission(way: _Way, key: bytes, body: bytes) -> Submission | None:
    try:
        wanted = way.model.model_validate(parse_json(body))
        return Submission(
            _IDEMPOTENCY_KEY.validate_python(key.decode("latin-1")), wanted.market_id, wanted.terms
        )
    except ValueError:
        return None


@dataclass(slots=True)
class _Asked:
    """A request on its way.

    Attributes:
        scope: Its scope.
        headers: Those of its headers that count.
        body_bytes: Size of its body.
        standing: Where its caller stands, once that is known.
    """

    scope: Scope
    headers: dict[bytes, bytes]
    body_bytes: int
    standing: Standing | None = None

    async def caller(self, api: Any) -> Principal:  # noqa: ANN401 - what the app keeps
        """Return who asks, counted, as the routes' own door does."""
        authorization = self.headers[_AUTHORIZATION].decode("latin-1")
        try:
            found: Principal = await api.door.caller(authorization)
        except (AuthError, UnavailableError):
            address = self.scope.get("client") or ("",)
            self.standing = await api.limits.unknown(address[0])
            raise
        see_as(found)
        self.standing = await api.limits.known(found, writes=True, body_bytes=self.body_bytes)
        require_scope(found, KeyScope.TRADE)
        return found

    def request(self) -> Request:
        """Return it for a reply that depends on more of it."""
        request = Request(self.scope)
        request.state.standing = self.standing
        return request


async def _answer(asked: _Asked, side: Side, submission: Submission, send: Send) -> Response | None:
    """Submit an order and send its receipt; return the reply to send if it was refused."""
    see_nothing()
    api: Any = asked.scope["app"].state.api
    trace = child_traceparent(asked.headers.get(_TRACE, b"").decode("latin-1"))
    try:
        principal = await asked.caller(api)
        text = await api.orders.submit_one(principal, side, submission, trace)
    except DomainError as error:
        return respond(error, asked.request())
    except STORE_ERRORS as error:
        return store_failed(asked.request(), error)
    body = text.encode()
    headers = [(_LENGTH, b"%d" % len(body)), (_TYPE, _JSON), *SAFE]
    if asked.standing is not None:
        headers += [
            (name.lower().encode(), value.encode())
            for name, value in asked.standing.headers().items()
        ]
    await send(
        {"type": "http.response.start", "status": routes_orders.ACCEPTED, "headers": headers}
    )
    await send({"type": "http.response.body", "body": body})
    return None
