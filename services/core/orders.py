"""The life of an order: its states, what is left of it, and every way it changes.

An order is a frozen value; each function here returns the next one. An order is in exactly
one state, its terminal states are final (`OrderState`), and every change of state or reason
raises ``sequence`` by one, so that each status on the wire has its number.

Periods are absolute hours since the Unix epoch, money is micro-yuan, quantities are chips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast

from schemas.orders import DemandTerms, OfferTerms
from schemas.types import TERMINAL_STATES, OrderState, Side, period_of, pool_key
from services.core.book import Alternative
from services.core.eligibility import max_spend, resolve_alternatives
from services.core.reasons import Why, why

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.market import Market

PeriodChips = tuple[tuple[int, int], ...]
"""(period, chips) pairs, sorted by period, chips above 0."""

TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.ACCEPTED: frozenset(
        {
            OrderState.ACCEPTED,
            OrderState.OPEN,
            OrderState.CANCELLED,
            OrderState.EXPIRED,
            OrderState.REJECTED,
        }
    ),
    OrderState.OPEN: frozenset(
        {
            OrderState.OPEN,
            OrderState.PART_FILLED,
            OrderState.FILLED,
            OrderState.CANCELLED,
            OrderState.EXPIRED,
        }
    ),
    OrderState.PART_FILLED: frozenset(
        {
            OrderState.PART_FILLED,
            OrderState.FILLED,
            OrderState.CANCELLED,
            OrderState.EXPIRED,
        }
    ),
}
"""State -> the states that may follow it; terminal states have no row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What offers and demand have in common.

    Attributes:
        id: Order id.
        market_id: Its market.
        participant_id: Its owner.
        body_sha256: Of the submission's body; tells a repeat from a conflict.
        version: Version of the terms in force.
        state: The one state it is in.
        why: Reason of its last status.
        sequence: Number of its last status, from 1.
        correlation_id: The story that it began.
        waiting_since: Number of the first round that it was in without trading since.
        allocated: Chips allocated by period. Demand: under the terms in force only.
        chip_hours: Chip-hours allocated over its whole life.
        money: Payments (demand) or revenue (offer) over its whole life.
    """

    id: str
    market_id: str
    participant_id: str
    body_sha256: str
    version: int = 1
    state: OrderState
    why: Why
    sequence: int = 1
    correlation_id: str = ""
    waiting_since: int | None = None
    allocated: PeriodChips = ()
    chip_hours: int = 0
    money: int = 0

    @property
    def is_live(self) -> bool:
        """Whether it can still change."""
        return self.state not in TERMINAL_STATES

    @property
    def is_in_book(self) -> bool:
        """Whether a round may look at it."""
        return self.state in {OrderState.OPEN, OrderState.PART_FILLED}

    @property
    def has_traded(self) -> bool:
        """Whether a round ever allocated anything of it."""
        return self.chip_hours > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferOrder(_Order):
    """An offer.

    Attributes:
        terms: Terms in force.
    """

    terms: OfferTerms

    @property
    def side(self) -> Side:
        """Return the side of the book."""
        return Side.OFFER

    @property
    def pool(self) -> str:
        """Return the key of its pool."""
        return pool_key(self.terms.zone, self.terms.chip)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandOrder(_Order):
    """A demand.

    Attributes:
        terms: Terms in force.
        pending: Terms of the next version, waiting for their hold.
        alternative: Index of the alternative that it is pinned to.
        pinned_pools: Pools of that alternative when it was first used.
        spent: Payments under the terms in force.
        hold: What the ledger holds for it once everything published has been booked.
        hold_due: What the ledger has to hold for it from now on.
        hold_version: Last version whose hold was applied, 0 if none.
        unbooked: (round number, payment) of rounds that are not seen as booked yet.
    """

    terms: DemandTerms
    pending: DemandTerms | None = None
    alternative: int | None = None
    pinned_pools: tuple[str, ...] = ()
    spent: int = 0
    hold: int = 0
    hold_due: int = 0
    hold_version: int = 0
    unbooked: tuple[tuple[int, int], ...] = ()

    @property
    def side(self) -> Side:
        """Return the side of the book."""
        return Side.DEMAND

    @property
    def group(self) -> str | None:
        """Return its exclusive group, named apart from other participants' groups."""
        name = self.terms.exclusive_group
        return None if name is None else f"{self.participant_id}/{name}"


Order = OfferOrder | DemandOrder
OrderT = TypeVar("OrderT", bound=OfferOrder | DemandOrder)


def moved(order: OrderT, state: OrderState, reason: Why) -> OrderT:
    """Return the order in a state with a reason, one status later.

    A demand that leaves needs no hold any more.
    """
    allowed = TRANSITIONS.get(order.state, frozenset())
    assert state in allowed, f"{order.id}: {order.state} must not become {state}"
    following = replace(order, state=state, why=reason, sequence=order.sequence + 1)
    if isinstance(following, DemandOrder) and state in TERMINAL_STATES:
        return cast("OrderT", replace(following, hold_due=0, pending=None))
    return following


def noted(order: OrderT, reason: Why) -> OrderT:
    """Return a live order with a new reason in the state it is in."""
    return moved(order, order.state, reason)


# --- holds ----------------------------------------------------------------------------------


def with_hold(
    order: DemandOrder, version: int, amount: int, booked_through: int | None
) -> DemandOrder:
    """Return a demand whose hold for a version is in place.

    Args:
        order: A demand.
        version: Version of the terms that the hold is for.
        amount: Money held when the hold was placed.
        booked_through: Last round booked before that, if told. What later rounds let it pay
            is still to be taken out of the hold.
    """
    due = [
        payment for seq, payment in order.unbooked if booked_through is None or seq > booked_through
    ]
    held = max(0, amount - sum(due))
    placed = replace(order, hold=held, hold_version=max(version, order.hold_version))
    if not placed.is_live:
        return placed
    if version == order.version:
        keep = min(held, max_spend(order.terms))
        return moved(replace(placed, hold_due=keep), OrderState.OPEN, why("in_the_book"))
    assert version == order.version + 1, f"{order.id}: hold of version {version}"
    return _amended_demand(placed)


def without_hold(order: DemandOrder, version: int, needed: int, free: int) -> DemandOrder:
    """Return a demand whose hold for a version was refused: rejected, or as it was."""
    if version == order.version:
        reason = why("hold_refused", needed=needed, free=free)
        return moved(order, OrderState.REJECTED, reason)
    reason = why("amend_hold_refused", version=version, needed=needed, free=free)
    return noted(replace(order, pending=None), reason)


def confirmed(order: DemandOrder, round_seq: int) -> DemandOrder:
    """Return a demand of which all rounds up to one are known to be booked."""
    later = tuple(item for item in order.unbooked if item[0] > round_seq)
    return order if later == order.unbooked else replace(order, unbooked=later)


# --- amendments -----------------------------------------------------------------------------


def amended_offer(order: OfferOrder, terms: OfferTerms) -> OfferOrder:
    """Return an offer with new terms, one version later.

    A rise of price, chips or window loses the rounds waited.
    """
    old = order.terms
    rise = (
        terms.ask > old.ask
        or terms.chips > old.chips
        or terms.start < old.start
        or terms.end > old.end
        or (terms.zone, terms.chip) != (old.zone, old.chip)
    )
    version = order.version + 1
    following = replace(
        order,
        terms=terms,
        version=version,
        waiting_since=None if rise else order.waiting_since,
    )
    state = OrderState.PART_FILLED if _offer_left(following) and order.allocated else order.state
    if not _offer_left(following):
        state = OrderState.FILLED
    return moved(following, state, why("amended", version=version))


def _amended_demand(order: DemandOrder) -> DemandOrder:
    assert order.pending is not None
    terms, version = order.pending, order.version + 1
    rise = max(a.limit for a in terms.alternatives) > max(
        a.limit for a in order.terms.alternatives
    ) or _quantity_most(terms) > _quantity_most(order.terms)
    pinned = order.alternative is not None
    following = replace(
        order,
        terms=terms,
        pending=None,
        version=version,
        waiting_since=None if rise else order.waiting_since,
        # The new terms say what is still wanted, so what the old ones got no longer counts.
        allocated=(),
        spent=0,
        alternative=0 if pinned else None,
        hold_due=min(order.hold, max_spend(terms)),
    )
    return noted(following, why("amended", version=version))


def _quantity_most(terms: DemandTerms) -> int:
    shape = terms.shape
    if shape.type == "block":
        return shape.chips * shape.duration
    if shape.type == "work":
        return shape.chip_hours
    return shape.chips * (period_of(terms.deadline) - period_of(terms.earliest))


def refusal_of_offer_terms(order: OfferOrder, terms: OfferTerms) -> Why | None:
    """Return why an offer may not take new terms given what is allocated of it, if so."""
    if not order.allocated:
        return None
    pool = pool_key(terms.zone, terms.chip)
    if pool != order.pool:
        return why("below_allocated", field="zone", allowed=order.pool, value=pool)
    first, last = order.allocated[0][0], order.allocated[-1][0]
    start, end = period_of(terms.start), period_of(terms.end)
    if start > first or end <= last:
        allowed, value = f"periods {first} to {last}", f"periods {start} to {end - 1}"
        return why("below_allocated", field="start, end", allowed=allowed, value=value)
    most = max(chips for _, chips in order.allocated)
    if terms.chips < most:
        allowed = f"at least {most}"
        return why("below_allocated", field="chips", allowed=allowed, value=terms.chips)
    if terms.block != order.terms.block:
        allowed = str(order.terms.block).lower()
        return why("below_allocated", field="block", allowed=allowed, value="changed")
    return None


def refusal_of_demand_terms(order: DemandOrder, terms: DemandTerms, market: Market) -> Why | None:
    """Return why a part-filled demand may not take new terms, if so.

    It goes on in the pools that it was first given, so the new terms have one alternative
    whose pools are among them.
    """
    if order.alternative is None:
        return None
    allowed = ", ".join(order.pinned_pools)[:500]
    if terms.shape.type != order.terms.shape.type:
        return why("pinned", allowed=allowed, value=f"shape {terms.shape.type}")
    if len(terms.alternatives) != 1:
        return why("pinned", allowed=allowed, value=f"{len(terms.alternatives)} alternatives")
    for alternative in resolve_alternatives(terms, market):
        extra = sorted(set(alternative.pools) - set(order.pinned_pools))
        if extra:
            return why("pinned", allowed=allowed, value=", ".join(extra)[:500])
    return None


# --- what is left ---------------------------------------------------------------------------


def offer_chips_left(order: OfferOrder, first: int, end: int) -> tuple[int, tuple[int, ...]]:
    """Return the first period and the chips left in each period of a stretch.

    Args:
        order: An offer.
        first: First period of the stretch.
        end: Its exclusive end.

    Returns:
        (start, chips); chips is empty if the offer's window is outside, all 0 if it is taken.
    """
    start = max(first, period_of(order.terms.start))
    stop = min(end, period_of(order.terms.end))
    taken = dict(order.allocated)
    chips = order.terms.chips
    return start, tuple(chips - taken.get(period, 0) for period in range(start, stop))


def _offer_left(order: OfferOrder) -> int:
    _, chips = offer_chips_left(order, 0, period_of(order.terms.end))
    return sum(chips)


def demand_left(
    order: DemandOrder, market: Market, first: int, end: int
) -> tuple[Alternative, ...]:
    """Return what is left of a demand in a stretch of periods, by alternative.

    Quantities are capped by what of the budget is not spent and by what the ledger holds,
    both at the limit price, so that no clearing price can pass them.
    """
    left = []
    for alternative in _unbudgeted(order, market):
        earliest, deadline = max(first, alternative.earliest), min(end, alternative.deadline)
        if earliest >= deadline:
            continue
        hours_paid = _hours_paid(order, alternative.limit)
        if alternative.duration:
            rest = _block_left(alternative, earliest, deadline, hours_paid)
        else:
            rest = _divisible_left(order, alternative, earliest, deadline, hours_paid)
        if rest is not None:
            left.append(rest)
    return tuple(left)


def _unbudgeted(order: DemandOrder, market: Market) -> tuple[Alternative, ...]:
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


def _hours_paid(order: DemandOrder, limit: int) -> int | None:
    # A limit of zero never spends, so no money binds it.
    if limit == 0:
        return None
    money = order.hold
    if order.terms.budget is not None:
        money = min(money, order.terms.budget - order.spent)
    return max(0, money) // limit


def _block_left(
    alternative: Alternative, earliest: int, deadline: int, hours_paid: int | None
) -> Alternative | None:
    chips = alternative.chips
    if hours_paid is not None:
        chips = min(chips, hours_paid // alternative.duration)
    if chips < alternative.chips_min or deadline - earliest < alternative.duration:
        return None
    return replace(alternative, earliest=earliest, deadline=deadline, chips=chips)


def _divisible_left(
    order: DemandOrder,
    alternative: Alternative,
    earliest: int,
    deadline: int,
    hours_paid: int | None,
) -> Alternative | None:
    got = dict(order.allocated)
    by_period = tuple(
        max(0, alternative.chips_by_period[period - alternative.earliest] - got.get(period, 0))
        for period in range(earliest, deadline)
    )
    chip_hours = min(alternative.chip_hours - sum(got.values()), sum(by_period))
    if hours_paid is not None:
        chip_hours = min(chip_hours, hours_paid)
    if chip_hours <= 0:
        return None
    return replace(
        alternative,
        earliest=earliest,
        deadline=deadline,
        chips_by_period=by_period,
        chip_hours=chip_hours,
    )


# --- fills ----------------------------------------------------------------------------------


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
    if _offer_left(following):
        reason = why("part_filled", chip_hours=following.chip_hours)
        return moved(following, OrderState.PART_FILLED, reason)
    return moved(following, OrderState.FILLED, why("filled", chip_hours=following.chip_hours))


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
        unbooked=(*order.unbooked, (fill.round_seq, fill.payment)),
        alternative=fill.alternative.index,
        pinned_pools=pools,
        waiting_since=None,
    )
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
        return moved(replace(following, hold_due=due), OrderState.PART_FILLED, reason)
    return _ended(following, market, total)


def _ended(order: DemandOrder, market: Market, chip_hours: int) -> DemandOrder:
    # Nothing more can be given: it has all, or its money is spent, or its time is over.
    got = sum(chips for _, chips in order.allocated)
    for alternative in _unbudgeted(order, market):
        if got >= alternative.chip_hours:
            return moved(order, OrderState.FILLED, why("filled", chip_hours=chip_hours))
        if _hours_paid(order, alternative.limit) == 0:
            return moved(order, OrderState.FILLED, why("budget_spent", chip_hours=chip_hours))
    reason = why("window_passed_part_filled", chip_hours=chip_hours)
    return moved(order, OrderState.EXPIRED, reason)


def hold_to_keep(order: DemandOrder) -> int:
    """Return what the ledger is told to keep for a demand after a round.

    While an amendment waits for its hold, the larger of both needs: the ledger may have
    placed it already.
    """
    if order.pending is None:
        return order.hold_due
    return max(order.hold_due, max_spend(order.pending))


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


def _added(allocated: PeriodChips, fills: Iterable[tuple[int, int]]) -> PeriodChips:
    total = dict(allocated)
    for period, chips in fills:
        total[period] = total.get(period, 0) + chips
    return tuple(sorted((period, chips) for period, chips in total.items() if chips))


# --- time -----------------------------------------------------------------------------------


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
