"""Prices and premiums found together: the premium is one more multiplier of the bound.

D(pi, mu) with asks moved by the share that is asked is convex in prices and premiums (decision
0022), so one ascent looks for both: prices follow excess demand, premiums follow the part of the
share that demand misses at these prices. Prices are held as what offers are paid; demand pays
these and the wedge of the premiums, so a premium that moves moves demand at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from services.core.book import Book
from services.core.clearing.price_search import PRICE_MAX
from services.core.clearing.resold import Resales
from services.core.policy_rows import WHOLE, ShareRule, share_rules
from services.core.premiums import Premium, exact_wedge

AnyArray = npt.NDArray[Any]

# Direction memory and step law of prices as in the ascent of the certificate (market.md 6).
_MEMORY = 0.8
_STEP = 0.25
_STEP_FALL = 40
_EXCESS_MAX = 2.0
# The ascent has converged when so many steps together gain less than this share of D.
_WINDOW = 10
_GAIN_MIN = 2e-5
# Premium and prices are means of the last so many steps: demand answers any one of them in leaps.
_LAST = 20
# Where no premium is called for in the first so many steps, none is.
_IDLE = 10
# Where less than this share was missed, its quotient with the premium says nothing; then a share
# takes about so many prices of a TFLOPS-hour to rise by a whole (3 to 5 on books of any size).
_SHARE_LEAST = 0.02
_SLOPE_PRICES = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What offers and demand say to prices.

    Attributes:
        total: What they could gain at most together.
        load: P x T chips that demand wants, and GB of links behind them.
        sold: P x T chips that offers want to sell.
    """

    total: float
    load: AnyArray
    sold: AnyArray


class Relaxation(Protocol):
    """A book that answers to prices.

    Attributes:
        capacity: P x T chips offered, and GB of links behind them.
        lowest: P x T least prices.
        tops: P x 1 highest prices.
    """

    capacity: AnyArray
    lowest: AnyArray
    tops: AnyArray

    def answer(self, paid: AnyArray, received: AnyArray) -> Answer:
        """Answer to whole prices that demand pays and offers receive."""


@dataclass(frozen=True, slots=True)
class Together:
    """What the ascent found.

    Attributes:
        amounts: Premium of each rule, micro-yuan per TFLOPS-hour.
        shares: Part of its scope that domestic chips supplied at no premium, of each rule.
        slopes: Premium that raises the share by a whole, of each rule.
        received: P x T prices that offers are paid at the least D found, whole.
        paid: P x T prices that demand pays there.
        certified: Premium of each rule there.
    """

    amounts: tuple[int, ...]
    shares: tuple[float, ...]
    slopes: tuple[float, ...]
    received: AnyArray
    paid: AnyArray
    certified: tuple[int, ...]


def shifts(book: Book, premiums: Sequence[Premium], rows: int) -> AnyArray:
    """Return what premiums move the asks of each pool by, rounded down to whole micro-yuan.

    Args:
        book: The book.
        premiums: Rounded once, as a certificate's are.
        rows: Rows of the prices; those behind the pools are links' and allowances', and 0.
    """
    moved = np.zeros((rows, 1), dtype=np.int64)
    for p, pool in enumerate(book.pools):
        moved[p] = sum(exact_wedge(pool, one) for one in premiums) // WHOLE
    return moved


def amount_max(book: Book, rule: ShareRule) -> int:
    """Return the highest premium that anybody could pay, micro-yuan per TFLOPS-hour."""
    widest = max((pool.tflops for pool in book.pools if rule.covers(pool)), default=1)
    return min(rule.premium_max, PRICE_MAX // max(1, widest))


class _Point(NamedTuple):
    """Prices and premiums that were looked at, as in `Together`, and their D."""

    total: float
    received: AnyArray
    paid: AnyArray
    certified: tuple[int, ...]


class _Scope:
    """A rule, what its scope is supplied with, and its premium on the way."""

    def __init__(self, book: Book, rule: ShareRule) -> None:
        self.rule = rule
        self.amount = 0.0
        self.seen: list[int] = []
        self.shares: list[float] = []
        self._pull, self._scale = 0.0, 0.0
        self._top = float(amount_max(book, rule))
        self._rows = [
            (p, pool.tflops, pool.domestic)
            for p, pool in enumerate(book.pools)
            if rule.covers(pool)
        ]

    def premium(self) -> Premium:
        """Return the present premium, and note it."""
        self.seen.append(round(self.amount))
        return self.priced(self.seen[-1])

    def priced(self, amount: int) -> Premium:
        """Return a premium of the rule."""
        return Premium(self.rule, amount, self.rule.share_bp)

    def follow(self, hours: list[int], prices: list[float], fall: float) -> None:
        """Move the premium by what is missed of the share.

        Args:
            hours: Chip-hours that demand wants of each pool.
            prices: Mean price of each pool.
            fall: By what steps are divided by now.
        """
        asked = self.rule.share_bp / WHOLE
        everything = sum(hours[p] * tflops for p, tflops, _ in self._rows)
        domestic = sum(hours[p] * tflops for p, tflops, own in self._rows if own)
        self.shares.append(domestic / everything if everything else asked)
        # What a TFLOPS-hour costs is the scale of the steps.
        self._scale = sum(hours[p] * prices[p] for p, _, _ in self._rows) / max(1, everything)
        self._pull = _MEMORY * self._pull + (1 - _MEMORY) * (asked - self.shares[-1])
        self.amount = min(max(0.0, self.amount + self._scale * self._pull / fall), self._top)

    def found(self) -> int:
        """Return the premium that the last steps swung around."""
        last = self.seen[-_LAST:]
        return round(sum(last) / len(last))

    def slope(self) -> float:
        """Return by how much premium the share rises by a whole, about."""
        missed = self.rule.share_bp / WHOLE - self.shares[0]
        return self.found() / missed if missed >= _SHARE_LEAST else self._scale * _SLOPE_PRICES


def ascend_together(field: Relaxation, book: Book, start: AnyArray, steps: int) -> Together:
    """Look for prices and premiums with a small D.

    Args:
        field: Answers for the book.
        book: The book, with its own asks and in the order of a result.
        start: P x T prices of a small D at no premium.
        steps: Most steps.
    """
    scopes = [_Scope(book, rule) for rule in share_rules(book.policies)]
    rows, periods = start.shape
    capacity, resales = np.maximum(field.capacity, 1), Resales(book)
    received: AnyArray = start.astype(np.float64)
    direction = np.zeros(start.shape)
    best = _Point(float("inf"), received, received, ())
    marks = [best.total]
    last: deque[AnyArray] = deque(maxlen=_LAST)
    for step in range(max(1, steps)):
        premiums = [scope.premium() for scope in scopes]
        moved = shifts(book, premiums, rows)
        last.append(received)
        answer, first_sold, point = _look(field, resales, received, premiums, moved)
        best = min(best, point, key=lambda one: one.total)
        fall = 1 + step / _STEP_FALL
        hours = np.rint(first_sold[: len(book.pools)].sum(axis=1)).astype(np.int64).tolist()
        prices = [total / periods for total in point.paid.sum(axis=1).tolist()]
        for scope in scopes:
            scope.follow(hours, prices, fall)
        if step == _IDLE and not any(any(scope.seen) for scope in scopes):
            break
        if step % _WINDOW == _WINDOW - 1:
            if step >= _LAST and marks[-1] - best.total < _GAIN_MIN * best.total:
                break
            marks.append(best.total)
        excess = np.minimum((answer.load - answer.sold) / capacity, _EXCESS_MAX)
        direction = _MEMORY * direction + (1 - _MEMORY) * excess
        exponent = _STEP / fall * direction
        growth = (2.0 + exponent) / (2.0 - exponent) - 1.0
        # The wedge may be most of what demand pays, so steps are of the larger of both prices.
        received = received + np.maximum(received, received + moved) * growth
        received = np.clip(received, np.maximum(field.lowest, -moved), field.tops)
    # D is convex in prices and premiums together, so their mean is as good as any that it is of.
    premiums = [scope.priced(scope.found()) for scope in scopes]
    mean: AnyArray = sum(last, np.zeros(start.shape)) / len(last)
    _, _, point = _look(field, resales, mean, premiums, shifts(book, premiums, rows))
    best = min(best, point, key=lambda one: one.total)
    return Together(
        amounts=tuple(scope.found() for scope in scopes),
        shares=tuple(scope.shares[0] for scope in scopes),
        slopes=tuple(scope.slope() for scope in scopes),
        received=best.received,
        paid=best.paid,
        certified=best.certified,
    )


def _look(
    field: Relaxation,
    resales: Resales,
    received: AnyArray,
    premiums: Sequence[Premium],
    moved: AnyArray,
) -> tuple[Answer, AnyArray, _Point]:
    """Return what a book answers where offers receive prices, its load without what is sold on.

    The third is the point itself.
    """
    paid = np.clip(np.rint(received).astype(np.int64) + moved, 0, PRICE_MAX)
    answer = field.answer(paid, paid - moved)
    first_sold = answer.load
    if resales:
        sold = answer.sold.copy()
        more, mine = resales.differ(paid, paid - moved, sold)
        first_sold = np.maximum(answer.load - mine, 0)
        answer = Answer(answer.total + more, answer.load, sold)
    amounts = tuple(one.amount for one in premiums)
    return answer, first_sold, _Point(answer.total, paid - moved, paid, amounts)
