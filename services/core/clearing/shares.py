"""Clear a book under domestic shares, and tell what it cost whom.

A share is kept by prices, not by a constraint of the search: asks are moved by a premium, the book
is cleared as any other, and what comes out is told with the offers' own asks (decision 0022). So it
works for whatever clears the book. How premiums are found: `share_ascent` and `share_search`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from services.core.book import (
    Book,
    Certificate,
    OfferOutcome,
    PriceCurve,
    Result,
    Rules,
    ShareOutcome,
)
from services.core.clearing.outcome import reason_of
from services.core.clearing.share_ascent import ascend_together
from services.core.clearing.share_search import Cleared, Engine, Search, may_come_by_itself
from services.core.policy_rows import share_rules
from services.core.premiums import (
    Premium,
    Supplied,
    bounding_asks,
    charges_and_credits,
    missed_worth,
    moved_asks,
)
from services.core.reading import PRICE_MAX

_MONEY_MAX = 2**62

EngineOf = Callable[[Book], Engine]


def binds(book: Book) -> bool:
    """Tell whether a domestic share rules a book; none binds what is urgent."""
    return book.mobilisation is None and bool(share_rules(book.policies))


def clear_with_shares(book: Book, rules: Rules, engine_of: EngineOf) -> Result:
    """Clear a book that `binds`.

    Args:
        book: What may trade.
        rules: Tick, seed and effort.
        engine_of: Makes what clears a book whose asks may move.
    """
    book = in_order(book)
    engine = engine_of(book)
    together = ascend_together(engine, book, engine.start(), rules.ascent_steps)
    search = Search(book, engine, rules.tick)
    by_itself = may_come_by_itself(book, together)
    cleared = search.plain() if by_itself else None
    if cleared is None:
        cleared = search.lead(together, begun=by_itself)
    return _told(book, rules, cleared, (engine.certified(together.paid), together.certified))


def in_order(book: Book) -> Book:
    """Return the book with its rows as every result has them."""
    return replace(
        book,
        pools=tuple(sorted(book.pools, key=lambda row: row.key)),
        offers=tuple(sorted(book.offers, key=lambda row: row.id)),
        links=tuple(sorted(book.links, key=lambda row: row.key)),
        allowances=tuple(sorted(book.allowances, key=lambda row: row.key)),
        policies=tuple(sorted(book.policies, key=lambda row: row.id)),
    )


class _Supply:
    """The offers of a book as flat arrays: what they could gain at most, at any asks and prices."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._keys = [pool.key for pool in book.pools]
        at = {key: p for p, key in enumerate(self._keys)}
        rows: list[int] = []
        cells: list[int] = []
        chips: list[int] = []
        # A block offer that reaches beyond the horizon cannot be taken whole in this round.
        self._whole = np.array([offer.block for offer in book.offers], dtype=bool)
        self._outside = np.zeros(len(book.offers), dtype=bool)
        for n, offer in enumerate(book.offers):
            shift = offer.start - book.first_period
            low, high = max(0, -shift), min(len(offer.chips), book.periods - shift)
            self._outside[n] = offer.block and (low > 0 or high < len(offer.chips))
            inside = range(low, max(low, high))
            rows += [n] * len(inside)
            cells += [at[offer.pool] * book.periods + shift + i for i in inside]
            chips += offer.chips[low : max(low, high)]
        self._row = np.array(rows, dtype=np.int64)
        self._cell = np.array(cells, dtype=np.int64)
        self._chips, self._sum = np.array(chips, dtype=np.int64), sum(chips)

    def gains(self, asks: Sequence[int], curves: Sequence[PriceCurve]) -> list[int]:
        """Return what each offer could gain at most at prices, in the book's order."""
        if not len(self._row):
            return [0] * len(self._book.offers)
        named = dict(curves)
        # Python's integers where those of the machine could be too narrow; the code is the same.
        most = self._sum * (PRICE_MAX + max(abs(ask) for ask in asks))
        kind = np.dtype(np.int64 if most < _MONEY_MAX else object)
        prices = np.array([named[key] for key in self._keys], dtype=kind).reshape(-1)
        paid = prices[self._cell] - np.array(asks, dtype=kind)[self._row]
        gains = self._chips.astype(kind) * paid
        gains[(gains < 0) & ~self._whole[self._row]] = 0
        total = np.zeros(len(self._book.offers), dtype=kind)
        np.add.at(total, self._row, gains)
        total[self._outside] = 0
        return [max(0, int(gain)) for gain in total.tolist()]


def _told(
    book: Book, rules: Rules, last: Cleared, found: tuple[Certificate, tuple[int, ...]]
) -> Result:
    """Return a clearing as it is told: with the offers' own asks, and what it cost whom."""
    result, supply = last.result, _Supply(book)
    shares = tuple(
        _share(book, result, premium, got)
        for premium, got in zip(last.premiums, last.got, strict=True)
    )
    moved = any(one.amount for one in last.premiums)
    offers = result.offers
    if moved:
        asks = moved_asks(book, last.premiums, rules.tick)
        regrets = supply.gains(asks, result.prices)
        curves = dict(result.prices)
        offers = tuple(
            _offer(book, n, asks[n], regrets[n], (result.offers[n], curves))
            for n in range(len(book.offers))
        )
    tariffs = sum(
        link.tariff * sum(row.used) for link, row in zip(book.links, result.links, strict=True)
    )
    welfare = sum(row.value for row in result.demands) - sum(row.cost for row in offers) - tariffs
    certificate = _certificate(book, supply, last, found)
    worth = welfare - missed_worth(book, shares)
    assert certificate.bound >= worth, "weak duality holds for any premium up to the cap"
    proven = result.status == "optimal" and not moved
    return replace(
        result,
        status="optimal" if proven or certificate.bound == worth else "feasible",
        welfare=welfare,
        offers=offers,
        certificate=certificate,
        support_loss=0 if moved else min(result.support_loss, certificate.bound - worth),
        total_regret=sum(row.regret for row in result.demands)
        + sum(row.regret for row in offers)
        + sum(row.regret for row in result.links)
        + sum(row.regret for row in result.allowances),
        shares=shares,
    )


def _share(book: Book, result: Result, premium: Premium, got: Supplied) -> ShareOutcome:
    rule = premium.rule
    balance = got.balance(rule.share_bp)
    charges, credits_ = charges_and_credits(book, result.allocations, premium, got)
    return ShareOutcome(
        policy=rule.id,
        premium=premium.amount,
        split_bp=premium.split_bp if premium.amount else 0,
        tflops_hours=got.everything,
        tflops_hours_domestic=got.domestic,
        shortfall=max(0, balance),
        account=max(0, rule.carried + balance),
        charges=charges,
        credits=credits_,
    )


def _offer(
    book: Book,
    n: int,
    moved: int,
    most: int,
    cleared: tuple[OfferOutcome, dict[str, tuple[int, ...]]],
) -> OfferOutcome:
    """Return an offer's outcome with its own ask.

    Args:
        book: The book.
        n: Place of the offer.
        moved: Its ask as it was cleared.
        most: What it could gain at most at that ask.
        cleared: Its outcome in the clearing, and the clearing prices.
    """
    offer, (outcome, curves) = book.offers[n], cleared
    cost = offer.ask * outcome.chip_hours
    if outcome.chip_hours:
        return replace(outcome, cost=cost)
    first = max(offer.start, book.first_period)
    end = min(offer.start + len(offer.chips), book.first_period + book.periods)
    offered = [
        (curves[offer.pool][t - book.first_period], -t)
        for t in range(first, end)
        if offer.chips[t - offer.start]
    ]
    price, start = max(offered, default=(0, 0))
    reason = outcome.reason
    if offered and not most and offer.ask != moved > price:
        reason = reason_of(
            "moved_ask_above_clearing",
            {"ask": offer.ask, "moved": moved, "price": price, "start": -start},
        )
    elif "ask" in dict(reason.params):
        reason = reason_of(reason.code, dict(reason.params) | {"ask": offer.ask})
    return replace(outcome, cost=cost, regret=most, reason=reason)


def _certificate(
    book: Book, supply: _Supply, cleared: Cleared, found: tuple[Certificate, tuple[int, ...]]
) -> Certificate:
    """Return the better of the bounds at the clearing's prices and at those of the ascent."""
    made, amounts = found
    own = [offer.ask for offer in book.offers]
    candidates = [(made, own, amounts)]
    # Demand that can never fit is left out of a bound, so all chips have to be in the book.
    if cleared.whole:
        asks = [offer.ask for offer in cleared.book.offers]
        premiums = tuple(one.amount for one in cleared.premiums)
        candidates.insert(0, (cleared.result.certificate, asks, premiums))
    told = []
    for certificate, asks, premiums in candidates:
        named = {rule.id: n for rule, n in zip(share_rules(book.policies), premiums, strict=True)}
        rest = certificate.bound - sum(supply.gains(asks, certificate.prices))
        bound = rest + sum(supply.gains(bounding_asks(book, named), certificate.prices))
        told.append(replace(certificate, bound=bound, premiums=tuple(sorted(named.items()))))
    return min(told, key=lambda row: row.bound)
