"""A book under other policies than its own: what they keep out, what comes back without them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from services.core.allowances import allowances_of
from services.core.book import Book, KeptOut
from services.core.policy_rows import PriceRanges, covered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.core.book import BookDemand, BookPolicy


def with_all_orders(book: Book) -> Book:
    """Return a book with the orders that its policies keep out of it."""
    told = book.kept_out
    if not told.offers and not told.demands:
        return book
    return replace(
        book,
        offers=tuple(sorted((*book.offers, *told.offers), key=lambda row: row.id)),
        demands=tuple(sorted((*book.demands, *told.demands), key=lambda row: row.id)),
        kept_out=KeptOut(),
    )


def under(book: Book, policies: Iterable[BookPolicy]) -> Book:
    """Return a book as it would have been under other policies.

    An offer stays out if its ask is beyond the limits of its chip class, a demand if one of its
    alternatives has a limit above the lowest cap of its pools, or if what it is linked to is out.

    Args:
        book: A book with whatever its own policies keep out.
        policies: Those that it is put under.
    """
    whole, rows = with_all_orders(book), tuple(sorted(policies, key=lambda row: row.id))
    ranges = PriceRanges(rows)
    if not ranges:
        return _with_allowances(replace(whole, policies=rows))
    by_pool = {pool.key: ranges.of(pool.chip) for pool in whole.pools}
    offers = tuple(
        row for row in whole.offers if by_pool[row.pool].floor <= row.ask <= by_pool[row.pool].cap
    )
    demands = with_parents(
        [
            row
            for row in whole.demands
            if all(
                item.limit <= min(by_pool[pool].cap for pool in item.pools)
                for item in row.alternatives
            )
        ]
    )
    inside = {row.id for row in offers} | {row.id for row in demands}
    found = replace(
        whole,
        offers=offers,
        demands=tuple(sorted(demands, key=lambda row: row.id)),
        policies=rows,
        kept_out=KeptOut(
            offers=tuple(row for row in whole.offers if row.id not in inside),
            demands=tuple(row for row in whole.demands if row.id not in inside),
        ),
    )
    return _with_allowances(found)


def _with_allowances(book: Book) -> Book:
    told = covered(book.pools, book.policies)
    book = replace(book, held=tuple(row for row in book.held if row.pool in told))
    return replace(book, allowances=allowances_of(book))


def without(book: Book, policy_id: str) -> Book:
    """Return a book as it would have been without one of its policies."""
    return under(book, (row for row in book.policies if row.id != policy_id))


def with_parents(demands: Sequence[BookDemand]) -> list[BookDemand]:
    """Keep demand whose links lead to one that is free; of links in a circle, none is ever."""
    children: dict[str, list[BookDemand]] = defaultdict(list)
    for demand in demands:
        if demand.linked_to is not None:
            children[demand.linked_to].append(demand)
    kept = [demand for demand in demands if demand.linked_to is None]
    # Grows while it is walked: each demand brings in those that are linked to it.
    for demand in kept:
        kept += children[demand.id]
    return kept
