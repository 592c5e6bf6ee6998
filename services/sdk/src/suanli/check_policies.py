"""Checks of the policies in force: the limits of prices, and with them all others.

Standard library only. The limits of a chip class by name replace those of every class; see
docs/reference/round-file.md.
"""

from __future__ import annotations

from suanli.check_feasible import Cleared
from suanli.check_formats import Book
from suanli.check_report import show
from suanli.check_shares import check_shares

Range = tuple[int, int]
"""Floor and cap, micro-yuan per chip-hour."""

_ANY: Range = (0, 2**63 - 1)


def check_policies(cleared: Cleared) -> None:
    """Check that asks, limits and clearing prices are within the limits in force, and shares."""
    book, log = cleared.book, cleared.log
    limits = _limits(book)
    _check_kept_out(cleared, limits)
    if not book.policies:
        return
    check_shares(cleared)
    for offer in book.offers:
        floor, cap = limits[offer.pool]
        if not floor <= offer.ask <= cap:
            where = f"book.offers[{offer.id}].ask"
            log.add("policy.limits", where, f"{floor}..{cap}", show(offer.ask))
    for demand in book.demands:
        for item in demand.alternatives:
            cap = min(limits[pool][1] for pool in item.pools)
            if item.limit > cap:
                where = f"book.demands[{demand.id}].alternatives[{item.index}].limit"
                log.add("policy.limits", where, f"<= {cap}", show(item.limit))
    for pool, curve in cleared.result.prices.items():
        cap = limits[pool][1]
        for t, price in enumerate(curve, start=book.first):
            if price > cap:
                log.add("policy.cap", f"result.prices[{pool}][{t}]", f"<= {cap}", show(price))


def _check_kept_out(cleared: Cleared, limits: dict[str, Range]) -> None:
    """Check that no order of the book is kept out of it, and that limits keep an offer out.

    Why a demand is kept out follows from its order, of which the book has a part; whoever reads
    the log can tell.
    """
    book, log = cleared.book, cleared.log
    inside = {row.id for row in book.offers} | {row.id for row in book.demands}
    where = "book.kept_out"
    for order in [*(row.id for row in book.kept_offers), *(row.id for row in book.kept_demands)]:
        if order in inside or not book.policies:
            expected = ("orders that a policy keeps out", "因政策不进入的订单")
            log.add("policy.kept_out", where, expected, show(order))
    for offer in book.kept_offers:
        floor, cap = limits.get(offer.pool, _ANY)
        if floor <= offer.ask <= cap:
            expected = (f"below {floor} or above {cap}", f"低于 {floor} 或高于 {cap}")
            log.add("policy.kept_out", f"{where}.offers[{offer.id}].ask", expected, show(offer.ask))


def _limits(book: Book) -> dict[str, Range]:
    """Return the limits of each pool."""
    by_chip: dict[str, Range] = {}
    for policy in book.policies:
        if policy.kind != "price_limits":
            continue
        chip, floor, cap = (policy.params[name] for name in ("chip", "floor", "cap"))
        least, most = by_chip.get(chip, (floor, cap))
        by_chip[chip] = (max(least, floor), min(most, cap))
    every = by_chip.get("", _ANY)
    return {
        pool: by_chip.get(chip, every)
        for pool, (_, chip) in zip(book.pools, book.pool_parts, strict=True)
    }
