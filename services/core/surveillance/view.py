"""A tape with the indexes that several rules need, built once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from schemas.types import OrderState, Side
from services.core.surveillance.tape import ActKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.core.surveillance.tape import Act, Allocation, Round, Status, Tape, Terms

PPM = 1_000_000

_IN_BOOK = frozenset({OrderState.OPEN, OrderState.PART_FILLED})
_LEFT_UNSERVED = frozenset({OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED})


@dataclass(frozen=True, slots=True)
class View:
    """A tape with its indexes.

    Attributes:
        tape: The day.
        acts: Order -> its messages, in the order of time.
        statuses: Order -> its states, in the order of time.
        allocations: Round -> what it allocated.
        prices: (pool, period) -> (round, price, chips) of every round that traded there.
        pool_medians: Pool -> median of all those prices.
        sealed_ms: Round -> instant of its seal.
    """

    tape: Tape
    acts: Mapping[str, Sequence[Act]]
    statuses: Mapping[str, Sequence[Status]]
    allocations: Mapping[str, Sequence[Allocation]]
    prices: Mapping[tuple[str, int], Sequence[tuple[str, int, int]]]
    pool_medians: Mapping[str, int]
    sealed_ms: Mapping[str, int]

    def terms(self, order_id: str, version: int = 1) -> Terms | None:
        """Return the terms of a version of an order, ``None`` if they are of an earlier day."""
        for act in self.acts.get(order_id, ()):
            if act.version == version:
                return act.terms
        return None

    def in_book(self, order_id: str, sealed: Round) -> bool:
        """Return whether an order was in the book that a round cleared."""
        state = None
        for status in self.statuses.get(order_id, ()):
            if status.at_ms > sealed.at_ms:
                break
            if status.round_id != sealed.round_id:
                state = status.state
            elif status.state in _LEFT_UNSERVED:
                # It left at the seal, before the round was cleared, or as the round's loser.
                return False
        return state in _IN_BOOK

    def was_cancelled(self, order_id: str) -> bool:
        """Return whether its participant withdrew an order."""
        return any(act.kind is ActKind.CANCEL for act in self.acts.get(order_id, ()))

    def price_reference(self, pool: str, period: int, but: str = "") -> int | None:
        """Return the median price of a pool and period over the rounds except one.

        ``None`` if fewer than three rounds traded there, which is no reference.
        """
        found = sorted(
            price for round_id, price, _ in self.prices.get((pool, period), ()) if round_id != but
        )
        return found[len(found) // 2] if len(found) >= 3 else None


def view_of(tape: Tape) -> View:
    """Return a tape with its indexes."""
    acts: dict[str, list[Act]] = defaultdict(list)
    for act in tape.acts:
        acts[act.order_id].append(act)
    statuses: dict[str, list[Status]] = defaultdict(list)
    for status in tape.statuses:
        statuses[status.order_id].append(status)
    allocations: dict[str, list[Allocation]] = defaultdict(list)
    for allocation in tape.allocations:
        allocations[allocation.round_id].append(allocation)
    prices: dict[tuple[str, int], list[tuple[str, int, int]]] = defaultdict(list)
    by_pool: dict[str, list[int]] = defaultdict(list)
    for curve in sorted(tape.curves, key=lambda item: int(item.round_id.rpartition(":")[2])):
        for at, (price, chips) in enumerate(zip(curve.prices, curve.chips, strict=True)):
            if chips:
                prices[curve.pool, curve.first + at].append((curve.round_id, price, chips))
                by_pool[curve.pool].append(price)
    medians = {pool: median(found) for pool, found in by_pool.items()}
    sealed_ms = {item.round_id: item.at_ms for item in tape.rounds}
    return View(tape, acts, statuses, allocations, prices, medians, sealed_ms)


def median(values: Iterable[int]) -> int:
    """Return the middle value, of an even number the upper one; there must be one."""
    found = sorted(values)
    assert found, "a median needs a value"
    return found[len(found) // 2]


def final_terms(acts: Sequence[Act]) -> Terms | None:
    """Return the terms that an order had last, ``None`` if they are of an earlier day."""
    for act in reversed(acts):
        if act.terms is not None:
            return act.terms
    return None


def capacity(
    view: View, periods: range, *, withdrawn: bool
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the chips that each owner offered, by pool and period.

    Args:
        view: The day.
        periods: Periods to count.
        withdrawn: Whether offers that were withdrawn count too.
    """
    steps: dict[tuple[str, str], list[int]] = {}
    for order_id, acts in view.acts.items():
        terms = final_terms(acts)
        if acts[0].side is not Side.OFFER or terms is None:
            continue
        if not withdrawn and view.was_cancelled(order_id):
            continue
        if any(item.state is OrderState.REJECTED for item in view.statuses.get(order_id, ())):
            continue
        first, end = max(terms.first, periods.start), min(terms.end, periods.stop)
        if first >= end:
            continue
        key = terms.pools[0], view.tape.owner(acts[0].participant_id)
        row = steps.setdefault(key, [0] * (len(periods) + 1))
        row[first - periods.start] += terms.chips
        row[end - periods.start] -= terms.chips
    found: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for (pool, owner), row in steps.items():
        found[pool][owner] = tuple(accumulate(row[:-1]))
    return found


def traded_periods(view: View) -> range:
    """Return the periods from the first to the last that was traded."""
    periods = [period for _, period in view.prices]
    return range(min(periods), max(periods) + 1) if periods else range(0)
