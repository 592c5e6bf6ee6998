"""From open orders and a market to the frozen book of a round, and what leaves before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from schemas.types import OrderState, Shape, period_of
from services.core.allowances import allowances_of
from services.core.book import Book, BookDemand, BookOffer, BookPolicy, KeptOut, Rules
from services.core.book_policies import with_parents
from services.core.clearing.size import is_large
from services.core.eligibility import pools_of, validate_demand, validate_offer
from services.core.errors import ValidationError
from services.core.holdings import holdings_of
from services.core.link_charges import links_left
from services.core.link_terms import moves_of
from services.core.order_left import (
    demand_left,
    firm_end,
    offer_chips_left,
    offer_left_in_all,
    passed,
)
from services.core.orders import DemandOrder, OfferOrder, Order, moved
from services.core.phases import periods_given
from services.core.policies import is_beyond
from services.core.policy_rows import PriceRanges
from services.core.reasons import Why, why, why_refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from schemas.market import Market
    from schemas.standing import ParticipantStandingSet
    from services.core.holdings import Held
    from services.core.round_pace import Pace

# (orders in the book at most, effort as a multiple of the market's own). A round of a small
# book proves its optimum long before the budget. Above, the search is compiled and its moves cost
# the same at every size: 100,000 demands came within 1 % in an effort of 5 (docs/benchmarks.md).
_EFFORT_BY_ORDERS = ((500, 1), (200_000, 2), (500_000, 10))
_EFFORT_MULTIPLE_MAX = 25
_EFFORT_MAX = 1_000
_NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Horizon:
    """The periods that a round may give.

    Attributes:
        seq: Number of the round.
        first: First period: the one that comes next on the market's clock.
        periods: How many.
    """

    seq: int
    first: int
    periods: int

    @property
    def end(self) -> int:
        """Return the exclusive end."""
        return self.first + self.periods


def horizon_of(market: Market, seq: int, now: datetime) -> Horizon:
    """Return the horizon of a round that is sealed at an instant of the market's clock."""
    given = periods_given(market.rules, now)
    return Horizon(seq, given.start, len(given))


def round_id_of(market_id: str, seq: int) -> str:
    """Return the id of a market's round."""
    return f"{market_id}:{seq}"


def leaving(
    orders: Iterable[Order],
    parents: Mapping[str, Order],
    groups: Mapping[str, str],
    now: datetime,
    first_period: int,
    suspended: Mapping[str, str] = _NOBODY,
) -> list[Order]:
    """Return the orders that leave before a round, in their terminal state.

    Args:
        orders: Live orders.
        parents: Orders that live demand is linked to, live or not, by id.
        groups: Exclusive group -> the demand of it that was accepted.
        now: Instant on the market's clock.
        first_period: First period that the round can give.
        suspended: Participant that may not trade -> why.
    """
    left: list[Order] = []
    for order in orders:
        if order.participant_id in suspended:
            reason = why("participant_suspended", reason=suspended[order.participant_id])
            left.append(moved(order, OrderState.CANCELLED, reason))
            continue
        at = order.terms.expires_at
        if at is not None and at <= now:
            reason = why("expired", at=at.isoformat().replace("+00:00", "Z"))
            left.append(_over(order, reason))
            continue
        gone = passed(order, first_period)
        if gone is not None:
            left.append(_over(order, gone))
            continue
        out = out_by_others(order, parents, groups)
        if out is not None:
            left.append(moved(order, OrderState.CANCELLED, out))
    return left


def _over(order: Order, reason: Why) -> Order:
    """Return an order that time has taken out; an offer that had sold out lacks nothing."""
    if isinstance(order, OfferOrder) and order.is_in_book and not offer_left_in_all(order):
        return moved(order, OrderState.FILLED, why("filled", chip_hours=order.chip_hours))
    return moved(order, OrderState.EXPIRED, reason)


def stand(suspended: dict[str, str], told: ParticipantStandingSet) -> None:
    """Take who is suspended, or is not any more."""
    if told.status == "suspended":
        suspended[told.participant_id] = told.reason
    else:
        suspended.pop(told.participant_id, None)


def out_by_others(
    order: Order, parents: Mapping[str, Order], groups: Mapping[str, str]
) -> Why | None:
    """Return why other orders' fates keep a demand from ever being accepted, if they do."""
    if not isinstance(order, DemandOrder) or order.has_traded:
        return None
    winner = groups.get(order.group or "")
    if winner is not None and winner != order.id:
        return why("exclusive_group", order_id=winner)
    parent = parents.get(order.terms.linked_to or "")
    if parent is None:
        return None
    if parent.participant_id != order.participant_id or isinstance(parent, OfferOrder):
        return why("linked_to_other", value=parent.id)
    if not parent.is_live and not parent.has_traded:
        return why("linked_order_out", order_id=parent.id)
    return None


def no_longer_taken(orders: Iterable[Order], market: Market, now_period: int) -> list[Order]:
    """Return the orders that a newly defined market does not take, cancelled.

    What time alone has made invalid is left to `leaving`.
    """
    left: list[Order] = []
    for order in orders:
        try:
            if isinstance(order, OfferOrder):
                start = period_of(order.terms.start)
                validate_offer(order.terms, market, min(now_period, start - 1))
            else:
                start = period_of(order.terms.earliest)
                validate_demand(order.terms, market, min(now_period, start - 1))
        except ValidationError as error:
            if error.code in {"validation.window_past", "validation.window_beyond_horizon"}:
                continue
            reason = why_refused("market_changed", error)
            left.append(moved(order, OrderState.CANCELLED, reason))
    return left


def build_book(
    market: Market,
    orders: Sequence[Order],
    parents: Mapping[str, Order],
    horizon: Horizon,
    sent: Mapping[tuple[str, int], int] = MappingProxyType({}),
    policies: tuple[BookPolicy, ...] = (),
    held: Held = MappingProxyType({}),
) -> Book:
    """Return the book of a round.

    An order that can trade nothing within the horizon stays out and keeps its state: its
    window is still to come, all that it may use is taken, or it waits for its parent.

    The book becomes public with the round, so its participants are called ``p1``, ``p2`` and so
    on, their exclusive groups ``g1``, ``g2``: whose order it is stays with the exchange, that two
    orders are of one hand is shown.

    Args:
        market: The market.
        orders: Live orders, each once, in any order.
        parents: Orders that live demand is linked to, live or not, by id.
        horizon: The periods of the round.
        sent: GB of each link and period that rounds before have given away.
        policies: Those in force in the round; an order beyond their price limits stays out.
        held: What accounts have of rounds before; told where a largest share counts it.
    """
    ranges = PriceRanges(policies)
    # What the limits keep out is named beside the book, so that all can see what they cost.
    within, beyond = _Rows([], []), _Rows([], [])
    pools = pools_of(market)
    keys = {pool.key for pool in pools}
    for order in orders:
        if not order.is_in_book:
            continue
        rows = beyond if is_beyond(order, market, ranges) else within
        if isinstance(order, OfferOrder):
            offer = _book_offer(order, horizon) if order.pool in keys else None
            if offer is not None:
                rows.offers.append(offer)
        else:
            demand = _book_demand(order, market, parents, horizon)
            if demand is not None:
                rows.demands.append(demand)
    found = [*within.demands, *beyond.demands]
    demands = sorted(with_parents(within.demands), key=lambda item: item.id)
    inside = {item.id for item in demands}
    out = sorted(
        (item for item in with_parents(found) if item.id not in inside), key=lambda item: item.id
    )
    offers = sorted(within.offers, key=lambda item: item.id)
    out_offers = sorted(beyond.offers, key=lambda item: item.id)
    name = _Names([*offers, *demands, *out_offers, *out])
    book = Book(
        market=market.id,
        round_id=round_id_of(market.id, horizon.seq),
        first_period=horizon.first,
        periods=horizon.periods,
        pools=pools,
        offers=tuple(map(name.offer, offers)),
        demands=tuple(map(name.demand, demands)),
        links=links_left(market, sent, horizon.first, horizon.periods)
        if any(item.moves is not None for item in (*demands, *out))
        else (),
        policies=policies,
        kept_out=KeptOut(tuple(map(name.offer, out_offers)), tuple(map(name.demand, out))),
    )
    book = replace(book, held=holdings_of(book, held, orders, name.buyer))
    return replace(book, allowances=allowances_of(book))


@dataclass(frozen=True, slots=True)
class _Rows:
    offers: list[BookOffer]
    demands: list[BookDemand]


class _Names:
    """What participants and exclusive groups are called in a round, numbered as they come.

    Order ids are hashes, so their order tells nothing.

    Args:
        rows: Every order of the book, then those that are kept out.
    """

    def __init__(self, rows: Sequence[BookOffer | BookDemand]) -> None:
        self._called = _numbered("p", [row.participant for row in rows])
        self._buyers = {row.participant for row in rows if isinstance(row, BookDemand)}
        groups = [row.exclusive_group for row in rows if isinstance(row, BookDemand)]
        self._groups = _numbered("g", [group for group in groups if group])

    def buyer(self, participant: str) -> str | None:
        """Return what one is called who wants something in the book, ``None`` for all others."""
        return self._called[participant] if participant in self._buyers else None

    def offer(self, row: BookOffer) -> BookOffer:
        """Return an offer under its owner's name in the book."""
        return replace(row, participant=self._called[row.participant])

    def demand(self, row: BookDemand) -> BookDemand:
        """Return a demand under the names of its owner and its group in the book."""
        group = self._groups.get(row.exclusive_group or "")
        return replace(row, participant=self._called[row.participant], exclusive_group=group)


def _numbered(letter: str, keys: Iterable[str]) -> dict[str, str]:
    called: dict[str, str] = {}
    for key in keys:
        called.setdefault(key, f"{letter}{len(called) + 1}")
    return called


def entered(order: Order, seq: int) -> Order:
    """Return an order that is in a round's book, with the first such round remembered."""
    return order if order.waiting_since is not None else replace(order, waiting_since=seq)


def rules_of(market: Market, book: Book, pace: Pace) -> Rules:
    """Return the rules of a round: the market's, with the effort that size and time call for.

    Args:
        market: Gives the tick, and the effort for a small book.
        book: Its size multiplies the effort; a large one starts at the last prices.
        pace: Cuts the effort to what there is time for.
    """
    size = len(book.offers) + len(book.demands)
    multiple = next(
        (factor for most, factor in _EFFORT_BY_ORDERS if size <= most), _EFFORT_MULTIPLE_MAX
    )
    wanted = min(_EFFORT_MAX, market.rules.effort * multiple)
    # Small books find their prices at once; the curves would only lengthen the round's file.
    start_prices = pace.start_prices(book) if is_large(book) else ()
    return Rules(tick=market.rules.tick, effort=pace.effort(wanted), start_prices=start_prices)


def _waited(order: Order, horizon: Horizon) -> int:
    return 0 if order.waiting_since is None else max(0, horizon.seq - order.waiting_since)


def _book_offer(order: OfferOrder, horizon: Horizon) -> BookOffer | None:
    start, chips = offer_chips_left(order, horizon.first, horizon.end)
    if order.terms.block and not _is_whole(order, horizon):
        return None
    if not any(chips):
        return None
    return BookOffer(
        id=order.id,
        participant=order.participant_id,
        version=order.version,
        pool=order.pool,
        ask=order.terms.ask,
        start=start,
        chips=chips,
        block=order.terms.block,
        rounds_waited=_waited(order, horizon),
        resale=order.terms.resale_of is not None,
    )


def _is_whole(order: OfferOrder, horizon: Horizon) -> bool:
    # All or nothing: the whole window must be there to be taken.
    start, end = period_of(order.terms.start), period_of(order.terms.end)
    first = max(horizon.first, order.held_from)
    return first <= start and end <= horizon.end and not order.allocated


def _book_demand(
    order: DemandOrder, market: Market, parents: Mapping[str, Order], horizon: Horizon
) -> BookDemand | None:
    end = min(horizon.end, firm_end(order.terms, horizon.first))
    alternatives = demand_left(order, market, horizon.first, end)
    if not alternatives:
        return None
    linked_to = order.terms.linked_to
    if linked_to is not None:
        parent = parents.get(linked_to)
        # What has traded itself, or whose parent has, is free; an unknown parent may come.
        if order.has_traded or (parent is not None and parent.has_traded):
            linked_to = None
    return BookDemand(
        id=order.id,
        participant=order.participant_id,
        version=order.version,
        shape=Shape(order.terms.shape.type),
        alternatives=alternatives,
        rounds_waited=_waited(order, horizon),
        exclusive_group=order.group,
        linked_to=linked_to,
        moves=moves_of(order.terms),
    )
