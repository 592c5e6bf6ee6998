"""Chips reserved for offers that share them, before they enter a book, over all markets.

Of a capacity no more is reserved in any period than there is, and an offer sells no more than is
reserved for it; both are held by the database, too. So no round has to be refused because another
market sold the same chips first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.capacity import (
    CapacityFreed,
    CapacityFreedSince,
    CapacityHeld,
    CapacityRefused,
    CapacityWanted,
)
from schemas.events import AllocationMade, OfferAmended, OfferSubmitted, Reason
from schemas.types import period_of, period_start, period_text
from services.core.capacity import capacity_of
from services.core.errors import HoldError, Message
from services.ledger.capacity_state import Capacity, Raise
from services.ledger.findings import broken

LINKS_MAX = 8
"""Sales of one chip and hour at most, the provider's own among them; the database holds it, too."""

if TYPE_CHECKING:
    from services.ledger.books import Books
    from services.ledger.capacity_state import OfferVersion
    from services.ledger.state import Allocation, Input


def hold(books: Books, item: Input, offer: OfferVersion) -> None:
    """Reserve what a new offer shares in all of its hours that have not begun, or refuse it.

    An offer that shares nothing is not answered: it is in the book without.
    """
    body = item.envelope.data
    assert isinstance(body, OfferSubmitted | OfferAmended)
    if offer.capacity is None or isinstance(body, OfferAmended):
        return
    # What has begun is sold by no round any more; matching is told from where on it may sell.
    first = max(offer.start_period, period_of(item.envelope.occurred_at) + 1)
    stated = body.terms.capacity_chips
    _answer(books, item, offer, _Claim(offer.chips, first, offer.end_period, stated), 1)


def wanted(books: Books, item: Input) -> None:
    """Reserve what more an offer wants, or refuse it and leave what it has; tell which.

    Raises:
        SettleError: if there is no such offer of this provider.
    """
    body = item.envelope.data
    assert isinstance(body, CapacityWanted)
    offer = _offer_of(books, body)
    if body.asked <= (books.asked.get(offer.offer_id) or 0):
        # A copy: what it asked for was answered, and may have been given back since.
        return
    books.asked[offer.offer_id] = body.asked
    start, end = period_of(body.start), period_of(body.end)
    claim = _Claim(body.chips, start, end, body.capacity_chips)
    held = _answer(books, item, offer, claim, body.version)
    row = (body.version, body.chips, start, end, body.capacity_chips, held)
    books.raises_new.append(Raise(offer.offer_id, body.asked, *row))


def _answer(books: Books, item: Input, offer: OfferVersion, claim: _Claim, version: int) -> bool:
    """Reserve a claim whole or not at all, and tell which; return whether it is reserved."""
    about: dict[str, Any] = {
        "order_id": offer.offer_id,
        "market_id": offer.market_id,
        "participant_id": offer.provider_id,
        "version": version,
    }
    fork = books.fork()
    try:
        _reserve(fork, offer, claim)
    except HoldError as error:
        value, allowed = error.value, error.allowed
        reason = Reason(
            code=error.code,
            en=error.message.en,
            zh=error.message.zh,
            params={"field": error.field, "value": value, "allowed": allowed},
        )
        answer: CapacityHeld | CapacityRefused = CapacityRefused(**about, reason=reason)
    else:
        books.merge(fork)
        answer = CapacityHeld(
            **about,
            chips=claim.chips,
            start=period_start(claim.first),
            end=period_start(claim.end),
        )
    books.emit(answer, item.envelope, offer.offer_id, participant=offer.provider_id)
    return isinstance(answer, CapacityHeld)


def awaits_round(books: Books, item: Input) -> bool:
    """Tell whether a resale is of an allocation that is not booked yet."""
    body = item.envelope.data
    assert isinstance(body, OfferSubmitted)
    assert body.terms.resale_of is not None
    return body.terms.resale_of not in books.allocations


def hold_resale(books: Books, item: Input) -> None:
    """Reserve what a new resale sells on, or refuse it; its version was taken in before."""
    body = item.envelope.data
    assert isinstance(body, OfferSubmitted)
    versions = books.offers[body.order_id]
    hold(books, item, next(one for one in versions if one.version == 1))


def freed(books: Books, item: Input) -> None:
    """Give back what an offer needs no more; what it sold stays reserved.

    Raises:
        SettleError: if there is no such offer of this provider.
    """
    body = item.envelope.data
    assert isinstance(body, CapacityFreed)
    first = _offer_of(books, body)
    asked = body.asked if isinstance(body, CapacityFreedSince) else 0
    if asked < (books.asked.get(body.order_id) or 0):
        # A copy of what was told before it asked for more: that is not given back.
        return
    start, end = period_of(body.start), period_of(body.end)
    versions = books.offers[body.order_id]
    periods = range(
        min(one.start_period for one in versions), max(one.end_period for one in versions)
    )
    for period in periods:
        place = (first.offer_id, period)
        chips = books.held.get(place) or 0
        sold = books.used.get(place) or 0
        left = max(sold, min(chips, body.chips if start <= period < end else 0))
        if left < chips:
            assert first.capacity is not None, f"{first.offer_id}: holds and shares nothing"
            there = books.capacities[first.capacity, period]
            books.capacities[first.capacity, period] = Capacity(
                there.chips, there.held - chips + left
            )
            books.held[place] = left


def _offer_of(books: Books, body: CapacityFreed | CapacityWanted) -> OfferVersion:
    """Return the first version of the offer that a market speaks for."""
    versions = books.offers.get(body.order_id) or ()
    first = next((one for one in versions if one.version == 1), None)
    named = (body.participant_id, body.market_id)
    wrong = first is None or (first.provider_id, first.market_id) != named
    if first is None or wrong or getattr(body, "capacity", first.capacity) != first.capacity:
        raise broken(
            "settle.unknown_offer",
            Message(
                f"capacity is freed or wanted for an offer of {body.participant_id}, "
                f"was {body.order_id}",
                f"只能为 {body.participant_id} 的报价预留或释放容量，实际为 {body.order_id}",
            ),
            "order_id",
            body.order_id,
            "an offer of the participant",
        )
    return first


def rows_new(books: Books) -> tuple[tuple[str, int, str, int, int], ...]:
    """Return (offer, period, capacity, what there is, chips) of what a batch reserved anew."""
    made = []
    for (offer_id, period), chips in books.held.changed.items():
        if (offer_id, period) not in books.stored.held:
            named = next(one.capacity for one in books.offers[offer_id] if one.version == 1)
            assert named is not None, f"{offer_id}: holds and shares nothing"
            made.append((offer_id, period, named, books.capacities[named, period].chips, chips))
    return tuple(made)


def rows_moved(books: Books) -> dict[tuple[str, int], tuple[int, int | None]]:
    """Return (offer, period) -> (chips, what there is if stated anew) of what a batch moved."""
    stated: dict[tuple[str, int], int] = {}
    for row in books.raises_new:
        if row.held and row.stated is not None:
            named = next(v.capacity for v in books.offers[row.offer_id] if v.version == 1)
            assert named is not None, f"{row.offer_id}: holds and shares nothing"
            stated |= {
                (row.offer_id, period): books.capacities[named, period].chips
                for period in range(row.first_period, row.end_period)
            }
    return {
        place: (chips, stated.get(place))
        for place, chips in books.held.changed.items()
        if place in books.stored.held and (place in stated or books.stored.held[place] != chips)
    }


def resold_by(books: Books, body: AllocationMade) -> Allocation | None:
    """Return the allocation that another one was sold on from, ``None`` for a provider's own."""
    first = next(one for one in books.offers[body.offer_id] if one.version == 1)
    if first.capacity is None or "/" in first.capacity:
        return None
    return books.allocations[first.capacity]


def is_early(books: Books, item: Input) -> bool:
    """Tell whether a round that may have sold of what is freed is not booked yet.

    What is wanted waits for it too, so that both are judged in the order in which they were told.
    """
    body = item.envelope.data
    assert isinstance(body, CapacityFreed | CapacityWanted)
    return (books.last_seq.get(body.market_id) or 0) < body.after_seq


class _Claim(NamedTuple):
    """Chips that an offer is to have in each period, and what it states that there are in all."""

    chips: int
    first: int
    end: int
    stated: int | None


def _reserve(books: Books, offer: OfferVersion, claim: _Claim) -> None:
    assert offer.capacity is not None
    if claim.first >= claim.end:
        raise HoldError(
            "capacity.passed",
            Message(
                f"end must be after the running hour, was {period_text(claim.end)}",
                f"end 须晚于当前时段，实际为 {period_text(claim.end)}",
            ),
            field="end",
            value=period_text(claim.end),
            allowed=f"after {period_text(claim.first)}",
        )
    bought = {} if "/" in offer.capacity else _resellable(books, offer, claim)
    for period in range(claim.first, claim.end):
        place = (offer.capacity, period)
        there = books.capacities.get(place)
        stated = bought.get(period, claim.stated)
        assert stated is not None, f"{offer.offer_id}: states no capacity"
        has = books.held.get((offer.offer_id, period)) or 0
        chips = max(has, claim.chips)
        others = 0 if there is None else there.held - has
        if others + chips > stated:
            raise _taken(offer, period, chips, stated, others)
        books.capacities[place] = Capacity(stated, others + chips)
        books.held[offer.offer_id, period] = chips


def _resellable(books: Books, offer: OfferVersion, claim: _Claim) -> dict[int, int]:
    """Return the chips that a resale may sell, by period.

    Raises:
        HoldError: if its owner may not sell the allocation on, or not in all of these periods.
    """
    assert offer.capacity is not None
    found = books.allocations.get(offer.capacity)
    demand = None if found is None else books.demands.get(found.demand_id)
    if found is None or found.enterprise_id != offer.provider_id:
        allowed = Message("an allocation that you bought", "自己买到的分配")
        raise _not_sold_on("resale_of", offer.capacity, allowed)
    if found.pool != offer.pool:
        raise _not_sold_on("zone, chip", offer.pool, Message(found.pool, found.pool))
    if demand is None or demand.interruptible is not False:
        allowed = Message("what firm demand bought", "非可中断需求买到的分配")
        raise _not_sold_on("resale_of", offer.capacity, allowed)
    if found.links >= LINKS_MAX:
        allowed = Message(f"sold on at most {LINKS_MAX - 1} times", f"至多转售 {LINKS_MAX - 1} 次")
        raise _not_sold_on("resale_of", offer.capacity, allowed)
    chips = {
        row.period: row.chips
        for row in found.periods
        if books.open.get((found.id, row.period)) is not None
    }
    missing = [period for period in range(claim.first, claim.end) if period not in chips]
    if missing:
        allowed = Message("hours of the allocation that are to come", "该分配尚未开始的时段")
        raise _not_sold_on("start, end", period_text(missing[0]), allowed)
    return chips


def _not_sold_on(field: str, value: str, allowed: Message) -> HoldError:
    return HoldError(
        "capacity.resale",
        Message(
            f"{field} must be {allowed.en} to be sold on, was {value}",
            f"转售时 {field} 应为{allowed.zh}，实际为 {value}",
        ),
        field=field,
        value=value,
        allowed=allowed.en,
    )


def _taken(offer: OfferVersion, period: int, wanted: int, stated: int, others: int) -> HoldError:
    at, left = period_text(period), max(0, stated - others)
    return HoldError(
        "capacity.taken",
        Message(
            f"chips must be at most {left} in the hour from {at}, was {wanted}: of "
            f"{stated} chips of {offer.capacity}, {others} are offered or sold elsewhere",
            f"自 {at} 起的一小时内 chips 至多 {left}，实际为 {wanted}："
            f"{offer.capacity} 共 {stated} 卡，其中 {others} 卡已在别处报出或售出",
        ),
        field="chips",
        value=str(wanted),
        allowed=f"at most {left} in the hour from {at}",
    )


def capacity_named(
    body: OfferSubmitted | OfferAmended | CapacityWanted,
) -> tuple[str, int, int] | None:
    """Return (capacity, first period, exclusive end) that an offer shares, if it does."""
    if isinstance(body, CapacityWanted):
        return (body.capacity, period_of(body.start), period_of(body.end))
    found = capacity_of(body.participant_id, body.terms)
    if found is None:
        return None
    return (found, period_of(body.terms.start), period_of(body.terms.end))
