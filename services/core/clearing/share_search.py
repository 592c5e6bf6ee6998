"""The search for a clearing that keeps domestic shares, with premiums led by what it achieves.

The ascent over prices and premiums (`share_ascent`) says at which premiums the relaxation keeps the
shares. The search starts at these. After each of its parts the premiums follow the shares that the
selection has, and the selection is taken over to the asks that they move. So a share costs one
search, and not one for each premium tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from services.core.book import Book, Certificate, Result
from services.core.clearing.price_search import PRICE_MAX
from services.core.clearing.share_aim import Try, aim_of
from services.core.clearing.share_ascent import Relaxation, Together
from services.core.policy_rows import WHOLE, PriceRanges, share_rules
from services.core.premiums import Premium, Supplied, moved_asks, wedge

AnyArray = npt.NDArray[Any]

# What the split is above the share asked, basis points: what comes out may be so much more.
_SLACK_BP = 50
# What the search aims at above the share asked, basis points.
_MARGIN_BP = 2
# A share that comes this near by itself is looked at without a premium first, basis points.
_NEAR_BP = 100
# Parts more, each a little further, until shares are kept and covered; the last is at the caps.
_MORE_MAX = 10
_SPLIT_WHOLE_FROM = 5
# A share so much above what is asked has leapt, and one demand of a coarse book is as much of it,
# basis points: a smaller premium may keep it.
_LEAP_BP = 100
# What a smaller premium is looked for to, as a part of the cap.
_LOWER_PARTS = 64
# A premium that leaves a share missed rises by such a part of the cap at least, where shares leap.
_RAISED_PARTS = 256
# Premiums at which selections that keep the share are looked for, in parts of the ascent's.
_TRIED_PERCENTS = (115, 100, 90, 80)
# What their split is above the share asked, basis points.
_ROOM_BP = 150


class Engine(Relaxation, Protocol):
    """Clears one book step by step, at asks that move.

    Attributes:
        parts: Parts of its effort; without any, first selections stand.
    """

    parts: int

    def start(self) -> AnyArray:
        """Return P x T prices of a small D at the book's own asks."""

    def certified(self, prices: AnyArray) -> Certificate:
        """Return the bound at whole prices and the book's own asks."""

    def plain(self) -> None:
        """Search at the book's own asks, with all the effort."""

    def move(self, book: Book, prices: AnyArray) -> None:
        """Go on at other asks, from the selection that there is, if there is one."""

    def improve(self, part: int) -> None:
        """Spend a part of the effort."""

    def trim(self, tries: Sequence[Try]) -> int:
        """Hold the best selection found that keeps every share; return at which premiums.

        Args:
            tries: Premiums; those of the selection that there is come first, and it keeps them.
        """

    def hours(self) -> list[int]:
        """Return the chip-hours used of each pool, what is sold on aside."""

    def told(self) -> Result:
        """Return the selection as a result, at the asks that it was found at."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """A clearing at premiums.

    Attributes:
        premiums: Premium of each rule.
        book: The book with asks moved.
        whole: Whether no offer's ask was moved beyond a cap.
        result: Its result.
        got: What each rule's scope was allocated.
    """

    premiums: tuple[Premium, ...]
    book: Book
    whole: bool
    result: Result
    got: tuple[Supplied, ...]


class Search:
    """Leads premiums while an engine searches.

    Args:
        book: The book, in the order of a result.
        engine: Clears it.
        tick: Micro-yuan.
    """

    def __init__(self, book: Book, engine: Engine, tick: int) -> None:
        self._book, self._engine, self._tick = book, engine, tick
        self._rules = share_rules(book.policies)
        self._count = range(len(self._rules))
        self._amounts = [0] * len(self._rules)
        self._splits = [min(WHOLE, rule.share_bp + _SLACK_BP) for rule in self._rules]
        self._is_coarse = _grain_bp(book) >= _LEAP_BP
        # A selection does not tell who supplies it, and what is sold on counts in no share.
        self._may_trim = self._is_coarse and not any(offer.resale for offer in book.offers)
        self._missed_at = [0] * len(self._rules)
        self._moved, self._whole = book, True

    def plain(self) -> Cleared | None:
        """Clear without premiums; ``None`` if a share is missed so."""
        self._engine.plain()
        got = self._got()
        if not all(self._is_kept(got, n) for n in self._count):
            return None
        none = tuple(Premium(rule, 0, rule.share_bp) for rule in self._rules)
        return Cleared(none, self._book, whole=True, result=self._engine.told(), got=got)

    def lead(self, together: Together, *, begun: bool) -> Cleared:
        """Clear with premiums, from those of the ascent on.

        Args:
            together: What the ascent found.
            begun: Whether there is a selection without premiums to go on from.
        """
        self._together = together
        self._amounts = list(together.amounts)
        self._move()
        parts = self._engine.parts
        # A selection that has been searched is a good one at asks that are a little different.
        for part in range(parts // 2 if begun else 0, parts):
            self._engine.improve(part)
            if part < parts - 1:
                self._follow(self._got())
        got = self._settle()
        for k in self._count:
            if self._lower(k, got):
                got = self._settle()
        if self._may_trim and all(
            self._is_kept(got, k) and self._is_covered(got, k) for k in self._count
        ):
            self._trim()
            got = self._got()
        return Cleared(self._premiums(), self._moved, self._whole, self._engine.told(), got)

    def _trim(self) -> None:
        """Take the best selection that keeps shares, here and at premiums around the ascent's.

        A share of a coarse book leaps past what is asked, and no premium can tell an engine to stop
        where it does not have to.
        """
        wanted, tries = [(self._amounts, self._splits)], []
        room = [min(WHOLE, rule.share_bp + _ROOM_BP) for rule in self._rules]
        for percent in _TRIED_PERCENTS:
            pairs = zip(self._rules, self._together.amounts, strict=True)
            wanted.append(([min(rule.premium_max, n * percent // 100) for rule, n in pairs], room))
        for amounts, splits in wanted:
            self._amounts, self._splits = amounts, splits
            premiums = self._premiums()
            book, whole = moved(self._book, premiums, self._tick)
            one = Try(book, self._steering(), aim_of(self._book, premiums, self._tick))
            tries.append((amounts, splits, whole, one))
        found = self._engine.trim([row[-1] for row in tries])
        self._amounts, self._splits, self._whole, one = tries[found]
        self._moved = one.book

    def _follow(self, got: tuple[Supplied, ...]) -> None:
        """Move premiums by what the selection misses of its shares, or has beyond them."""
        amounts, is_near = list(self._amounts), True
        for n, rule in enumerate(self._rules):
            self._note(got, n)
            if got[n].everything:
                missed = (rule.share_bp + _MARGIN_BP) / WHOLE - got[n].domestic / got[n].everything
                amount = amounts[n] + round(self._together.slopes[n] * missed)
                amounts[n] = min(max(0, amount), rule.premium_max)
                is_near &= abs(missed) * WHOLE <= _MARGIN_BP
        # To take a selection over costs time, and the search itself moves shares by as much.
        if not is_near:
            self._amounts = amounts
            self._move()

    def _settle(self) -> tuple[Supplied, ...]:
        """Go on until every share is kept, or its premium at the cap, and every split covers."""
        for n in range(_MORE_MAX):
            got = self._got()
            short = [
                k for k in self._count
                if not self._is_kept(got, k) and self._amounts[k] < self._rules[k].premium_max
            ]  # fmt: skip
            bare = [k for k in self._count if not self._is_covered(got, k)]
            if not short and not bare:
                return got
            for k in short:
                self._note(got, k)
                self._raise(k, got[k], n)
            for k in bare:
                # What comes out swings; each time it gets more room.
                least = min(WHOLE, got[k].least_split() + _SLACK_BP * (n + 1))
                self._splits[k] = WHOLE if n >= _SPLIT_WHOLE_FROM else least
            if n == _MORE_MAX - 1:
                self._amounts = [rule.premium_max for rule in self._rules]
                self._splits = [WHOLE for _ in self._rules]
            self._move()
            self._engine.improve(self._engine.parts)
        return self._got()

    def _raise(self, k: int, got: Supplied, n: int) -> None:
        rule = self._rules[k]
        missed = got.balance(rule.share_bp) / max(1, got.everything) + _MARGIN_BP / WHOLE
        # A small book moves in leaps, and no book may go on like this for ever.
        leaps = self._is_coarse or n >= _SPLIT_WHOLE_FROM
        least = max(1, rule.premium_max // _RAISED_PARTS) if leaps else 1
        step = max(least, round(self._together.slopes[k] * missed)) * (n + 1)
        self._amounts[k] = min(rule.premium_max, self._amounts[k] + step)

    def _note(self, got: tuple[Supplied, ...], k: int) -> None:
        if not self._is_kept(got, k):
            self._missed_at[k] = max(self._missed_at[k], self._amounts[k])

    def _lower(self, k: int, got: tuple[Supplied, ...]) -> bool:
        """Look for a smaller premium where shares leap; tell whether.

        The orders of a small book move many points of a share at once, and a premium that follows
        the share goes past the one at which they do.
        """
        has_leapt = got[k].balance(min(WHOLE, self._rules[k].share_bp + _LEAP_BP)) <= 0
        if not self._is_kept(got, k) or not (has_leapt or self._is_coarse):
            return False
        low, high = min(self._missed_at[k], self._amounts[k]), self._amounts[k]
        apart = max(1, self._rules[k].premium_max // _LOWER_PARTS)
        if high - low <= apart:
            return False
        while high - low > apart:
            self._amounts[k] = (low + high) // 2
            self._move()
            self._engine.improve(self._engine.parts)
            if self._is_kept(self._got(), k):
                high = self._amounts[k]
            else:
                low = self._amounts[k]
        if self._amounts[k] != high:
            self._amounts[k] = high
            self._move()
            self._engine.improve(self._engine.parts)
        return True

    def _is_kept(self, got: tuple[Supplied, ...], n: int) -> bool:
        return got[n].balance(self._rules[n].share_bp) <= 0

    def _is_covered(self, got: tuple[Supplied, ...], n: int) -> bool:
        return not self._amounts[n] or got[n].is_covered(self._splits[n])

    def _premiums(self) -> tuple[Premium, ...]:
        rows = zip(self._rules, self._amounts, self._splits, strict=True)
        return tuple(Premium(*row) for row in rows)

    def _got(self) -> tuple[Supplied, ...]:
        hours = self._engine.hours()
        found = []
        for rule in self._rules:
            rows = [
                (hours[p] * pool.tflops, pool.domestic)
                for p, pool in enumerate(self._book.pools)
                if rule.covers(pool)
            ]
            found.append(Supplied(sum(n for n, _ in rows), sum(n for n, own in rows if own)))
        return tuple(found)

    def _move(self) -> None:
        self._moved, self._whole = moved(self._book, self._premiums(), self._tick)
        self._engine.move(self._moved, self._steering())

    def _steering(self) -> AnyArray:
        """Return the prices of the ascent, as demand pays them at the present premiums."""
        prices, premiums = self._together.received.copy(), self._premiums()
        for p, pool in enumerate(self._book.pools):
            prices[p] += sum(wedge(pool, one, self._tick) for one in premiums)
        return np.clip(prices, 0, PRICE_MAX)


def moved(book: Book, premiums: tuple[Premium, ...], tick: int) -> tuple[Book, bool]:
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


def may_come_by_itself(book: Book, together: Together) -> bool:
    """Tell whether every share comes without a premium, or nearly so that it has to be tried."""
    near = (_NEAR_BP + _grain_bp(book)) / WHOLE
    rules = share_rules(book.policies)
    return all(
        not amount or share + near >= rule.share_bp / WHOLE
        for rule, amount, share in zip(rules, together.amounts, together.shares, strict=True)
    )


def _grain_bp(book: Book) -> int:
    """Return how much of a book one demand is, about: by it a share leaps as orders come and go."""
    weights = [
        max(a.chips * a.duration or a.chip_hours for a in demand.alternatives)
        for demand in book.demands
    ]
    return isqrt(sum(n * n for n in weights) * WHOLE**2) // max(1, sum(weights))
