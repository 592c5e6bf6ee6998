"""Routes of composing and amending: a form with live eligibility, quote, hold and why-not."""

import re
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.base import AllocationId, OrderId, Slug
from schemas.identity import Scope
from schemas.market import Market
from schemas.mobilisation import MobilisationId
from schemas.orders import DemandTerms, OfferTerms
from schemas.types import TERMINAL_STATES, Side
from services.core.errors import DomainError, Message
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages import demand_form, offer_form
from services.gateway.adapters.pages.changes import changes_of
from services.gateway.adapters.pages.context import (
    PageRoute,
    Pages,
    PagesDep,
    Visitor,
    VisitorDep,
    enter,
)
from services.gateway.adapters.pages.fields import Fields, moved_on
from services.gateway.adapters.pages.market_figures import region_name
from services.gateway.adapters.pages.names import names_in
from services.gateway.adapters.pages.needs import need_of, needs_of
from services.gateway.adapters.pages.rendering import page_response, render
from services.gateway.adapters.pages.words import for_people
from services.gateway.app.orders import Change, Submission
from services.gateway.app.rights import require_own, require_side
from services.gateway.errors import ConflictError
from services.gateway.ports import Principal
from services.kit.telemetry import child_traceparent

router = Routes(include_in_schema=False, route_class=PageRoute)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_MARKETS_MAX = 50
_TEMPLATES = {
    Side.DEMAND: ("demand_form.html", "demand_preview.html"),
    Side.OFFER: ("offer_form.html", "offer_preview.html"),
}
MarketQuery = Annotated[Slug | None, Query()]
ChangeQuery = Annotated[str, Query(max_length=300)]


@dataclass(frozen=True, slots=True)
class Draft:
    """An order as it is being written.

    Attributes:
        side: Its side.
        market: The market that it is for.
        fields: What was filled in.
        order_id: The order that it amends; empty for a new one.
        version: The version that it would replace.
        key: Idempotency key of its sending.
    """

    side: Side
    market: Market
    fields: Fields
    order_id: str = ""
    version: int = 1
    key: str = ""

    @property
    def address(self) -> str:
        """Return where it is written."""
        if self.order_id:
            return f"/orders/{self.order_id}/amend"
        return f"/{'demand' if self.side is Side.DEMAND else 'offers'}/new"

    def read(self) -> tuple[DemandTerms | OfferTerms | None, dict[str, Message]]:
        """Return its terms, or what is wrong by field."""
        if self.side is Side.DEMAND:
            return demand_form.read(self.fields)
        return offer_form.read(self.fields)

    def faults(self, error: DomainError) -> dict[str, Message]:
        """Return what the use cases find wrong, by field."""
        if self.side is Side.DEMAND:
            return demand_form.faults(error, self.fields)
        return offer_form.faults(error)


def _side(request: Request) -> Side:
    return Side.DEMAND if request.url.path.startswith("/demand/") else Side.OFFER


async def market_of(pages: Pages, market_id: str | None) -> Market | None:
    """Return the market that is meant, or the first one; ``None`` if there is none yet."""
    if market_id:
        return (await pages.api.reading.market_view(market_id)).market
    found = await pages.api.reading.markets.markets(after=None, limit=1)
    return found[0].market if found else None


def trades(principal: Principal) -> bool:
    """Return whether the key may place orders."""
    return Scope.TRADE in principal.scopes and principal.active


async def _previewed(
    pages: Pages, principal: Principal, draft: Draft
) -> tuple[Any, dict[str, Message], Any]:
    """Return (terms, faults by field, preview)."""
    terms, faults = draft.read()
    if terms is None or not trades(principal):
        return terms, faults, None
    try:
        if draft.order_id:
            change = Change(draft.order_id, "dry-run", draft.version, terms)
            preview = await pages.api.previews.change(principal, draft.side, change)
        else:
            wanted = Submission("dry-run", draft.market.id, terms)
            (found,) = await pages.api.previews.submissions(principal, draft.side, [wanted])
            if isinstance(found, DomainError):
                raise found
            preview = found
    except DomainError as error:
        return terms, draft.faults(error), None
    return terms, faults, preview


async def _context(pages: Pages, visitor: Visitor, draft: Draft) -> dict[str, Any]:
    principal = visitor.known()
    terms, faults, preview = await _previewed(pages, principal, draft)
    names = names_in([draft.market], visitor.language)
    quote = getattr(preview, "quote", None)
    return {
        "draft": draft,
        "fields": draft.fields,
        "market": draft.market,
        "names": names,
        "terms": terms,
        "faults": faults,
        "preview": preview,
        "quote": quote,
        "changes": () if quote is None else changes_of(quote.reason, names),
        "slack": demand_form.slack_hours(terms)
        if terms is not None and draft.side is Side.DEMAND
        else None,
        "label": demand_form.label_of if draft.side is Side.DEMAND else offer_form.label_of,
        "count_of": demand_form.count_of,
        "region_name": region_name,
        "trades": trades(principal),
        "is_sandbox": pages.api.is_sandbox,
    }


async def _page(
    pages: Pages,
    visitor: Visitor,
    draft: Draft,
    *,
    refused: dict[str, Message] | None = None,
    status: int = HTTPStatus.OK.value,
) -> Response:
    """Return the form; what is wrong with a field is beside it once it was sent."""
    context = await _context(pages, visitor, draft)
    markets = await pages.api.reading.markets.markets(after=None, limit=_MARKETS_MAX)
    template, preview = _TEMPLATES[draft.side]
    return visitor.page(
        template,
        status,
        beside=refused or {},
        markets=[item.market for item in markets],
        preview_template=preview,
        needs=await needs_of(pages, visitor.known(), draft.market.id),
        **context,
    )


def _sent(visitor: Visitor, side: Side, market: Market) -> Draft:
    """Return the draft that a form sends."""
    form = visitor.form
    version = form.pop("expected_version", "1")
    key = form.pop("key", "")
    return Draft(
        side=side,
        market=market,
        fields=form,
        order_id=form.pop("order_id", ""),
        version=int(version) if version.isdecimal() and len(version) < 10 else 1,
        key=key if _KEY.fullmatch(key) else secrets.token_hex(16),
    )


@router.get("/demand/new")
@router.get("/offers/new")
async def show_new(
    request: Request,
    pages: PagesDep,
    visitor: VisitorDep,
    market_id: MarketQuery = None,
    copy: OrderId | None = None,
    need: MobilisationId | None = None,
    resale: AllocationId | None = None,
    apply: ChangeQuery = "",
) -> Response:
    """Show the form of a new order: empty, a copy, under a declared need, or of what was bought."""
    side, principal = _side(request), visitor.known()
    require_side(principal, side)
    if copy is not None:
        view = await pages.api.reading.order(principal, side, copy)
        market = (await pages.api.reading.market_view(view.market_id)).market
        window = ("earliest", "deadline") if side is Side.DEMAND else ("start", "end")
        now = pages.api.market_data.now()
        fields = moved_on(_fields(view.terms, view.market_id), *window, now)
    elif resale is not None and side is Side.OFFER:
        bought = await pages.api.reading.allocation(principal, resale)
        market = (await pages.api.reading.market_view(bought.market_id)).market
        me, now = await pages.api.reading.me(principal), pages.api.market_data.now()
        fields = offer_form.resale(bought, now, me.resource_code or "")
    elif need is not None:
        declared = await need_of(pages, principal, need)
        market = (await pages.api.reading.market_view(declared.market_id)).market
        fields = demand_form.urgent(market, pages.api.market_data.now(), declared.terms)
    else:
        found = await market_of(pages, market_id)
        if found is None:
            return visitor.page("no_market.html")
        market = found
        fields = await _blank(pages, principal, side, market)
    if side is Side.DEMAND and apply:
        fields = demand_form.changed(fields, apply, market)
    draft = Draft(side, market, fields, key=secrets.token_hex(16))
    return await _page(pages, visitor, draft)


async def _blank(pages: Pages, principal: Principal, side: Side, market: Market) -> Fields:
    now = pages.api.market_data.now()
    if side is Side.OFFER:
        me = await pages.api.reading.me(principal)
        return offer_form.blank(market, now, me.resource_code or "")
    return demand_form.blank(market, now, market.chips[0].id)


def _fields(terms: Any, market_id: str) -> Fields:  # noqa: ANN401 - terms of either side
    if hasattr(terms, "alternatives"):
        return demand_form.fields_of(terms, market_id)
    return offer_form.fields_of(terms, market_id)


@router.post("/demand/new")
@router.post("/offers/new")
async def send_new(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Place an order, once for each form that was shown; or change the form by a button."""
    side = _side(request)
    principal = await enter(request, pages, visitor, Scope.TRADE)
    require_side(principal, side)
    apply = visitor.form.pop("apply", "")
    market = await market_of(pages, visitor.form.get("market"))
    if market is None:
        return visitor.page("no_market.html")
    draft = _sent(visitor, side, market)
    if apply:
        return await _page(pages, visitor, _applied(draft, apply))
    terms, faults = draft.read()
    if terms is None:
        return await _refused(pages, visitor, draft, faults)
    wanted = Submission(draft.key, market.id, terms)
    trace = child_traceparent(request.headers.get("traceparent", ""))
    (outcome,) = await pages.api.orders.submit(principal, side, [wanted], trace)
    if isinstance(outcome, DomainError):
        return await _refused(pages, visitor, draft, draft.faults(outcome))
    return RedirectResponse(f"/orders/{outcome.order_id}", HTTPStatus.SEE_OTHER)


def _applied(draft: Draft, apply: str) -> Draft:
    if draft.side is not Side.DEMAND:
        return draft
    fields = demand_form.changed(draft.fields, apply, draft.market)
    return Draft(draft.side, draft.market, fields, draft.order_id, draft.version, draft.key)


async def _refused(
    pages: Pages, visitor: Visitor, draft: Draft, faults: dict[str, Message]
) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY.value
    return await _page(pages, visitor, draft, refused=faults, status=status)


@router.post("/demand/preview")
@router.post("/offers/preview")
async def show_preview(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Show what an order would come to; nothing is stored of it."""
    side = _side(request)
    principal = await enter(request, pages, visitor, Scope.TRADE)
    require_side(principal, side)
    market = await market_of(pages, visitor.form.get("market"))
    if market is None:
        return visitor.page("no_market.html")
    context = await _context(pages, visitor, _sent(visitor, side, market))
    html = render(_TEMPLATES[side][1], visitor.language, visitor=visitor, **context)
    return page_response(html)


async def _amendable(pages: Pages, visitor: Visitor, order_id: str) -> tuple[Side, Any, Market]:
    side = Side.OFFER if order_id.startswith("off_") else Side.DEMAND
    principal = visitor.known()
    require_side(principal, side)
    view = await pages.api.reading.order(principal, side, order_id)
    require_own(principal, view.participant_id, "order_id", order_id)
    return side, view, (await pages.api.reading.market_view(view.market_id)).market


@router.get("/orders/{order_id}/amend")
async def show_amend(
    order_id: OrderId, pages: PagesDep, visitor: VisitorDep, apply: ChangeQuery = ""
) -> Response:
    """Show the form with an order's terms, changed as a button says."""
    side, view, market = await _amendable(pages, visitor, order_id)
    if view.state in TERMINAL_STATES:
        raise ConflictError(
            "order_final",
            Message(
                "This order has ended and cannot be changed; place a copy of it instead",
                "该订单已结束，无法修改；可复制为新订单",
            ),
            field="state",
            value=view.state.value,
        )
    fields = _fields(view.terms, view.market_id)
    if side is Side.DEMAND and apply:
        fields = demand_form.changed(fields, apply, market)
    draft = Draft(side, market, fields, order_id, view.version, secrets.token_hex(16))
    return await _page(pages, visitor, draft)


@router.post("/orders/{order_id}/amend")
async def send_amend(
    request: Request, order_id: OrderId, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Ask for new terms, once for each form that was shown; or change the form by a button."""
    principal = await enter(request, pages, visitor, Scope.TRADE)
    side, _, market = await _amendable(pages, visitor, order_id)
    apply = visitor.form.pop("apply", "")
    visitor.form["order_id"] = order_id
    draft = _sent(visitor, side, market)
    if apply:
        return await _page(pages, visitor, _applied(draft, apply))
    terms, faults = draft.read()
    if terms is None:
        return await _refused(pages, visitor, draft, faults)
    change = Change(order_id, draft.key, draft.version, terms)
    trace = child_traceparent(request.headers.get("traceparent", ""))
    try:
        await pages.api.orders.amend(principal, side, change, trace)
    except DomainError as error:
        found = draft.faults(error) or {"": for_people(error.message)}
        return await _refused(pages, visitor, draft, found)
    return RedirectResponse(f"/orders/{order_id}", HTTPStatus.SEE_OTHER)
