"""What is left of an order: chips by period, quantities by alternative, time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.types import Priority, period_of
from services.core.book import Alternative
from services.core.eligibility import max_spend, resolve_alternatives
from services.core.orders import (
    DemandOrder,
    OfferOrder,
    Order,
)
from services.core.reasons import Why, why

if TYPE_CHECKING:
    from schemas.market import Market
    from schemas.orders import DemandTerms


def offer_chips_left(order: OfferOrder, first: int, end: int) -> tuple[int, tuple[int, ...]]:
    """Return the first period and the chips left in each period of a stretch.

    Args:
        order: An offer.
        first: First period of the stretch.
        end: Its exclusive end.

    Returns:
        (start, chips); chips is empty if the offer's window is outside, all 0 if it is taken.
    """
    start = max(first, period_of(order.terms.start), order.held_from)
    stop = min(end, period_of(order.terms.end))
    taken = dict(order.allocated)
    chips = order.terms.chips
    return start, tuple(chips - taken.get(period, 0) for period in range(start, stop))


def offer_left_in_all(order: OfferOrder) -> int:
    """Return the chip-hours of an offer that are not allocated, over its whole window."""
    hours = period_of(order.terms.end) - period_of(order.terms.start)
    return order.terms.chips * hours - sum(chips for _, chips in order.allocated)


def demand_left(
    order: DemandOrder, market: Market, first: int, end: int
) -> tuple[Alternative, ...]:
    """Return what is left of a demand in a stretch of periods, by alternative.

    Quantities are capped by what of the budget is not spent and by what the ledger holds,
    both at the limit price, so that no clearing price can pass them.
    """
    left = []
    for alternative in unbudgeted(order, market):
        earliest, deadline = max(first, alternative.earliest), min(end, alternative.deadline)
        if earliest >= deadline:
            continue
        paid = hours_paid(order, alternative.limit)
        if alternative.duration:
            rest = _block_left(alternative, earliest, deadline, paid)
        else:
            rest = _divisible_left(order, alternative, earliest, deadline, paid)
        if rest is not None:
            left.append(rest)
    return tuple(left)


def firm_end(terms: DemandTerms, first: int) -> int:
    """Return the period before which all ends that a round may give a demand.

    Interruptible demand that can be paused is given the coming period and as many more as it
    wants notice of: nothing that it has is ever taken back, and whatever comes after is free for
    whoever needs it more. A block can only be given whole.
    """
    if terms.priority is not Priority.INTERRUPTIBLE or terms.shape.type == "block":
        return period_of(terms.deadline)
    return first + 1 + terms.notice_periods


def unbudgeted(order: DemandOrder, market: Market) -> tuple[Alternative, ...]:
    """Return the alternatives that a demand may still use, as if money were no object."""
    terms = order.terms.model_copy(update={"budget": None})
    alternatives = resolve_alternatives(terms, market)
    if order.alternative is None:
        return alternatives
    kept = []
    for alternative in alternatives:
        pools = tuple(key for key in alternative.pools if key in order.pinned_pools)
        if alternative.index == order.alternative and pools:
            kept.append(replace(alternative, pools=pools))
    return tuple(kept)


def hours_paid(order: DemandOrder, limit: int) -> int | None:
    """Return the chip-hours that a demand's money pays at a limit price, ``None`` if any."""
    # A limit of zero never spends, so no money binds it.
    if limit == 0:
        return None
    money = order.hold
    if order.terms.budget is not None:
        money = min(money, order.terms.budget - order.spent)
    return max(0, money) // limit


def _block_left(
    alternative: Alternative, earliest: int, deadline: int, paid: int | None
) -> Alternative | None:
    chips = alternative.chips
    if paid is not None:
        chips = min(chips, paid // alternative.duration)
    if chips < alternative.chips_min or deadline - earliest < alternative.duration:
        return None
    return replace(alternative, earliest=earliest, deadline=deadline, chips=chips)


def _divisible_left(
    order: DemandOrder,
    alternative: Alternative,
    earliest: int,
    deadline: int,
    paid: int | None,
) -> Alternative | None:
    got = dict(order.allocated)
    by_period = tuple(
        max(0, alternative.chips_by_period[period - alternative.earliest] - got.get(period, 0))
        for period in range(earliest, deadline)
    )
    chip_hours = min(alternative.chip_hours - sum(got.values()), sum(by_period))
    if paid is not None:
        chip_hours = min(chip_hours, paid)
    if chip_hours <= 0:
        return None
    return replace(
        alternative,
        earliest=earliest,
        deadline=deadline,
        chips_by_period=by_period,
        chip_hours=chip_hours,
    )


def chip_hours_left(order: Order, market: Market, first: int) -> int:
    """Return how many chip-hours an order may still trade from a period on.

    Of a demand with several alternatives, the largest.
    """
    if not order.is_live:
        return 0
    end = period_of(order.terms.end if isinstance(order, OfferOrder) else order.terms.deadline)
    if isinstance(order, OfferOrder):
        return sum(offer_chips_left(order, first, end)[1])
    # Before its hold is there a demand has no money; what it asks for is what is left.
    funded = order if order.hold else replace(order, hold=max_spend(order.terms))
    left = demand_left(funded, market, first, end)
    return max((item.chips * item.duration or item.chip_hours for item in left), default=0)


def passed(order: Order, first_period: int) -> Why | None:
    """Return why time has taken an order out of the book before a round, if it has.

    Args:
        order: A live order.
        first_period: First period that the round can give.
    """
    if isinstance(order, OfferOrder):
        if period_of(order.terms.end) <= first_period:
            return _window_passed(order)
        if order.terms.block and period_of(order.terms.start) < first_period:
            return why("block_window_started")
        return None
    shape = order.terms.shape
    needed = shape.duration if shape.type == "block" else 1
    if period_of(order.terms.deadline) - needed < first_period:
        return _window_passed(order)
    return None


def _window_passed(order: Order) -> Why:
    if order.has_traded:
        return why("window_passed_part_filled", chip_hours=order.chip_hours)
    return why("window_passed")
