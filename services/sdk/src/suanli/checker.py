"""Verifies a round without trusting the exchange: feasibility, prices, money, certificate.

Standard library only, written from docs/reference/round-file.md and sharing no code with the
solver. Everything is computed in exact integers, in one pass over the orders. On a machine with
nothing but Python::

    python -m suanli.checker round.json
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from suanli.check_allowances import Own
from suanli.check_allowances import gains as worth_at
from suanli.check_bound import BestResponses, Prices, Supply, bound_of
from suanli.check_feasible import Cleared, check_allocations, check_book, check_curves
from suanli.check_formats import (
    Book,
    canonical_sha256,
    read_book,
    read_result,
    read_round,
    read_tick,
)
from suanli.check_links import Ways, gains
from suanli.check_money import (
    check_orders,
    check_regret,
    check_rule_1,
    check_rule_2,
    welfare_of,
)
from suanli.check_policies import check_policies
from suanli.check_report import Check, Log, Problem, Report, show
from suanli.check_shares import certificate_asks, check_shape, missed_worth

BACKENDS: Final = ("auto", "plain", "numpy")
"""What computes the best responses: NumPy where it is there and pays, Python alone, or NumPy."""

_NUMPY_DEMANDS_MIN = 1_000
"""On fewer demands Python alone is done before NumPy is laid out."""

if TYPE_CHECKING:
    from suanli.check_arrays import Layout

__all__ = ["Check", "Problem", "Report", "main", "most_gained", "verify", "verify_round_file"]


def verify(book: object, rules: object, result: object, *, backend: str = "auto") -> Report:
    """Verify a result against its book and rules.

    Args:
        book: JSON value of format ``suanli.book.v1``.
        rules: JSON value of format ``suanli.rules.v1``.
        result: JSON value of format ``suanli.result.v1``.
        backend: One of `BACKENDS`; all find the same.

    Returns:
        The report. Bad input of any kind becomes problems in it; nothing is raised.
    """
    with _no_collection():
        return _verify(book, rules, result, Log(), backend)


def verify_round_file(source: str | Path | bytes, *, backend: str = "auto") -> Report:
    """Verify a round file, format ``suanli.round.v1``.

    Args:
        source: Path of the file, or its bytes.
        backend: As for `verify`.

    Returns:
        The report. An unreadable file becomes a problem in it; nothing is raised.
    """
    log = Log()
    with _no_collection():
        parts = read_round(source, log)
        if parts is None:
            log.close("formats", "-")
            return log.report(None, None)
        return _verify(*parts, log, backend)


def most_gained(book: object, result: object) -> tuple[list[int], list[int], int]:
    """Return what each order of a book could gain at most at a result's prices, and the bound.

    Args:
        book: JSON value of format ``suanli.book.v1``.
        result: JSON value of format ``suanli.result.v1``; its prices of links and allowances count,
            its premiums must be 0.

    Returns:
        Best surplus of each demand and of each offer, and D at the prices, micro-yuan.

    Raises:
        ValueError: if one of them is not of its format.
    """
    log = Log()
    read, told = read_book(book, log), read_result(result, log)
    if read is None or told is None or log.problems:
        raise ValueError("; ".join(problem.detail_en for problem in log.problems))
    links = {row.key: row.prices for row in told.links}
    allowances = {row.key: row.prices for row in told.allowances}
    asks = {offer.id: offer.ask for offer in read.offers}
    demands, offers, *beyond = _Best(read, "auto").at(told.prices, links, allowances, asks)
    return demands, offers, bound_of(read, demands, offers, *beyond)


def main(arguments: list[str] | None = None) -> int:
    """Verify round files and print their checks in English and Chinese.

    Returns:
        0 if all are right, 1 if one has a problem, 2 if there is no file to verify.
    """
    from suanli.check_print import print_reports  # noqa: PLC0415 - only the command line needs it

    return print_reports(sys.argv[1:] if arguments is None else arguments)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for cycles: nothing here makes any.

    On a file of 66 MB the parser alone took 2.8 s with its searches and 0.9 s without.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _verify(
    book_json: object, rules_json: object, result_json: object, log: Log, backend: str
) -> Report:
    assert backend in BACKENDS
    book = read_book(book_json, log)
    tick = read_tick(rules_json, log)
    result = read_result(result_json, log)
    formed = log.close("formats", "book, rules, result")
    if not formed or book is None or tick is None or result is None:
        return log.report(None, None)
    counts = {
        "pools": len(book.pools),
        "periods": book.periods,
        "offers": len(book.offers),
        "demands": len(book.demands),
        "allocations": len(result.allocations),
    }
    check_book(book, tick, log)
    check_shape(book, result, log)
    if not log.close("book", f"{len(book.offers)} + {len(book.demands)}"):
        return log.report(None, None, counts)

    digest, rules_digest = canonical_sha256(book_json), canonical_sha256(rules_json)
    log.differ("digest.market", "result.market", book.market, result.market)
    log.differ("digest.round", "result.round_id", book.round_id, result.round_id)
    log.differ("digest.book", "result.book_digest", digest, result.book_digest)
    log.differ("digest.rules", "result.rules_digest", rules_digest, result.rules_digest)
    log.close("digests", f"{digest[:12]} {rules_digest[:12]}")

    offers = {offer.id: offer for offer in book.offers}
    demands = {demand.id: demand for demand in book.demands}
    cleared = Cleared(book, tick, result, log, offers, demands)
    check_allocations(cleared)
    log.close("allocations", len(result.allocations))
    counts["demands_accepted"] = len(cleared.demand_hours)
    counts["chip_hours"] = sum(cleared.demand_hours.values())
    return _verify_values(cleared, counts, backend)


class _Best:
    """The best surplus of every order at prices, by the backend chosen."""

    def __init__(self, book: Book, backend: str) -> None:
        self._supply = Supply(book)
        self._own = Own(book, self._supply)
        self._book = book = self._own.book
        self._ways = Ways(book)
        self._layout: Layout | None = None
        small = backend == "auto" and len(book.demands) < _NUMPY_DEMANDS_MIN
        self._arrays = None if backend == "plain" or small else _arrays()

    def at(
        self, prices: Prices, links: Prices, allowances: Prices, asks: dict[str, int]
    ) -> tuple[list[int], list[int], list[int], list[int]]:
        """Return the best surplus of every demand, offer, link and allowance."""
        beyond = gains(self._book.links, links), worth_at(self._book, allowances)
        prices = self._own.prices(prices, allowances)
        plain = BestResponses(self._supply, prices, self._ways, links)
        if self._arrays is None or not self._arrays.fits(
            self._book, self._supply, prices, asks=asks.values()
        ):
            return plain.demands(self._book), plain.offers(self._book, asks), *beyond
        if self._layout is None:
            self._layout = self._arrays.Layout(self._book, self._supply)
        demands = self._layout.demands(prices)
        for d, demand in enumerate(self._book.demands):
            if demand.moves is not None:
                demands[d] = plain.demand(demand)
        return demands, self._layout.offers(prices, asks), *beyond


def _arrays() -> ModuleType | None:
    try:
        from suanli import check_arrays  # noqa: PLC0415 - small rounds are checked before it loads
    except ImportError:
        return None
    return check_arrays


def _verify_values(cleared: Cleared, counts: dict[str, int], backend: str) -> Report:
    book, result, log = cleared.book, cleared.result, cleared.log
    best = _Best(book, backend)
    priced = check_curves(cleared, result.prices, "result.prices", cleared.tick)
    keys = [link.key for link in book.links]
    # Tariffs are no multiples of the tick, so prices of links need not be.
    priced &= check_curves(cleared, cleared.link_prices, "result.links", 1, keys)
    priced &= len(result.links) == len(keys)
    priced &= all(len(row.used) == book.periods for row in result.links)
    allowed = [row.key for row in book.allowances]
    own = cleared.allowance_prices
    priced &= check_curves(cleared, own, "result.allowances", 1, allowed)
    priced &= len(result.allowances) == len(allowed)
    log.close("prices", f"{len(book.pools)} x {book.periods}, {cleared.tick}")
    if priced:
        check_rule_1(cleared)
        log.close("rule_1", len(cleared.demand_hours))
        check_rule_2(cleared)
        log.close("rule_2", f"{sum(outcome.payment for outcome in result.demands):,}")
        check_policies(cleared)
        log.close("policies", len(book.policies))
        check_orders(cleared)
        log.close("orders", f"{len(book.offers)} + {len(book.demands)}")
        found = best.at(result.prices, cleared.link_prices, own, cleared.asks)
        regret = check_regret(cleared, *found)
        log.close("regret", f"{regret:,}")

    welfare = welfare_of(cleared)
    log.differ("welfare.value", "result.welfare", welfare, result.welfare)
    log.close("welfare", "-" if welfare is None else f"{welfare:,}")

    bound = None
    # A share that is missed counts as it would cost at the cap of its premium (weak duality).
    missed = missed_worth(book, result)
    worth = None if welfare is None else welfare - missed
    where = "result.certificate"
    certified = check_curves(cleared, result.certificate_prices, f"{where}.prices", 1)
    links, own = result.certificate_links, result.certificate_allowances
    certified &= check_curves(cleared, links, f"{where}.link_prices", 1, keys)
    if certified & check_curves(cleared, own, f"{where}.allowance_prices", 1, allowed):
        asks = certificate_asks(book, result)
        bound = bound_of(book, *best.at(result.certificate_prices, links, own, asks))
        log.differ("certificate.bound", f"{where}.bound", bound, result.bound)
        # Weak duality makes this impossible for a feasible round, so it also guards this code.
        if worth is not None and bound < worth:
            log.add("certificate.below", f"{where}.bound", f">= {show(worth)}", show(bound))
        # The bound holds for selections without supporting prices, too.
        elif worth is not None and result.support_loss > bound - worth:
            most = f"<= {show(bound - worth)}"
            log.add("certificate.loss", "result.support_loss", most, show(result.support_loss))
    known = bound is not None and worth is not None
    log.close("certificate", f"{bound:,} >= {worth:,}" if known else "-")
    return log.report(welfare, bound, counts, missed)


if __name__ == "__main__":
    sys.exit(main())
