"""How well indications fit: what was said of orders before the cut, and what the cut then did.

A seeded book is the one at the cut. Before it some of its orders are missing, and others are there
that will be withdrawn: as many as a share says. Whoever is there all along is asked for its
likelihood, then looked up in the round; orders are put in classes by what was said of them.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from loadtests.clearing_books import seeded_book
from services.core.book import Rules
from services.core.clearing.clear import clear
from services.core.indication import Plan, indicate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.core.book import Book

_PPM = 1_000_000
_TICK = 100
_OTHER_SEED = 10_000
# (share of the book that changes until the cut, millionths that a draw leaves out).
_CASES = ((0.25, 250_000), (0.25, 20_000), (0.02, 20_000))


def main(books: str = "6", demands: str = "40") -> Iterator[str]:
    """Yield a table for each case.

    Args:
        books: How many books.
        demands: Demands in each.
    """
    for share, left_out_ppm in _CASES:
        yield from _case(int(books), int(demands), share, Plan(8, left_out_ppm))


def book_before(book: Book, other: Book, chance: Random, share: float) -> Book:
    """Return a book some time before: a share of it was not there, and as much of another was."""
    keys = {pool.key for pool in book.pools}
    offers = [row for row in book.offers if chance.random() >= share]
    demands = [row for row in book.demands if chance.random() >= share]
    for number, offer in enumerate(other.offers):
        if offer.pool in keys and chance.random() < share:
            offers.append(replace(offer, id=f"off_x{number}"))
    for number, demand in enumerate(other.demands):
        pools = {pool for item in demand.alternatives for pool in item.pools}
        if pools <= keys and chance.random() < share:
            demands.append(replace(demand, id=f"dem_x{number}"))
    return replace(book, offers=tuple(offers), demands=tuple(demands))


def _case(books: int, demands: int, share: float, plan: Plan) -> Iterator[str]:
    classes: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    cpu_s = 0.0
    for seed in range(books):
        book = seeded_book(demands, seed)
        before = book_before(book, seeded_book(demands, seed + _OTHER_SEED), Random(seed), share)
        began = time.process_time()
        found = indicate(before, _TICK, plan, clear)
        cpu_s += time.process_time() - began
        said = {row.order_id: row.filled_ppm / _PPM for row in found.likelihoods}
        result = clear(book, Rules(tick=_TICK, effort=4))
        states = {row.id: row.state for row in result.offers}
        states |= {row.id: row.state for row in result.demands}
        for order_id in states.keys() & said.keys():
            tenth = min(9, int(said[order_id] * 10))
            classes[tenth].append((said[order_id], states[order_id] == "filled"))
    rows = [row for found_rows in classes.values() for row in found_rows]
    rate = sum(came for _, came in rows) / len(rows)
    brier = sum((likelihood - came) ** 2 for likelihood, came in rows) / len(rows)
    yield (
        f"{books} books of {demands} demands, {share:.0%} changes, draws leave out "
        f"{plan.left_out_ppm / _PPM:.0%}: Brier {brier:.3f} (base rate alone "
        f"{rate * (1 - rate):.3f}), CPU {cpu_s / books:.2f} s an indication"
    )
    for tenth, found_rows in sorted(classes.items()):
        mean = sum(likelihood for likelihood, _ in found_rows) / len(found_rows)
        true = sum(came for _, came in found_rows) / len(found_rows)
        yield f"  {tenth / 10:.1f}: {len(found_rows)} orders, said {mean:.2f}, came {true:.2f}"
