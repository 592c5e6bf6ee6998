"""Lay a book out as flat arrays, dropping what can never fit.

Nothing here grows with the number of starts: an option is one row (demand, pool, first start,
number of starts), and the loops of the search count its starts themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.types import Shape
from services.core.book import Alternative, Book, BookDemand, Rules
from services.core.clearing.links import with_links
from services.core.clearing.presolve import tie_hash
from services.core.clearing.scale.lanes import GB, LANE, NOTHING, Lanes, Sent, lanes_of, trim
from services.core.clearing.scale.windows import smallest_windows

AnyArray = npt.NDArray[Any]


class Blocks(NamedTuple):
    """Every (demand, alternative, pool) of a block demand that can fit, flat.

    Attributes:
        ptr: First row of each demand, and the end; D + 1.
        demand: Demand of each row.
        pool: Pool.
        first: First start, relative to the horizon.
        starts: Number of starts.
        duration: Periods.
        chips: Most chips.
        least: Least chips.
        limit: Micro-yuan per chip-hour.
        alternative: Position of the alternative within its demand.
        whole: 1 if every start holds all chips, else the starts must be looked at one by one.
        sends: What each row sends over lanes; columns ``DATA_GB`` to ``LANE``.
    """

    ptr: AnyArray
    demand: AnyArray
    pool: AnyArray
    first: AnyArray
    starts: AnyArray
    duration: AnyArray
    chips: AnyArray
    least: AnyArray
    limit: AnyArray
    alternative: AnyArray
    whole: AnyArray
    sends: AnyArray


class Spreads(NamedTuple):
    """Every alternative of a flow or work demand that has a cell, flat.

    Attributes:
        ptr: First row of each demand, and the end; D + 1.
        demand: Demand of each row.
        first: First period, relative to the horizon.
        last: Period after its last one.
        limit: Micro-yuan per chip-hour.
        hours: Most chip-hours.
        binds: 1 if the total can bind at all.
        alternative: Position of the alternative within its demand.
        pool_ptr: First entry of each row in ``pools``, and the end.
        pools: Pools of each row, ascending.
        lanes: Lane of the traffic from each of these pools, -1 if it needs none.
        gb: GB of traffic per chip-hour of each row.
        chip_ptr: First entry of each row in ``chips``, and the end.
        chips: Most chips of each period of a row.
        cell_ptr: First cell of each row (period by period, then pool), and the end.
    """

    ptr: AnyArray
    demand: AnyArray
    first: AnyArray
    last: AnyArray
    limit: AnyArray
    hours: AnyArray
    binds: AnyArray
    alternative: AnyArray
    pool_ptr: AnyArray
    pools: AnyArray
    lanes: AnyArray
    gb: AnyArray
    chip_ptr: AnyArray
    chips: AnyArray
    cell_ptr: AnyArray


class Supplies(NamedTuple):
    """The supply side.

    Attributes:
        capacity: P x T chips of all offers, and GB of links and allowances behind them.
        room: The same of pools and lanes; what bounds the demand side of the certificate.
        smallest: Of `room`, the least of the 2**l periods from each period on.
        step_ptr: First step of each pool's supply curve, and the end.
        ask: Ask of each step, ascending within a pool.
        chips: K x T chips of each step.
        upto: K x T chips of this step and those below it.
        block_pool: Pool of each block offer.
        block_ask: Its ask.
        block_chips: B x T chips.
    """

    capacity: AnyArray
    room: AnyArray
    smallest: AnyArray
    step_ptr: AnyArray
    ask: AnyArray
    chips: AnyArray
    upto: AnyArray
    block_pool: AnyArray
    block_ask: AnyArray
    block_chips: AnyArray


class Bonds(NamedTuple):
    """What ties demands to each other.

    Attributes:
        group: Exclusive group of each demand, -1 if none.
        member_ptr: First entry of each group in ``member``, and the end.
        member: Demands of each group.
        parent: Demand that each one is linked to, -1 if none.
        child_ptr: First entry of each demand in ``child``, and the end.
        child: Demands linked to each demand.
        waited: Rounds waited.
        rank: Place of each demand in the order of the last tie-break.
    """

    group: AnyArray
    member_ptr: AnyArray
    member: AnyArray
    parent: AnyArray
    child_ptr: AnyArray
    child: AnyArray
    waited: AnyArray
    rank: AnyArray


@dataclass(frozen=True, slots=True)
class Layout:
    """A book as arrays.

    Attributes:
        book: The book, all rows sorted.
        whole: The book with a pool and an offer more for each link and allowance (`with_links`).
        rules: The rules.
        lanes: The routes of what is sent.
        blocks: Block demands.
        spreads: Flow and work demands.
        supplies: Offers.
        bonds: Groups, links, ties.
        block_offer: Position in the book of each block offer.
        step_offers: Offers of each step, positions in the book, first to be used first.
        offer_chips: Chips of each offer in each period of the horizon.
        limit_max: Highest limit of any demand.
    """

    book: Book
    whole: Book
    rules: Rules
    lanes: Lanes
    blocks: Blocks
    spreads: Spreads
    supplies: Supplies
    bonds: Bonds
    block_offer: tuple[int, ...]
    step_offers: tuple[tuple[int, ...], ...]
    offer_chips: AnyArray
    limit_max: int

    @property
    def demands(self) -> int:
        """Number of demands."""
        return len(self.book.demands)

    @property
    def shape(self) -> tuple[int, int]:
        """Pools and links, and periods."""
        return len(self.whole.pools), self.book.periods

    @property
    def pools(self) -> int:
        """Number of pools before those of links."""
        return len(self.book.pools)

    def without_allowances(self, prices: AnyArray) -> AnyArray:
        """Return P x T prices with those of allowances, which nobody pays, at 0."""
        if not self.book.allowances:
            return prices
        paid = prices.copy()
        paid[self.pools + len(self.book.links) :] = 0
        return paid


def lay_out(book: Book, rules: Rules) -> Layout:
    """Lay a book out, whatever the order of its rows."""
    book = _sorted_book(book)
    whole, lanes = with_links(book), lanes_of(book)
    pool_at = {pool.key: p for p, pool in enumerate(whole.pools)}
    supplies, block_offer, step_offers, offer_chips = supplies_of(whole, pool_at, lanes)
    places = _Places(book, pool_at, {pool.key: pool.zone for pool in book.pools}, lanes)
    blocks = _blocks(places, supplies)
    spreads = _spreads(places, supplies)
    limits = [int(rows.limit.max(initial=0)) for rows in (blocks, spreads)]
    return Layout(
        book, whole, rules, lanes, blocks, spreads, supplies, _bonds(book), block_offer,
        step_offers, offer_chips, max(limits),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the demands of a book can go, and what they send if they do."""

    book: Book
    pool_at: dict[str, int]
    zones: dict[str, str]
    lanes: Lanes

    def sent(self, demand: BookDemand, pool: str) -> Sent | None:
        """Return what a demand sends if a pool serves it, ``None`` if no route leads there."""
        return self.lanes.sent(demand, pool, self.zones[pool])


def _sorted_book(book: Book) -> Book:
    def ordered(keys: list[str]) -> bool:
        return all(a < b for a, b in pairwise(keys))

    pools, offers, demands = book.pools, book.offers, book.demands
    if not ordered([row.key for row in pools]):
        pools = tuple(sorted(pools, key=lambda row: row.key))
    if not ordered([row.id for row in offers]):
        offers = tuple(sorted(offers, key=lambda row: row.id))
    if not ordered([row.id for row in demands]):
        demands = tuple(sorted(demands, key=lambda row: row.id))
    if not all(_is_ordered(row.alternatives) for row in demands):
        demands = tuple(_ordered(row) for row in demands)
    links = tuple(sorted(book.links, key=lambda row: row.key))
    allowances = tuple(sorted(book.allowances, key=lambda row: row.key))
    return replace(
        book, pools=pools, offers=offers, demands=demands, links=links, allowances=allowances
    )


def _is_ordered(rows: tuple[Alternative, ...]) -> bool:
    # Most demands have one alternative, and a book may have a hundred thousand demands.
    if len(rows) > 1 and any(a.index >= b.index for a, b in pairwise(rows)):
        return False
    return all(a < b for row in rows if len(row.pools) > 1 for a, b in pairwise(row.pools))


def _ordered(demand: BookDemand) -> BookDemand:
    rows = sorted(demand.alternatives, key=lambda row: row.index)
    return replace(
        demand,
        alternatives=tuple(replace(row, pools=tuple(sorted(row.pools))) for row in rows),
    )


def supplies_of(
    book: Book, pool_at: dict[str, int], lanes: Lanes
) -> tuple[Supplies, tuple[int, ...], tuple[tuple[int, ...], ...], AnyArray]:
    """Lay the offers of a sorted book out, links and allowances among them."""
    pools, periods = len(book.pools), book.periods
    capacity = np.zeros((pools, periods), dtype=np.int64)
    rows = np.zeros((len(book.offers), periods), dtype=np.int64)
    members: list[list[int]] = [[] for _ in book.pools]
    blocks: list[int] = []
    for o, offer in enumerate(book.offers):
        first = offer.start - book.first_period
        low, high = max(0, first), min(periods, first + len(offer.chips))
        if low >= high:
            continue
        rows[o, low:high] = offer.chips[low - first : high - first]
        if not rows[o].any():
            continue
        capacity[pool_at[offer.pool]] += rows[o]
        if not offer.block:
            members[pool_at[offer.pool]].append(o)
        elif high - low == len(offer.chips):
            # A block offer that reaches past the horizon cannot be taken whole in this round.
            blocks.append(o)
    asks: list[int] = []
    step_chips: list[AnyArray] = []
    step_offers: list[tuple[int, ...]] = []
    ptr = [0]
    for row in members:
        by_ask: dict[int, list[int]] = {}
        for o in row:
            by_ask.setdefault(book.offers[o].ask, []).append(o)
        for ask in sorted(by_ask):
            asks.append(ask)
            step_chips.append(rows[by_ask[ask]].sum(axis=0))
            step_offers.append(tuple(sorted(by_ask[ask], key=lambda o: _offer_order(book, o))))
        ptr.append(len(asks))
    chips = np.array(step_chips, dtype=np.int64).reshape(len(asks), periods)
    upto = chips.copy()
    for low, high in pairwise(ptr):
        np.cumsum(chips[low:high], axis=0, out=upto[low:high])
    room = lanes.room(capacity)
    supplies = Supplies(
        capacity=capacity,
        room=room,
        smallest=smallest_windows(room),
        step_ptr=np.array(ptr, dtype=np.int64),
        ask=np.array(asks, dtype=np.int64),
        chips=chips,
        upto=upto,
        block_pool=np.array([pool_at[book.offers[o].pool] for o in blocks], dtype=np.int64),
        block_ask=np.array([book.offers[o].ask for o in blocks], dtype=np.int64),
        block_chips=rows[blocks].reshape(len(blocks), periods),
    )
    return supplies, tuple(blocks), tuple(step_offers), rows


def _offer_order(book: Book, o: int) -> tuple[int, bytes]:
    offer = book.offers[o]
    return (-offer.rounds_waited, tie_hash(book.round_id, offer.id))


def _pointers(counts: AnyArray) -> AnyArray:
    ptr = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=ptr[1:])
    return ptr


def _blocks(places: _Places, supplies: Supplies) -> Blocks:
    book, pool_at = places.book, places.pool_at
    first_period, periods = book.first_period, book.periods
    rows = [
        (d, a, len(row.pools), row.earliest, row.deadline, row.duration, row.chips,
         row.chips_min, row.limit)
        for d, demand in enumerate(book.demands) if demand.shape is Shape.BLOCK
        for a, row in enumerate(demand.alternatives)
    ]  # fmt: skip
    pools = np.fromiter(
        chain.from_iterable(
            [pool_at[key] for key in row.pools]
            for demand in book.demands if demand.shape is Shape.BLOCK
            for row in demand.alternatives
        ),
        dtype=np.int32,
    )  # fmt: skip
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 9)
    low = np.maximum(0, table[:, 3] - first_period)
    high = np.minimum(periods, table[:, 4] - first_period)
    counts = np.maximum(0, high - low - table[:, 5] + 1)
    of = np.repeat(np.arange(len(rows)), table[:, 2])
    first, count = low[of].astype(np.int32), counts[of].astype(np.int32)
    duration, chips, least = (table[of, n].astype(np.int32) for n in (5, 6, 7))
    whole = np.zeros(len(of), dtype=np.int8)
    sends, reached = _sent_by_runs(places, len(of))
    count[~reached] = 0
    trim(supplies.smallest, pools, duration, chips, least, sends, first, count, whole)
    kept = np.flatnonzero(count > 0)
    of = of[kept]
    demand = table[of, 0]
    return Blocks(
        ptr=_pointers(np.bincount(demand, minlength=len(book.demands))),
        demand=demand.astype(np.int32),
        pool=pools[kept],
        first=first[kept],
        starts=count[kept],
        duration=duration[kept],
        chips=chips[kept],
        least=least[kept],
        limit=table[of, 8],
        alternative=table[of, 1].astype(np.int32),
        whole=whole[kept],
        sends=sends[kept],
    )


def _sent_by_runs(places: _Places, rows: int) -> tuple[AnyArray, AnyArray]:
    """Return what every row of the block demands sends, and whether a route leads there."""
    sends = np.tile(np.array(NOTHING, dtype=np.int64), (rows, 1))
    reached = np.ones(rows, dtype=np.bool_)
    if not places.lanes.sends:
        return sends, reached
    found = [
        places.sent(demand, key)
        for demand in places.book.demands if demand.shape is Shape.BLOCK
        for row in demand.alternatives for key in row.pools
    ]  # fmt: skip
    for n, sent in enumerate(found):
        if sent is None:
            reached[n] = False
        else:
            sends[n] = sent
    return sends, reached


def _spreads(places: _Places, supplies: Supplies) -> Spreads:
    book = places.book
    periods = book.periods
    rows: list[tuple[int, int, int, int, int, int, int]] = []
    pools: list[list[int]] = []
    lanes: list[int] = []
    gb: list[int] = []
    chips: list[AnyArray] = []
    for d, demand in enumerate(book.demands):
        if demand.shape is Shape.BLOCK:
            continue
        for a, row in enumerate(demand.alternatives):
            shift = row.earliest - book.first_period
            low, high = max(0, shift), min(periods, row.deadline - book.first_period)
            if low >= high or row.chip_hours == 0:
                continue
            sent = [(places.pool_at[key], places.sent(demand, key)) for key in row.pools]
            ways = [(pool, found[GB], found[LANE]) for pool, found in sent if found is not None]
            reached = [pool for pool, _, _ in ways]
            most = np.array(row.chips_by_period[low - shift : high - shift], dtype=np.int32)
            room = supplies.room[:, low:high]
            if not any(
                (np.minimum(room[pool], room[lane] // each if lane >= 0 else most) * most).any()
                for pool, each, lane in ways
            ):
                continue
            binds = int(most.sum()) > row.chip_hours
            rows.append((d, a, low, high, row.limit, row.chip_hours, int(binds)))
            pools.append(reached)
            lanes += [lane for _, _, lane in ways]
            gb.append(max(each for _, each, _ in ways))
            chips.append(most)
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 7)
    widths = np.array([len(row) for row in pools], dtype=np.int64)
    spans = table[:, 3] - table[:, 2]
    return Spreads(
        ptr=_pointers(np.bincount(table[:, 0], minlength=len(book.demands))),
        demand=table[:, 0].astype(np.int32),
        first=table[:, 2].astype(np.int32),
        last=table[:, 3].astype(np.int32),
        limit=table[:, 4].copy(),
        hours=table[:, 5].copy(),
        binds=table[:, 6].astype(np.int8),
        alternative=table[:, 1].astype(np.int32),
        pool_ptr=_pointers(widths),
        pools=np.array([p for row in pools for p in row], dtype=np.int32),
        lanes=np.array(lanes, dtype=np.int64),
        gb=np.array(gb, dtype=np.int64),
        chip_ptr=_pointers(spans),
        chips=np.concatenate([np.zeros(0, dtype=np.int32), *chips]),
        cell_ptr=_pointers(spans * widths),
    )


def _bonds(book: Book) -> Bonds:
    count = len(book.demands)
    group = np.full(count, -1, dtype=np.int32)
    parent = np.full(count, -1, dtype=np.int32)
    names: dict[tuple[str, str], list[int]] = {}
    linked = [d for d, demand in enumerate(book.demands) if demand.linked_to is not None]
    for d, demand in enumerate(book.demands):
        if demand.exclusive_group is not None:
            # A group is one participant's own: two enterprises may use the same word.
            names.setdefault((demand.participant, demand.exclusive_group), []).append(d)
    members = [names[name] for name in sorted(names)]
    for g, row in enumerate(members):
        group[row] = g
    if linked:
        position = {demand.id: d for d, demand in enumerate(book.demands)}
        for d in linked:
            parent[d] = position[str(book.demands[d].linked_to)]
    children = np.array(linked, dtype=np.int64)
    order = np.lexsort((children, parent[children]))
    hashes = [tie_hash(book.round_id, demand.id) for demand in book.demands]
    rank = np.empty(count, dtype=np.int64)
    rank[sorted(range(count), key=hashes.__getitem__)] = np.arange(count)
    return Bonds(
        group=group,
        member_ptr=_pointers(np.array([len(row) for row in members], dtype=np.int64)),
        member=np.array([d for row in members for d in row], dtype=np.int32),
        parent=parent,
        child_ptr=_pointers(np.bincount(parent[children], minlength=count)),
        child=children[order].astype(np.int32),
        waited=np.array([demand.rounds_waited for demand in book.demands], dtype=np.int64),
        rank=rank,
    )
