"""Links inside the clearing: a pool more for each, whose chips are GB and whose ask is the tariff.

So capacity, floors, the certificate's term for what is left and the search for prices hold for
links as they do for pools, and a book that sends nothing over links is cleared as if there were
none. Allowances are pools of the same kind behind them (decision 0038): their ask is 0, and every
chip that their participant gets takes one of them. What is here says how much of which of these
rows a choice of a demand takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from services.core.book import Book, BookDemand, BookOffer, Pool
from services.core.routes import Routes, crossing

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_NAME = "~"

Stretch = tuple[int, int, int, int]
"""(position of a link's pool, first period, exclusive end, GB in each), relative to the horizon."""


@dataclass(frozen=True, slots=True)
class Sends:
    """What a demand takes of links if it is served in one zone.

    Attributes:
        data: Positions of the pools of the links that its data crosses.
        data_gb: Data.
        traffic: (position, amount per chip-hour) of the same of the links between the zone and its
            callers, and of its allowances.
        data_tariff: Tariffs of all its data, micro-yuan.
        traffic_tariff: Tariffs of its traffic, micro-yuan per chip-hour.
    """

    data: tuple[int, ...] = ()
    data_gb: int = 0
    traffic: tuple[tuple[int, int], ...] = ()
    data_tariff: int = 0
    traffic_tariff: int = 0

    def stretches(self, start: int, duration: int, chips: int) -> list[Stretch]:
        """Return what a run takes of links."""
        return [*self.once(start), *self.each(start, duration, chips)]

    def once(self, start: int) -> list[Stretch]:
        """Return what data takes before a start, however many chips run."""
        shares = crossing(self.data_gb, start, 0)
        return [(link, t, t + 1, gb) for link in self.data for t, gb in shares]

    def each(self, start: int, duration: int, chips: int) -> list[Stretch]:
        """Return what traffic, and the chips themselves, take over a run of so many chips."""
        return [(link, start, start + duration, gb * chips) for link, gb in self.traffic]


NOTHING_SENT = Sends()


def with_links(book: Book) -> Book:
    """Return a book with a pool and an offer more for each link, then each allowance."""
    rows = [(_NAME + link.key, link.tariff, link.capacity) for link in book.links]
    rows += [(_NAME + row.key, 0, row.capacity) for row in book.allowances]
    if not rows:
        return book
    pools = [Pool(key, "", "", key, domestic=False, tflops=0) for key, _, _ in rows]
    offers = [
        BookOffer(
            id=key,
            participant=_NAME,
            version=1,
            pool=key,
            ask=ask,
            start=book.first_period,
            chips=chips,
        )
        for key, ask, chips in rows
    ]
    return replace(book, pools=(*book.pools, *pools), offers=(*book.offers, *offers))


class Senders:
    """Finds what demands of a book send.

    Args:
        book: The book, without the pools of links.
    """

    def __init__(self, book: Book) -> None:
        self._routes = Routes(book.links)
        self._zone = {pool.key: pool.zone for pool in book.pools}
        self._at = {link.key: len(book.pools) + n for n, link in enumerate(book.links)}
        self._tariff = {link.key: link.tariff for link in book.links}
        self._known: dict[tuple[object, str], Sends | None] = {}
        self._allowances: dict[tuple[str, str], tuple[tuple[int, int], ...]] = {}
        first = len(book.pools) + len(book.links)
        for n, row in enumerate(book.allowances):
            for key in row.pools:
                known = self._allowances.get((row.participant, key), ())
                self._allowances[row.participant, key] = (*known, (first + n, 1))

    def of(self, demand: BookDemand, pool: str) -> Sends | None:
        """Return what a demand sends if a pool serves it, ``None`` if no route leads there."""
        found = self._sent(demand, self._zone[pool])
        own = self._allowances.get((demand.participant, pool))
        if own is None or found is None:
            return found
        return replace(found, traffic=(*found.traffic, *own))

    def _sent(self, demand: BookDemand, zone: str) -> Sends | None:
        moves = demand.moves
        if moves is None:
            return NOTHING_SENT
        if (moves, zone) not in self._known:
            self._known[moves, zone] = self._found(demand, zone)
        return self._known[moves, zone]

    def _found(self, demand: BookDemand, zone: str) -> Sends | None:
        found = self._routes.of(demand, zone)
        if found is None:
            return None
        moves = demand.moves
        assert moves is not None
        data, traffic = found
        return Sends(
            data=tuple(self._at[key] for key in data),
            data_gb=moves.data_gb if data else 0,
            traffic=tuple((self._at[key], moves.traffic_gb) for key in traffic),
            data_tariff=moves.data_gb * sum(self._tariff[key] for key in data),
            traffic_tariff=moves.traffic_gb * sum(self._tariff[key] for key in traffic),
        )


def rooms_of_runs(
    sends: Sends, capacity: IntArray, starts: IntArray, duration: int, chips: IntArray
) -> IntArray:
    """Return how many chips of each run the links have room for, 0 where data cannot cross.

    Args:
        sends: What the demand sends.
        capacity: P x T, the pools of the links among them.
        starts: First period of each run.
        duration: Periods of each run.
        chips: Most chips of each run.
    """
    room = chips.copy()
    for link, gb in sends.traffic:
        most = np.lib.stride_tricks.sliding_window_view(capacity[link], duration).min(axis=1)
        room = np.minimum(room, most[starts] // gb)
    if sends.data:
        crosses = np.array(
            [
                start > 0 and all(capacity[link, t] >= gb for link, t, _, gb in sends.once(start))
                for start in starts.tolist()
            ],
            dtype=bool,
        )
        room[~crosses] = 0
    return room


def room_of_cells(
    sends: Sequence[Sends], capacity: IntArray, periods: IntArray, chips: IntArray
) -> IntArray:
    """Return how many chips of each cell the links have room for.

    Args:
        sends: What the demand sends from the pool of each cell.
        capacity: P x T, the pools of the links among them.
        periods: Period of each cell.
        chips: Most chips of each cell.
    """
    room = chips.copy()
    for n, (one, t) in enumerate(zip(sends, periods.tolist(), strict=True)):
        for link, gb in one.traffic:
            room[n] = min(int(room[n]), int(capacity[link, t]) // gb)
    return room


@dataclass(frozen=True, slots=True)
class RunStretches:
    """What flat runs take of links: row by row a stretch of one link.

    Attributes:
        run: Number of the run.
        low: Index of the first period in a flat P x (T + 1) prefix-sum array.
        high: Index just past the last period there.
        gb: GB in each period, per chip where ``each``.
        each: Whether every chip takes so much, or the run as a whole.
    """

    run: IntArray
    low: IntArray
    high: IntArray
    gb: IntArray
    each: BoolArray


@dataclass(frozen=True, slots=True)
class CellLinks:
    """What flat cells take of links: row by row one link.

    Attributes:
        cell: Number of the cell.
        at: Index of link and period in a flat P x T array.
        gb: GB per chip.
    """

    cell: IntArray
    at: IntArray
    gb: IntArray


def run_stretches(rows: Iterable[tuple[int, Sends, int, int]], periods: int) -> RunStretches | None:
    """Lay out what runs take of links; ``None`` if nothing.

    Args:
        rows: (number, what is sent, start, duration) of each run that sends something.
        periods: Periods of the horizon.
    """
    flat: list[tuple[int, int, int, int, bool]] = []
    for number, sends, start, duration in rows:
        for is_each, stretches in (
            (False, sends.once(start)),
            (True, sends.each(start, duration, 1)),
        ):
            flat += [
                (number, link * (periods + 1) + low, link * (periods + 1) + high, gb, is_each)
                for link, low, high, gb in stretches
            ]
    if not flat:
        return None
    table = np.array(flat, dtype=np.int64).T
    return RunStretches(table[0], table[1], table[2], table[3], table[4].astype(bool))


def cell_links(rows: Iterable[tuple[int, Sends, int]], periods: int) -> CellLinks | None:
    """Lay out what cells take of links; ``None`` if nothing.

    Args:
        rows: (number, what is sent, period) of each cell.
        periods: Periods of the horizon.
    """
    flat = [
        (number, link * periods + t, gb) for number, sends, t in rows for link, gb in sends.traffic
    ]
    if not flat:
        return None
    table = np.array(flat, dtype=np.int64).T
    return CellLinks(table[0], table[1], table[2])


def cells_of(stretches: Iterable[Stretch], periods: int) -> Iterator[tuple[int, int]]:
    """Yield (index in a flat P x T array, GB) of stretches."""
    for link, low, high, gb in stretches:
        for t in range(low, high):
            yield link * periods + t, gb
