"""Index a book for the search: sorted rows, pool x period arrays, and only what can ever fit.

The rows are sorted before anything looks at them, so nothing downstream can depend on the order
in which they came. Runs that no selection could ever hold (a gang larger than the chips offered
in some period of its run) are dropped here, because a bound over them is useless: on 1,000
demands it was 235,758 with them and 159,900 without, for an optimum of 155,440.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from schemas.types import Shape
from services.core.book import Alternative, Book, BookDemand, Rules
from services.core.clearing.caps import price_caps
from services.core.clearing.links import (
    NOTHING_SENT,
    Senders,
    Sends,
    room_of_cells,
    rooms_of_runs,
    with_links,
)
from services.core.clearing.relations import groups_of, parents_first_of

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PoolSupply:
    """Divisible offers of one pool, merged by ask into the steps of its supply curve.

    Attributes:
        asks: K distinct asks, ascending, micro-yuan per chip-hour.
        chips: K x T chips offered at each ask.
        below: (K + 1) x T chips offered below step k; the last row is the divisible total.
        offers: Offers of each step, as positions in the book, first to be used first.
    """

    asks: IntArray
    chips: IntArray
    below: IntArray
    offers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class BlockOffer:
    """An offer taken whole or not at all.

    Attributes:
        offer: Position in the book.
        pool: Position of its pool.
        ask: Micro-yuan per chip-hour.
        chips: Chips per period of the horizon.
    """

    offer: int
    pool: int
    ask: int
    chips: IntArray


@dataclass(frozen=True, slots=True)
class RunOption:
    """All runs of a block demand in one pool of one alternative that can ever fit.

    Attributes:
        alternative: Position among the demand's alternatives.
        pool: Position of the pool.
        limit: Micro-yuan per chip-hour.
        duration: Periods.
        chips_min: Least chips.
        starts: First periods, relative to the horizon, ascending.
        chips: Largest quantity of each run.
        least_cost: Least that a chip of the run can cost at prices that its own use of the
            pool supports: the ask of the q-th cheapest chip of each period, summed.
        sends: What it takes of links.
    """

    alternative: int
    pool: int
    limit: int
    duration: int
    chips_min: int
    starts: IntArray
    chips: IntArray
    least_cost: IntArray
    sends: Sends = NOTHING_SENT

    @property
    def net(self) -> int:
        """Most that the prices of its chips may sum to per chip, after the tariffs of links."""
        per_chip = -(-self.sends.data_tariff // self.chips_min)
        return (self.limit - self.sends.traffic_tariff) * self.duration - per_chip

    @property
    def supportable(self) -> BoolArray:
        """Whether prices could ever support each run."""
        fits: BoolArray = self.least_cost <= self.net
        return fits


@dataclass(frozen=True, slots=True)
class SpreadOption:
    """All cells (pool x period) of one alternative of a flow or work demand.

    Attributes:
        alternative: Position among the demand's alternatives.
        limit: Micro-yuan per chip-hour.
        chip_hours: Most chip-hours in all.
        at_pool: Position of each cell's pool; cells are sorted by period, then pool.
        at_period: Period of each cell, relative to the horizon.
        chips: Most chips of each cell (its pool's offered chips, and the period's most).
        period_chips: Most chips in each period of the horizon, over the pools together.
        net: Most that each cell's price may be, after the tariffs of links.
        sends: What it takes of links, by position of the pool; empty if nothing.
    """

    alternative: int
    limit: int
    chip_hours: int
    at_pool: IntArray
    at_period: IntArray
    chips: IntArray
    period_chips: IntArray
    net: IntArray
    sends: Mapping[int, Sends]


@dataclass(frozen=True, slots=True)
class DemandOptions:
    """What one demand could ever get.

    Attributes:
        runs: Options of a block demand, empty for the other shapes.
        spreads: Options of a flow or work demand, empty for blocks.
        group: Number of its exclusive group, -1 if none.
        parent: Position of the demand it is linked to, -1 if none.
    """

    runs: tuple[RunOption, ...]
    spreads: tuple[SpreadOption, ...]
    group: int
    parent: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A book made ready for the search.

    Attributes:
        book: The book with all rows sorted, and a pool and an offer more for each link and
            allowance.
        plain: The book with all rows sorted, as it came.
        rules: The rules.
        capacity: P x T chips offered, block offers included.
        supply: Divisible supply of each pool.
        block_offers: Block offers, in book order.
        demands: Options of each demand, in book order.
        groups: Members of each exclusive group, as positions.
        children: Demands linked to each demand, as positions.
        floor: P x T lowest ask of any offer with chips, 0 where there is none.
        parents_first: Positions of all demands, each after the one it is linked to.
        lowest: P x T least prices whatever is used: the tariffs of links, 0 elsewhere.
        caps: P x 1 highest prices, on the tick.
    """

    book: Book
    plain: Book
    rules: Rules
    capacity: IntArray
    supply: tuple[PoolSupply, ...]
    block_offers: tuple[BlockOffer, ...]
    demands: tuple[DemandOptions, ...]
    groups: tuple[tuple[int, ...], ...]
    children: tuple[tuple[int, ...], ...]
    floor: IntArray
    parents_first: tuple[int, ...]
    lowest: IntArray
    caps: IntArray

    @property
    def pools(self) -> int:
        """How many pools there are before those of links and allowances."""
        return len(self.plain.pools)

    @property
    def shape(self) -> tuple[int, int]:
        """Pools and periods."""
        return len(self.book.pools), self.book.periods

    def without_allowances(self, prices: IntArray) -> IntArray:
        """Return P x T prices with those of allowances, which nobody pays, at 0."""
        if not self.plain.allowances:
            return prices
        paid = prices.copy()
        paid[self.pools + len(self.plain.links) :] = 0
        return paid


def canonical_book(book: Book) -> Book:
    """Return the book with every row in its documented order."""
    demands = tuple(
        replace(
            demand,
            alternatives=tuple(
                replace(alternative, pools=tuple(sorted(alternative.pools)))
                for alternative in sorted(demand.alternatives, key=lambda a: a.index)
            ),
        )
        for demand in sorted(book.demands, key=lambda d: d.id)
    )
    return replace(
        book,
        pools=tuple(sorted(book.pools, key=lambda pool: pool.key)),
        offers=tuple(sorted(book.offers, key=lambda offer: offer.id)),
        demands=demands,
        links=tuple(sorted(book.links, key=lambda link: link.key)),
        allowances=tuple(sorted(book.allowances, key=lambda row: row.key)),
    )


def tie_hash(round_id: str, order_id: str) -> bytes:
    """Return the last tie-break: a hash of round and order, never the time of arrival."""
    return hashlib.sha256(f"{round_id}\n{order_id}".encode()).digest()


def presolve(book: Book, rules: Rules) -> Problem:
    """Index a book and drop what can never fit.

    Args:
        book: Any row order; ids unique, every key known (see `services.core.codec`).
        rules: Rules of the round.

    Returns:
        The problem that every other step of the clearing reads.
    """
    plain = canonical_book(book)
    senders = Senders(plain)
    book = with_links(plain)
    pool_at = {pool.key: p for p, pool in enumerate(book.pools)}
    shape = (len(book.pools), book.periods)
    capacity = np.zeros(shape, dtype=np.int64)
    chips_of = [_offer_chips(book, o) for o in range(len(book.offers))]
    members: list[list[int]] = [[] for _ in book.pools]
    block_offers: list[BlockOffer] = []
    for o, offer in enumerate(book.offers):
        pool = pool_at[offer.pool]
        capacity[pool] += chips_of[o]
        if not chips_of[o].any():
            continue
        if not offer.block:
            members[pool].append(o)
        elif (
            offer.start >= book.first_period
            and offer.start + len(offer.chips) <= book.first_period + book.periods
        ):
            # A block offer that reaches past the horizon cannot be taken whole in this round.
            block_offers.append(BlockOffer(o, pool, offer.ask, chips_of[o]))
    supply = tuple(_pool_supply(book, rows, chips_of) for rows in members)
    floor_of = [
        _cheapest(supply[p], [b for b in block_offers if b.pool == p], capacity[p])
        for p in range(len(book.pools))
    ]
    groups, group_of = groups_of(book)
    position = {demand.id: d for d, demand in enumerate(book.demands)}
    parent_of = [
        -1 if demand.linked_to is None else position[demand.linked_to] for demand in book.demands
    ]
    children: list[list[int]] = [[] for _ in book.demands]
    for d, parent in enumerate(parent_of):
        if parent >= 0:
            children[parent].append(d)
    floors = _Floors(supply, tuple(block_offers), capacity)
    demands = tuple(
        _options(_Reach(book, pool_at, floors, senders), demand, group_of[d], parent_of[d])
        for d, demand in enumerate(book.demands)
    )
    lowest = np.zeros(shape, dtype=np.int64)
    for n, link in enumerate(plain.links):
        lowest[len(plain.pools) + n] = link.tariff
    return Problem(
        book=book,
        plain=plain,
        rules=rules,
        capacity=capacity,
        supply=supply,
        block_offers=tuple(block_offers),
        demands=demands,
        groups=groups,
        children=tuple(tuple(row) for row in children),
        floor=np.array(floor_of, dtype=np.int64).reshape(shape),
        parents_first=parents_first_of(parent_of),
        lowest=lowest,
        caps=price_caps(plain, len(book.pools), rules.tick),
    )


def _offer_chips(book: Book, o: int) -> IntArray:
    offer = book.offers[o]
    row = np.zeros(book.periods, dtype=np.int64)
    first = offer.start - book.first_period
    for i, chips in enumerate(offer.chips):
        if 0 <= first + i < book.periods:
            row[first + i] = chips
    return row


def _pool_supply(book: Book, rows: list[int], chips_of: list[IntArray]) -> PoolSupply:
    def order(o: int) -> tuple[int, int, bytes]:
        offer = book.offers[o]
        return (offer.ask, -offer.rounds_waited, tie_hash(book.round_id, offer.id))

    rows = sorted(rows, key=order)
    asks = sorted({book.offers[o].ask for o in rows})
    chips = np.zeros((len(asks), book.periods), dtype=np.int64)
    offers: list[list[int]] = [[] for _ in asks]
    for o in rows:
        k = asks.index(book.offers[o].ask)
        chips[k] += chips_of[o]
        offers[k].append(o)
    below = np.zeros((len(asks) + 1, book.periods), dtype=np.int64)
    np.cumsum(chips, axis=0, out=below[1:])
    return PoolSupply(
        np.array(asks, dtype=np.int64), chips, below, tuple(tuple(row) for row in offers)
    )


def _cheapest(supply: PoolSupply, blocks: list[BlockOffer], capacity: IntArray) -> IntArray:
    top = np.iinfo(np.int64).max
    row = np.full(capacity.shape, top, dtype=np.int64)
    for ask, chips in zip(supply.asks, supply.chips, strict=True):
        row = np.minimum(row, np.where(chips > 0, ask, top))
    for block in blocks:
        row = np.minimum(row, np.where(block.chips > 0, block.ask, top))
    row[row == top] = 0
    return row


class _Floors:
    """Lowest price that a pool's periods can have if at least q chips are used in each."""

    def __init__(
        self,
        supply: tuple[PoolSupply, ...],
        block_offers: tuple[BlockOffer, ...],
        capacity: IntArray,
    ) -> None:
        self.capacity = capacity
        self._steps: list[list[tuple[int, IntArray]]] = []
        for p, row in enumerate(supply):
            steps = list(zip(row.asks.tolist(), row.chips, strict=True))
            steps += [(b.ask, b.chips) for b in block_offers if b.pool == p]
            self._steps.append(sorted(steps, key=lambda step: step[0]))
        # Gangs come in few sizes (powers of two), so the same floor is asked for many times.
        self._known: dict[tuple[int, int], IntArray] = {}

    def of(self, pool: int, chips: int) -> IntArray:
        """Return the ask of the q-th cheapest chip per period (the dearest where too few)."""
        known = self._known.get((pool, chips))
        if known is not None:
            return known
        steps = self._steps[pool]
        periods = self.capacity.shape[1]
        floor = np.zeros(periods, dtype=np.int64)
        below = np.zeros(periods, dtype=np.int64)
        for ask, offered in steps:
            floor = np.where((below < chips) & (offered > 0), ask, floor)
            below = below + offered
        self._known[pool, chips] = floor
        return floor


@dataclass(frozen=True, slots=True)
class _Reach:
    """Where the demands of a book can go."""

    book: Book
    pool_at: dict[str, int]
    floors: _Floors
    senders: Senders


def _options(reach: _Reach, demand: BookDemand, group: int, parent: int) -> DemandOptions:
    runs: list[RunOption] = []
    spreads: list[SpreadOption] = []
    book = reach.book
    for a, alternative in enumerate(demand.alternatives):
        first = max(0, alternative.earliest - book.first_period)
        last = min(book.periods, alternative.deadline - book.first_period)
        if last <= first:
            continue
        sends = {reach.pool_at[key]: reach.senders.of(demand, key) for key in alternative.pools}
        reached = {pool: one for pool, one in sends.items() if one is not None}
        if demand.shape is Shape.BLOCK:
            for pool, one in reached.items():
                option = _run_option(a, alternative, pool, (first, last), reach.floors)
                option = None if option is None else _sending(option, one, reach.floors.capacity)
                if option is not None:
                    runs.append(option)
        elif reached:
            spread = _spread_option(book, a, alternative, reached, reach.floors)
            if spread is not None:
                spreads.append(spread)
    return DemandOptions(tuple(runs), tuple(spreads), group, parent)


def _sending(option: RunOption, sends: Sends, capacity: IntArray) -> RunOption | None:
    """Return the runs that links have room for."""
    if sends == NOTHING_SENT:
        return option
    chips = rooms_of_runs(sends, capacity, option.starts, option.duration, option.chips)
    fits = np.flatnonzero(chips >= option.chips_min)
    if not len(fits):
        return None
    return replace(
        option,
        starts=option.starts[fits],
        chips=chips[fits],
        least_cost=option.least_cost[fits],
        sends=sends,
    )


def _run_option(
    a: int, alternative: Alternative, pool: int, window: tuple[int, int], floors: _Floors
) -> RunOption | None:
    duration = alternative.duration
    first, last = window
    if last - first < duration:
        return None
    offered = np.lib.stride_tricks.sliding_window_view(
        floors.capacity[pool, first:last], duration
    ).min(axis=1)
    fits = np.flatnonzero(offered >= alternative.chips_min)
    if not len(fits):
        return None
    floor = floors.of(pool, alternative.chips_min)
    before = np.concatenate(([0], np.cumsum(floor)))
    starts = (fits + first).astype(np.int64)
    cost = before[starts + duration] - before[starts]
    return RunOption(
        alternative=a,
        pool=pool,
        limit=alternative.limit,
        duration=duration,
        chips_min=alternative.chips_min,
        starts=starts,
        chips=np.minimum(offered[fits], alternative.chips),
        least_cost=cost,
    )


def _spread_option(
    book: Book,
    a: int,
    alternative: Alternative,
    reached: dict[int, Sends],
    floors: _Floors,
) -> SpreadOption | None:
    period_chips = np.zeros(book.periods, dtype=np.int64)
    first = alternative.earliest - book.first_period
    for i, chips in enumerate(alternative.chips_by_period):
        if 0 <= first + i < book.periods:
            period_chips[first + i] = chips
    pools = list(reached)
    most = np.minimum(floors.capacity[pools], period_chips[None, :])
    where_period, where_pool = np.nonzero(most.T)
    at_pool = np.array(pools, dtype=np.int64)[where_pool]
    at_period = where_period.astype(np.int64)
    room = most[where_pool, where_period]
    net = np.full(len(room), alternative.limit, dtype=np.int64)
    sent = any(one.traffic for one in reached.values())
    if sent:
        sends = [reached[pool] for pool in at_pool.tolist()]
        room = room_of_cells(sends, floors.capacity, at_period, room)
        net -= np.array([one.traffic_tariff for one in sends], dtype=np.int64)
        keep = room > 0
        at_pool, at_period, room, net = at_pool[keep], at_period[keep], room[keep], net[keep]
    if not len(room):
        return None
    return SpreadOption(
        alternative=a,
        limit=alternative.limit,
        chip_hours=alternative.chip_hours,
        at_pool=at_pool,
        at_period=at_period,
        chips=room,
        period_chips=period_chips,
        net=net,
        sends=reached if sent else {},
    )
