"""Routes of many offers at once: a file, checked row by row, sent when the provider says so."""

import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.responses import Response

from schemas.identity import Scope
from schemas.market import Market
from schemas.types import Role, Side
from services.core.errors import DomainError, Message
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages import offer_form
from services.gateway.adapters.pages.context import (
    PageRoute,
    Pages,
    PagesDep,
    Visitor,
    VisitorDep,
    enter,
)
from services.gateway.adapters.pages.fields import hours_on
from services.gateway.adapters.pages.offer_rows import ROWS_MAX, Row, key_of, rows_of, template
from services.gateway.adapters.pages.rendering import csv_response
from services.gateway.adapters.pages.routes_trade import MarketQuery, market_of, trades
from services.gateway.app.orders import Submission
from services.gateway.app.rights import require_role
from services.gateway.ports import Principal
from services.kit.telemetry import child_traceparent

router = Routes(include_in_schema=False, route_class=PageRoute)


@dataclass(frozen=True, slots=True)
class File:
    """A file of offers, as far as it was read.

    Attributes:
        text: What it says.
        key: Idempotency key of its form.
        rows: Its rows.
        wrong: What is wrong with it as a whole.
    """

    text: str
    key: str
    rows: list[Row] = field(default_factory=list)
    wrong: Message | None = None


@router.get("/offers/upload")
async def show_upload(
    pages: PagesDep, visitor: VisitorDep, market_id: MarketQuery = None
) -> Response:
    """Show where a file of offers is given."""
    require_role(visitor.known(), Role.PROVIDER)
    market = await market_of(pages, market_id)
    if market is None:
        return visitor.page("no_market.html")
    return _page(visitor, market, File("", secrets.token_hex(16)))


@router.get("/offers/template")
async def get_template(
    pages: PagesDep, visitor: VisitorDep, market_id: MarketQuery = None
) -> Response:
    """Return a file to begin with."""
    require_role(visitor.known(), Role.PROVIDER)
    market = await market_of(pages, market_id)
    if market is None:
        return visitor.page("no_market.html")
    me = await pages.api.reading.me(visitor.known())
    start = hours_on(pages.api.market_data.now(), 2)
    text = template(market, start, start + timedelta(hours=24), me.resource_code or "")
    return csv_response(text, "offers")


# A path of this ending may have a body as large as a bulk of the API's.
@router.post("/offers/upload:bulk")
async def send_upload(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Check a file of offers; send its rows if all are right, or those that are if asked to."""
    principal = await enter(request, pages, visitor, Scope.TRADE)
    require_role(principal, Role.PROVIDER)
    form = visitor.form
    market = await market_of(pages, form.get("market"))
    if market is None:
        return visitor.page("no_market.html")
    text, key, wish = form.get("rows", ""), form.get("key", ""), form.get("do", "check")
    rows, wrong = rows_of(text)
    previews: dict[int, Any] = {}
    if wrong is None:
        rows, previews = await _tried(pages, principal, market, rows)
    right = [row for row in rows if row.terms is not None]
    sends = bool(right) and (wish == "right" or (wish == "all" and len(right) == len(rows)))
    if not sends:
        status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong or wish == "all" else HTTPStatus.OK
        file = File(text, key or secrets.token_hex(16), rows, wrong)
        return _page(visitor, market, file, previews, status=status.value)
    trace = child_traceparent(request.headers.get("traceparent", ""))
    rows, sent = await _sent(pages, principal, market, rows, key, trace)
    left = "" if all(row.number in sent for row in rows) else text
    return _page(visitor, market, File(left, key, rows), previews, sent)


async def _tried(
    pages: Pages, principal: Principal, market: Market, rows: list[Row]
) -> tuple[list[Row], dict[int, Any]]:
    """Return the rows with what the market finds wrong, and by number what others would earn."""
    asked = [(row, row.terms) for row in rows if row.terms is not None]
    wanted = [Submission("dry-run", market.id, terms) for _, terms in asked]
    found = await pages.api.previews.submissions(principal, Side.OFFER, wanted)
    refused: dict[int, Row] = {}
    previews: dict[int, Any] = {}
    for (row, _), verdict in zip(asked, found, strict=True):
        if isinstance(verdict, DomainError):
            refused[row.number] = row.refused(offer_form.faults(verdict))
        else:
            previews[row.number] = verdict.offer_quote
    return [refused.get(row.number, row) for row in rows], previews


async def _sent(
    pages: Pages, principal: Principal, market: Market, rows: list[Row], key: str, trace: str
) -> tuple[list[Row], dict[int, str]]:
    """Send the right rows; return all rows, and by number the orders that they are."""
    copies: Counter[str] = Counter()
    asked: list[tuple[Row, Submission]] = []
    for row in rows:
        if row.terms is not None:
            said = row.terms.model_dump_json()
            asked.append((row, Submission(key_of(key, row, copies[said]), market.id, row.terms)))
            copies[said] += 1
    outcomes = await pages.api.orders.submit(
        principal, Side.OFFER, [item for _, item in asked], trace
    )
    sent: dict[int, str] = {}
    refused: dict[int, Row] = {}
    for (row, _), outcome in zip(asked, outcomes, strict=True):
        if isinstance(outcome, DomainError):
            refused[row.number] = row.refused(offer_form.faults(outcome))
        elif outcome.order_id is not None:
            sent[row.number] = outcome.order_id
    return [refused.get(row.number, row) for row in rows], sent


def _page(
    visitor: Visitor,
    market: Market,
    file: File,
    previews: dict[int, Any] | None = None,
    sent: dict[int, str] | None = None,
    status: int = HTTPStatus.OK.value,
) -> Response:
    return visitor.page(
        "upload.html",
        status,
        market=market,
        file=file,
        rows=file.rows,
        rows_max=ROWS_MAX,
        previews=previews or {},
        sent=sent or {},
        right=sum(row.terms is not None for row in file.rows),
        trades=trades(visitor.known()),
    )
