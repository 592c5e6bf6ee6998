"""The short way of a new order, which nearly every one takes.

For each request FastAPI solves ten dependencies anew, which takes more time than all else that the
gateway does for an order. So an order that is sent as the guides say is read and answered here.
Whatever is not - a query, a header twice, a body that does not fit - goes on to its route, which
tells what is wrong. Nothing is done or counted before that is decided, so a request goes one way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from schemas.api import DemandNew, IdempotencyKey, OfferNew
from schemas.identity import Scope as KeyScope
from schemas.types import Side
from services.core.errors import DomainError
from services.gateway.adapters.http import routes_orders
from services.gateway.adapters.http.context import enter, parse_json
from services.gateway.adapters.http.middleware import replay
from services.gateway.adapters.http.problems import STORE_ERRORS, respond, store_failed
from services.gateway.adapters.sight import see_nothing
from services.gateway.app.orders import Submission
from services.kit.telemetry import child_traceparent

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

_JSON = b"application/json"
_AUTHORIZATION, _KEY, _TYPE, _TRACE = (
    b"authorization",
    b"idempotency-key",
    b"content-type",
    b"traceparent",
)
_READ = frozenset({_AUTHORIZATION, _KEY, _TYPE, _TRACE})
_IDEMPOTENCY_KEY: TypeAdapter[str] = TypeAdapter(IdempotencyKey)


@dataclass(frozen=True, slots=True)
class _Way:
    """An operation that may be answered here.

    Attributes:
        route: Its route, whose name and path stand for it in records and measures.
        side: The side of its orders.
        model: What its body must be.
    """

    route: BaseRoute
    side: Side
    model: type[OfferNew | DemandNew]


def _way(path: str, side: Side, model: type[OfferNew | DemandNew]) -> _Way:
    (route,) = (
        route
        for route in routes_orders.router.routes
        if getattr(route, "path", "") == path and "POST" in getattr(route, "methods", ())
    )
    return _Way(route, side, model)


_WAYS = {
    "/v1/offers": _way("/v1/offers", Side.OFFER, OfferNew),
    "/v1/demand": _way("/v1/demand", Side.DEMAND, DemandNew),
}


class ShortWay:
    """Answers new orders; hands everything else on. It comes after the limits on bodies.

    Args:
        app: What comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        way = None
        if scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"]:
            way = _WAYS.get(scope["path"])
        found = None if way is None else _single(scope)
        if way is None or found is None:
            await self._app(scope, receive, send)
            return
        body = (await receive()).get("body", b"")
        submission = _submission(way, found[_KEY], body)
        again = replay(body, receive)
        if submission is None:
            await self._app(scope, again, send)
            return
        scope["route"] = way.route
        trace = child_traceparent(found.get(_TRACE, b"").decode("latin-1"))
        response = await _answer(Request(scope, again), way.side, submission, trace)
        await response(scope, again, send)


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
    return found


def _submission(way: _Way, key: bytes, body: bytes) -> Submission | None:
    try:
        wanted = way.model.model_validate(parse_json(body))
        return Submission(
            _IDEMPOTENCY_KEY.validate_python(key.decode("latin-1")), wanted.market_id, wanted.terms
        )
    except ValueError:
        return None


async def _answer(request: Request, side: Side, submission: Submission, trace: str) -> Response:
    see_nothing()
    app: FastAPI = request.scope["app"]
    api: Any = app.state.api
    state = request.state
    state.act = state.standing = None
    try:
        principal = await enter(request, api, KeyScope.TRADE)
        (outcome,) = await api.orders.submit(principal, side, [submission], trace)
        if isinstance(outcome, DomainError):
            raise outcome
        response = Response(
            outcome.model_dump_json(exclude_none=True),
            routes_orders.ACCEPTED,
            media_type="application/json",
        )
    except DomainError as error:
        response = respond(error, request)
    except STORE_ERRORS as error:
        return store_failed(request, error)
    if state.act is not None:
        await api.door.end(state.act, response.status_code)
    if state.standing is not None:
        response.headers.update(state.standing.headers())
    return response
