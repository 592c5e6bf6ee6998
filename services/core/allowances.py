"""Allowances: what a participant may still take of a chip class under a largest share.

A rule `largest_share` says how much of the chips of a class in a region one participant may have in
every period: of those that rounds before gave and those that this one offers. Both are known before
the clearing, and so is what the participant has of the first; what is left to it is one capacity
more, and the clearing treats it as one (decisions 0038 and 0043). A book names those that its
orders could exceed, so that nothing is laid out for all others.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING

from services.core.allowance_rows import BookAllowance, allowance_key
from services.core.holding_rows import Holdings
from services.core.policy_rows import WHOLE, LargestShare, largest_shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from services.core.book import Alternative, Book, BookDemand, Pool


def most_chips(rule: LargestShare, there: int) -> int:
    """Return the chips of so many of a period that a rule lets one participant have."""
    # Rounded up: a share of few chips would otherwise be none, and nobody could trade them.
    return max(rule.chips_free, -(-rule.share_bp * there // WHOLE))


@dataclass(frozen=True, slots=True)
class Scope:
    """Pools of a class that count together under a rule.

    Attributes:
        policy: Id of the rule.
        chip: The chip class.
        pools: Their keys, sorted.
        offered: Chips that the round offers of them together, in each period of the horizon.
        share: Chips that the rule lets one participant have.
    """

    policy: str
    chip: str
    pools: tuple[str, ...]
    offered: list[int]
    share: list[int]

    def left(self, has: list[int]) -> tuple[int, ...]:
        """Return what the rule leaves one who has so many chips already."""
        return tuple(max(0, n - m) for n, m in zip(self.share, has, strict=True))


def scopes_of(book: Book) -> list[Scope]:
    """Return what the largest shares of a book rule; nothing if it is urgent."""
    rules = largest_shares(book.policies)
    if not rules or book.mobilisation is not None:
        return []
    offered, holdings = _offered(book), Holdings(book)
    found = []
    for rule in rules:
        for chip, pools in _pools_by_chip(rule, book.pools):
            there = _sum(offered[key] for key in pools)
            # What rounds before gave is there as well as what is offered.
            share = [most_chips(rule, n) for n in map(add, holdings.of("", pools), there)]
            found.append(Scope(rule.id, chip, pools, there, share))
    return found


def allowances_of(book: Book) -> tuple[BookAllowance, ...]:
    """Return the allowances that orders of a book could exceed, sorted by key; none if urgent."""
    holdings = Holdings(book)
    found = [row for scope in scopes_of(book) for row in _exceeded(book, scope, holdings)]
    return tuple(sorted(found, key=lambda row: row.key))


def _pools_by_chip(
    rule: LargestShare, pools: Iterable[Pool]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    by_chip: dict[str, list[str]] = defaultdict(list)
    for pool in pools:
        if rule.covers(pool):
            by_chip[pool.chip].append(pool.key)
    for chip, keys in sorted(by_chip.items()):
        yield chip, tuple(sorted(keys))


def _offered(book: Book) -> dict[str, list[int]]:
    """Return the chips that all offers of each pool have in each period of the horizon."""
    total = {pool.key: [0] * book.periods for pool in book.pools}
    for offer in book.offers:
        first = offer.start - book.first_period
        low, high = max(0, first), min(book.periods, first + len(offer.chips))
        if low < high:
            row = total[offer.pool]
            row[low:high] = map(add, row[low:high], offer.chips[low - first : high - first])
    return total


def _sum(rows: Iterable[list[int]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)]


def _exceeded(book: Book, scope: Scope, holdings: Holdings) -> Iterator[BookAllowance]:
    """Yield the allowances of participants whose demand could take more than the rule leaves."""
    wanted = _Wanted(book, frozenset(scope.pools))
    for demand in book.demands:
        wanted.count(demand)
    for participant, most in wanted.rows():
        capacity = scope.left(holdings.of(participant, scope.pools))
        # Nobody gets more than is offered, whatever it wants.
        if any(
            min(chips, there) > least
            for chips, there, least in zip(most, scope.offered, capacity, strict=True)
        ):
            key = allowance_key(scope.policy, scope.chip, participant)
            yield BookAllowance(key, scope.policy, scope.chip, participant, scope.pools, capacity)


class _Wanted:
    """The most chips of some pools that the demand of each participant could get."""

    def __init__(self, book: Book, pools: frozenset[str]) -> None:
        self._first, self._periods = book.first_period, book.periods
        self._pools = pools
        # Rises and falls of what blocks could take, and what all else could.
        self._steps: dict[str, list[int]] = {}
        self._chips: dict[str, list[int]] = {}

    def count(self, demand: BookDemand) -> None:
        """Count a demand."""
        items = [row for row in demand.alternatives if not self._pools.isdisjoint(row.pools)]
        if not items:
            return
        who, periods = demand.participant, self._periods
        steps = self._steps.setdefault(who, [0] * (periods + 1))
        chips = self._chips.setdefault(who, [0] * periods)
        if len(items) == 1 and items[0].chips:
            low, high = self._window(items[0])
            steps[low] += items[0].chips
            steps[high] -= items[0].chips
            return
        most = [0] * periods
        for item in items:
            low, high = self._window(item)
            shift = self._first - item.earliest
            row = item.chips_by_period[low + shift : high + shift] or [item.chips] * (high - low)
            most[low:high] = map(max, most[low:high], row)
        chips[:] = map(add, chips, most)

    def _window(self, item: Alternative) -> tuple[int, int]:
        low = min(self._periods, max(0, item.earliest - self._first))
        return low, max(low, min(self._periods, item.deadline - self._first))

    def rows(self) -> Iterator[tuple[str, list[int]]]:
        """Yield each participant and the most that it could get in each period."""
        for who, steps in self._steps.items():
            yield who, list(map(add, accumulate(steps[:-1]), self._chips[who]))


class WantedTogether:
    """The most chips that demands of one participant could get together, in periods of a book.

    Args:
        book: The book.
        demands: What is counted from the beginning.
    """

    def __init__(self, book: Book, demands: Iterable[BookDemand] = ()) -> None:
        self._book = book
        self._demands = list(demands)
        self._by_pools: dict[tuple[str, ...], _Wanted] = {}

    def count(self, demand: BookDemand) -> None:
        """Count one more."""
        self._demands.append(demand)
        for wanted in self._by_pools.values():
            wanted.count(demand)

    def most(self, pools: tuple[str, ...]) -> list[int]:
        """Return the most chips of some pools together, in each period."""
        wanted = self._by_pools.get(pools)
        if wanted is None:
            wanted = self._by_pools[pools] = _Wanted(self._book, frozenset(pools))
            for demand in self._demands:
                wanted.count(demand)
        return [sum(column) for column in zip(*(row for _, row in wanted.rows()), strict=True)] or [
            0
        ] * self._book.periods
