"""Clear a book under domestic shares: the least premiums on a grid that keep them.

A share is kept by prices, not by a constraint of the search: asks are moved by a premium, the book
is cleared as any other, and what comes out is told with the offers' own asks (decision 0022). So it
works for whatever clears the book.

The premiums are found by bisection on a grid, all rules at once, with little effort; then the book
is cleared with all of it, and the premium or its split raised while a share is missed or not
covered. Both are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
from services.core.policy_rows import WHOLE, PriceRanges, share_rules
from services.core.premiums import (
    Premium,
    Supplied,
    bounding_asks,
    charges_and_credits,
    missed_worth,
    moved_asks,
    supplied,
)
from services.core.reading import PRICE_MAX

_MONEY_MAX = 2**62

Engine = Callable[[Book, Rules, str], Result]

STEPS = 64
"""Steps of the grid between no premium and its cap."""
_FINAL_MAX = 8
"""Clearings with all the effort after the bisection; the last is at the caps, and split whole."""
_SPLIT_WHOLE_FROM = 3
"""From this one on a split that does not cover becomes whole, which always does."""
_LADDER_EFFORT = 8
"""The bisection asks for a direction alone, and spends one part in so many of the effort."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """A clearing at premiums.

    Attributes:
        steps: Step on the grid of each rule.
        premiums: Premium of each rule.
        book: The book with asks moved.
        whole: Whether no offer's ask was moved beyond a cap.
        result: Its result.
        got: What each rule's scope was allocated.
    """

    steps: tuple[int, ...]
    premiums: tuple[Premium, ...]
    book: Book
    whole: bool
    result: Result
    got: tuple[Supplied, ...]

    def is_kept(self, n: int) -> bool:
        """Tell whether a rule's share is kept."""
        return self.got[n].balance(self.premiums[n].rule.share_bp) <= 0

    def is_covered(self, n: int) -> bool:
        """Tell whether a rule's split covers the share achieved, or nothing is settled by it."""
        return not self.premiums[n].amount or self.got[n].is_covered(self.premiums[n].split_bp)


def binds(book: Book) -> bool:
    """Tell whether a domestic share rules a book; none binds what is urgent."""
    return book.mobilisation is None and bool(share_rules(book.policies))


def clear_with_shares(book: Book, rules: Rules, engine: Engine, digest: str) -> Result:
    """Clear a book that `binds`.

    Args:
        book: What may trade.
        rules: Tick, seed and effort.
        engine: Clears a book whose asks may have been moved, whatever its policies say of shares.
        digest: The book's digest.
    """
    book = _in_order(book)
    search = _Search(book, rules, engine, digest)
    none = tuple(0 for _ in search.shares)
    first = search.clear(none, search.asked)
    missed = [n for n in range(len(search.shares)) if not first.is_kept(n)]
    last = search.settle(search.bisect(missed), first) if missed else first
    return _told(book, rules, last, search.tried)


def _in_order(book: Book) -> Book:
    """Return the book with its rows as every result has them."""
    return replace(
        book,
        pools=tuple(sorted(book.pools, key=lambda row: row.key)),
        offers=tuple(sorted(book.offers, key=lambda row: row.id)),
        links=tuple(sorted(book.links, key=lambda row: row.key)),
        allowances=tuple(sorted(book.allowances, key=lambda row: row.key)),
        policies=tuple(sorted(book.policies, key=lambda row: row.id)),
    )


class _Search:
    """Clears one book at premium after premium."""

    def __init__(self, book: Book, rules: Rules, engine: Engine, digest: str) -> None:
        self._book, self._rules = book, rules
        self._engine, self._digest = engine, digest
        self.shares = share_rules(book.policies)
        self.asked = tuple(rule.share_bp for rule in self.shares)
        self.tried: list[_Tried] = []
        self._high: tuple[int, ...] = ()

    def clear(
        self, steps: tuple[int, ...], splits: tuple[int, ...], rules: Rules | None = None
    ) -> _Tried:
        """Clear the book with asks moved."""
        premiums = tuple(
            Premium(rule, -(-rule.premium_max * step // STEPS), split)
            for rule, step, split in zip(self.shares, steps, splits, strict=True)
        )
        book, whole = _moved(self._book, premiums, self._rules.tick)
        result = self._engine(book, rules or self._rules, self._digest)
        got = tuple(supplied(self._book, result.allocations, rule) for rule in self.shares)
        tried = _Tried(steps, premiums, book, whole, result, got)
        self.tried.append(tried)
        return tried

    def bisect(self, missed: list[int]) -> _Tried | None:
        """Return the clearing at the least steps met that keep all; ``None`` if none did.

        Rules that overlap disturb each other, so this only says where to look first.
        """
        low = [0] * len(self.shares)
        high = [STEPS if n in missed else 0 for n in range(len(self.shares))]
        effort = max(1, self._rules.effort // _LADDER_EFFORT) if self._rules.effort else 0
        rules = replace(self._rules, effort=effort)
        best = None
        while any(high[n] - low[n] > 1 for n in missed):
            steps = tuple(
                (low[n] + high[n]) // 2 if high[n] - low[n] > 1 else high[n]
                for n in range(len(self.shares))
            )
            tried = self.clear(steps, self.asked, rules)
            for n in missed:
                if high[n] - low[n] > 1:
                    low[n], high[n] = (
                        (low[n], steps[n]) if tried.is_kept(n) else (steps[n], high[n])
                    )
            if all(tried.is_kept(n) for n in range(len(self.shares))):
                best = tried
        self._high = tuple(high)
        return best

    def settle(self, hint: _Tried | None, first: _Tried) -> _Tried:
        """Return a clearing whose splits cover it and that keeps its shares, or is at the caps."""
        count = range(len(self.shares))
        steps, splits = self._high, self.asked
        if hint is not None and hint.steps == steps:
            splits = tuple(max(self.asked[n], hint.got[n].least_split()) for n in count)
        tried = first
        for n in range(_FINAL_MAX):
            last = n == _FINAL_MAX - 1
            if last:
                steps, splits = tuple(STEPS for _ in count), tuple(WHOLE for _ in count)
            tried = self.clear(steps, splits)
            short = [
                k for k in count if not tried.is_kept(k) and tried.premiums[k].amount < self._cap(k)
            ]
            bare = [k for k in count if not tried.is_covered(k)]
            if not short and not bare:
                break
            raised = 4 ** (n // 2)
            steps = tuple(min(STEPS, steps[k] + raised) if k in short else steps[k] for k in count)
            splits = tuple(
                splits[k]
                if k not in bare
                else WHOLE
                if n >= _SPLIT_WHOLE_FROM
                else tried.got[k].least_split()
                for k in count
            )
        return tried

    def _cap(self, n: int) -> int:
        return self.shares[n].premium_max


def _moved(book: Book, premiums: tuple[Premium, ...], tick: int) -> tuple[Book, bool]:
    """Return the book with its asks moved, and whether all chips are still in it."""
    if not any(one.amount for one in premiums):
        return book, True
    ranges = PriceRanges(book.policies)
    caps = {pool.key: ranges.of(pool.chip).cap for pool in book.pools}
    whole = True
    offers = []
    for offer, ask in zip(book.offers, moved_asks(book, premiums, tick), strict=True):
        if ask <= caps[offer.pool]:
            offers.append(replace(offer, ask=ask))
            continue
        # No price can pay it: its chips are out of reach, and its row stays for its outcome.
        whole = False
        none = (0,) * len(offer.chips)
        offers.append(replace(offer, ask=caps[offer.pool] // tick * tick, chips=none))
    return replace(book, offers=tuple(offers)), whole


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
        # Python's integers where those of the machine could be too narrow; the code is the same.
        money = sum(chips) * 2 * PRICE_MAX
        self._kind = np.dtype(np.int64 if money < _MONEY_MAX else object)
        self._row = np.array(rows, dtype=np.int64)
        self._cell = np.array(cells, dtype=np.int64)
        self._chips = np.array(chips, dtype=self._kind)

    def gains(self, asks: Sequence[int], curves: Sequence[PriceCurve]) -> list[int]:
        """Return what each offer could gain at most at prices, in the book's order."""
        if not len(self._row):
            return [0] * len(self._book.offers)
        named = dict(curves)
        prices = np.array([named[key] for key in self._keys], dtype=self._kind).reshape(-1)
        paid = prices[self._cell] - np.array(asks, dtype=self._kind)[self._row]
        gains = self._chips * paid
        gains[(gains < 0) & ~self._whole[self._row]] = 0
        total = np.zeros(len(self._book.offers), dtype=self._kind)
        np.add.at(total, self._row, gains)
        total[self._outside] = 0
        return [max(0, int(gain)) for gain in total.tolist()]


def _told(book: Book, rules: Rules, last: _Tried, tried: list[_Tried]) -> Result:
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
    certificate = _certificate(book, supply, tried)
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
    if offered and not most and moved > price:
        reason = reason_of(
            "moved_ask_above_clearing",
            {"ask": offer.ask, "moved": moved, "price": price, "start": -start},
        )
    elif "ask" in dict(reason.params):
        reason = reason_of(reason.code, dict(reason.params) | {"ask": offer.ask})
    return replace(outcome, cost=cost, regret=most, reason=reason)


def _certificate(book: Book, supply: _Supply, tried: list[_Tried]) -> Certificate:
    """Return the best bound that the clearings tried have prices for."""
    found: list[tuple[int, int, Certificate]] = []
    for n, one in enumerate(tried):
        # Demand that can never fit is left out of a bound, so all chips have to be in the book.
        if not one.whole:
            continue
        made = one.result.certificate
        asks = [offer.ask for offer in one.book.offers]
        rest = made.bound - sum(supply.gains(asks, made.prices))
        premiums = {premium.rule.id: premium.amount for premium in one.premiums}
        bound = rest + sum(supply.gains(bounding_asks(book, premiums), made.prices))
        told = replace(made, bound=bound, premiums=tuple(sorted(premiums.items())))
        found.append((bound, n, told))
    return min(found, key=lambda row: row[:2])[2]
