"""What a selection is judged by where premiums have moved asks: own asks, and shares kept."""

from __future__ import annotations

from dataclasses import dataclass
from operator import mul

from services.core.book import Book
from services.core.clearing.presolve import IntArray, Problem
from services.core.clearing.selection import Selection, Worth, use_of, worth_of
from services.core.policy_rows import WHOLE
from services.core.premiums import Premium, wedge


@dataclass(frozen=True, slots=True)
class Aim:
    """Welfare at the offers' own asks, among selections that keep every share.

    Attributes:
        back: What the asks of each pool were moved by, micro-yuan per chip-hour.
        kept: Weights of a chip-hour of each pool, a row for each rule: the weighted chip-hours of a
            selection that keeps the share are not below 0.
        covered: The same of splits, which are no smaller than the shares achieved.
        most: Most that welfare at own asks can be above that at moved ones where shares are kept.
    """

    back: tuple[int, ...]
    kept: tuple[tuple[int, ...], ...]
    covered: tuple[tuple[int, ...], ...]
    most: int


@dataclass(frozen=True, slots=True)
class Try:
    """Premiums at which a selection is looked for.

    Attributes:
        book: The book with asks moved.
        prices: P x T whole prices that steer.
        aim: What selections are judged by.
    """

    book: Book
    prices: IntArray
    aim: Aim


def aim_of(book: Book, premiums: tuple[Premium, ...], tick: int) -> Aim:
    """Return what selections at premiums are judged by.

    Args:
        book: The book, with its own asks.
        premiums: Those it is cleared with.
        tick: Micro-yuan.
    """

    def row(one: Premium, of_domestic: int, of_any: int) -> tuple[int, ...]:
        weights = (pool.tflops * (of_domestic * pool.domestic + of_any) for pool in book.pools)
        return tuple(
            weight if one.rule.covers(pool) else 0
            for weight, pool in zip(weights, book.pools, strict=True)
        )

    offered = dict.fromkeys((pool.key for pool in book.pools), 0)
    for offer in book.offers:
        offered[offer.pool] += sum(offer.chips)
    most = 0
    for one in premiums:
        over = max(0, one.split_bp - one.rule.share_bp) * one.amount
        for pool in book.pools:
            # On top, what rounding to the tick makes of every chip-hour.
            if one.rule.covers(pool):
                most += (pool.tflops * over // WHOLE + tick) * offered[pool.key]
    return Aim(
        back=tuple(sum(wedge(pool, one, tick) for one in premiums) for pool in book.pools),
        kept=tuple(row(one, WHOLE, -one.rule.share_bp) for one in premiums),
        covered=tuple(row(one, -WHOLE, one.split_bp) for one in premiums if one.amount),
        most=most,
    )


def judged(problem: Problem, selection: Selection, aim: Aim | None) -> Worth | None:
    """Return the worth of a selection, or ``None`` if it breaks a rule or misses a share.

    Args:
        problem: The book as it is cleared, with asks moved.
        selection: Of its choices.
        aim: ``None`` if it is judged by the asks it is cleared at. An ask that would be moved
            below 0 and stays at 0 is counted as if it had been.
    """
    worth = worth_of(problem, selection)
    if worth is None or aim is None:
        return worth
    hours = hours_of(problem, selection)
    if any(sum(map(mul, row, hours)) < 0 for row in aim.kept):
        return None
    return worth._replace(welfare=worth.welfare + sum(map(mul, aim.back, hours)))


def is_covered(problem: Problem, selection: Selection, aim: Aim) -> bool:
    """Tell whether splits are no smaller than the shares that a selection achieves."""
    hours = hours_of(problem, selection)
    return all(sum(map(mul, row, hours)) >= 0 for row in aim.covered)


def hours_of(problem: Problem, selection: Selection) -> list[int]:
    """Return the chip-hours that a selection uses of each pool."""
    hours: list[int] = use_of(problem, selection)[: problem.pools].sum(axis=1).tolist()
    return hours
