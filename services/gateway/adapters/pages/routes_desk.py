"""Routes of a participant's desk: its money, its orders as they live, what it was given."""

import asyncio
import secrets
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header, Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.base import OrderId
from schemas.identity import Scope
from schemas.types import TERMINAL_STATES, Role, Side
from services.gateway.adapters.http import sse
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.context import (
    PageRoute,
    Pages,
    PagesDep,
    Visitor,
    VisitorDep,
    enter,
)
from services.gateway.adapters.pages.figures import drawn, shown
from services.gateway.adapters.pages.names import names_of
from services.gateway.adapters.pages.needs import needs_of
from services.gateway.adapters.pages.rendering import csv_response, page_response, render
from services.gateway.adapters.pages.routes_trade import trades
from services.gateway.adapters.pages.timeline import timeline_figure, timeline_of
from services.gateway.app.orders import Change
from services.gateway.app.rights import ROLES_OF_SIDE
from services.gateway.stream_ports import Watch
from services.kit.telemetry import child_traceparent

router = Routes(include_in_schema=False, route_class=PageRoute)
_ORDERS_SHOWN = 50
_ORDERS_AT_DESK = 10
_ALLOCATIONS_SHOWN = 200
SideQuery = Annotated[Side | None, Query()]


def _side(visitor: Visitor, wanted: Side | None) -> Side:
    """Return the side that is looked at: its own, or for those who see all the one they choose."""
    principal = visitor.known()
    if principal.sees_all:
        return wanted or Side.DEMAND
    return Side.OFFER if principal.role is Role.PROVIDER else Side.DEMAND


async def _context(pages: Pages, visitor: Visitor, side: Side) -> dict[str, Any]:
    principal, reading = visitor.known(), pages.api.reading
    orders, allocations, me = await asyncio.gather(
        reading.orders(
            principal,
            side,
            market_id=None,
            states=None,
            before=None,
            limit=_ORDERS_SHOWN if principal.sees_all else _ORDERS_AT_DESK,
        ),
        reading.allocations(
            principal,
            market_id=None,
            round_id=None,
            order_id=None,
            before=None,
            limit=_ALLOCATIONS_SHOWN,
        ),
        reading.me(principal),
    )
    given = [] if principal.sees_all else [item for _, item in allocations]
    # Whoever trades has money; the regulator and the operator look at everybody's orders.
    account = None if principal.sees_all else await reading.account(principal, None)
    return {
        "me": me,
        "names": await names_of(pages, visitor),
        "needs": await needs_of(pages, principal),
        "side": side.value,
        "sees_all": principal.sees_all,
        "account": account,
        "orders": [item for _, item in orders],
        "allocations": [item for _, item in allocations],
        "final": TERMINAL_STATES,
        "cancels": principal.role in ROLES_OF_SIDE[side] and trades(principal),
        "trades": trades(principal),
        "back": "/desk",
        "is_sandbox": pages.api.is_sandbox,
        "timeline": timeline_of(given, pages.api.market_data.now()),
        "figure": timeline_figure(given),
        "shown": shown,
        "drawn": drawn,
        "new_key": lambda: secrets.token_hex(16),
    }


@router.get("/desk")
async def show_desk(pages: PagesDep, visitor: VisitorDep, side: SideQuery = None) -> Response:
    """Show the desk of whoever is signed in."""
    return visitor.page("desk.html", **await _context(pages, visitor, _side(visitor, side)))


@router.get("/desk/parts")
async def show_desk_parts(pages: PagesDep, visitor: VisitorDep, side: SideQuery = None) -> Response:
    """Show what changes at the desk when something happens to an order."""
    context = await _context(pages, visitor, _side(visitor, side))
    return page_response(render("desk_parts.html", visitor.language, visitor=visitor, **context))


@router.post("/desk/orders/{order_id}/cancel")
async def cancel_order(
    request: Request, order_id: OrderId, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Ask for an order's withdrawal, once for each form that was shown."""
    principal = await enter(request, pages, visitor, Scope.TRADE)
    side = Side.OFFER if order_id.startswith("off_") else Side.DEMAND
    change = Change(order_id, visitor.form.get("key") or secrets.token_hex(16))
    trace = child_traceparent(request.headers.get("traceparent", ""))
    await pages.api.orders.cancel(principal, side, change, trace)
    return RedirectResponse("/desk", HTTPStatus.SEE_OTHER)


@router.get("/desk/stream")
async def stream_desk(
    pages: PagesDep,
    visitor: VisitorDep,
    after: Annotated[str | None, Query(max_length=200)] = None,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Tell what happens to orders, as the API's stream does, for as long as the session lasts."""
    principal, streams = visitor.known(), pages.api.streams
    whose = None if principal.sees_all else principal.participant_id
    watch = Watch("orders", whose)
    position = await streams.position(last_event_id or after)

    async def is_valid() -> bool:
        return await pages.sessions.principal(visitor.token) is not None

    streams.admit(watch)
    frames = streams.follow(watch, position, is_valid)
    return sse.EventStream(frames, lambda: streams.release(watch))


@router.get("/desk/csv/timeline")
async def get_timeline_csv(pages: PagesDep, visitor: VisitorDep) -> Response:
    """Return what was allocated, an hour of a pool a row, as CSV."""
    side = _side(visitor, None)
    figure = (await _context(pages, visitor, side))["figure"]
    return csv_response(figure.csv(), "allocations")
