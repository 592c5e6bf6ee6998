"""Which demand stayed out because its participant is at its largest share, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from schemas.types import Shape
from services.core.allowance_rows import AllowanceOutcome, BookAllowance
from services.core.book import Alternative, Book, BookDemand, DemandOutcome, Reason
from services.core.clearing.outcome import reason_of
from services.core.holding_rows import Holdings

IntArray = npt.NDArray[np.int64]

# Reasons that speak of prices and of what is offered, and know nothing of allowances.
_REPLACED = frozenset({
    "at_the_margin", "gang_does_not_fit", "no_capacity", "paradoxically_rejected",
    "price_below_clearing",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """A place where a demand would have gained, were it not for an allowance.

    Attributes:
        gain: What it would have gained there per chip-hour, micro-yuan.
        pool: Key of the pool.
        start: First period, relative to the horizon.
        periods: Periods of it.
        chips: Least chips that it needed.
    """

    gain: int
    pool: str
    start: int
    periods: int
    chips: int


class Shares:
    """The allowances of a cleared book, asked whom they kept out.

    Args:
        book: The book, rows sorted.
        capacity: Chips offered in each of its pools and periods.
        prices: Clearing prices of these pools, micro-yuan per chip-hour.
        outcomes: What came of the book's allowances, in its order.
    """

    def __init__(
        self,
        book: Book,
        capacity: IntArray,
        prices: IntArray,
        outcomes: Sequence[AllowanceOutcome],
    ) -> None:
        self._book = book
        self._holdings = Holdings(book)
        self._capacity, self._prices = capacity, prices
        self._at = {pool.key: p for p, pool in enumerate(book.pools)}
        self._rows: dict[tuple[str, str], list[tuple[BookAllowance, AllowanceOutcome]]] = {}
        for row, outcome in zip(book.allowances, outcomes, strict=True):
            for pool in row.pools:
                self._rows.setdefault((row.participant, pool), []).append((row, outcome))
        self._windows: dict[tuple[str, int], tuple[IntArray, IntArray]] = {}
        self._rooms: dict[tuple[str, str, int], tuple[IntArray, IntArray]] = {}

    def told(self, rows: tuple[DemandOutcome, ...]) -> tuple[DemandOutcome, ...]:
        """Return outcomes with the reasons of the demands that allowances kept out."""
        if not self._book.allowances:
            return rows
        bound = {row.participant for row in self._book.allowances}
        told = []
        for demand, row in zip(self._book.demands, rows, strict=True):
            reason = None
            if demand.participant in bound and row.reason.code in _REPLACED:
                never = row.reason.code in {"gang_does_not_fit", "no_capacity"}
                reason = self._reason(demand, never=never)
            told.append(row if reason is None else replace(row, reason=reason))
        return tuple(told)

    def _reason(self, demand: BookDemand, *, never: bool) -> Reason | None:
        """Return the reason of a demand that gains nowhere but where an allowance has no room.

        Args:
            demand: A demand that stayed out; what it sends over links is not looked at.
            never: Whether it had no place at all; then prices do not matter.
        """
        best: _Place | None = None
        for item in demand.alternatives:
            for pool in item.pools:
                for place, is_free in self._places(demand, item, pool, never=never):
                    if is_free:
                        return None
                    if best is None or place.gain > best.gain:
                        best = place
        return None if best is None else self._told(demand, best)

    def _told(self, demand: BookDemand, place: _Place) -> Reason:
        run = slice(place.start, place.start + place.periods)
        least = None
        for row, outcome in self._rows[demand.participant, place.pool]:
            for t, (most, used) in enumerate(
                zip(row.capacity[run], outcome.used[run], strict=True), place.start
            ):
                if least is None or most - used < least[0]:
                    least = (most - used, row, most, used, t)
        assert least is not None
        _, row, most, used, t = least
        params: dict[str, int | str] = {
            "chip": row.chip,
            "chips": place.chips,
            "got": used,
            "largest": most,
            "policy": row.policy,
            "pool": place.pool,
            "start": self._book.first_period + t,
        }
        held = self._holdings.of(demand.participant, row.pools)[t]
        if held:
            params["held"] = held
        return reason_of("largest_share", params)

    def _places(
        self, demand: BookDemand, item: Alternative, pool: str, *, never: bool
    ) -> Iterator[tuple[_Place, bool]]:
        """Yield the best place in a pool that allowances leave free, and the best of the others."""
        first = self._book.first_period
        low = max(0, item.earliest - first)
        high = min(self._book.periods, item.deadline - first)
        is_block = demand.shape is Shape.BLOCK
        width, chips = (item.duration, item.chips_min) if is_block else (1, 1)
        if high - low < width:
            return
        starts = slice(low, high - width + 1)
        cost, offered = (row[starts] for row in self._window(pool, width))
        wanted = offered >= chips
        if not is_block:
            shift = first - item.earliest
            wanted &= np.array(item.chips_by_period[low + shift : high + shift]) > 0
        gain = item.limit * width - cost
        if not never:
            wanted &= gain > 0
        whole, left = (row[starts] for row in self._room(demand.participant, pool, width))
        free = (whole if never else left) >= chips
        for is_free in (True, False):
            at = np.flatnonzero(wanted & (free == is_free))
            if len(at):
                n = int(at[np.argmax(gain[at])])
                yield _Place(int(gain[n]) // width, pool, low + n, width, chips), is_free

    def _window(self, pool: str, width: int) -> tuple[IntArray, IntArray]:
        """Return cost, and least chips offered, of each run of a pool."""
        key = (pool, width)
        if key not in self._windows:
            p = self._at[pool]
            windows = np.lib.stride_tricks.sliding_window_view
            self._windows[key] = (
                windows(self._prices[p], width).sum(axis=1),
                windows(self._capacity[p], width).min(axis=1),
            )
        return self._windows[key]

    def _room(self, participant: str, pool: str, width: int) -> tuple[IntArray, IntArray]:
        """Return what allowances leave of each run: at first, and after what was used."""
        key = (participant, pool, width)
        if key not in self._rooms:
            top = np.full(self._book.periods, np.iinfo(np.int64).max, dtype=np.int64)
            whole, left = top, top
            for row, outcome in self._rows.get((participant, pool), ()):
                capacity = np.array(row.capacity, dtype=np.int64)
                whole = np.minimum(whole, capacity)
                left = np.minimum(left, capacity - np.array(outcome.used, dtype=np.int64))
            windows = np.lib.stride_tricks.sliding_window_view
            self._rooms[key] = (
                windows(whole, width).min(axis=1),
                windows(left, width).min(axis=1),
            )
        return self._rooms[key]
