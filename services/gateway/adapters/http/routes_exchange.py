"""Routes of participants, keys, money, markets and deliveries."""

from typing import Annotated, Any

from fastapi import Query, Response

from schemas.api import (
    AccountView,
    DeliveryNew,
    DepositNew,
    EntryView,
    MarketView,
    Page,
    ParticipantCreated,
    ParticipantNew,
    ParticipantView,
    Receipt,
)
from schemas.base import ParticipantId, Slug
from schemas.funds import AccountKind
from schemas.market import Market
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.context import (
    AdminDep,
    ApiDep,
    GovernorDep,
    KeyHeader,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    TraceDep,
    TraderDep,
    TreasurerDep,
    numbered_page,
    page,
)
from services.gateway.adapters.http.filtering import (
    EntriesWhere,
    MarketsWhere,
    ParticipantsWhere,
)
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
_ACCEPTED: dict[str, Any] = {"status_code": 202, "response_model_exclude_none": True}
OwnerQuery = Annotated[
    ParticipantId | None, Query(description="Another one's, for the regulator and the operator")
]


@router.post("/v1/participants", status_code=201, tags=["participants"])
async def register(
    body: Annotated[ParticipantNew, examples.PARTICIPANT_NEW],
    api: ApiDep,
    principal: AdminDep,
    trace: TraceDep,
) -> ParticipantCreated:
    """Admit a participant (operator). The key is shown this once; the same particulars again
    give a further key.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.exchange.register(principal, body, trace)


@router.get("/v1/participants", tags=["participants"], response_model=Page[ParticipantView])
async def list_participants(
    api: ApiDep, principal: PrincipalDep, paging: PagingDep, where: ParticipantsWhere = None
) -> Response:
    """List all participants (operator, regulator)."""
    found = await api.reading.participants(
        principal, after=paging.text(), limit=paging.limit + 1, where=where
    )
    last = found[paging.limit - 1].participant_id if len(found) > paging.limit else ""
    return page(paging, found, [last], "participants")


@router.get("/v1/participants/me", tags=["participants"])
async def get_me(api: ApiDep, principal: PrincipalDep) -> ParticipantView:
    """Return who you are."""
    return await api.reading.me(principal)


@router.post("/v1/participants/{participant_id}/deposits", tags=["money"], **_ACCEPTED)
async def deposit(
    participant_id: ParticipantId,
    body: Annotated[DepositNew, examples.DEPOSIT_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: TreasurerDep,
    trace: TraceDep,
) -> Receipt:
    """Record money that arrived for a participant (operator)."""
    return await api.exchange.deposit(principal, participant_id, body, key, trace)


@router.get("/v1/account", tags=["money"])
async def get_account(
    api: ApiDep, principal: PrincipalDep, participant_id: OwnerQuery = None
) -> AccountView:
    """Return your money: posted, held for open demand, free; collateral, debt."""
    return await api.reading.account(principal, participant_id)


@router.get("/v1/account/entries", tags=["money"], response_model=Page[EntryView])
async def list_entries(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    participant_id: OwnerQuery = None,
    account: AccountKind = "cny",
    where: EntriesWhere = None,
) -> Response:
    """List the bookings on your money, collateral or debt account, latest first."""
    found = await api.reading.entries(
        principal,
        participant_id,
        account=account,
        before=paging.number(),
        limit=paging.limit + 1,
        where=where,
    )
    last = found[paging.limit - 1][0] if len(found) > paging.limit else 0
    return page(paging, [view for _, view in found], [last], "entries")


@router.post("/v1/markets", tags=["markets"], **_ACCEPTED)
async def define_market(
    body: Annotated[Market, examples.MARKET_NEW],
    api: ApiDep,
    principal: GovernorDep,
    trace: TraceDep,
) -> Receipt:
    """Put a market in force from its next round (operator)."""
    return await api.exchange.define_market(principal, body, trace)


@router.get("/v1/markets", tags=["markets"], response_model=Page[MarketView])
async def list_markets(api: ApiDep, paging: PagingDep, where: MarketsWhere = None) -> Response:
    """List the markets in force (public)."""
    found = await api.reading.markets.markets(
        after=paging.text(), limit=paging.limit + 1, where=where
    )
    last = found[paging.limit - 1].market.id if len(found) > paging.limit else ""
    return page(paging, found, [last], "markets")


@router.get("/v1/markets/{market_id}", tags=["markets"])
async def get_market(market_id: Slug, api: ApiDep) -> MarketView:
    """Return a market's zones, chip classes and rules (public)."""
    return await api.reading.market_view(market_id)


@router.get(
    "/v1/markets/{market_id}/definitions", tags=["markets"], response_model=Page[MarketView]
)
async def list_market_definitions(market_id: Slug, api: ApiDep, paging: PagingDep) -> Response:
    """List what a market was defined as, the latest first (public)."""
    await api.reading.market_view(market_id)
    found = await api.reading.markets.definitions(
        market_id, before=paging.number(), limit=paging.limit + 1
    )
    return numbered_page(paging, found, "definitions")


@router.post("/v1/deliveries", tags=["deliveries"], **_ACCEPTED)
async def report_delivery(
    body: Annotated[DeliveryNew, examples.DELIVERY_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
) -> Receipt:
    """Tell what was delivered of an allocation (provider); the ledger pays those periods."""
    return await api.exchange.report_delivery(principal, body, key, trace)
