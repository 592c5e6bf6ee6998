"""Clearing: welfare, bound, gap and time, against first come first fit and whole-model MIPs.

All on the same books in the same run. The MIPs get half a minute each on one worker and need not
support their result by prices; ours always does, and the checker says so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from loadtests.clearing_books import seeded_book
from loadtests.clearing_peers import Peer, first_come_first_fit, whole_model
from services.core.book import Book, Rules
from services.core.clearing.clear import clear, clear_greedy
from services.core.codec import canonical_json, round_to_dict
from suanli.checker import verify

SIZES = (100, 200, 400, 1000)
EFFORTS = (4, 16)
MIP_SECONDS = 30.0
# On more demands the whole models found nothing useful in a minute.
MIP_DEMANDS_MAX = 400


def main() -> Iterator[str]:
    """Measure all sizes; yield the lines to print."""
    yield (
        f"{'demands':>7} {'method':<22} {'welfare':>13} {'gap %':>7} {'seconds':>8}"
        "   gap to the best bound of the certificates; welfare in yuan"
    )
    for size in SIZES:
        yield from measure(seeded_book(size, seed=size))


def measure(book: Book) -> Iterator[str]:
    """Measure one book; yield a line per method."""
    rows: list[Peer] = [first_come_first_fit(book)]
    rows += [_ours(book, effort) for effort in (0, *EFFORTS)]
    if len(book.demands) <= MIP_DEMANDS_MAX:
        rows += [whole_model(book, name, MIP_SECONDS) for name in ("HiGHS", "CP-SAT")]
    bound = min(row.bound for row in rows if row.bound is not None)
    for row in rows:
        found = "-" if row.welfare is None else f"{row.welfare / 1e6:,.0f}"
        gap = "-" if row.welfare is None else f"{100 * (bound - row.welfare) / bound:.2f}"
        yield f"{len(book.demands):>7} {row.name:<22} {found:>13} {gap:>7} {row.seconds:>8.1f}"
    yield f"{len(book.demands):>7} {'best bound':<22} {bound / 1e6:>13,.0f}"


def _ours(book: Book, effort: int) -> Peer:
    rules = Rules(effort=effort)
    began = time.perf_counter()
    result = clear(book, rules) if effort else clear_greedy(book, rules)
    spent = time.perf_counter() - began
    parts = json.loads(canonical_json(round_to_dict(book, rules, result)))
    assert verify(parts["book"], parts["rules"], parts["result"]).ok
    name = f"clear, effort {effort}" if effort else "clear_greedy"
    return Peer(name, result.welfare, result.certificate.bound, spent)
