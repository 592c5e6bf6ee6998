"""Links in a large book: a row more for each route that something can take.

A demand pays for all links of its route alike, so compiled code looks at one row per route, a
lane: its price is the sum of its links' prices, its capacity their least. Rows of prices,
capacity and load are the pools first, then the lanes; what links have left is kept by link.
Everybody's data and traffic follow the rules of `services.core.routes`.

An allowance is one link more for the chips of its participant (decision 0038). Whoever has one
takes lanes by the chip and not by the GB, so the links of such a lane have the GB of a chip-hour
as their weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.book import Book, BookDemand, Moves
from services.core.clearing.price_search import PRICE_MAX
from services.core.clearing.scale.compiled import compiled
from services.core.clearing.scale.windows import smallest_in
from services.core.clearing.size import link_price_top
from services.core.routes import CROSSING_PERIODS_MAX, Routes

AnyArray = npt.NDArray[Any]

# Columns of what a row sends: GB of data and their lane, GB of traffic per chip-hour and theirs.
# Without GB there is no lane (-1).
DATA_GB, DATA_LANE, GB, LANE = 0, 1, 2, 3
NOTHING = (0, -1, 0, -1)
Sent = tuple[int, int, int, int]

# Columns of `Lanes.table`: tariff of all links of a lane, their number, and the position and the
# weight of each.
TARIFF, HOPS, LINKS = 0, 1, 2

# Capacities are kept in 32 bits; no demand can use more of a link than its format holds.
_ROOM_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Lanes:
    """The routes of a book that some demand can take.

    Attributes:
        pools: Number of pools, the rows before those of lanes.
        legs: The first link of every lane that has one, then the second, and so on, as (lanes,
            links, weights); allowances are links, too.
        table: A row for each pool, empty, and each lane: tariff, number of links, their positions
            and weights.
        tariff: Tariff of each link, 0 of allowances.
        capacity: Links x T, GB, or chips of allowances.
        top: Highest price of a link that is looked at.
        sends: What each (moves, zone) sends, ``None`` where no route leads there; of participants
            that have allowances, each (moves, pool, participant).
        bound: The participants that have allowances.
    """

    pools: int
    legs: tuple[tuple[AnyArray, AnyArray, AnyArray], ...]
    table: AnyArray
    tariff: AnyArray
    capacity: AnyArray
    top: int
    sends: dict[tuple[Moves | None, str, str], Sent | None]
    bound: frozenset[str]

    def rows(self, prices: AnyArray) -> AnyArray:
        """Return prices of pools and lanes, given those of pools and links."""
        if not len(self.tariff):
            return prices[: self.pools]
        beyond = np.zeros((len(self.table) - self.pools, prices.shape[1]), dtype=prices.dtype)
        for lanes, links, weights in self.legs:
            beyond[lanes] += weights[:, None] * prices[self.pools + links]
        return np.concatenate([prices[: self.pools], beyond])

    def load(self, rows: AnyArray) -> AnyArray:
        """Return the load of pools and links, given that of pools and lanes."""
        if not len(self.tariff):
            return rows
        beyond = np.zeros((len(self.tariff), rows.shape[1]), dtype=rows.dtype)
        for lanes, links, weights in self.legs:
            # Lanes share links, and each adds to what goes over them.
            np.add.at(beyond, links, weights[:, None] * rows[self.pools + lanes])
        return np.concatenate([rows[: self.pools], beyond])

    def room(self, capacity: AnyArray) -> AnyArray:
        """Return the capacity of pools and lanes, given that of pools and links."""
        shape = (len(self.table) - self.pools, capacity.shape[1])
        least = np.full(shape, _ROOM_MAX, dtype=np.int64)
        for lanes, links, weights in self.legs:
            room = capacity[self.pools + links] // weights[:, None]
            least[lanes] = np.minimum(least[lanes], room)
        return np.concatenate([capacity[: self.pools], least])

    def used(self) -> AnyArray:
        """Return whether some lane leads over each link."""
        found = np.zeros(len(self.tariff), dtype=np.bool_)
        for _, links, _ in self.legs:
            found[links] = True
        return found

    def lowest(self, shape: tuple[int, int]) -> AnyArray:
        """Return the least price of every pool (0) and link (its tariff)."""
        lowest = np.zeros(shape, dtype=np.int64)
        lowest[self.pools :] = self.tariff[:, None]
        return lowest

    def tops(self, shape: tuple[int, int]) -> AnyArray:
        """Return the highest price of every pool and link, as a column."""
        tops = np.full((shape[0], 1), PRICE_MAX, dtype=np.int64)
        tops[self.pools :] = self.top
        return tops

    def sent(self, demand: BookDemand, pool: str, zone: str) -> Sent | None:
        """Return what a demand sends if a pool serves it, ``None`` if no route leads there."""
        if demand.participant in self.bound:
            return self.sends[demand.moves, pool, demand.participant]
        return NOTHING if demand.moves is None else self.sends[demand.moves, zone, ""]


def lanes_of(book: Book) -> Lanes:
    """Return the lanes of a book whose rows are sorted."""
    found = _Found(book)
    zones = {pool.key: pool.zone for pool in book.pools}
    bound = frozenset(row.participant for row in book.allowances)
    for demand in book.demands:
        if demand.participant in bound:
            for key in {key for row in demand.alternatives for key in row.pools}:
                found.find(demand, key, zones[key], demand.participant)
        elif demand.moves is not None:
            for zone in {zones[key] for row in demand.alternatives for key in row.pools}:
                found.find(demand, zone, zone, "")
    lanes = found.lanes
    rooms = [*(row.capacity for row in book.links), *(row.capacity for row in book.allowances)]
    pools, width = len(book.pools), 2 * max(map(len, lanes), default=0)
    table = np.zeros((pools + len(lanes), LINKS + width), dtype=np.int64)
    tariff = np.array([*(link.tariff for link in book.links), *(0 for _ in book.allowances)])
    for n, lane in enumerate(lanes):
        row = table[pools + n]
        row[HOPS] = len(lane)
        for i, (link, weight) in enumerate(lane):
            row[LINKS + 2 * i : LINKS + 2 * i + 2] = link, weight
            row[TARIFF] += weight * tariff[link]
    return Lanes(
        pools=pools,
        legs=tuple(_legs(table[pools:], n) for n in range(width // 2)),
        table=table,
        tariff=tariff.astype(np.int64),
        capacity=np.array(rooms, dtype=np.int64).reshape(len(rooms), book.periods),
        top=link_price_top(book),
        sends=found.sends,
        bound=bound,
    )


def _legs(table: AnyArray, n: int) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Return (lanes, links, weights) of the n-th link of every lane that has so many."""
    lanes = np.flatnonzero(table[:, HOPS] > n)
    return lanes, table[lanes, LINKS + 2 * n], table[lanes, LINKS + 2 * n + 1]


class _Found:
    """The lanes that the demands of a book can take, numbered as they come."""

    def __init__(self, book: Book) -> None:
        self.lanes: dict[tuple[tuple[int, int], ...], int] = {}
        self.sends: dict[tuple[Moves | None, str, str], Sent | None] = {}
        self._routes, self._pools = Routes(book.links), len(book.pools)
        self._at = {link.key: n for n, link in enumerate(book.links)}
        self._own: dict[tuple[str, str], list[int]] = {}
        for n, row in enumerate(book.allowances, len(book.links)):
            for key in row.pools:
                self._own.setdefault((row.participant, key), []).append(n)

    def find(self, demand: BookDemand, place: str, zone: str, participant: str) -> None:
        """Find what a demand sends if a place serves it, a pool or a zone.

        Args:
            demand: The demand.
            place: Key of the pool if its participant has allowances, else the zone.
            zone: The zone.
            participant: Its participant if that has allowances, else empty.
        """
        key = (demand.moves, place, participant)
        if key in self.sends:
            return
        ways = self._routes.of(demand, zone)
        if ways is None:
            self.sends[key] = None
            return
        data, traffic = ([self._at[link] for link in way] for way in ways)
        data_gb, gb = (demand.moves.data_gb, demand.moves.traffic_gb) if demand.moves else (0, 0)
        found = [data_gb, self._lane([(link, 1) for link in data])] if data_gb and data else [0, -1]
        carried = traffic if gb else []
        if participant:
            legs = [(link, gb) for link in carried]
            legs += [(row, 1) for row in self._own.get((participant, place), ())]
            found += [1, self._lane(legs)] if legs else [0, -1]
        else:
            found += [gb, self._lane([(link, 1) for link in carried])] if carried else [0, -1]
        self.sends[key] = (found[0], found[1], found[2], found[3])

    def _lane(self, legs: list[tuple[int, int]]) -> int:
        return self._pools + self.lanes.setdefault(tuple(legs), len(self.lanes))


@compiled
def crosses(smallest: AnyArray, lane: int, gb: int, start: int) -> bool:
    """Tell whether a lane has room for data that has to be there at a start."""
    if start <= 0:
        return False
    width = min(CROSSING_PERIODS_MAX, start)
    each, more = divmod(gb, width)
    first = start - width
    if more > 0 and smallest_in(smallest, lane, first, more) < each + 1:
        return False
    return smallest_in(smallest, lane, first + more, width - more) >= each


@compiled
def data_cost(sums: AnyArray, sends: AnyArray, r: int, start: int) -> int:
    """Return what the data of a row pays if its run begins at a start, micro-yuan.

    Args:
        sums: Prefix sums of the prices of pools and lanes.
        sends: What every row sends.
        r: The row.
        start: A start before which its data can cross.
    """
    gb, lane = sends[r, DATA_GB], sends[r, DATA_LANE]
    if gb == 0 or start <= 0:
        return gb * 0  # type: ignore[no-any-return]
    width = min(CROSSING_PERIODS_MAX, start)
    each, more = divmod(gb, width)
    low = sums[lane, start - width]
    return each * (sums[lane, start] - low) + sums[lane, start - width + more] - low  # type: ignore[no-any-return]


@compiled
def run_cost(sums: AnyArray, sends: AnyArray, r: int, start: int, duration: int) -> int:
    """Return what the traffic of a row pays for each chip of a run, micro-yuan."""
    gb, lane = sends[r, GB], sends[r, LANE]
    return gb * (sums[lane, start + duration] - sums[lane, start]) if gb > 0 else gb  # type: ignore[no-any-return]


@compiled
def sent_cost(
    sums: AnyArray, sends: AnyArray, r: int, start: int, duration: int, chips: int
) -> int:
    """Return what all that a run sends pays, micro-yuan; as in `run_cost` and `data_cost`."""
    traffic = run_cost(sums, sends, r, start, duration) * chips
    return traffic + data_cost(sums, sends, r, start)


@compiled
def most_chips(
    smallest: AnyArray, sends: AnyArray, r: int, pool: int, start: int, duration: int, chips: int
) -> int:
    """Return how many chips of a run fit, 0 where its data cannot cross.

    Args:
        smallest: Least capacities of pools and lanes over windows.
        sends: What every row sends.
        r: The row.
        pool: Its pool.
        start: First period.
        duration: Periods.
        chips: Most chips.
    """
    room = min(smallest_in(smallest, pool, start, duration), chips)
    if sends[r, GB] > 0:
        room = min(room, smallest_in(smallest, sends[r, LANE], start, duration) // sends[r, GB])
    if sends[r, DATA_GB] > 0 and not crosses(
        smallest, sends[r, DATA_LANE], sends[r, DATA_GB], start
    ):
        room = 0 * room
    return room


@compiled
def add_sent(
    diff: AnyArray, sends: AnyArray, r: int, start: int, duration: int, chips: int
) -> None:
    """Add what a run sends to the differences of the load of lanes."""
    gb, lane = sends[r, GB] * chips, sends[r, LANE]
    if gb > 0:
        diff[lane, start] += gb
        diff[lane, start + duration] -= gb
    data, lane = sends[r, DATA_GB], sends[r, DATA_LANE]
    if data > 0:
        width = min(CROSSING_PERIODS_MAX, start)
        each, more = divmod(data, width)
        diff[lane, start - width] += each + 1
        diff[lane, start - width + more] -= 1
        diff[lane, start] -= each


@compiled
def trim(
    smallest: AnyArray,
    pool: AnyArray,
    duration: AnyArray,
    chips: AnyArray,
    least: AnyArray,
    sends: AnyArray,
    first: AnyArray,
    count: AnyArray,
    whole: AnyArray,
) -> None:
    """Narrow ``first`` and ``count`` to the starts that fit; say whether all hold all chips.

    A gang larger than the chips offered in some period of its run is dropped before anything is
    bounded; the bound over such runs would be useless (`market.md` 4).
    """
    for r in range(len(pool)):
        p, hours, wanted = pool[r], duration[r], chips[r]
        low, high = first[r], first[r] + count[r]
        while low < high and most_chips(smallest, sends, r, p, low, hours, wanted) < least[r]:
            low += 1
        while high > low and most_chips(smallest, sends, r, p, high - 1, hours, wanted) < least[r]:
            high -= 1
        first[r] = low
        count[r] = high - low
        whole[r] = 1
        for start in range(low, high):
            if most_chips(smallest, sends, r, p, start, hours, wanted) < wanted:
                whole[r] = 0
                break


@compiled
def use_lane(links: AnyArray, lanes: AnyArray, lane: int, t: int, gb: int, sign: int) -> int:
    """Take GB from what the links of a lane have left (or give them back); return the tariffs."""
    for i in range(LINKS, LINKS + 2 * lanes[lane, HOPS], 2):
        links[lanes[lane, i], t] -= sign * gb * lanes[lane, i + 1]
    return gb * lanes[lane, TARIFF]  # type: ignore[no-any-return]


@compiled
def lane_room(links: AnyArray, lanes: AnyArray, lane: int, t: int) -> int:
    """Return the GB that the links of a lane have left."""
    room = links[lanes[lane, LINKS], t] // lanes[lane, LINKS + 1]
    for i in range(LINKS + 2, LINKS + 2 * lanes[lane, HOPS], 2):
        room = min(room, links[lanes[lane, i], t] // lanes[lane, i + 1])
    return room  # type: ignore[no-any-return]


@compiled
def full_link(links: AnyArray, lanes: AnyArray, lane: int, t: int, gb: int) -> int:
    """Return the first link of a lane that has not so many GB left, -1 if all have."""
    for i in range(LINKS, LINKS + 2 * lanes[lane, HOPS], 2):
        if links[lanes[lane, i], t] // lanes[lane, i + 1] < gb:
            return lanes[lane, i]  # type: ignore[no-any-return]
    return -1


@compiled
def leads_over(lanes: AnyArray, lane: int, link: int) -> bool:
    """Tell whether a lane (-1: none) leads over a link."""
    if lane >= 0:
        for i in range(LINKS, LINKS + 2 * lanes[lane, HOPS], 2):
            if lanes[lane, i] == link:
                return True
    return False


@compiled
def send(
    links: AnyArray,
    lanes: AnyArray,
    sends: AnyArray,
    r: int,
    start: int,
    duration: int,
    chips: int,
    sign: int,
) -> int:
    """Take what a run sends from what links have left (or give it back); return its tariffs."""
    cost, gb, data = chips * 0, sends[r, GB] * chips, sends[r, DATA_GB]
    if gb > 0:
        for t in range(start, start + duration):
            cost += use_lane(links, lanes, sends[r, LANE], t, gb, sign)
    if data > 0:
        first = max(0, start - CROSSING_PERIODS_MAX)
        each, more = divmod(data, start - first)
        for t in range(first, start):
            share = each + 1 if t < first + more else each
            cost += use_lane(links, lanes, sends[r, DATA_LANE], t, share, sign)
    return cost


@compiled
def can_cross(links: AnyArray, lanes: AnyArray, sends: AnyArray, r: int, start: int) -> bool:
    """Tell whether links have room left for the data of a run."""
    first = max(0, start - CROSSING_PERIODS_MAX)
    if start == first:
        return False
    each, more = divmod(sends[r, DATA_GB], start - first)
    for t in range(first, start):
        share = each + 1 if t < first + more else each
        if lane_room(links, lanes, sends[r, DATA_LANE], t) < share:
            return False
    return True
