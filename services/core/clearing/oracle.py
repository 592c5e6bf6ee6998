"""The oracle: the best welfare of a tiny book by trying everything, in exact integers.

It reads the book as it stands and shares no step with the clearing: no presolve, no merit-order
curves, no solver. Every demand's every choice with every quantity is tried, every set of block
offers too; for each, supply is bought chip by chip from the cheapest ask, and the selection
counts if the dearest asks used satisfy rule 1. Branches are cut only by the sum of what the
demands left could add at the cheapest asks, which nothing can exceed.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.types import Shape
from services.core.policy_rows import largest_shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from services.core.book import Alternative, Book, BookDemand, BookOffer, Moves

ORDERS_MAX = 12
Cell = tuple[str, int]


class TooLargeError(Exception):
    """The book has too many choices to try them all."""


@dataclass(frozen=True, slots=True)
class _Option:
    """One choice of a demand.

    Attributes:
        use: Chips by pool and period.
        value: Limit value less the tariffs of links.
        limit: Limit per chip-hour.
        whole: Whether the limit holds for the run in total (block), not for each period.
        gain: Value less the cheapest asks; no selection gains more from it.
        sent: GB by link and period.
        parts: Chips and GB that each limit holds for, with what it pays at most.
    """

    use: tuple[tuple[Cell, int], ...]
    value: int
    limit: int
    whole: bool
    gain: int
    sent: tuple[tuple[Cell, int], ...]
    parts: tuple[tuple[tuple[tuple[Cell, int], ...], int], ...]


def best_welfare(
    book: Book,
    *,
    choices_max: int = 3_000,
    nodes_max: int = 2_000_000,
    supported: bool = True,
    keeps: Callable[[dict[Cell, int]], bool] | None = None,
) -> int:
    """Return the highest welfare of any price-supported selection.

    Args:
        book: At most `ORDERS_MAX` orders, few pools and periods, few chips.
        choices_max: Most choices of one demand.
        nodes_max: Most partial selections to visit.
        supported: Whether prices must support the selection; if not, any feasible one counts.
        keeps: What the chips allocated by pool and period must keep besides, resales aside.

    Raises:
        TooLargeError: The book is too large to try everything.
    """
    if len(book.offers) + len(book.demands) > ORDERS_MAX:
        raise TooLargeError
    search = _Search(book, choices_max, nodes_max)
    search.needs_support = supported
    search.keeps = keeps
    search.visit(0, {}, 0, [])
    return search.best[0]


def most_chip_hours(
    book: Book, welfare: int, *, choices_max: int = 3_000, nodes_max: int = 20_000
) -> int:
    """Return the most chip-hours of any price-supported selection of the highest welfare.

    Args:
        book: As for `best_welfare`.
        welfare: What `best_welfare` returned.
        choices_max: Most choices of one demand.
        nodes_max: Most partial selections to visit; ties leave many more than welfare alone.

    Raises:
        TooLargeError: There are too many ties to try them all.
    """
    search = _Search(book, choices_max, nodes_max)
    # One less than the best keeps every branch that can still reach it.
    search.best = (welfare - 1, 0)
    search.ties = True
    search.visit(0, {}, 0, [])
    assert search.best[0] == welfare
    return search.best[1]


def options_of(book: Book, demand: BookDemand, choices_max: int) -> list[_Option]:
    """Return every choice of a demand that the chips offered allow, best first.

    Raises:
        TooLargeError: There are more than ``choices_max``.
    """
    offered = _offered(book)
    rows: list[_Option] = []
    for alternative in demand.alternatives:
        whole = demand.shape is Shape.BLOCK
        uses = _runs(book, alternative) if whole else _spreads(book, alternative, offered)
        for use in uses:
            if any(chips > len(offered.get(cell, [])) for cell, chips in use):
                continue
            value = alternative.limit * sum(chips for _, chips in use)
            cost = sum(sum(offered[cell][:chips]) for cell, chips in use)
            rows += _sent(book, demand, use, (alternative.limit, value, cost))
            if len(rows) > choices_max:
                raise TooLargeError
    return sorted(rows, key=lambda row: -row.gain)


def _sent(
    book: Book,
    demand: BookDemand,
    use: tuple[tuple[Cell, int], ...],
    money: tuple[int, int, int],
) -> Iterator[_Option]:
    """Yield the choice with what it sends, if there are ways for it with room enough."""
    limit, value, cost = money
    whole = demand.shape is Shape.BLOCK
    zones = {pool.key: pool.zone for pool in book.pools}
    parts: list[tuple[tuple[tuple[Cell, int], ...], int]] = []
    total: dict[Cell, int] = {}
    for group, most in [(use, value)] if whole else [(((cell, 1),), limit) for cell, _ in use]:
        sent: dict[Cell, int] = {}
        for (pool, t), chips in group:
            for link in _cheapest_way(book, zones[pool], demand.moves, is_data=False):
                gb = chips * demand.moves.traffic_gb if demand.moves else 0
                sent[link, t] = sent.get((link, t), 0) + gb
        if whole and demand.moves and demand.moves.data_gb:
            start = min(t for (_, t), _ in group)
            data = _cheapest_way(book, zones[group[0][0][0]], demand.moves, is_data=True)
            before = list(range(max(book.first_period, start - 4), start))
            if data and not before:
                return
            for link in data:
                for n, t in enumerate(before):
                    gb = (demand.moves.data_gb + len(before) - 1 - n) // len(before)
                    sent[link, t] = sent.get((link, t), 0) + gb
        if any(link == NO_WAY for link, _ in sent):
            return
        parts.append(((*group, *sent.items()), most))
        times = 1 if whole else dict(use)[group[0][0]]
        for key, gb in sent.items():
            total[key] = total.get(key, 0) + gb * times
    tariffs = {link.key: link.tariff for link in book.links}
    rooms = {
        (link.key, book.first_period + t): gb
        for link in book.links
        for t, gb in enumerate(link.capacity)
    }
    if any(gb > rooms.get(key, 0) for key, gb in total.items()):
        return
    paid = sum(tariffs[link] * gb for (link, _), gb in total.items())
    gain = value - cost - paid
    yield _Option(use, value - paid, limit, whole, gain, tuple(total.items()), tuple(parts))


NO_WAY = "-"


def _cheapest_way(book: Book, zone: str, moves: Moves | None, *, is_data: bool) -> tuple[str, ...]:
    """Return the way by trying all ways without a circle: least tariffs, links, keys."""
    if moves is None:
        return ()
    ends = (moves.data_zone, zone) if is_data else (zone, moves.user_zone)
    source, target = ends
    if source is None or target is None or source == target:
        return ()
    ways: list[tuple[int, int, tuple[str, ...]]] = []

    def walk(at: str, seen: frozenset[str], paid: int, way: tuple[str, ...]) -> None:
        if at == target:
            ways.append((paid, len(way), way))
            return
        for link in book.links:
            if link.source == at and link.destination not in seen:
                to = link.destination
                walk(to, seen | {to}, paid + link.tariff, (*way, link.key))

    walk(source, frozenset({source}), 0, ())
    return min(ways)[2] if ways else (NO_WAY,)


def _offered(book: Book) -> dict[Cell, list[int]]:
    """Return the ask of every single chip of each pool and period, cheapest first."""
    chips: dict[Cell, list[int]] = {}
    for offer in book.offers:
        for i, count in enumerate(offer.chips):
            chips.setdefault((offer.pool, offer.start + i), []).extend([offer.ask] * count)
    return {cell: sorted(asks) for cell, asks in chips.items()}


def _inside(book: Book, alternative: Alternative) -> range:
    first = max(book.first_period, alternative.earliest)
    return range(first, min(book.first_period + book.periods, alternative.deadline))


def _runs(book: Book, alternative: Alternative) -> Iterator[tuple[tuple[Cell, int], ...]]:
    window = _inside(book, alternative)
    for pool in alternative.pools:
        for start in window:
            if start + alternative.duration > window.stop:
                break
            for chips in range(alternative.chips_min, alternative.chips + 1):
                yield tuple(((pool, t), chips) for t in range(start, start + alternative.duration))


def _spreads(
    book: Book, alternative: Alternative, offered: dict[Cell, list[int]]
) -> Iterator[tuple[tuple[Cell, int], ...]]:
    cells = [(pool, t) for t in _inside(book, alternative) for pool in alternative.pools]
    most = [
        min(alternative.chips_by_period[t - alternative.earliest], len(offered.get((pool, t), [])))
        for pool, t in cells
    ]
    for counts in itertools.product(*(range(count + 1) for count in most)):
        if not 0 < sum(counts) <= alternative.chip_hours:
            continue
        by_period: dict[int, int] = {}
        for (_, t), count in zip(cells, counts, strict=True):
            by_period[t] = by_period.get(t, 0) + count
        if all(
            count <= alternative.chips_by_period[t - alternative.earliest]
            for t, count in by_period.items()
        ):
            yield tuple((cell, count) for cell, count in zip(cells, counts, strict=True) if count)


class _Search:
    """Depth first over the demands, each with all its choices or none."""

    def __init__(self, book: Book, choices_max: int, nodes_max: int) -> None:
        self.best = (0, 0)
        self.ties = False
        self.needs_support = True
        self.keeps: Callable[[dict[Cell, int]], bool] | None = None
        self._book = book
        self._nodes_left = nodes_max
        self._options = [options_of(book, demand, choices_max) for demand in book.demands]
        most = [max([0, *(row.gain for row in rows)]) for rows in self._options]
        self._rest = [sum(most[n:]) for n in range(len(most) + 1)]
        self._room = {cell: len(asks) for cell, asks in _offered(book).items()}
        self._links = {
            (link.key, book.first_period + t): (gb, link.tariff)
            for link in book.links
            for t, gb in enumerate(link.capacity)
        }
        self._room |= {cell: gb for cell, (gb, _) in self._links.items()}
        horizon = range(book.first_period, book.first_period + book.periods)
        # A block offer that reaches beyond the horizon cannot be taken whole.
        self._blocks = [
            offer
            for offer in book.offers
            if offer.block
            and offer.start in horizon
            and offer.start + len(offer.chips) <= horizon.stop
            and any(offer.chips)
        ]
        self._asks = _divisible(book.offers)
        self._resold = _divisible([offer for offer in book.offers if offer.resale])
        self._resells = any(offer.resale for offer in book.offers)
        self._first_sold = _divisible([offer for offer in book.offers if not offer.resale])

    def visit(self, n: int, use: dict[Cell, int], gain: int, taken: list[_Option | None]) -> None:
        """Try every choice of the demands from the n-th on."""
        self._nodes_left -= 1
        if self._nodes_left < 0:
            raise TooLargeError
        if not self._can_matter(gain + self._rest[n]):
            return
        if n == len(self._options):
            self._judge(use, taken)
            return
        for option in self._options[n]:
            if not self._can_matter(gain + option.gain + self._rest[n + 1]):
                break
            after = dict(use)
            for cell, chips in (*option.use, *option.sent):
                after[cell] = after.get(cell, 0) + chips
            if all(after[cell] <= self._room[cell] for cell, _ in (*option.use, *option.sent)):
                before, own = [*taken, option], self._book.demands[n].participant
                if _keeps_largest_shares(self._book, before, own):
                    self.visit(n + 1, after, gain + option.gain, before)
        self.visit(n + 1, use, gain, [*taken, None])

    def _can_matter(self, most: int) -> bool:
        return most > self.best[0] or (self.ties and most == self.best[0])

    def _judge(self, use: dict[Cell, int], taken: list[_Option | None]) -> None:
        if not self._related(taken):
            return
        value = sum(option.value for option in taken if option is not None)
        use = {cell: chips for cell, chips in use.items() if cell not in self._links}
        if self.keeps is not None and not self._resells and not self.keeps(use):
            return
        hours = sum(use.values())
        for count in range(len(self._blocks) + 1):
            for blocks in itertools.combinations(self._blocks, count):
                for cost, dearest in self._purchases(use, blocks):
                    worth = (value - cost, hours)
                    dearest |= {cell: tariff for cell, (_, tariff) in self._links.items()}
                    if worth > self.best and (not self.needs_support or _supported(taken, dearest)):
                        self.best = worth

    def _related(self, taken: list[_Option | None]) -> bool:
        accepted = {
            demand.id
            for demand, option in zip(self._book.demands, taken, strict=True)
            if option is not None
        }
        groups = [
            (demand.participant, demand.exclusive_group)
            for demand in self._book.demands
            if demand.id in accepted and demand.exclusive_group is not None
        ]
        return len(set(groups)) == len(groups) and all(
            demand.linked_to is None or demand.linked_to in accepted
            for demand in self._book.demands
            if demand.id in accepted
        )

    def _purchases(
        self, use: dict[Cell, int], blocks: tuple[BookOffer, ...]
    ) -> Iterator[tuple[int, dict[Cell, int]]]:
        """Yield cost and dearest ask by cell of each way to buy what is used.

        The cheapest asks are the one way, unless what is sold on has to be told apart: then every
        number of chips of each cell that resales may supply is tried.
        """
        left, cost, dearest = dict(use), 0, dict[Cell, int]()
        first = dict(use)
        for offer in blocks:
            for i, chips in enumerate(offer.chips):
                cell = (offer.pool, offer.start + i)
                left[cell] = left.get(cell, 0) - chips
                first[cell] = first.get(cell, 0) - (chips if offer.resale else 0)
                if left[cell] < 0:
                    return
                cost += chips * offer.ask
                if chips:
                    dearest[cell] = max(dearest.get(cell, 0), offer.ask)
        if self.keeps is None or not self._resells:
            bought = _buy(left, self._asks)
            if bought is not None:
                yield cost + bought[0], _dearer(dearest, bought[1])
            return
        mixed = [cell for cell in left if cell in self._resold]
        most = [min(left[cell], len(self._resold[cell])) for cell in mixed]
        for counts in itertools.product(*(range(n + 1) for n in most)):
            self._nodes_left -= 1
            if self._nodes_left < 0:
                raise TooLargeError
            again = dict(zip(mixed, counts, strict=True))
            one = _buy(again, self._resold)
            other = _buy(_less(left, again), self._first_sold)
            if one is not None and other is not None and self.keeps(_less(first, again)):
                found = _dearer(_dearer(dearest, one[1]), other[1])
                yield cost + one[0] + other[0], found


def _less(use: dict[Cell, int], part: dict[Cell, int]) -> dict[Cell, int]:
    return {cell: chips - part.get(cell, 0) for cell, chips in use.items()}


def _dearer(one: dict[Cell, int], other: dict[Cell, int]) -> dict[Cell, int]:
    return one | {cell: max(ask, one.get(cell, 0)) for cell, ask in other.items()}


def _buy(
    use: dict[Cell, int], asks_of: dict[Cell, list[int]]
) -> tuple[int, dict[Cell, int]] | None:
    """Return least cost and dearest ask by cell, ``None`` if there are not so many chips."""
    dearest: dict[Cell, int] = {}
    cost = 0
    for cell, chips in use.items():
        asks = asks_of.get(cell, [])
        if chips > len(asks):
            return None
        cost += sum(asks[:chips])
        if chips:
            dearest[cell] = asks[chips - 1]
    return cost, dearest


def _keeps_largest_shares(book: Book, taken: list[_Option | None], own: str) -> bool:
    """Tell whether a participant gets no more of any chip class than the policies let it."""
    pools = {pool.key: pool for pool in book.pools}
    for rule in largest_shares(book.policies) if book.mobilisation is None else ():
        got: dict[tuple[str, int], int] = {}
        for demand, option in zip(book.demands, taken, strict=False):
            for (key, t), chips in option.use if option and demand.participant == own else ():
                if rule.covers(pools[key]):
                    got[pools[key].chip, t] = got.get((pools[key].chip, t), 0) + chips
        for (chip, t), chips in got.items():
            offered = sum(
                offer.chips[t - offer.start]
                for offer in book.offers
                if offer.start <= t < offer.start + len(offer.chips)
                and pools[offer.pool].chip == chip
                and rule.covers(pools[offer.pool])
            )
            before = [
                (row.participant, row.chips[t - row.start])
                for row in book.held
                if row.start <= t < row.start + len(row.chips)
                and pools[row.pool].chip == chip
                and rule.covers(pools[row.pool])
            ]
            there = offered + sum(count for who, count in before if not who)
            has = sum(count for who, count in before if who == own)
            # The least whole number of chips that is the share of those there, or more.
            most = max(rule.chips_free, (rule.share_bp * there + 9_999) // 10_000)
            if chips > max(0, most - has):
                return False
    return True


def _divisible(offers: Iterable[BookOffer]) -> dict[Cell, list[int]]:
    chips: dict[Cell, list[int]] = {}
    for offer in offers:
        if offer.block:
            continue
        for i, count in enumerate(offer.chips):
            chips.setdefault((offer.pool, offer.start + i), []).extend([offer.ask] * count)
    return {cell: sorted(asks) for cell, asks in chips.items()}


def _supported(taken: list[_Option | None], dearest: dict[Cell, int]) -> bool:
    return all(
        sum(dearest[cell] * count for cell, count in part) <= most
        for option in taken
        if option is not None
        for part, most in option.parts
    )
