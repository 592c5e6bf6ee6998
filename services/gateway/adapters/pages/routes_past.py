"""Routes of what was: the life of an order, and the book of a moment."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from starlette.responses import RedirectResponse, Response

from schemas.base import OrderId, Slug
from schemas.life import BookThenView, LifeStep
from schemas.types import Side
from services.core.errors import Message, ValidationError
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.context import PageRoute, PagesDep, VisitorDep
from services.gateway.adapters.pages.figures import Column, Figure, Value, drawn, shown
from services.gateway.adapters.pages.office import markets_of, watcher
from services.gateway.adapters.pages.rendering import BEIJING, csv_response

router = Routes(include_in_schema=False, route_class=PageRoute)
_ORDERS_SHOWN = 500
_SEQ_MAX = 10**12 - 1
_STEPS_SHOWN = 500


@router.get("/office/orders")
async def find_order(visitor: VisitorDep, q: Annotated[str, Query(max_length=60)] = "") -> Response:
    """Ask for an order, and lead to it."""
    watcher(visitor)
    if q.strip():
        found = quote(q.strip(), safe="")
        return RedirectResponse(f"/office/orders/{found}", HTTPStatus.SEE_OTHER)
    return visitor.page("order_search.html")


@router.get("/office/orders/{order_id}")
async def show_life(order_id: OrderId, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Show all that happened to an order, oldest first, each step linked to where it is."""
    principal = watcher(visitor)
    steps = await pages.api.life.life(principal, order_id)
    is_offer = order_id.startswith("off_")
    reading = pages.api.reading
    side = Side.OFFER if is_offer else Side.DEMAND
    order = await reading.order(principal, side, order_id)
    return visitor.page(
        "order_life.html",
        order=order,
        order_id=order_id,
        steps=steps[:_STEPS_SHOWN],
        is_whole=len(steps) <= _STEPS_SHOWN,
        figure=_life_figure(order_id, steps),
        shown=shown,
        drawn=drawn,
    )


def _life_figure(order_id: str, steps: list[LifeStep]) -> Figure:
    columns = (
        Column("Step", "步骤", "count", "step"),
        Column("Allocated", "已分配", "count", "chip_hours_allocated"),
        Column("Left", "剩余", "count", "chip_hours_left"),
        Column("Held", "冻结", "money", "held_yuan"),
        Column("When", "时间", "time", "occurred_at"),
        Column("What", "事件", "text", "kind"),
        Column("State", "状态", "text", "state"),
    )
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (
            item.step,
            item.chip_hours_allocated,
            item.chip_hours_left,
            item.held,
            item.occurred_at,
            item.kind,
            item.state.value,
        )
        for item in steps
    )
    return Figure(f"life-{order_id}", columns, rows)


@router.get("/office/orders/{order_id}/csv")
async def get_life_csv(order_id: OrderId, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Return the life of an order as CSV."""
    steps = await pages.api.life.life(watcher(visitor), order_id)
    return _csv(_life_figure(order_id, steps))


@router.get("/office/book")
async def show_book_then(
    pages: PagesDep,
    visitor: VisitorDep,
    market_id: Annotated[Slug | None, Query()] = None,
    at: Annotated[str, Query(max_length=30)] = "",
    seq: Annotated[str, Query(alias="round", max_length=12)] = "",
) -> Response:
    """Show the book as it stood at a time, or as a round sealed it, rebuilt from the log."""
    principal, markets = watcher(visitor), await markets_of(pages)
    wanted = market_id or (markets[0].id if markets else None)
    then: BookThenView | None = None
    if wanted is not None and (at or seq):
        then = await pages.api.books.book(
            principal, wanted, at=None if seq else _instant(at), seq=_seq(seq) if seq else None
        )
    now = pages.api.market_data.now().astimezone(BEIJING)
    return visitor.page(
        "book_then.html",
        then=then,
        orders=[] if then is None else then.orders[:_ORDERS_SHOWN],
        curves=None if then is None else _curves(then),
        markets=markets,
        market_id=wanted,
        at=at or now.strftime("%Y-%m-%dT%H:%M"),
        seq=seq,
        shown=shown,
        drawn=drawn,
    )


@router.get("/office/book/csv")
async def get_book_csv(
    pages: PagesDep,
    visitor: VisitorDep,
    market_id: Annotated[Slug, Query()],
    at: Annotated[str, Query(max_length=30)] = "",
    seq: Annotated[str, Query(alias="round", max_length=12)] = "",
) -> Response:
    """Return the curves of a past book as CSV."""
    number = _seq(seq) if seq else None
    moment = None if seq else _instant(at)
    then = await pages.api.books.book(watcher(visitor), market_id, at=moment, seq=number)
    return _csv(_curves(then))


def _curves(then: BookThenView) -> Figure:
    """Return what was offered and wanted at each price, in chip-hours that were left."""
    columns = (
        Column("Price", "价格", "price", "yuan_per_chip_hour"),
        Column("Offered at this or less", "供给（不高于此价）", "count", "supply_chip_hours"),
        Column("Wanted at this or more", "需求（不低于此价）", "count", "demand_chip_hours"),
    )
    inside = [item for item in then.orders if item.in_book]
    prices = sorted({item.price for item in inside})
    rows: list[tuple[Value, ...]] = []
    supply: dict[int, int] = {}
    demand: dict[int, int] = {}
    for item in inside:
        side = supply if item.side is Side.OFFER else demand
        side[item.price] = side.get(item.price, 0) + item.chip_hours_left
    below, above = 0, sum(demand.values())
    for price in prices:
        below += supply.get(price, 0)
        rows.append((price, below, above))
        above -= demand.get(price, 0)
    return Figure("book-then", columns, tuple(rows))


def _csv(figure: Figure) -> Response:
    return csv_response(figure.csv(), figure.name)


def _instant(text: str) -> datetime:
    """Return an instant of a form, which is in Beijing time.

    Raises:
        ValidationError: if it is none.
    """
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=BEIJING)).astimezone(UTC)
    except (ValueError, OverflowError):
        allowed = "a time such as 2026-11-24T17:07"
        raise _wrong("at", text, allowed, "如 2026-11-24T17:07 的时间") from None


def _seq(text: str) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= _SEQ_MAX:
        return int(text)
    raise _wrong("round", text, "the number of a round", "轮次编号")


def _wrong(field: str, value: str, allowed: str, allowed_zh: str) -> ValidationError:
    return ValidationError(
        f"validation.{field}",
        Message(
            f"{field}: must be {allowed}, was {value or 'nothing'}",
            f"{field}：须为{allowed_zh}，实为 {value or '空'}",
        ),
        field=field,
        value=value,
        allowed=allowed,
    )
