"""Rows of largest shares: what rounds before gave, and what a participant may get.

Standard library only, from docs/reference/round-file.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from suanli.check_report import Log, show

if TYPE_CHECKING:
    from suanli.check_formats import Book


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a participant may get of a chip class; see ``suanli.book.v1``."""

    key: str
    policy: str
    chip: str
    participant: str
    pools: list[str]
    capacity: list[int]


@dataclass(frozen=True, slots=True)
class Holding:
    """What rounds before gave a participant, or all (empty), of a pool; see ``suanli.book.v1``."""

    participant: str
    pool: str
    start: int
    chips: list[int]


def held_of(book: Book, pools: frozenset[str]) -> dict[str, list[int]]:
    """Return what each participant, and all (empty), has of pools, by period of the horizon."""
    found: dict[str, list[int]] = {}
    for row in book.held:
        if row.pool in pools:
            total = found.setdefault(row.participant, [0] * book.periods)
            for t, chips in enumerate(row.chips, start=row.start - book.first):
                total[t] += chips
    return found


def check_held(book: Book, log: Log) -> bool:
    """Check that holdings are of the book's horizon, of who wants something, and under a rule."""
    count = log.count
    rules = [policy.params for policy in book.policies if policy.kind == "largest_share"]
    covered = {
        pool
        for pool, (_, chip) in zip(book.pools, book.pool_parts, strict=True)
        if book.price_cap is None
        and any(
            rule["chip"] in {"", chip} and rule["region"] in {"", book.supplies[pool][0]}
            for rule in rules
        )
    }
    known = {"", *(demand.participant for demand in (*book.demands, *book.kept_demands))}
    keys = [(row.participant, row.pool) for row in book.held]
    for first, second in pairwise(keys):
        if not first < second:
            log.add("book.sorted", "book.held", f"> {'/'.join(first)}", show("/".join(second)))
    for row in book.held:
        where = f"book.held[{row.participant}/{row.pool}]"
        if row.participant not in known:
            expected = ("of a demand of the book, or empty", "订单簿中需求的参与方,或为空")
            log.add("holding.key", f"{where}.participant", expected, show(row.participant))
        if row.pool not in covered:
            expected = ("under a largest share of the book", "订单簿中最大份额政策所辖")
            log.add("holding.key", f"{where}.pool", expected, show(row.pool))
        low, high = row.start, row.start + len(row.chips)
        if not book.first <= low < high <= book.end:
            horizon = f"{book.first}..{book.end}"
            log.add("holding.chips", f"{where}.chips", horizon, f"{low}..{high}")
        elif not row.chips[0] or not row.chips[-1]:
            log.add("holding.chips", f"{where}.chips", "> 0", "0")
    return log.count == count
