"""How large a book is, and whether compiled code can count its money."""

from __future__ import annotations

from collections.abc import Iterable

from services.core.book import Book, BookDemand
from services.core.clearing.price_search import PRICE_MAX

LARGE_CHOICES = 60_000
"""From so many choices on (`choices_of`) a book is cleared without a solver (decision 0006)."""

# Sums of money below this leave room for every intermediate of the compiled loops.
_MONEY_MAX = 2**61
# A key of the compiled loops holds a pool x period in so many bits.
_CELLS_MAX = 2**20


def is_large(book: Book) -> bool:
    """Tell whether a book is cleared by compiled search, without a solver."""
    return choices_of(book) >= LARGE_CHOICES and fits_machine_integers(book) and not book.links


def choices_of(book: Book) -> int:
    """Return about how many choices a book holds: starts of runs, and cells of the rest."""
    return choices_in(book.demands, book.periods)


def choices_in(demands: Iterable[BookDemand], periods: int) -> int:
    """Return about how many choices demands hold in a horizon of so many periods."""
    total = 0
    for demand in demands:
        for row in demand.alternatives:
            window = max(0, row.deadline - row.earliest - max(0, row.duration - 1))
            total += len(row.pools) * min(window, periods)
    return total


def fits_machine_integers(book: Book) -> bool:
    """Tell whether no sum of money over a book can leave 64 bits."""
    value = sum(
        max(a.limit * (a.chips * a.duration or a.chip_hours) for a in demand.alternatives)
        for demand in book.demands
    )
    chips = sum(sum(offer.chips) for offer in book.offers)
    cells = len(book.pools) * book.periods
    return value < _MONEY_MAX and chips * PRICE_MAX < _MONEY_MAX and cells < _CELLS_MAX
