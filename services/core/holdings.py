"""What accounts hold of a market: chips that rounds gave them, in hours that are still to come.

A largest share counts what a participant has together with what it gets (decision 0043). Holdings
follow from the results of the market's own rounds alone, so whoever reads these has the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import add
from typing import TYPE_CHECKING

from services.core.holding_rows import BookHolding, within
from services.core.orders import OfferOrder, Order
from services.core.policy_rows import covered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from services.core.book import Allocation, Book, Result

Run = tuple[int, tuple[int, ...]]
"""(first period, chips from it on); the first and the last are above 0."""

Held = Mapping[tuple[str, str], Run]
"""(participant, key of a pool) -> what it holds there."""


def held_after(
    held: Held, book: Book, result: Result, orders: Mapping[str, Order]
) -> dict[tuple[str, str], Run]:
    """Return what accounts hold after a round; hours that are over are dropped.

    What is sold on is no longer held by who sold it. Urgent rounds count for nothing: no share
    binds what is urgent.

    Args:
        held: What they held before it.
        book: Its book.
        result: Its result.
        orders: The book's orders by id; what an order that is not here got is left out.
    """
    after = {key: run for key, run in held.items() if run[0] + len(run[1]) > book.first_period}
    changed: dict[tuple[str, str], dict[int, int]] = {}
    for row in result.allocations if book.mobilisation is None else ():
        for order_id, sign in ((row.demand, 1), (row.offer, -1)):
            order = orders.get(order_id)
            if order is not None and (sign > 0 or _is_resale(order)):
                key = order.participant_id, row.pool
                chips = changed.setdefault(key, _by_period(after.get(key, (0, ()))))
                _count(chips, row, sign)
    for key, chips in changed.items():
        # Chips that another market gave, and this one sold on, were never counted here.
        left = {t: n for t, n in chips.items() if n > 0 and t >= book.first_period}
        if left:
            first, last = min(left), max(left)
            after[key] = first, tuple(left.get(t, 0) for t in range(first, last + 1))
        else:
            after.pop(key, None)
    return after


def _is_resale(order: Order) -> bool:
    return isinstance(order, OfferOrder) and order.terms.resale_of is not None


def _by_period(run: Run) -> dict[int, int]:
    return dict(enumerate(run[1], run[0]))


def _count(chips: dict[int, int], row: Allocation, sign: int) -> None:
    for t, count in enumerate(row.chips, row.start):
        chips[t] = chips.get(t, 0) + sign * count


def holdings_of(
    book: Book,
    held: Held,
    orders: Iterable[Order],
    called: Callable[[str], str | None],
) -> tuple[BookHolding, ...]:
    """Return what a book tells of holdings, sorted; nothing where no largest share counts them.

    Args:
        book: The book.
        held: What accounts hold.
        orders: Its orders; what is up for sale again is counted as offered, and not twice.
        called: Account -> what the book calls it, ``None`` if it wants nothing there.
    """
    pools = covered(book.pools, book.policies)
    if not pools or not held:
        return ()
    total = {pool: [0] * book.periods for pool in pools}
    found = []
    for (participant, pool), run in held.items():
        if pool not in pools:
            continue
        chips = within(book, run)
        total[pool] = list(map(add, total[pool], chips))
        name = called(participant)
        if name is not None:
            found += _trimmed(book, name, pool, chips)
    offered = {offer.id: offer for offer in book.offers}
    for order in orders:
        offer = offered.get(order.id)
        if offer is not None and offer.pool in pools and _is_resale(order):
            again = within(book, (offer.start, offer.chips))
            row = total[offer.pool]
            total[offer.pool] = [max(0, n - m) for n, m in zip(row, again, strict=True)]
    for pool, chips in total.items():
        found += _trimmed(book, "", pool, chips)
    return tuple(sorted(found, key=lambda row: row.key))


def _trimmed(book: Book, name: str, pool: str, chips: Sequence[int]) -> list[BookHolding]:
    some = [t for t, count in enumerate(chips) if count]
    if not some:
        return []
    low, high = some[0], some[-1] + 1
    return [BookHolding(name, pool, book.first_period + low, tuple(chips[low:high]))]
