"""The short way to a public stream, which all take who come back at once after a break.

As with new orders, what a route does for each request costs more than what a listener wants. A
connection without a query is answered here; with one it goes on to its route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from services.core.errors import DomainError
from services.gateway.adapters.http import routes_streams
from services.gateway.adapters.http.context import address_of
from services.gateway.adapters.http.problems import STORE_ERRORS, respond, store_failed
from services.gateway.adapters.sight import see_nothing
from services.gateway.stream_ports import Watch

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

_LAST_ID = b"last-event-id"


def _route(path: str) -> BaseRoute:
    (route,) = (one for one in routes_streams.router.routes if getattr(one, "path", "") == path)
    return route


_WAYS = {
    "/v1/streams/rounds": (_route("/v1/streams/rounds"), Watch("rounds")),
    "/v1/streams/prices": (_route("/v1/streams/prices"), Watch("prices")),
}


class StreamWay:
    """Answers listeners to public streams; hands everything else on.

    Args:
        app: What comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        way = None
        if scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]:
            way = _WAYS.get(scope["path"])
        if way is None:
            await self._app(scope, receive, send)
            return
        last = [value for name, value in scope["headers"] if name == _LAST_ID]
        if len(last) > 1 or any(len(one) > routes_streams.CURSOR_CHARS_MAX for one in last):
            await self._app(scope, receive, send)
            return
        route, watch = way
        scope["route"] = route
        after = last[0].decode("latin-1") if last else None
        response = await _answer(Request(scope, receive), watch, after or None)
        await response(scope, receive, send)


async def _answer(request: Request, watch: Watch, after: str | None) -> Response:
    see_nothing()
    api: Any = request.scope["app"].state.api
    state = request.state
    state.act = state.standing = None
    response: Response
    try:
        state.standing = await api.limits.unknown(address_of(request))
        response = await routes_streams.listen(request, api, watch, after)
    except DomainError as error:
        response = respond(error, request)
    except STORE_ERRORS as error:
        return store_failed(request, error)
    if state.standing is not None:
        response.headers.update(state.standing.headers())
    return response
