"""What an order would get and cost now, at the prices and with the capacity a round left.

A quote answers in milliseconds and promises nothing: the next round clears all orders together.
A block is priced at its whole quantity, with every offer that it would take; `flow` and `work`
take the cheapest cells first, as the certificate's best response does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from schemas.types import Shape
from services.core.book import Alternative, Book, BookDemand, BookLink, Result
from services.core.clearing.allowance_quote import Allowed, Beside, Limited, Own
from services.core.clearing.link_quote import LinksLeft, Sent, Way
from services.core.clearing.presolve import IntArray
from services.core.clearing.why_not import NOT_TO_BE_HAD, Hint, hints, left_of, offer_row

_NOTHING = Own()
# More steps of a supply curve than this make no difference that a quote should show.
_QUANTITIES_MAX = 16


@dataclass(frozen=True, slots=True)
class Taken:
    """Chips of a pool in a stretch of periods.

    Attributes:
        pool: Key of the pool.
        start: Absolute first period.
        chips: Chips in each period.
        prices: Price of each period, micro-yuan per chip-hour.
    """

    pool: str
    start: int
    chips: tuple[int, ...]
    prices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """What a demand would get.

    Attributes:
        state: ``filled``, ``part-filled`` or ``open``.
        alternative: Index of the alternative that would be used, ``None`` if none.
        taken: What it would get, by pool and start.
        chip_hours: In all.
        cost: What it would pay, micro-yuan.
        value: The limit value of that, micro-yuan.
        sent: What it would send over links, which is part of the cost.
        firm: Whether the clearing prices alone do; else offers above them would be needed.
        hint: What would let it trade, if it would get nothing.
        limited: Where a largest share kept it from more, if one did.
        beside: Where a largest share leaves least of it beside what its owner has and wants, if one
            rules it.
    """

    state: str
    alternative: int | None = None
    taken: tuple[Taken, ...] = ()
    chip_hours: int = 0
    cost: int = 0
    value: int = 0
    sent: tuple[Sent, ...] = ()
    firm: bool = True
    hint: Hint = field(default_factory=Hint)
    limited: Limited | None = None
    beside: Beside | None = None


@dataclass(frozen=True, slots=True)
class _Room:
    """What bounds a demand besides the offers: its links, and the shares of its owner."""

    links: LinksLeft
    ways: Mapping[str, Way]
    allowed: Allowed


class Standing:
    """A cleared book, asked what further orders would get.

    Args:
        book: The book.
        result: A result for it that has passed the checker.
    """

    def __init__(self, book: Book, result: Result) -> None:
        self.book = book
        curves = dict(result.prices)
        rows = [curves[pool.key] for pool in book.pools]
        self._prices = np.array(rows, dtype=np.int64).reshape(len(book.pools), book.periods)
        self._at = {pool.key: p for p, pool in enumerate(book.pools)}
        self._links = result.links
        given = _given(book, result)
        self._left = left_of(book, self._prices, given)
        # Pool -> (ask, unused chips in each period), cheapest first.
        self._steps: dict[str, list[tuple[int, IntArray]]] = {pool.key: [] for pool in book.pools}
        for o, offer in enumerate(book.offers):
            if not offer.block:
                unused = offer_row(book, offer) - given[o]
                self._steps[offer.pool].append((offer.ask, unused))
        for steps in self._steps.values():
            steps.sort(key=lambda step: step[0])

    def quote(
        self,
        demand: BookDemand,
        links: tuple[BookLink, ...] = (),
        own: Own = _NOTHING,
    ) -> Quote:
        """Return what the demand would get; other orders that it is tied to are not looked at.

        Args:
            demand: The demand.
            links: Links of the market, taken as free at their tariffs if the book knows none.
            own: What its owner has already, for the book's largest shares.
        """
        allowed = Allowed(self.book, own.held)
        found = self._best(demand, links, allowed)
        if not allowed.binds:
            return found
        free = self._best(demand, links, Allowed(self.book, own.held, is_free=True))
        rows = [(row.pool, row.start, row.chips) for row in free.taken]
        found = replace(found, beside=allowed.beside(rows, own.wanted))
        if free.chip_hours <= found.chip_hours:
            return found
        limited = allowed.least(rows)
        # A higher limit, or another hour, is not what would help.
        return replace(found, limited=limited, hint=Hint())

    def _best(self, demand: BookDemand, links: tuple[BookLink, ...], allowed: Allowed) -> Quote:
        book = self.book
        left = LinksLeft(book.links or links, self._links, book.first_period, book.periods)
        reached = {pool.key: left.way(demand, pool.zone) for pool in book.pools}
        ways = {pool: way for pool, way in reached.items() if way is not None}
        best: Quote | None = None
        for item in demand.alternatives:
            quotes = self._blocks if demand.shape is Shape.BLOCK else self._spreads
            for found in quotes(item, _Room(left, ways, allowed)):
                if best is None or _rank(found) > _rank(best):
                    best = found
        if best is not None:
            return best
        # What is left tells nothing of links, so who needs them is told no other place.
        return Quote("open", hint=Hint() if demand.moves else hints(self._left, [demand])[0])

    def prices_in(self, pool: str, periods: range) -> dict[int, int]:
        """Return the pool's price in each of these periods that the book has, none if unknown."""
        row = self._at.get(pool)
        first = self.book.first_period
        if row is None:
            return {}
        low, high = max(periods.start, first), min(periods.stop, first + self.book.periods)
        return {period: int(self._prices[row, period - first]) for period in range(low, high)}

    def _blocks(self, item: Alternative, room: _Room) -> Iterator[Quote]:
        """Yield a quote for each pool and each quantity worth a look."""
        left, ways = room.links, room.ways
        low, high = self._window(item)
        for pool in item.pools:
            if high - low < item.duration or pool not in ways:
                continue
            way = ways[pool]
            data = left.data_costs(way)
            most = room.allowed.room(pool)
            for chips in self._quantities(pool, item, most):
                prices = np.where(most < chips, NOT_TO_BE_HAD, self._prices_of(pool, chips))
                paid = prices + left.traffic_prices(way, chips)
                sums = np.concatenate(([0], np.cumsum(paid)))
                each = (sums[item.duration :] - sums[: -item.duration]).tolist()
                costs = [
                    (chips * each[start] + fixed, start)
                    for start in range(low, high - item.duration + 1)
                    if (fixed := data[start]) is not None
                ]
                if not costs or min(costs)[0] > item.limit * item.duration * chips:
                    continue
                start = min(costs)[1]
                run = slice(start, start + item.duration)
                sent = left.sent(way, start, dict.fromkeys(range(start, run.stop), chips))
                rows = [(pool, run, [chips] * item.duration, prices)]
                yield self._made(item, "filled", rows, sent)

    def _spreads(self, item: Alternative, room_of: _Room) -> Iterator[Quote]:
        """Yield the quote of a flow or work alternative: the cheapest chips first."""
        left_of_links, ways, allowed = room_of.links, room_of.ways, room_of.allowed.fork()
        low, high = self._window(item)
        shift = self.book.first_period - item.earliest
        pools = [pool for pool in item.pools if pool in ways]
        cells: list[tuple[int, int, str, int, int]] = []
        for pool in pools:
            floor = self._prices[self._at[pool]]
            traffic = left_of_links.traffic_prices(ways[pool], 1).tolist()
            for ask, unused in self._steps[pool]:
                if ask > item.limit:
                    break
                for t in (low + np.flatnonzero(unused[low:high])).tolist():
                    price = max(ask, int(floor[t]))
                    if price + traffic[t] <= item.limit:
                        cells.append((price + traffic[t], t, pool, int(unused[t]), price))
        cells.sort()
        left = {t: item.chips_by_period[t + shift] for t in range(low, high)}
        hours = item.chip_hours
        chips = {pool: np.zeros(self.book.periods, dtype=np.int64) for pool in pools}
        price_at = {pool: np.zeros(self.book.periods, dtype=np.int64) for pool in pools}
        used: dict[tuple[str, int], int] = {}
        for _, t, pool, room, price in cells:
            way = ways[pool]
            most = min(left_of_links.room(way, t, used), allowed.at(pool, t))
            some = min(room, left[t], hours, most)
            if some:
                allowed.take(pool, t, some)
                for key in way.traffic:
                    used[key, t] = used.get((key, t), 0) + some * way.moves.traffic_gb
                chips[pool][t] += some
                # One price a cell: the dearest chip that is taken there.
                price_at[pool][t] = price
                left[t] -= some
                hours -= some
        rows = [
            (pool, slice(low, high), chips[pool][low:high].tolist(), price_at[pool])
            for pool in pools
            if chips[pool].any()
        ]
        sent = [
            one
            for pool, *_ in rows
            for one in left_of_links.sent(ways[pool], None, dict(enumerate(chips[pool].tolist())))
        ]
        if rows:
            yield self._made(item, "part-filled" if hours else "filled", rows, sent)

    def _window(self, item: Alternative) -> tuple[int, int]:
        first = self.book.first_period
        return max(0, item.earliest - first), min(self.book.periods, item.deadline - first)

    def _quantities(self, pool: str, item: Alternative, most: IntArray) -> list[int]:
        """Return quantities from the largest wanted down to the least, at steps of supply."""
        low, high = self._window(item)
        total = np.zeros(self.book.periods, dtype=np.int64)
        steps = {item.chips, item.chips_min, *most[low:high].tolist()}
        for _, unused in self._steps[pool]:
            total = total + unused
            steps |= set(total[low:high].tolist())
        wanted = sorted((q for q in steps if item.chips_min <= q <= item.chips), reverse=True)
        return [*wanted[: _QUANTITIES_MAX - 1], *wanted[_QUANTITIES_MAX - 1 :][-1:]]

    def _prices_of(self, pool: str, chips: int) -> IntArray:
        """Return the price in each period at which so many further chips are to be had."""
        floor = self._prices[self._at[pool]]
        prices = np.full(self.book.periods, NOT_TO_BE_HAD, dtype=np.int64)
        total = np.zeros(self.book.periods, dtype=np.int64)
        for ask, unused in self._steps[pool]:
            before, total = total, total + unused
            prices = np.where((before < chips) & (total >= chips), np.maximum(ask, floor), prices)
        return prices

    def _made(
        self,
        item: Alternative,
        state: str,
        rows: Sequence[tuple[str, slice, list[int], IntArray]],
        sent: Sequence[Sent],
    ) -> Quote:
        taken, cost, hours, firm = [], 0, 0, True
        for pool, span, chips, prices in rows:
            paid = [int(price) if q else 0 for q, price in zip(chips, prices[span], strict=True)]
            floor = self._prices[self._at[pool]][span].tolist()
            firm &= all(p == f for q, p, f in zip(chips, paid, floor, strict=True) if q)
            cost += sum(q * p for q, p in zip(chips, paid, strict=True))
            hours += sum(chips)
            start = self.book.first_period + span.start
            taken.append(Taken(pool, start, tuple(chips), tuple(paid)))
        return Quote(
            state=state,
            alternative=item.index,
            taken=tuple(taken),
            chip_hours=hours,
            cost=cost + sum(one.gb * one.price for one in sent),
            sent=tuple(sorted(sent, key=lambda one: (one.link, one.period))),
            value=item.limit * hours,
            firm=firm,
        )


def _rank(found: Quote) -> tuple[int, int, bool]:
    # What a clearing maximises: surplus, then chip-hours.
    return (found.value - found.cost, found.chip_hours, found.firm)


def _given(book: Book, result: Result) -> list[IntArray]:
    position = {offer.id: o for o, offer in enumerate(book.offers)}
    given = [np.zeros(book.periods, dtype=np.int64) for _ in book.offers]
    for row in result.allocations:
        first = row.start - book.first_period
        given[position[row.offer]][first : first + len(row.chips)] += row.chips
    return given
