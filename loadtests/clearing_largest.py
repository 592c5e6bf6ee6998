"""Clearing under a largest share: what it takes beside the same book without, in one run.

The books of `clearing` (a solver's) and of `clearing_scale` (the compiled search's), four of whose
demands in ten are of four participants, all others of one each. Each book is cleared without a
rule, then with one that leaves nobody more than a tenth of any chip class. Times are told
as in `clearing_shares`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from loadtests.clearing_books import seeded_book
from loadtests.clearing_large_books import large_book
from loadtests.clearing_shares import EFFORTS, LARGE_FROM, SIZES, Spent, cleared
from services.core.allowances import allowances_of
from services.core.book import Book, BookPolicy, Result, Rules
from services.core.clearing import clear as clearing
from services.core.clearing.size import is_large

SHARE_BP = 1_000
_HOARDERS = 4
_OF_TEN = 4


def main(*arguments: str) -> Iterator[str]:
    """Measure the given sizes; yield the lines to print."""
    yield (
        f"{'demands':>8} {'allowances':>10} {'binding':>8} {'kept out':>8} {'CPU s':>7} "
        f"{'clock s':>7} "
        f"{'ratio':>6} {'welfare':>12} {'gap %':>7}"
    )
    for size in [int(word) for word in arguments] or SIZES:
        yield from measure(_book(size), Rules(effort=EFFORTS.get(size, 6)))


def measure(book: Book, rules: Rules) -> Iterator[str]:
    """Measure one book without a rule and with one; yield a line for each."""
    bound = _bound(book)
    # The first clearing of a large book also waits for the compiler.
    if is_large(book):
        clearing.clear(bound, replace(rules, effort=1))
    free, free_s = cleared(book, rules)
    yield _line(book, free, free_s, 1.0)
    result, spent = cleared(bound, rules)
    yield _line(bound, result, spent, spent.processor / free_s.processor)


def _book(size: int) -> Book:
    book = large_book(size, seed=size) if size >= LARGE_FROM else seeded_book(size, seed=size)
    demands = tuple(
        replace(row, participant=f"h{n % _HOARDERS}" if n % 10 < _OF_TEN else f"e{n}")
        for n, row in enumerate(book.demands)
    )
    return replace(book, demands=demands)


def _bound(book: Book) -> Book:
    params = (("chip", ""), ("chips_free", 0), ("region", ""), ("share_bp", SHARE_BP))
    book = replace(book, policies=(BookPolicy("largest", 1, "largest_share", params),))
    return replace(book, allowances=allowances_of(book))


def _line(book: Book, result: Result, spent: Spent, ratio: float) -> str:
    binding = sum(any(row.prices) for row in result.allowances)
    out = sum(row.reason.code == "largest_share" for row in result.demands)
    return (
        f"{len(book.demands):>8} {len(book.allowances):>10} {binding:>8} {out:>8} "
        f"{spent.processor:>7.1f} {spent.clock:>7.1f} {ratio:>6.2f} {result.welfare / 1e6:>12,.0f} "
        f"{clearing.gap_ppm(book, result) / 10_000:>7.3f}"
    )
