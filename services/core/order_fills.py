"""What a round gives to an order, or takes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schemas.types import OrderState, period_of
from services.core.book import Alternative
from services.core.order_holds import without_amendment
from services.core.order_left import demand_left, hours_paid, offer_left_in_all, unbudgeted
from services.core.orders import (
    DemandOrder,
    OfferOrder,
    PeriodChips,
    moved,
)
from services.core.reasons import why

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.market import Market


def filled_offer(order: OfferOrder, fills: Iterable[tuple[int, int]], revenue: int) -> OfferOrder:
    """Return an offer after a round took chips of it.

    Args:
        order: An offer in the book.
        fills: (period, chips) pairs, a period may come several times.
        revenue: What it is paid for them.
    """
    allocated = _added(order.allocated, fills)
    over = [chips for _, chips in allocated if chips > order.terms.chips]
    assert not over, f"{order.id}: {over} chips of {order.terms.chips} allocated"
    following = replace(
        order,
        allocated=allocated,
        chip_hours=order.chip_hours + sum(chips for _, chips in fills),
        money=order.money + revenue,
        waiting_since=None,
    )
    if offer_left_in_all(following):
        reason = why("part_filled", chip_hours=following.chip_hours)
        return moved(following, OrderState.PART_FILLED, reason)
    hours, next_version = following.chip_hours, order.version + 1
    if order.pending is None:
        return moved(following, OrderState.FILLED, why("filled", chip_hours=hours))
    if order.terms.block:
        reason = why("sold_whole_before_raise", chip_hours=hours, version=next_version)
        return moved(following, OrderState.FILLED, reason)
    # The ledger may have reserved already what the new terms want: they decide whether it is over.
    reason = why("sold_out_raise_waits", chip_hours=hours, version=next_version)
    return moved(following, OrderState.PART_FILLED, reason)


@dataclass(frozen=True, slots=True)
class Fill:
    """What a round gave a demand.

    Attributes:
        round_seq: Number of the round.
        alternative: The book's alternative that was used.
        fills: (period, chips) pairs, a period may come several times.
        payment: What it pays.
        first_period: First period of the round; earlier ones can get nothing any more.
    """

    round_seq: int
    alternative: Alternative
    fills: PeriodChips
    payment: int
    first_period: int


def filled_demand(order: DemandOrder, fill: Fill, market: Market) -> DemandOrder:
    """Return a demand after a round allocated to it."""
    hours = sum(chips for _, chips in fill.fills)
    assert hours > 0, f"{order.id}: a fill of nothing"
    assert fill.payment <= order.hold, f"{order.id}: pays {fill.payment} of {order.hold} held"
    pools = order.pinned_pools or fill.alternative.pools
    following = replace(
        order,
        allocated=_added(order.allocated, fill.fills),
        chip_hours=order.chip_hours + hours,
        money=order.money + fill.payment,
        spent=order.spent + fill.payment,
        hold=order.hold - fill.payment,
        hold_due=0,
        alternative=fill.alternative.index,
        pinned_pools=pools,
        waiting_since=None,
    )
    if order.pending is not None:
        # The round took what the amendment counted on; the ledger cannot know which came first.
        following = without_amendment(replace(following, pending=None), order.pending_cause)
    budget = order.terms.budget
    assert budget is None or following.spent <= budget, f"{order.id}: spent {following.spent}"
    total = following.chip_hours
    if fill.alternative.duration:
        wanted = fill.alternative.chips * fill.alternative.duration
        code = "filled" if hours == wanted else "curtailed"
        return moved(following, OrderState.FILLED, why(code, chip_hours=total))
    end = period_of(order.terms.deadline)
    left = demand_left(following, market, fill.first_period, end)
    if left:
        due = left[0].limit * left[0].chip_hours
        reason = why("part_filled", chip_hours=total)
        if order.pending is not None:
            reason = why("amend_overtaken", chip_hours=total, version=order.version + 1)
        return moved(replace(following, hold_due=due), OrderState.PART_FILLED, reason)
    return _ended(following, market, total)


def _ended(order: DemandOrder, market: Market, chip_hours: int) -> DemandOrder:
    # Nothing more can be given: it has all, or its money is spent, or its time is over.
    got = sum(chips for _, chips in order.allocated)
    for alternative in unbudgeted(order, market):
        if got >= alternative.chip_hours:
            return moved(order, OrderState.FILLED, why("filled", chip_hours=chip_hours))
        if hours_paid(order, alternative.limit) == 0:
            return moved(order, OrderState.FILLED, why("budget_spent", chip_hours=chip_hours))
    reason = why("window_passed_part_filled", chip_hours=chip_hours)
    return moved(order, OrderState.EXPIRED, reason)


def _added(allocated: PeriodChips, fills: Iterable[tuple[int, int]]) -> PeriodChips:
    total = dict(allocated)
    for period, chips in fills:
        total[period] = total.get(period, 0) + chips
    return tuple(sorted((period, chips) for period, chips in total.items() if chips))
