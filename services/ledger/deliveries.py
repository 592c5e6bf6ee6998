"""Settling allocated periods out of the market's escrow: reported, or lapsed without a report.

A period is settled once. What its report says was delivered is paid, less the fee; the rest is
refunded and costs the provider the penalty. A period that nobody reports in time is settled as
not delivered at all, by the market's clock as the next round tells it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

from schemas.events import DeliveryReported, RoundClosed
from schemas.money import AllocationSettled, SettledPeriod
from schemas.shares import PremiumSettled
from schemas.types import period_of, period_start
from services.core.errors import Message
from services.core.postings import TransferKind, settlement_uuid
from services.core.settlement import Settled, levy, part, split
from services.ledger.findings import broken
from services.ledger.journal import body_digest
from services.ledger.money import collect
from services.ledger.state import (
    About,
    Settlement,
    cny_account,
    collateral_account,
    debt_account,
    escrow_account,
    fees_account,
    penalties_account,
    policy_account,
    premiums_account,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from schemas.codec import Envelope
    from services.core.settlement import Levy, Split
    from services.ledger.books import Books
    from services.ledger.state import Allocation, Input


def reported(books: Books, item: Input) -> None:
    """Settle the reported periods that are open and were reported in time.

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
    now = period_of(item.envelope.occurred_at)
    periods = []
    for told in body.periods:
        period = period_of(told.start)
        found = books.open.get((allocation.id, period))
        if found is not None and now < found.due:
            delivered = min(told.chips, found.chips)
            premium = _premium(allocation, period)
            periods.append(Settled(period, found.chips, found.price, delivered, premium))
    books.deliveries[body.delivery_id] = digest
    _settle(books, item.envelope, allocation, (body.delivery_id, digest), periods, lapsed=False)


def lapse(books: Books, envelope: Envelope) -> None:
    """Settle what was not reported in time, as far as it was loaded, at a booked round's time.

    A report is in time until its period is due; an hour more passes before it lapses, so that
    a report which was in time is read first.
    """
    closed = envelope.data
    assert isinstance(closed, RoundClosed)
    now = period_of(closed.market_time)
    late: dict[str, list[Settled]] = defaultdict(list)
    for place, found in books.open.items():
        allocation_id, period = place
        if found is not None and found.due < now:
            allocation = books.allocations.get(allocation_id)
            # A resale is settled with what it resells, however late that is reported.
            if (
                allocation is not None
                and allocation.market_id == closed.market_id
                and allocation.resale_of is None
            ):
                premium = _premium(allocation, period)
                late[allocation_id].append(Settled(period, found.chips, found.price, 0, premium))
    for allocation_id, periods in sorted(late.items()):
        name = f"lapse:{closed.round_id}:{allocation_id}"
        identity = (name, hashlib.sha256(name.encode()).digest())
        _settle(
            books,
            envelope,
            books.allocations[allocation_id],
            identity,
            sorted(periods, key=lambda settled: settled.period),
            lapsed=True,
        )


def settle_late(books: Books, envelope: Envelope) -> None:
    """Settle what a round has sold on of hours that were settled before it was booked.

    A round that was sealed in time may be booked after the delivery was reported.
    """
    closed = envelope.data
    assert isinstance(closed, RoundClosed)
    for allocation in list(books.allocations_new):
        source = allocation.resale_of
        if source is None or allocation.round_id != closed.round_id:
            continue
        periods = [
            row.period for row in allocation.periods if books.open.get((source, row.period)) is None
        ]
        if periods:
            identity = f"late:{closed.round_id}:{allocation.id}"
            _pass_on(books, envelope, allocation, identity, periods, lapsed=False)


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


def parties_of(allocation: Allocation) -> tuple[str, ...]:
    """Return every account that settling an allocation can touch."""
    people = (allocation.provider_id, allocation.enterprise_id)
    own = (cny_account, collateral_account, debt_account)
    market = (
        escrow_account,
        fees_account,
        penalties_account,
        policy_account,
        premiums_account,
    )
    return (
        *(name(person) for person in people for name in own),
        *(name(allocation.market_id) for name in market),
    )


def _check(body: DeliveryReported, allocation: Allocation, *, is_repeat: bool) -> None:
    starts = [period_of(period.start) for period in body.periods]
    allocated = {period.period for period in allocation.periods}
    if is_repeat:
        field, value, allowed = "delivery_id", body.delivery_id, "the body first seen"
    elif allocation.resale_of is not None:
        field, value, allowed = "allocation_id", allocation.id, "of a provider's own chips"
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


def _settle(
    books: Books,
    envelope: Envelope,
    allocation: Allocation,
    identity: tuple[str, bytes],
    periods: Iterable[Settled],
    *,
    lapsed: bool,
) -> None:
    settled = tuple(periods)
    settlement_id, digest = identity
    terms, parts = allocation.terms, split(settled, allocation.terms)
    mover = _Mover(books, envelope, allocation, settlement_id)
    provider, enterprise = allocation.provider_id, allocation.enterprise_id
    escrow, fees = escrow_account(allocation.market_id), fees_account(allocation.market_id)
    money = cny_account(enterprise)
    mover.move("delivery_paid", escrow, cny_account(provider), parts.paid - parts.provider_fee)
    mover.move("fee", escrow, fees, parts.provider_fee)
    mover.move("refund", escrow, money, parts.refund)
    missed = mover.premiums(parts, provider)
    # Only what is taken is shared: the exchange does not lend what a provider owes.
    penalty = levy(parts.penalty, books.account(collateral_account(provider)).free())
    compensation = part(penalty.taken, terms.compensation_ppm)
    fund, collateral = penalties_account(allocation.market_id), collateral_account(provider)
    mover.move("compensation", collateral, money, compensation)
    mover.move("penalty", collateral, fund, penalty.taken - compensation)
    mover.move("penalty_owed", debt_account(provider), fund, penalty.owed)
    charge = levy(parts.enterprise_fee, books.free(enterprise))
    mover.move("enterprise_fee", money, fees, charge.taken)
    mover.move("enterprise_fee_owed", debt_account(enterprise), fees, charge.owed)
    for person in (provider, enterprise):
        mover.collect(person)
    for item in settled:
        books.open[allocation.id, item.period] = None
    row = Settlement(
        settlement_id,
        allocation.id,
        digest,
        lapsed,
        parts,
        compensation,
        penalty.owed,
        charge.owed,
        tuple(mover.made),
        settled,
    )
    books.settlements_new.append(row)
    for item in settled:
        books.passable[allocation.id, item.period] = item.delivered
    if settled:
        books.emit(_told(row, allocation), envelope, settlement_id)
    if parts.credit or parts.charge or parts.charge_missed:
        books.emit(_premium_told(row, allocation, missed.owed), envelope, settlement_id)
    for resale in books.resold_of(allocation.id):
        hours = [item.period for item in settled if (resale.id, item.period) in books.open]
        if hours:
            name = f"resale:{settlement_id}:{resale.id}"
            _pass_on(books, envelope, resale, name, hours, lapsed=lapsed)


def _pass_on(
    books: Books,
    envelope: Envelope,
    resale: Allocation,
    name: str,
    periods: Iterable[int],
    *,
    lapsed: bool,
) -> None:
    """Settle hours of a resale by what came of the allocation that it was sold on from.

    Who bought last is served first: the reseller gave its own claim away.
    """
    assert resale.resale_of is not None
    rows = []
    for period in periods:
        found, source = books.open[resale.id, period], (resale.resale_of, period)
        assert found is not None
        came = books.passable.get(source) or 0
        delivered = min(came, found.chips)
        books.passable[source] = came - delivered
        premium = _premium(resale, period)
        rows.append(Settled(period, found.chips, found.price, delivered, premium))
    # Of one length, however long the chain above it is.
    identity = hashlib.sha256(name.encode())
    ids = (f"resale:{identity.hexdigest()[:40]}", identity.digest())
    _settle(books, envelope, resale, ids, rows, lapsed=lapsed)


def _premium(allocation: Allocation, period: int) -> int:
    return next(row.premium for row in allocation.periods if row.period == period)


class _Mover:
    """Books the transfers of one settlement, each under an id of its own."""

    def __init__(
        self, books: Books, envelope: Envelope, allocation: Allocation, settlement_id: str
    ) -> None:
        self._books = books
        self._envelope = envelope
        self._id = settlement_id
        self._market_id = allocation.market_id
        self._about = About(allocation.market_id, allocation.round_id, allocation.demand_id)
        self.made: list[UUID] = []

    def move(self, purpose: str, debit: str, credit: str, amount: int) -> None:
        """Book one transfer, none if there is nothing to move."""
        if amount == 0:
            return
        transfer_id = settlement_uuid(purpose, self._id)
        self._books.transfer(
            TransferKind.SINGLE,
            (transfer_id, debit, credit),
            amount,
            self._envelope,
            purpose,
            about=self._about,
        )
        self.made.append(transfer_id)

    def premiums(self, parts: Split, provider: str) -> Levy:
        """Credit and charge a provider; return what became of the charge for what it missed."""
        owed = premiums_account(self._market_id)
        self.move("premium_charge", cny_account(provider), owed, parts.charge)
        collateral = collateral_account(provider)
        missed = levy(parts.charge_missed, self._books.account(collateral).free())
        self.move("premium_missed", collateral, owed, missed.taken)
        self.move("premium_owed", debt_account(provider), owed, missed.owed)
        fund = policy_account(self._market_id)
        self.move("premium_credit", fund, cny_account(provider), parts.credit)
        return missed

    def collect(self, participant_id: str) -> None:
        """Take what a participant owes from what it now has."""
        collect(self._books, self._envelope, participant_id, self._id)


def _premium_told(row: Settlement, allocation: Allocation, owed: int) -> PremiumSettled:
    return PremiumSettled(
        settlement_id=row.id,
        allocation_id=allocation.id,
        market_id=allocation.market_id,
        round_id=allocation.round_id,
        enterprise_id=allocation.enterprise_id,
        provider_id=allocation.provider_id,
        credit=row.split.credit,
        charge=row.split.charge,
        charge_missed=row.split.charge_missed,
        owes=owed,
    )


def _told(row: Settlement, allocation: Allocation) -> AllocationSettled:
    return AllocationSettled(
        settlement_id=row.id,
        allocation_id=allocation.id,
        market_id=allocation.market_id,
        round_id=allocation.round_id,
        demand_id=allocation.demand_id,
        enterprise_id=allocation.enterprise_id,
        provider_id=allocation.provider_id,
        lapsed=row.lapsed,
        terms_version=allocation.terms.version,
        periods=tuple(
            SettledPeriod(
                start=period_start(item.period),
                chips=item.chips,
                delivered=item.delivered,
                price=item.price,
            )
            for item in row.periods
        ),
        paid=row.split.paid,
        provider_fee=row.split.provider_fee,
        enterprise_fee=row.split.enterprise_fee,
        refund=row.split.refund,
        penalty=row.split.penalty,
        compensation=row.compensation,
        provider_owes=row.provider_owes,
        enterprise_owes=row.enterprise_owes,
    )
