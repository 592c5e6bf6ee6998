"""How much of a gap is real: pieces of the large books, small enough to be solved to the proof.

A piece is a few pools of a seeded large book with as much demand for each chip as the whole has.
HiGHS solves the whole model of each to the end, GLOP its relaxation. So the certified gap falls
into what no search can close (the relaxation lies above the best selection of whole gangs) and
what our searches leave: that for large books, and that for small ones on the same piece.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from loadtests.clearing_large_books import SUPPLY_SHARE, large_book
from loadtests.clearing_peers import whole_model
from services.core.book import Book, Result, Rules
from services.core.clearing.clear import clear
from services.core.clearing.scale.engine import clear_large

# (demands of the book that the piece is from, pools, effort)
PIECES = ((10_000, 1, 6), (10_000, 2, 6), (10_000, 3, 6))
PROOF_SECONDS = 600.0
_SEEDS = (3, 4, 5)
# HiGHS stops once bound and solution are within one part in ten thousand.
_PROOF_SHARE = 5_000


def main() -> Iterator[str]:
    """Measure the pieces; yield the lines to print."""
    yield (
        f"{'pools':>5} {'demands':>7} {'relaxation':>10} {'optimum':>9} {'certified %':>11}"
        f" {'of it real %':>12} {'large to optimum %':>18} {'small to optimum %':>18}"
        f" {'large s':>8} {'small s':>8} {'HiGHS s':>8}"
    )
    # A small book first, so that loading the compiled code is not counted.
    clear_large(large_book(60, 1), Rules(effort=1))
    for size, pools, effort in PIECES:
        for seed in _SEEDS:
            yield _measured(piece_of(large_book(size, seed), pools, seed), effort)


def piece_of(book: Book, pools: int, seed: int) -> Book:
    """Return a few pools of a book, with demand drawn so that supply is the same share of it."""
    chance = random.Random(seed)
    kept = tuple(sorted(chance.sample(book.pools, pools), key=lambda pool: pool.key))
    keys = {pool.key for pool in kept}
    offers = tuple(offer for offer in book.offers if offer.pool in keys)
    wanted = sum(sum(offer.chips) for offer in offers) / SUPPLY_SHARE
    most = max(sum(o.chips[0] for o in offers if o.pool == key) for key in keys)
    demands = []
    for demand in chance.sample(book.demands, len(book.demands)):
        row = demand.alternatives[0]
        inside = tuple(key for key in row.pools if key in keys)
        # What cannot run at all says nothing about gaps.
        if not inside or row.chips > most or wanted <= 0:
            continue
        wanted -= row.chips * row.duration
        demands.append(replace(demand, alternatives=(replace(row, pools=inside),)))
    demands.sort(key=lambda demand: demand.id)
    return replace(book, pools=kept, offers=offers, demands=tuple(demands))


def _measured(book: Book, effort: int) -> str:
    large, large_s = _timed(clear_large, book, effort)
    small, small_s = _timed(clear, book, effort)
    relaxed = whole_model(book, "GLOP", PROOF_SECONDS)
    exact = whole_model(book, "HiGHS", PROOF_SECONDS)
    assert relaxed.bound is not None
    assert exact.welfare is not None
    assert exact.bound is not None
    bound = large.certificate.bound
    is_proven = exact.bound - exact.welfare <= exact.bound // _PROOF_SHARE
    optimum = exact.welfare if is_proven else exact.bound
    return (
        f"{len(book.pools):>5} {len(book.demands):>7} {relaxed.bound / 1e6:>10,.0f}"
        f" {optimum / 1e6:>9,.0f} {_percent(bound, large.welfare):>11}"
        f" {_percent(bound, optimum):>12} {_percent(optimum, large.welfare):>18}"
        f" {_percent(optimum, small.welfare):>18} {large_s:>8.1f} {small_s:>8.1f}"
        f" {exact.seconds:>8.0f}{'' if is_proven else '  bound, no proof'}"
    )


def _timed(clearing: Callable[..., Result], book: Book, effort: int) -> tuple[Result, float]:
    began = time.perf_counter()
    result = clearing(book, Rules(effort=effort))
    return result, time.perf_counter() - began


def _percent(above: int, below: int) -> str:
    return f"{100 * (above - below) / above:.2f}"
