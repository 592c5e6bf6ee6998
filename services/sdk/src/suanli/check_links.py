"""What demands send over links: routes, use, capacity, charges, in exact integers.

Standard library only, from docs/reference/round-file.md: one route between two zones (least
tariffs, then fewest links, then keys), data spread evenly over the periods right before a start,
traffic with every chip-hour.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from suanli.check_report import NOTHING, Log, show

if TYPE_CHECKING:
    from suanli.check_bound import Prices
    from suanli.check_feasible import Cleared
    from suanli.check_formats import Allocation, Alternative, Book, Demand, Link

CROSSING_PERIODS_MAX: Final = 4
"""Data crosses in so many periods before a start, or in all that the horizon has before it."""

Use = dict[tuple[str, int], int]
"""(link, period counted from the horizon's first) -> GB."""

RoomOf = Callable[[str, int], list[int]]


class Ways:
    """The routes of a book's links, and what goes over them."""

    def __init__(self, book: Book) -> None:
        self._links = book.links
        self.tariff = {link.key: link.tariff for link in book.links}
        self.capacity = {link.key: link.capacity for link in book.links}
        self._zone = dict(zip(book.pools, (zone for zone, _ in book.pool_parts), strict=True))
        self._routes: dict[str, dict[str, tuple[str, ...]]] = {}

    def route(self, source: str, target: str) -> tuple[str, ...] | None:
        """Return the links from one zone to another, None if no way leads there."""
        if source not in self._routes:
            self._routes[source] = self._routes_from(source)
        return self._routes[source].get(target)

    def _routes_from(self, source: str) -> dict[str, tuple[str, ...]]:
        # Bellman-Ford: as many rounds as a way without a circle can have links.
        best: dict[str, tuple[int, int, tuple[str, ...]]] = {source: (0, 0, ())}
        for _ in range(len(self._links) + 1):
            changed = False
            for link in self._links:
                if link.source not in best:
                    continue
                paid, hops, keys = best[link.source]
                label = (paid + link.tariff, hops + 1, (*keys, link.key))
                if link.destination not in best or label < best[link.destination]:
                    best[link.destination] = label
                    changed = True
            if not changed:
                break
        return {zone: keys for zone, (_, _, keys) in best.items()}

    def of(self, demand: Demand, pool: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """Return the links of data and of traffic if a pool serves; None if there is no way."""
        moves, zone = demand.moves, self._zone[pool]
        if moves is None:
            return (), ()
        data = self.route(moves.data_zone, zone) if moves.data_zone is not None else ()
        traffic = self.route(zone, moves.user_zone) if moves.user_zone is not None else ()
        return None if data is None or traffic is None else (data, traffic)

    def use(self, demand: Demand, cells: dict[tuple[str, int], int]) -> Use | None:
        """Return what chips, by pool and period of the horizon, send; None if there is no way."""
        use: Use = {}
        if demand.moves is None:
            return use
        for (pool, t), chips in cells.items():
            found = self.of(demand, pool)
            if found is None:
                return None
            for key in found[1]:
                use[key, t] = use.get((key, t), 0) + chips * demand.moves.traffic_gb
        if demand.moves.data_gb:
            start, pool = min((t, pool) for pool, t in cells)
            shares = crossing(demand.moves.data_gb, start)
            data = self.of(demand, pool)
            if data is None or (data[0] and not shares):
                return None
            for key in data[0]:
                for t, gb in shares.items():
                    use[key, t] = use.get((key, t), 0) + gb
        return use

    def block(self, demand: Demand, item: Alternative, at: BlockAt, prices: Prices) -> int:
        """Return the best surplus of a block alternative in one pool, at least 0.

        Args:
            demand: The demand.
            item: One of its alternatives.
            at: A pool of it.
            prices: Prices of the links.
        """
        found = self.of(demand, at.pool)
        moves = demand.moves
        if found is None or moves is None:
            return 0
        data, traffic = found
        value, best = item.limit * item.duration, 0
        for start in range(at.low, at.high - item.duration + 1):
            chips = min(item.chips, at.rooms[start])
            run = slice(start, start + item.duration)
            if traffic and moves.traffic_gb:
                least = min(min(self.capacity[key][run]) for key in traffic)
                chips = min(chips, least // moves.traffic_gb)
            if chips < item.chips_min:
                continue
            shares = crossing(moves.data_gb, start) if data else {}
            if data and moves.data_gb and not shares:
                continue
            if any(self.capacity[key][t] < gb for key in data for t, gb in shares.items()):
                continue
            sent = sum(sum(prices[key][run]) for key in traffic) * moves.traffic_gb
            once = sum(prices[key][t] * gb for key in data for t, gb in shares.items())
            best = max(best, chips * (value - at.costs[start] - sent) - once)
        return best

    def cells(
        self,
        demand: Demand,
        pool: str,
        prices: Prices,
        cells: list[tuple[int, int, int]],
        low: int,
    ) -> list[tuple[int, int, int]]:
        """Return a pool's cells with what traffic adds to the price and leaves of the room.

        Args:
            demand: The demand.
            pool: The pool.
            prices: Prices of the links.
            cells: (price, place in the window, chips).
            low: First period of the window, counted from the horizon's first.
        """
        found = self.of(demand, pool)
        moves = demand.moves
        if found is None or moves is None:
            return []
        rows = []
        for own, n, room in cells:
            chips, price, t = room, own, low + n
            for key in found[1] if moves.traffic_gb else ():
                chips = min(chips, self.capacity[key][t] // moves.traffic_gb)
                price += prices[key][t] * moves.traffic_gb
            rows.append((price, n, chips))
        return rows


class BlockAt:
    """A pool's starts: costs and rooms of the runs of one duration, and the window."""

    __slots__ = ("costs", "high", "low", "pool", "rooms")

    def __init__(
        self, pool: str, costs: list[int], rooms: list[int], window: tuple[int, int]
    ) -> None:
        self.pool, self.costs, self.rooms = pool, costs, rooms
        self.low, self.high = window


def crossing(gb: int, start: int) -> dict[int, int]:
    """Return period -> GB of data that has to be there at a start, first periods carry more."""
    periods = range(max(0, start - CROSSING_PERIODS_MAX), start)
    if not periods:
        return {}
    each, more = divmod(gb, len(periods))
    return {t: each + (n < more) for n, t in enumerate(periods) if each + (n < more)}


def check_links(book: Book, log: Log) -> None:
    """Check that links are sorted, named by their ends and as long as the horizon."""
    for before, after in pairwise(book.links):
        if not before.key < after.key:
            log.add("book.sorted", f"book.links[{show(after.key)}]", f"> {before.key}", after.key)
    for link in book.links:
        where = f"book.links[{link.key}]"
        log.differ("book.link_key", where, f"{link.source}>{link.destination}", link.key)
        log.differ("book.link_periods", where, book.periods, len(link.capacity))
    for demand in book.demands:
        moves, where = demand.moves, f"book.demands[{demand.id}].moves"
        if moves is None:
            continue
        for name, zone, gb in (
            ("data_zone", moves.data_zone, moves.data_gb),
            ("user_zone", moves.user_zone, moves.traffic_gb),
        ):
            if (zone is None) != (gb == 0):
                allowed = ("with GB alone", "仅与数据量同时")
                log.add("book.moves", f"{where}.{name}", allowed, show(zone))
        fixed = all(item.chips == item.chips_min for item in demand.alternatives)
        if moves.data_gb and (demand.shape != "block" or not fixed):
            log.add("book.moves", f"{where}.data_gb", "0", show(moves.data_gb))


def check_use(cleared: Cleared) -> None:
    """Check that nothing is sent where no way leads, nor more than links have; note all use."""
    book, log = cleared.book, cleared.log
    if not book.links and all(demand.moves is None for demand in book.demands):
        log.differ("link.outcomes", "result.links", 0, len(cleared.result.links))
        return
    total: Use = {}
    for id_, parts in cleared.demand_parts.items():
        demand = cleared.demands[id_]
        if demand.moves is None:
            continue
        use = cleared.ways.use(demand, cells_of(parts, book.first))
        if use is None:
            log.add("demand.route", f"result.demands[{id_}]", ("a way", "可达链路"), NOTHING)
            continue
        cleared.sent[id_] = use
        for key, gb in use.items():
            total[key] = total.get(key, 0) + gb
    for (link_key, t), gb in sorted(total.items()):
        most = cleared.ways.capacity[link_key][t]
        if gb > most:
            log.add("link.capacity", f"{link_key}[{book.first + t}]", f"<= {most}", show(gb))
    log.differ("link.outcomes", "result.links", len(book.links), len(cleared.result.links))
    for link, row in zip(book.links, cleared.result.links, strict=False):
        where = f"result.links[{link.key}]"
        log.differ("link.outcomes", f"{where}.key", link.key, row.key)
        used = [total.get((link.key, t), 0) for t in range(book.periods)]
        log.differ("link.used", f"{where}.used", used, row.used)
        log.differ("link.periods", f"{where}.prices", book.periods, len(row.prices))
        if any(price < link.tariff for price in row.prices):
            log.add("link.price", f"{where}.prices", f">= {link.tariff}", show(min(row.prices)))


def cells_of(parts: list[Allocation], first: int) -> dict[tuple[str, int], int]:
    """Return (pool, period counted from the first) -> chips of allocations."""
    cells: dict[tuple[str, int], int] = {}
    for item in parts:
        for t, chips in enumerate(item.chips, start=item.start - first):
            if chips:
                cells[item.pool, t] = cells.get((item.pool, t), 0) + chips
    return cells


def charge(cleared: Cleared, id_: str) -> int:
    """Return what a demand pays for links at the clearing prices, micro-yuan."""
    use = cleared.sent.get(id_)
    if not use:
        return 0
    prices = cleared.link_prices
    return sum(gb * prices[key][t] for (key, t), gb in use.items())


def tariffs(cleared: Cleared) -> int:
    """Return the tariffs of all that is sent, micro-yuan."""
    tariff = cleared.ways.tariff
    return sum(gb * tariff[key] for use in cleared.sent.values() for (key, _), gb in use.items())


def gains(links: list[Link], prices: Prices) -> list[int]:
    """Return what each link could gain at most at prices beyond its tariff."""
    return [
        sum(
            gb * (price - link.tariff)
            for gb, price in zip(link.capacity, prices[link.key], strict=True)
            if price > link.tariff
        )
        for link in links
    ]


def check_link_regret(cleared: Cleared, most: list[int]) -> int:
    """Check what each link could have gained besides what it did; return the sum."""
    total = 0
    for link, best, row in zip(cleared.book.links, most, cleared.result.links, strict=False):
        got = sum(
            gb * (price - link.tariff) for gb, price in zip(row.used, row.prices, strict=False)
        )
        regret = max(0, best - got)
        total += regret
        where = f"result.links[{link.key}].regret"
        cleared.log.differ("regret.order", where, regret, row.regret)
    return total
