"""Routes of policies: what the regulator sets, and what anybody reads of it."""

from typing import Annotated

from fastapi import Body, Query, Response

from schemas.api import Page, Receipt
from schemas.base import Slug
from schemas.policies import MarketPaused, PolicyNew, PolicyState, PolicyView
from schemas.policy_examples import POLICY_NEW
from schemas.shares import RoundShares
from services.gateway.adapters.http.context import (
    ApiDep,
    GovernorDep,
    PagingDep,
    StrictRoute,
    TraceDep,
    page,
)
from services.gateway.adapters.http.filtering import PoliciesWhere
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
StateQuery = Annotated[PolicyState | None, Query(description="Only versions of this state")]


@router.post("/v1/policies", status_code=202, tags=["markets"], response_model_exclude_none=True)
async def set_policy(
    body: Annotated[PolicyNew, Body(examples=[POLICY_NEW])],
    api: ApiDep,
    principal: GovernorDep,
    trace: TraceDep,
) -> Receipt:
    """Set the next version of a policy, or withdraw it (regulator; the operator, a halt)."""
    return await api.exchange.set_policy(principal, body, trace)


@router.get("/v1/policies", tags=["markets"], response_model=Page[PolicyView])
async def list_policies(
    api: ApiDep,
    paging: PagingDep,
    market_id: Slug | None = None,
    state: StateQuery = None,
    where: PoliciesWhere = None,
) -> Response:
    """List every version of every policy: coming, in force and past (public)."""
    found = await api.reading.markets.policies(
        market_id=market_id,
        after=paging.text_number(),
        limit=paging.limit + 1,
        state=state,
        where=where,
    )
    last: list[str | int] = []
    if len(found) > paging.limit:
        policy = found[paging.limit - 1].policy
        last = [f"{policy.market_id}/{policy.policy_id}", policy.version]
    return page(paging, found, last, "policies")


@router.get("/v1/pauses", tags=["markets"], response_model=Page[MarketPaused])
async def list_pauses(api: ApiDep, paging: PagingDep, market_id: Slug | None = None) -> Response:
    """List the pauses that circuit breakers brought about, latest rounds first (public)."""
    found = await api.reading.markets.pauses(
        market_id=market_id, before=paging.number_text(), limit=paging.limit + 1
    )
    last: list[str | int] | None = None
    if len(found) > paging.limit:
        last = [found[paging.limit - 1].seq, found[paging.limit - 1].market_id]
    return page(paging, found, last, "pauses")


@router.get("/v1/shares", tags=["markets"], response_model=Page[RoundShares])
async def list_shares(api: ApiDep, paging: PagingDep, market_id: Slug | None = None) -> Response:
    """List what domestic shares asked of rounds: premium, share, shortfall (public)."""
    found = await api.reading.markets.shares(
        market_id=market_id, before=paging.number_text(), limit=paging.limit + 1
    )
    last: list[str | int] | None = None
    if len(found) > paging.limit:
        last = [found[paging.limit - 1].seq, found[paging.limit - 1].market_id]
    return page(paging, found, last, "shares")
