"""Clearing under a domestic share: what it takes beside the same book without, in one run.

The books of `clearing` (a solver's) and of `clearing_scale` (the compiled search's), two of five
chip classes domestic. Each is cleared without a share, then with one that is so much above the
share that came by itself. Processor time is of one process, so that another's load does not count;
seconds of the clock are those of a machine that others may use, too. As in the process that clears
rounds, the cycle collector is off and the book's digest is known.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from loadtests.clearing_books import seeded_book
from loadtests.clearing_large_books import large_book
from services.core.book import Book, BookPolicy, Result, Rules
from services.core.clearing import clear as clearing
from services.core.clearing.size import is_large
from services.core.codec import book_digest, canonical_json, round_to_dict
from services.core.policy_rows import share_rules
from services.core.premiums import supplied
from suanli.checker import verify

SIZES = (200, 1_000, 10_000)
"""100,000 takes a minute more; ask for it by its number."""
EFFORTS = {200: 4, 1_000: 16, 10_000: 6, 100_000: 8}
# In the seeded books of a solver's size all ask much alike; 20 points more make the share bind.
RAISED_BP = 2_000
PREMIUM_MAX = 100_000
LARGE_FROM = 5_000


def main(*arguments: str) -> Iterator[str]:
    """Measure the given sizes; yield the lines to print."""
    yield (
        f"{'demands':>8} {'share asked':>11} {'achieved':>9} {'premium':>8} {'CPU s':>7} "
        f"{'clock s':>7} "
        f"{'ratio':>6} {'welfare':>12} {'gap %':>7}"
    )
    for size in [int(word) for word in arguments] or SIZES:
        yield from measure(_book(size), Rules(effort=EFFORTS.get(size, 6)))


def measure(book: Book, rules: Rules) -> Iterator[str]:
    """Measure one book without a share and with one; yield a line for each."""
    asked = _shared(book, 0)
    # The first clearing of a large book also waits for the compiler.
    if is_large(book):
        clearing.clear(book, replace(rules, effort=1))
    free, free_s = cleared(book, rules)
    (rule,) = share_rules(asked.policies)
    got = supplied(book, free.allocations, rule)
    before = got.domestic * 10_000 // max(1, got.everything)
    yield _line(book, free, free_s, 1.0, ("-", f"{before / 100:.2f}", "-"))
    bound = _shared(book, min(10_000, before + RAISED_BP))
    result, spent = cleared(bound, rules)
    (row,) = result.shares
    (rule,) = share_rules(bound.policies)
    achieved = row.tflops_hours_domestic * 100 / max(1, row.tflops_hours)
    told = (f"{rule.share_bp / 100:.2f}", f"{achieved:.2f}", f"{row.premium:,}")
    yield _line(bound, result, spent, spent.processor / free_s.processor, told)


def _book(size: int) -> Book:
    book = large_book(size, seed=size) if size >= LARGE_FROM else seeded_book(size, seed=size)
    domestic = {chip for n, chip in enumerate(sorted({p.chip for p in book.pools})) if n % 5 < 2}
    # Where there is one class alone, a zone is one or the other.
    zones = {zone for n, zone in enumerate(sorted({p.zone for p in book.pools})) if n % 5 < 2}
    few = len({pool.chip for pool in book.pools}) == 1
    pools = tuple(
        replace(pool, domestic=pool.zone in zones if few else pool.chip in domestic)
        for pool in book.pools
    )
    return replace(book, pools=pools)


def _shared(book: Book, share_bp: int) -> Book:
    params = (
        ("carried", 0),
        ("premium_max", PREMIUM_MAX),
        ("region", ""),
        ("share_bp", share_bp),
    )
    return replace(book, policies=(BookPolicy("share", 1, "domestic_share", params),))


@dataclass(frozen=True, slots=True)
class Spent:
    """What a clearing took.

    Attributes:
        processor: Seconds of the processor, of all threads.
        clock: Seconds of the clock.
    """

    processor: float
    clock: float


def cleared(book: Book, rules: Rules) -> tuple[Result, Spent]:
    """Return a result that passes the checker, and the time that it took."""
    digest = book_digest(book)
    gc.collect()
    gc.disable()
    began, clock = time.process_time(), time.perf_counter()
    result = clearing.clear(book, rules, digest=digest)
    spent = Spent(time.process_time() - began, time.perf_counter() - clock)
    gc.enable()
    parts = json.loads(canonical_json(round_to_dict(book, rules, result)))
    assert verify(parts["book"], parts["rules"], parts["result"]).ok
    return result, spent


def _line(
    book: Book, result: Result, spent: Spent, ratio: float, told: tuple[str, str, str]
) -> str:
    asked, achieved, premium = told
    return (
        f"{len(book.demands):>8} {asked:>11} {achieved:>9} {premium:>8} {spent.processor:>7.1f} "
        f"{spent.clock:>7.1f} {ratio:>6.1f} {result.welfare / 1e6:>12,.0f} "
        f"{clearing.gap_ppm(book, result) / 10_000:>7.3f}"
    )
