"""Paying for what was delivered, out of the market's escrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.events import DeliveryReported
from schemas.types import period_of
from services.core.errors import Message
from services.core.postings import TransferKind, derive_uuid
from services.ledger.findings import broken
from services.ledger.journal import body_digest
from services.ledger.state import (
    About,
    Delivery,
    PaidPeriod,
    cny_account,
    escrow_account,
    fees_account,
)

if TYPE_CHECKING:
    from uuid import UUID

    from services.ledger.books import Books
    from services.ledger.state import Allocation, Input

_MILLION = 1_000_000


def reported(books: Books, item: Input) -> None:
    """Pay the reported periods that were not paid before, less the round's fee.

    A period pays min(delivered, allocated) chips at its price; what was not delivered stays in
    escrow. The fee is rounded down, in the provider's favour.

    Raises:
        SettleError: if the report is not the provider's, repeats with another body, or names a
            period that the allocation does not have.
    """
    body = item.envelope.data
    assert isinstance(body, DeliveryReported)
    digest = body_digest(body)
    known = books.deliveries.get(body.delivery_id)
    if known == digest:
        return
    allocation = books.allocations[body.allocation_id]
    _check(body, allocation, is_repeat=known is not None)
    periods = _due(books, body, allocation)
    amount = sum(period.delivered * period.price for period in periods)
    fee = amount * allocation.fee_ppm // _MILLION
    payment_id = _pay(books, item, body, allocation, amount - fee, is_fee=False)
    fee_id = _pay(books, item, body, allocation, fee, is_fee=True)
    for period in periods:
        books.paid[allocation.id, period.period] = True
    books.deliveries[body.delivery_id] = digest
    books.deliveries_new.append(
        Delivery(body.delivery_id, allocation.id, digest, amount, fee, payment_id, fee_id, periods)
    )


def given_up(_books: Books, item: Input) -> None:
    """Refuse a report whose allocation has not been booked for too long.

    Raises:
        SettleError: always.
    """
    body = item.envelope.data
    assert isinstance(body, DeliveryReported)
    raise broken(
        "settle.unknown_allocation",
        Message(
            f"a delivery must be of a booked allocation, was {body.allocation_id}",
            f"交付须属于已记账的分配，实际为 {body.allocation_id}",
        ),
        "allocation_id",
        body.allocation_id,
        "a booked allocation",
    )


def _check(body: DeliveryReported, allocation: Allocation, *, is_repeat: bool) -> None:
    starts = [period_of(period.start) for period in body.periods]
    allocated = {period.period for period in allocation.periods}
    if is_repeat:
        field, value, allowed = "delivery_id", body.delivery_id, "the body first seen"
    elif (body.provider_id, body.market_id) != (allocation.provider_id, allocation.market_id):
        field, value, allowed = "provider_id", body.provider_id, allocation.provider_id
    elif len(set(starts)) != len(starts) or not allocated.issuperset(starts):
        field, value, allowed = "periods", str(starts)[:100], "each allocated period at most once"
    else:
        return
    raise broken(
        "settle.delivery",
        Message(
            f"{field} of delivery {body.delivery_id} must be {allowed}, was {value}",
            f"交付 {body.delivery_id} 的 {field} 应为 {allowed}，实际为 {value}",
        ),
        field,
        value,
        allowed,
    )


def _due(books: Books, body: DeliveryReported, allocation: Allocation) -> tuple[PaidPeriod, ...]:
    delivered: dict[int, int] = {period_of(period.start): period.chips for period in body.periods}
    return tuple(
        PaidPeriod(row.period, row.chips, row.price, min(delivered[row.period], row.chips))
        for row in allocation.periods
        # A period reported as 0 chips is not settled: a later report may still deliver it.
        if delivered.get(row.period, 0) > 0 and (allocation.id, row.period) not in books.paid
    )


def _pay(
    books: Books,
    item: Input,
    body: DeliveryReported,
    allocation: Allocation,
    amount: int,
    *,
    is_fee: bool,
) -> UUID | None:
    if amount == 0:
        return None
    purpose = "fee" if is_fee else "delivery_paid"
    payee = fees_account(allocation.market_id) if is_fee else cny_account(allocation.provider_id)
    transfer_id = derive_uuid(purpose, body.delivery_id)
    books.transfer(
        TransferKind.SINGLE,
        (transfer_id, escrow_account(allocation.market_id), payee),
        amount,
        item.envelope,
        purpose,
        about=About(allocation.market_id, allocation.round_id, allocation.demand_id),
    )
    return transfer_id
