"""How large a book is, and whether compiled code can count its money."""

from __future__ import annotations

from services.core.book import Book
from services.core.clearing.price_search import PRICE_MAX

LARGE_CHOICES = 60_000
"""From so many choices on (`choices_of`) a book is cleared without a solver (decision 0006)."""

# Sums of money below this leave room for every intermediate of the compiled loops.
_MONEY_MAX = 2**61
# A key of the compiled loops holds a pool x period in so many bits.
_CELLS_MAX = 2**20


def is_large(book: Book) -> bool:
    """Tell whether a book is cleared by compiled search, without a solver."""
    return choices_of(book) >= LARGE_CHOICES and fits_machine_integers(book)


def choices_of(book: Book) -> int:
    """Return about how many choices a book holds: starts of runs, and cells of the rest."""
    total = 0
    for demand in book.demands:
        for row in demand.alternatives:
            window = max(0, row.deadline - row.earliest - max(0, row.duration - 1))
            total += len(row.pools) * min(window, book.periods)
    return total


def fits_machine_integers(book: Book) -> bool:
    """Tell whether no sum of money over a book can leave 64 bits."""
    value = sum(
        max(a.limit * (a.chips * a.duration or a.chip_hours) for a in demand.alternatives)
        for demand in book.demands
    )
    chips = sum(sum(offer.chips) for offer in book.offers)
    cells = len(book.pools) * book.periods
    dearest = max((link.tariff for link in book.links), default=0)
    return (
        value < _MONEY_MAX
        and chips * PRICE_MAX < _MONEY_MAX
        and cells < _CELLS_MAX
        and dearest <= link_price_top(book)
    )


def link_price_top(book: Book) -> int:
    """Return the highest price of a link that compiled code looks at, micro-yuan per GB.

    An allowance counts as one more. What all GB of a route, or those of one chip, pay over the
    horizon stays in 64 bits at it.
    """
    moves = [demand.moves for demand in book.demands if demand.moves is not None]
    most = max((max(row.data_gb, row.traffic_gb) for row in moves), default=0) * book.periods
    capacity = sum(sum(link.capacity) for link in book.links)
    capacity += sum(sum(row.capacity) for row in book.allowances)
    # A route comes to each zone once.
    zones = {link.source for link in book.links} | {link.destination for link in book.links}
    gb = max(1, capacity, most) * max(1, len(zones))
    return min(PRICE_MAX, _MONEY_MAX // (2 * gb))
