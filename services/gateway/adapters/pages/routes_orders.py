"""Routes of a trader's orders: their list, each one's life, what it was given, cancelling."""

import asyncio
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.base import OrderId
from schemas.filter_fields import FIELDS
from schemas.filters import Filter, FilterError, parse
from schemas.identity import Scope
from schemas.types import TERMINAL_STATES, OrderState, Role, Side, period_of
from services.core.errors import Message
from services.gateway.adapters.http.context import Paging, numbered_page
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages import deliveries
from services.gateway.adapters.pages.changes import changes_of
from services.gateway.adapters.pages.context import (
    PageRoute,
    Pages,
    PagesDep,
    Visitor,
    VisitorDep,
    enter,
)
from services.gateway.adapters.pages.figures import drawn, shown
from services.gateway.adapters.pages.market_figures import region_name
from services.gateway.adapters.pages.names import names_in, names_of
from services.gateway.adapters.pages.rendering import csv_response, page_response, render
from services.gateway.adapters.pages.routes_trade import trades
from services.gateway.adapters.pages.timeline import timeline_figure, timeline_of
from services.gateway.app.orders import Change
from services.gateway.app.rights import ROLES_OF_SIDE, require_role
from services.kit.telemetry import child_traceparent

router = Routes(include_in_schema=False, route_class=PageRoute)
_SHOWN = 50
_CSV_MAX = 10_000
_ALLOCATIONS_MAX = 500
_STEPS_SHOWN = 200
_LIVE = ("accepted", "open", "part-filled")
_STATES: dict[str, tuple[str, ...] | None] = {
    "all": None,
    "live": _LIVE,
    "over": tuple(state.value for state in OrderState if state.value not in _LIVE),
} | {state.value: (state.value,) for state in OrderState}


@dataclass(frozen=True, slots=True)
class Listed:
    """Which orders are listed.

    Attributes:
        side: Their side.
        state: One of the names that the page offers.
        text: The filter as it was written.
        where: The same, read.
        wrong: What is wrong with it.
        before: Sequence number that they are below.
    """

    side: Side
    state: str
    text: str
    where: Filter | None
    wrong: Message | None
    before: int | None


def trader_side(visitor: Visitor, wanted: Side | None = None) -> Side:
    """Return the side that a trader is on, or of those that he is on the one that he wants.

    Raises:
        ForbiddenError: if he trades nothing.
    """
    role = visitor.known().role
    if role not in (Role.PROVIDER, Role.ENTERPRISE):
        require_role(visitor.known(), Role.PROVIDER, Role.ENTERPRISE)
    if wanted is not None and role in ROLES_OF_SIDE[wanted]:
        return wanted
    return Side.OFFER if role is Role.PROVIDER else Side.DEMAND


def _asked(
    visitor: Visitor, state: str, text: str, before: int | None, wanted: Side | None
) -> Listed:
    side = trader_side(visitor, wanted)
    known = state if state in _STATES else "all"
    where, wrong = None, None
    try:
        where = parse(text, FIELDS["offers" if side is Side.OFFER else "demand"]) if text else None
    except FilterError as error:
        wrong = Message(
            f"Filter, {error}",
            f"筛选条件第 {error.column} 列：须为 {error.allowed_zh}，实为 {error.found}",
        )
    return Listed(side, known, text, where, wrong, before)


async def _orders(
    pages: Pages, visitor: Visitor, asked: Listed, limit: int
) -> list[tuple[int, Any]]:
    if asked.wrong is not None:
        return []
    found: list[tuple[int, Any]] = await pages.api.reading.orders(
        visitor.known(),
        asked.side,
        market_id=None,
        states=_STATES[asked.state],
        before=asked.before,
        limit=limit,
        where=asked.where,
    )
    return found


async def _list_context(
    request: Request, pages: Pages, visitor: Visitor, asked: Listed
) -> dict[str, Any]:
    found = await _orders(pages, visitor, asked, _SHOWN + 1)
    return {
        "asked": asked,
        "names": await names_of(pages, visitor),
        "side": asked.side.value,
        "sees_all": False,
        "orders": [item for _, item in found[:_SHOWN]],
        "more": found[_SHOWN - 1][0] if len(found) > _SHOWN else None,
        "states_offered": tuple(_STATES),
        "query": request.url.query,
        "final": TERMINAL_STATES,
        "cancels": trades(visitor.known()),
        "trades": trades(visitor.known()),
        "new_key": lambda: secrets.token_hex(16),
        "back": "/orders",
    }


StateQuery = Annotated[str, Query(max_length=20)]
TextQuery = Annotated[str, Query(alias="filter", max_length=500)]
SideQuery = Annotated[Side | None, Query()]
BeforeQuery = Annotated[int | None, Query(ge=0, le=2**62)]


@router.get("/orders")
async def show_orders(
    request: Request,
    pages: PagesDep,
    visitor: VisitorDep,
    state: StateQuery = "all",
    text: TextQuery = "",
    before: BeforeQuery = None,
    side: SideQuery = None,
) -> Response:
    """List the orders of whoever is signed in, newest first."""
    asked = _asked(visitor, state, text, before, side)
    return visitor.page("orders.html", **await _list_context(request, pages, visitor, asked))


@router.get("/orders/parts")
async def show_orders_parts(
    request: Request,
    pages: PagesDep,
    visitor: VisitorDep,
    state: StateQuery = "all",
    text: TextQuery = "",
    before: BeforeQuery = None,
    side: SideQuery = None,
) -> Response:
    """Show the list again when something happened to an order."""
    asked = _asked(visitor, state, text, before, side)
    context = await _list_context(request, pages, visitor, asked)
    return page_response(render("orders_parts.html", visitor.language, visitor=visitor, **context))


@router.get("/orders/csv")
async def get_orders_csv(
    pages: PagesDep,
    visitor: VisitorDep,
    state: StateQuery = "all",
    text: TextQuery = "",
    side: SideQuery = None,
) -> Response:
    """Return the orders that the list shows, and those behind them, as CSV."""
    asked = _asked(visitor, state, text, None, side)
    found = await _orders(pages, visitor, asked, _CSV_MAX)
    name = "offers" if asked.side is Side.OFFER else "demand"
    return numbered_page(Paging(_CSV_MAX, None, as_csv=True), found, name)


# --- one order --------------------------------------------------------------------------------


async def _order_context(pages: Pages, visitor: Visitor, order_id: str) -> dict[str, Any]:
    principal, api = visitor.known(), pages.api
    side = Side.OFFER if order_id.startswith("off_") else Side.DEMAND
    order = await api.reading.order(principal, side, order_id)
    steps, allocations, market = await asyncio.gather(
        api.life.life(principal, order_id),
        api.reading.allocations(
            principal,
            market_id=None,
            round_id=None,
            order_id=order_id,
            before=None,
            limit=_ALLOCATIONS_MAX,
        ),
        api.reading.market_view(order.market_id),
    )
    given = [item for _, item in allocations]
    names = names_in([market.market], visitor.language)
    is_own = order.participant_id == principal.participant_id
    is_live = order.state not in TERMINAL_STATES
    now_period = period_of(api.market_data.now())
    # What is sold on is delivered, and reported, by the first provider.
    reports = side is Side.OFFER and getattr(order.terms, "resale_of", None) is None
    due = deliveries.due_of(given, now_period) if reports else {}
    return {
        "order": order,
        "terms": order.terms,
        "side": side.value,
        "market": market.market,
        "names": names,
        "steps": steps[-_STEPS_SHOWN:][::-1],
        "steps_hidden": max(0, len(steps) - _STEPS_SHOWN),
        "allocations": given,
        "payment": sum(item.payment for item in given),
        "timeline": timeline_of(given, api.market_data.now()),
        "figure": timeline_figure(given),
        "is_live": is_live,
        "acts": is_own and trades(principal) and principal.role in ROLES_OF_SIDE[side],
        "trades_on": is_own and trades(principal),
        "coming": {
            item.allocation_id: sum(period_of(at.start) > now_period for at in item.periods)
            for item in given
        },
        "due": due,
        "due_hours": deliveries.listed(due),
        "fields": deliveries.kept(due, visitor.form),
        "beside": {},
        "changes": changes_of(order.reason, names) if is_live and side is Side.DEMAND else (),
        "new_key": lambda: secrets.token_hex(16),
        "region_name": region_name,
        "shown": shown,
        "drawn": drawn,
    }


@router.post("/orders/{order_id}/deliveries")
async def report_deliveries(
    request: Request, order_id: OrderId, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Report hours of an offer that have ended, each once: all in full, or as the form says."""
    principal = await enter(request, pages, visitor, Scope.TRADE)
    require_role(principal, Role.PROVIDER)
    context = await _order_context(pages, visitor, order_id)
    reports, faults = deliveries.read(context["due"], visitor.form)
    if faults:
        status = HTTPStatus.UNPROCESSABLE_ENTITY.value
        return visitor.page("order.html", status, **context | {"reported": False, "beside": faults})
    trace = child_traceparent(request.headers.get("traceparent", ""))
    for report in reports:
        await pages.api.exchange.report_delivery(
            principal, report, deliveries.key_of(report), trace
        )
    # The report is on the log; until the reader has seen it, the page looks again.
    return RedirectResponse(f"/orders/{order_id}?reported=true", HTTPStatus.SEE_OTHER)


@router.get("/orders/{order_id}")
async def show_order(
    order_id: OrderId, pages: PagesDep, visitor: VisitorDep, *, reported: bool = False
) -> Response:
    """Show an order: where it stands and why, its terms, what it was given, its life."""
    context = await _order_context(pages, visitor, order_id)
    return visitor.page("order.html", reported=reported, **context)


@router.get("/orders/{order_id}/parts")
async def show_order_parts(
    order_id: OrderId, pages: PagesDep, visitor: VisitorDep, *, reported: bool = False
) -> Response:
    """Show an order again when something happened to it."""
    context = await _order_context(pages, visitor, order_id)
    context |= {"visitor": visitor, "reported": reported}
    return page_response(render("order_parts.html", visitor.language, **context))


@router.get("/orders/{order_id}/csv/timeline")
async def get_order_csv(order_id: OrderId, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Return what an order was given, an hour a row, as CSV."""
    context = await _order_context(pages, visitor, order_id)
    return csv_response(context["figure"].csv(), f"{order_id}-hours")


@router.post("/orders/{order_id}/cancel")
async def cancel_order(
    request: Request, order_id: OrderId, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Ask for an order's withdrawal, once for each form that was shown."""
    principal = await enter(request, pages, visitor, Scope.TRADE)
    side = Side.OFFER if order_id.startswith("off_") else Side.DEMAND
    change = Change(order_id, visitor.form.get("key") or secrets.token_hex(16))
    trace = child_traceparent(request.headers.get("traceparent", ""))
    await pages.api.orders.cancel(principal, side, change, trace)
    back = visitor.form.get("back", "")
    to = back if back in ("/desk", "/orders") else f"/orders/{order_id}"
    return RedirectResponse(to, HTTPStatus.SEE_OTHER)
