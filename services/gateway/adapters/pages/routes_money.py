"""Routes of a trader's money: balance, spend or revenue, statements, invoices, collateral."""

import asyncio
import re
import secrets
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.funds import CollateralNew, Day
from schemas.identity import Scope
from schemas.types import Role, period_of
from services.core.errors import Message, ValidationError
from services.gateway.adapters.http.context import Paging, page
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages import desk_figures
from services.gateway.adapters.pages.context import (
    PageRoute,
    Pages,
    PagesDep,
    Visitor,
    VisitorDep,
    enter,
)
from services.gateway.adapters.pages.fields import Reader
from services.gateway.adapters.pages.figures import Figure, drawn, shown
from services.gateway.adapters.pages.names import names_of
from services.gateway.adapters.pages.rendering import BEIJING, csv_response
from services.gateway.adapters.pages.routes_trade import market_of
from services.gateway.app.rights import require_role
from services.gateway.app.sandbox import top_up
from services.gateway.errors import not_found
from services.kit.telemetry import child_traceparent

router = Routes(include_in_schema=False, route_class=PageRoute)
_SINCE = timedelta(days=31)
_INVOICES_SHOWN = 60
_REFUSALS_SHOWN = 5
_BUDGETS_SHOWN = 200
_LINES_MAX = 5_000
_AMOUNTS_MAX = 10**15
_DAY = re.compile(r"20[0-9]{2}-[0-1][0-9]-[0-3][0-9]")
# What a newcomer of a sandbox is given at a click: 100,000 yuan.
PLAY_MONEY = 100_000_000_000
DayQuery = Annotated[str, Query(max_length=10)]


def _trader(visitor: Visitor) -> str:
    principal = visitor.known()
    require_role_to_look(visitor)
    return principal.participant_id


def require_role_to_look(visitor: Visitor) -> None:
    """Let only those who trade look at their own money; suspended ones too.

    Raises:
        ForbiddenError: if the visitor trades nothing.
    """
    principal = visitor.known()
    if principal.role not in (Role.PROVIDER, Role.ENTERPRISE):
        require_role(principal, Role.PROVIDER, Role.ENTERPRISE)


async def _figures(pages: Pages, visitor: Visitor) -> dict[str, Figure]:
    who, now = _trader(visitor), pages.api.market_data.now()
    since = now - _SINCE
    found = {"days": desk_figures.days_figure(await pages.desks.days(who, since), now)}
    if visitor.known().role is Role.PROVIDER:
        market = await market_of(pages, None)
        ahead = 72 if market is None else market.rules.horizon_periods
        first = period_of(now)
        sites, hours = await asyncio.gather(
            pages.desks.sites(who, since), pages.desks.hours(who, first, first + 1 + ahead)
        )
        found["sites"] = desk_figures.sites_figure(sites)
        found["hours"] = desk_figures.hours_figure(hours)
    else:
        found["budgets"] = desk_figures.budgets_figure(
            await pages.desks.budget_use(who, _BUDGETS_SHOWN)
        )
    return found


def _window(now: datetime, first: str, last: str) -> tuple[datetime, datetime]:
    """Return a statement's window: whole days of Beijing time, this month by default."""
    today = now.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    start = _day("from", first) if first else today.replace(day=1)
    end = _day("to", last) if last else today
    return start, end + timedelta(days=1)


def _day(field: str, text: str) -> datetime:
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=BEIJING)
    except ValueError:
        raise ValidationError(
            "validation.day",
            Message(
                f"{field}: must be a day such as 2026-11-25, was {text[:20]}",
                f"{field}：须为日期，如 2026-11-25，实为 {text[:20]}",
            ),
            field=field,
            value=text,
            allowed="a day such as 2026-11-25",
        ) from None


@router.get("/money")
async def show_money(
    pages: PagesDep,
    visitor: VisitorDep,
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    last: Annotated[str, Query(alias="to", max_length=10)] = "",
    *,
    ordered: bool = False,
) -> Response:
    """Show the money of whoever is signed in."""
    principal, api = visitor.known(), pages.api
    figures = await _figures(pages, visitor)
    start, end = _window(api.market_data.now(), first, last)
    account, statement, invoices, budgets, refusals = await asyncio.gather(
        api.reading.account(principal, None),
        api.money.statement(principal, None, start, end),
        api.money.invoices(principal, None, before=None, limit=_INVOICES_SHOWN),
        pages.desks.budgets(principal.participant_id),
        api.money.refusals(principal, before=None, limit=_REFUSALS_SHOWN),
    )
    return visitor.page(
        "money.html",
        account=account,
        statement=statement,
        start=start,
        last_day=end - timedelta(days=1),
        invoices=[view for _, view in invoices],
        budgets=budgets,
        refusals=[view for _, view in refusals],
        ordered=ordered,
        figures=figures,
        names=await names_of(pages, visitor),
        is_provider=principal.role is Role.PROVIDER,
        moves=Scope.MONEY in principal.scopes and principal.active,
        tops_up=api.is_sandbox and Scope.TRADE in principal.scopes and principal.active,
        key=secrets.token_hex(16),
        play=PLAY_MONEY,
        shown=shown,
        drawn=drawn,
    )


@router.get("/money/csv/{name}")
async def get_money_csv(
    name: Literal["days", "sites", "hours", "budgets", "statement", "invoice"],
    pages: PagesDep,
    visitor: VisitorDep,
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    last: Annotated[str, Query(alias="to", max_length=10)] = "",
    day: Annotated[Day | None, Query()] = None,
) -> Response:
    """Return a figure, the bookings of a statement or the lines of an invoice as CSV."""
    principal, api = visitor.known(), pages.api
    if name == "statement":
        start, end = _window(api.market_data.now(), first, last)
        entries = await api.money.statement_entries(
            principal, None, start, end, after=None, limit=_LINES_MAX
        )
        return page(Paging(_LINES_MAX, None, as_csv=True), entries, None, "statement")
    if name == "invoice":
        lines = await _lines(pages, visitor, day or "")
        return page(Paging(_LINES_MAX, None, as_csv=True), lines, None, f"invoice-{day}")
    figures = await _figures(pages, visitor)
    if name not in figures:
        raise not_found("figure", name)
    return csv_response(figures[name].csv(), name)


async def _lines(pages: Pages, visitor: Visitor, day: str) -> list[Any]:
    found = await pages.api.money.invoice_lines(
        visitor.known(), None, day, after=None, limit=_LINES_MAX
    )
    return [view for _, view in found]


@router.get("/money/invoices/{day}")
async def show_invoice(day: Day, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Show the invoice of a day with its lines, ready to be printed."""
    view = await pages.api.money.invoice(visitor.known(), None, day)
    me = await pages.api.reading.me(visitor.known())
    lines = await _lines(pages, visitor, day)
    return visitor.page("invoice.html", invoice=view, lines=lines, me=me)


@router.post("/money/top-up")
async def take_play_money(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Take play money; only a sandbox gives it."""
    principal = await enter(request, pages, visitor, Scope.TRADE)
    key = visitor.form.get("key") or secrets.token_hex(16)
    trace = child_traceparent(request.headers.get("traceparent", ""))
    is_sandbox = pages.api.is_sandbox
    exchange = pages.api.exchange
    await top_up(exchange, principal, PLAY_MONEY, key, trace, is_sandbox=is_sandbox)
    return RedirectResponse("/money?ordered=true", HTTPStatus.SEE_OTHER)


@router.post("/money/collateral")
async def move_collateral(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Make money collateral, or free it, once for each form that was shown."""
    principal = await enter(request, pages, visitor, Scope.MONEY)
    label = Message("Amount", "金额")
    reader = Reader(visitor.form, lambda _: label)
    amount = reader.yuan("amount", needed=True)
    if amount is None or not 0 < amount <= _AMOUNTS_MAX:
        told = reader.faults.get(
            "amount", Message("Amount: must be above 0 yuan", "金额：须大于 0 元")
        )
        raise ValidationError("validation.amount", told, field="amount")
    new = CollateralNew(
        direction="out" if visitor.form.get("direction") == "out" else "in", amount=amount
    )
    key = visitor.form.get("key") or secrets.token_hex(16)
    trace = child_traceparent(request.headers.get("traceparent", ""))
    await pages.api.funds.move_collateral(principal, principal.participant_id, new, key, trace)
    return RedirectResponse("/money?ordered=true", HTTPStatus.SEE_OTHER)
