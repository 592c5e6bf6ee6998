"""Routes of offers and demand."""

import secrets
from typing import Annotated, Any

from fastapi import Path, Query, Response

from schemas.api import (
    DemandAmend,
    DemandNew,
    DemandView,
    OfferAmend,
    OfferNew,
    OfferView,
    OrderEvent,
    Page,
    Receipt,
)
from schemas.base import OrderId, Slug
from schemas.filters import Filter
from schemas.quotes import QuoteView
from schemas.types import OrderState, Side
from services.core.errors import DomainError
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.context import (
    Api,
    ApiDep,
    KeyHeader,
    OptionalKeyHeader,
    Paging,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    TraceDep,
    TraderDep,
    numbered_page,
)
from services.gateway.adapters.http.filtering import DemandWhere, HistoryWhere, OffersWhere
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.http.trying import DRY_RUN, DryRunQuery, previewed
from services.gateway.app.orders import Change, Submission
from services.gateway.ports import Principal

router = Routes(route_class=StrictRoute)
ACCEPTED = 202

OfferIdPath = Annotated[OrderId, Path(description="`off_...`")]
DemandIdPath = Annotated[OrderId, Path(description="`dem_...`")]
StatesQuery = Annotated[
    list[OrderState] | None, Query(description="Only in these states; may be repeated")
]


async def _submit(
    api: Api,
    principal: Principal,
    side: Side,
    submission: Submission,
    trace: str,
    *,
    dry_run: bool,
) -> Receipt | Response:
    if dry_run:
        (found,) = await api.previews.submissions(principal, side, [submission])
        if isinstance(found, DomainError):
            raise found
        return previewed(found)
    (outcome,) = await api.orders.submit(principal, side, [submission], trace)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


@router.post(
    "/v1/offers",
    status_code=ACCEPTED,
    tags=["offers"],
    summary="Submit an offer (provider)",
    response_model=Receipt,
    response_model_exclude_none=True,
    responses=DRY_RUN,
)
async def submit_offer(
    body: Annotated[OfferNew, examples.OFFER_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    *,
    dry_run: DryRunQuery = False,
) -> Receipt | Response:
    """Put an offer on the log; the receipt tells where. Its verdict follows within a second."""
    submission = Submission(key, body.market_id, body.terms)
    return await _submit(api, principal, Side.OFFER, submission, trace, dry_run=dry_run)


@router.post(
    "/v1/demand",
    status_code=ACCEPTED,
    tags=["demand"],
    summary="Submit demand (enterprise)",
    response_model=Receipt,
    response_model_exclude_none=True,
    responses=DRY_RUN,
)
async def submit_demand(
    body: Annotated[DemandNew, examples.DEMAND_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    *,
    dry_run: DryRunQuery = False,
) -> Receipt | Response:
    """Put demand on the log; it enters the book once the ledger holds its money."""
    submission = Submission(key, body.market_id, body.terms)
    return await _submit(api, principal, Side.DEMAND, submission, trace, dry_run=dry_run)


@router.post("/v1/demand:quote", tags=["demand"])
async def quote_demand(
    body: Annotated[DemandNew, examples.DEMAND_NEW], api: ApiDep, principal: PrincipalDep
) -> QuoteView:
    """Return what a demand would get and cost by the last round; nothing is placed."""
    return await api.quotes.quote(body.market_id, body.terms, principal)


@router.get("/v1/offers", tags=["offers"], response_model=Page[OfferView])
async def list_offers(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    market_id: Slug | None = None,
    state: StatesQuery = None,
    where: OffersWhere = None,
) -> Response:
    """List your offers, newest first; the regulator and the operator see everybody's."""
    return await _list(api, principal, paging, Side.OFFER, market_id, state, where)


@router.get("/v1/demand", tags=["demand"], response_model=Page[DemandView])
async def list_demand(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    market_id: Slug | None = None,
    state: StatesQuery = None,
    where: DemandWhere = None,
) -> Response:
    """List your demand, newest first; the regulator and the operator see everybody's."""
    return await _list(api, principal, paging, Side.DEMAND, market_id, state, where)


@router.get("/v1/offers/{order_id}", tags=["offers"])
async def get_offer(order_id: OfferIdPath, api: ApiDep, principal: PrincipalDep) -> OfferView:
    """Return one offer; right after its submission already."""
    view = await api.reading.order(principal, Side.OFFER, order_id)
    assert isinstance(view, OfferView)
    return view


@router.get("/v1/demand/{order_id}", tags=["demand"])
async def get_demand(order_id: DemandIdPath, api: ApiDep, principal: PrincipalDep) -> DemandView:
    """Return one demand; right after its submission already."""
    view = await api.reading.order(principal, Side.DEMAND, order_id)
    assert isinstance(view, DemandView)
    return view


_CHANGE: dict[str, Any] = {
    "status_code": ACCEPTED,
    "response_model": Receipt,
    "response_model_exclude_none": True,
}


@router.put(
    "/v1/offers/{order_id}",
    tags=["offers"],
    summary="Amend an offer (its owner)",
    responses=DRY_RUN,
    **_CHANGE,
)
async def amend_offer(
    order_id: OfferIdPath,
    body: Annotated[OfferAmend, examples.OFFER_AMEND],
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: OptionalKeyHeader = None,
    *,
    dry_run: DryRunQuery = False,
) -> Receipt | Response:
    """Ask for new terms in place of version `expected_version`; what is allocated stands."""
    change = Change(order_id, _key(key), body.expected_version, body.terms)
    if dry_run:
        return previewed(await api.previews.change(principal, Side.OFFER, change))
    return await api.orders.amend(principal, Side.OFFER, change, trace)


@router.put(
    "/v1/demand/{order_id}",
    tags=["demand"],
    summary="Amend a demand (its owner)",
    responses=DRY_RUN,
    **_CHANGE,
)
async def amend_demand(
    order_id: DemandIdPath,
    body: Annotated[DemandAmend, examples.DEMAND_AMEND],
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: OptionalKeyHeader = None,
    *,
    dry_run: DryRunQuery = False,
) -> Receipt | Response:
    """Ask for new terms in place of version `expected_version`; they describe what is still
    wanted. They count once the ledger holds enough money for them.
    """  # noqa: D205 - shown as one paragraph on the API's page
    change = Change(order_id, _key(key), body.expected_version, body.terms)
    if dry_run:
        return previewed(await api.previews.change(principal, Side.DEMAND, change))
    return await api.orders.amend(principal, Side.DEMAND, change, trace)


@router.delete("/v1/offers/{order_id}", tags=["offers"], **_CHANGE)
async def cancel_offer(
    order_id: OfferIdPath,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: OptionalKeyHeader = None,
) -> Receipt:
    """Withdraw an offer; what is allocated stands."""
    return await api.orders.cancel(principal, Side.OFFER, Change(order_id, _key(key)), trace)


@router.delete("/v1/demand/{order_id}", tags=["demand"], **_CHANGE)
async def cancel_demand(
    order_id: DemandIdPath,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: OptionalKeyHeader = None,
) -> Receipt:
    """Withdraw what a demand still wants; its money is free again after the next round."""
    return await api.orders.cancel(principal, Side.DEMAND, Change(order_id, _key(key)), trace)


@router.get("/v1/orders/{order_id}/history", tags=["orders"], response_model=Page[OrderEvent])
async def get_history(
    order_id: OrderId,
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    where: HistoryWhere = None,
) -> Response:
    """Return all that happened to an order, oldest first: intents, states, holds."""
    found = await api.reading.history(
        principal, order_id, after=paging.number(), limit=paging.limit + 1, where=where
    )
    return numbered_page(paging, found, "history")


def _key(given: str | None) -> str:
    # A change without a key is an intent of its own each time.
    return given or f"auto-{secrets.token_hex(16)}"


async def _list(
    api: Api,
    principal: Principal,
    paging: Paging,
    side: Side,
    market_id: str | None,
    states: list[OrderState] | None,
    where: Filter | None,
) -> Response:
    found = await api.reading.orders(
        principal,
        side,
        market_id=market_id,
        states=None if states is None else [state.value for state in states],
        before=paging.number(),
        limit=paging.limit + 1,
        where=where,
    )
    return numbered_page(paging, found, "offers" if side is Side.OFFER else "demand")
