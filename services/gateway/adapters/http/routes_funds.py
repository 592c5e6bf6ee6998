"""Routes about money: payouts, collateral, reversals, settlement, statements, invoices."""

from typing import Annotated, Any

from fastapi import Path, Query, Response

from schemas.api import Page, Receipt
from schemas.base import AllocationId, ParticipantId, PeriodStart, Slug
from schemas.funds import (
    CollateralNew,
    Day,
    InvoiceLine,
    InvoiceView,
    MoneyOrderView,
    RefusalView,
    ReversalNew,
    SettlementTermsNew,
    SettlementTermsView,
    SettlementView,
    StatementEntry,
    StatementView,
    WithdrawalNew,
)
from schemas.money import MoneyOrderId
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.context import (
    ApiDep,
    GovernorDep,
    KeyHeader,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    TraceDep,
    TreasurerDep,
    numbered_page,
    page,
)
from services.gateway.adapters.http.filtering import (
    RefusalsWhere,
    SettlementsWhere,
    StatementWhere,
    TermsWhere,
)
from services.gateway.adapters.http.routes_exchange import OwnerQuery
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
_ACCEPTED: dict[str, Any] = {"status_code": 202, "response_model_exclude_none": True}
FromQuery = Annotated[PeriodStart, Query(alias="from", description="First hour, on the hour")]
ToQuery = Annotated[PeriodStart, Query(alias="to", description="End, exclusive, on the hour")]
DayPath = Annotated[Day, Path()]


@router.post("/v1/participants/{participant_id}/withdrawals", tags=["money"], **_ACCEPTED)
async def withdraw(
    participant_id: ParticipantId,
    body: Annotated[WithdrawalNew, examples.WITHDRAWAL_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: TreasurerDep,
    trace: TraceDep,
) -> Receipt:
    """Pay out money of a participant (operator); the ledger books or refuses it."""
    return await api.funds.withdraw(principal, participant_id, body, key, trace)


@router.post("/v1/participants/{participant_id}/collateral", tags=["money"], **_ACCEPTED)
async def move_collateral(
    participant_id: ParticipantId,
    body: Annotated[CollateralNew, examples.COLLATERAL_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: TreasurerDep,
    trace: TraceDep,
) -> Receipt:
    """Make money collateral, or free it (its owner; operator); booked or refused."""
    return await api.funds.move_collateral(principal, participant_id, body, key, trace)


@router.post("/v1/reversals", tags=["money"], **_ACCEPTED)
async def reverse(
    body: Annotated[ReversalNew, examples.REVERSAL_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: TreasurerDep,
    trace: TraceDep,
) -> Receipt:
    """Take a booking back by its mirror image (operator); booked or refused."""
    return await api.funds.reverse(principal, body, key, trace)


@router.get("/v1/money-orders/{order_ref}", tags=["money"])
async def get_money_order(
    order_ref: MoneyOrderId, api: ApiDep, principal: PrincipalDep
) -> MoneyOrderView:
    """Return what became of a payout, a move of collateral or a reversal; 404 until it did."""
    return await api.money.money_order(principal, order_ref)


@router.get("/v1/refusals", tags=["money"], response_model=Page[RefusalView])
async def list_refusals(
    api: ApiDep, principal: PrincipalDep, paging: PagingDep, where: RefusalsWhere = None
) -> Response:
    """List your orders about money that were refused, latest first."""
    found = await api.money.refusals(
        principal, before=paging.number(), limit=paging.limit + 1, where=where
    )
    return numbered_page(paging, found, "refusals")


@router.get("/v1/settlements", tags=["money"], response_model=Page[SettlementView])
async def list_settlements(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    market_id: Slug | None = None,
    allocation_id: AllocationId | None = None,
    where: SettlementsWhere = None,
) -> Response:
    """List what your allocations were settled at, latest first."""
    found = await api.money.settlements(
        principal,
        market_id=market_id,
        allocation_id=allocation_id,
        before=paging.number(),
        limit=paging.limit + 1,
        where=where,
    )
    return numbered_page(paging, found, "settlements")


@router.post("/v1/settlement-terms", tags=["markets"], **_ACCEPTED)
async def set_settlement_terms(
    body: Annotated[SettlementTermsNew, examples.SETTLEMENT_TERMS_NEW],
    api: ApiDep,
    principal: GovernorDep,
    trace: TraceDep,
) -> Receipt:
    """Set the next version of a market's fees, penalty and reporting time (operator)."""
    return await api.funds.set_terms(principal, body, trace)


@router.get("/v1/settlement-terms", tags=["markets"], response_model=Page[SettlementTermsView])
async def list_settlement_terms(
    api: ApiDep, paging: PagingDep, market_id: Slug | None = None, where: TermsWhere = None
) -> Response:
    """List every version of the terms of settlement (public)."""
    found = await api.money.funds.terms(
        market_id=market_id, after=paging.text_number(), limit=paging.limit + 1, where=where
    )
    last: list[str | int] | None = None
    if len(found) > paging.limit:
        item = found[paging.limit - 1]
        last = [item.market_id, item.version]
    return page(paging, found, last, "settlement-terms")


@router.get("/v1/account/statement", tags=["money"])
async def get_statement(
    api: ApiDep,
    principal: PrincipalDep,
    start: FromQuery,
    end: ToQuery,
    participant_id: OwnerQuery = None,
) -> StatementView:
    """Return your accounts over a period: opening and closing balances, totals."""
    return await api.money.statement(principal, participant_id, start, end)


@router.get("/v1/account/statement/entries", tags=["money"], response_model=Page[StatementEntry])
async def list_statement_entries(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    start: FromQuery,
    end: ToQuery,
    participant_id: OwnerQuery = None,
    where: StatementWhere = None,
) -> Response:
    """List the bookings of a statement in the order of the journal."""
    found = await api.money.statement_entries(
        principal,
        participant_id,
        start,
        end,
        after=paging.number_text(),
        limit=paging.limit + 1,
        where=where,
    )
    last: list[str | int] | None = None
    if len(found) > paging.limit:
        item = found[paging.limit - 1]
        last = [item.leaf_index, item.account]
    return page(paging, found, last, "statement")


@router.get("/v1/account/invoices", tags=["money"], response_model=Page[InvoiceView])
async def list_invoices(
    api: ApiDep, principal: PrincipalDep, paging: PagingDep, participant_id: OwnerQuery = None
) -> Response:
    """List your invoices, one per day with charges, latest first."""
    found = await api.money.invoices(
        principal, participant_id, before=paging.number(), limit=paging.limit + 1
    )
    return numbered_page(paging, found, "invoices")


@router.get("/v1/account/invoices/{day}", tags=["money"])
async def get_invoice(
    day: DayPath, api: ApiDep, principal: PrincipalDep, participant_id: OwnerQuery = None
) -> InvoiceView:
    """Return your invoice of a day."""
    return await api.money.invoice(principal, participant_id, day)


@router.get("/v1/account/invoices/{day}/lines", tags=["money"], response_model=Page[InvoiceLine])
async def list_invoice_lines(
    day: DayPath,
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    participant_id: OwnerQuery = None,
) -> Response:
    """List the lines of an invoice, each with the journal entries that it is the sum of."""
    found = await api.money.invoice_lines(
        principal, participant_id, day, after=paging.number_text(), limit=paging.limit + 1
    )
    last = found[paging.limit - 1][0] if len(found) > paging.limit else None
    return page(paging, [view for _, view in found], last, "invoice")
