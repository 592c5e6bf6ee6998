"""The certificate: prices that bound the welfare of every possible clearing.

For any non-negative prices, weak duality gives (`market.md` 4)

    D(pi) = sum over demands max(0, best surplus at pi) + sum over offers their best surplus at pi

where an exclusive group counts once, by its best member, and links are relaxed. `price_ascent`
looks for prices with a small D in floats; `bound` judges any integer prices exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.book import Book
from services.core.clearing.presolve import FloatArray, IntArray, Problem
from services.core.clearing.response import Choices, Response, exact, load, respond

# Direction memory and step law as measured in market.md 6; shorter memories oscillate.
_MEMORY = 0.8
_STEP = 0.25
_STEP_FALL = 40
# Demand can exceed supply many times over; past this ratio the direction says no more.
_EXCESS_MAX = 2.0
# Ends early after this many steps without a better bound: the step has become too small to help.
_PATIENCE = 80


@dataclass(frozen=True, slots=True)
class Ascent:
    """What a price ascent found.

    Attributes:
        prices: P x T prices with the smallest D seen, micro-yuan, not rounded.
        bound: That D, as a float.
    """

    prices: FloatArray
    bound: float


def bound(choices: Choices, prices: IntArray) -> int:
    """Return D at integer prices, exactly.

    Args:
        choices: From `flatten`.
        prices: P x T non-negative integers, micro-yuan.
    """
    assert (prices >= 0).all()
    wide = exact(prices, choices.problem)
    response = respond(choices, wide)
    total = sum(_counted(choices.problem, response))
    return total + sum(offer_surpluses(choices.problem.book, prices))


def offer_surpluses(book: Book, prices: IntArray) -> list[int]:
    """Return what each offer of the book could gain at most at the prices, in book order."""
    first = book.first_period
    at = {pool.key: p for p, pool in enumerate(book.pools)}
    gains = []
    for offer in book.offers:
        row = prices[at[offer.pool]]
        low = max(0, offer.start - first)
        if offer.block and (
            offer.start < first or offer.start + len(offer.chips) > first + book.periods
        ):
            # It reaches beyond the horizon, so it cannot be taken whole in this round.
            gains.append(0)
            continue
        high = min(book.periods, offer.start - first + len(offer.chips))
        skip = first - offer.start
        terms = [
            offer.chips[t + skip] * (int(row[t]) - offer.ask) for t in range(low, max(low, high))
        ]
        gains.append(max(0, sum(terms)) if offer.block else sum(max(0, term) for term in terms))
    return gains


def price_ascent(choices: Choices, steps: int) -> Ascent:
    """Look for prices with a small D by following excess demand (`market.md` 6).

    Every pool x period starts at its highest ask; each step multiplies prices by
    exp(step x smoothed relative excess demand).

    Args:
        choices: From `flatten`.
        steps: Most steps; it may end earlier when the bound has stopped to improve.
    """
    problem = choices.problem
    prices = _start(problem)
    capacity = np.maximum(problem.capacity, 1)
    direction = np.zeros(problem.shape)
    best = Ascent(prices, float("inf"))
    since = 0
    asks = Asks(problem)
    for step in range(max(1, steps)):
        gained, wanted = demand_side(choices, prices)
        value = gained + asks.surplus(prices)
        if value < best.bound * (1 - 1e-7):
            best = Ascent(prices, value)
            since = 0
        else:
            since += 1
            if since > _PATIENCE:
                break
        excess = (wanted - asks.supplied(prices)) / capacity
        excess = np.minimum(excess, _EXCESS_MAX)
        direction = _MEMORY * direction + (1 - _MEMORY) * excess
        prices = prices * growth(_STEP / (1 + step / _STEP_FALL) * direction)
        if problem.shape[0] > problem.pools:
            # Below its tariff a link gains nothing, and lets demand seem to gain more.
            prices = np.maximum(prices, problem.lowest)
    return best


def demand_side(choices: Choices, prices: FloatArray) -> tuple[float, IntArray]:
    """Return what all demand could gain at most at the prices, and P x T what it would take."""
    response = respond(choices, prices)
    counted = _counted_demands(choices.problem, response)
    return float(response.surplus[counted].sum()), load(choices, response, counted)


def growth(exponent: FloatArray) -> FloatArray:
    """Return about exp(exponent), for |exponent| below 1, by the four operations alone.

    A library's exp may differ in the last bit from machine to machine, and the result of a
    clearing must not; addition and division are the same everywhere (IEEE 754).
    """
    return (2.0 + exponent) / (2.0 - exponent)


def _start(problem: Problem) -> FloatArray:
    prices = np.zeros(problem.shape)
    for p, supply in enumerate(problem.supply):
        for ask, chips in zip(supply.asks, supply.chips, strict=True):
            prices[p][chips > 0] = ask
    for block in problem.block_offers:
        row = prices[block.pool]
        row[block.chips > 0] = np.maximum(row[block.chips > 0], block.ask)
    # A price of zero could never rise by multiplication, so free supply starts just above it.
    limits = [a.limit for d in problem.book.demands for a in d.alternatives]
    least = max(1.0, 0.01 * max(limits, default=0))
    prices = np.where(problem.capacity > 0, np.maximum(prices, least), 0.0)
    links = slice(problem.pools, problem.pools + len(problem.plain.links))
    # Prices per GB have nothing to do with limits per chip-hour.
    prices[links] = np.maximum(problem.lowest[links], 1.0)
    return prices


class Asks:
    """The supply side of D over all pools at once, in floats."""

    def __init__(self, problem: Problem) -> None:
        self._blocks = problem.block_offers
        steps = [
            (p, int(ask), chips)
            for p, supply in enumerate(problem.supply)
            for ask, chips in zip(supply.asks, supply.chips, strict=True)
        ]
        self._pool = np.array([p for p, _, _ in steps], dtype=np.int64)
        self._ask = np.array([ask for _, ask, _ in steps], dtype=np.float64)[:, None]
        periods = problem.shape[1]
        self._chips = np.array([c for _, _, c in steps], dtype=np.float64).reshape(-1, periods)

    def surplus(self, prices: FloatArray) -> float:
        """Return what all offers could gain at the prices."""
        margin = np.maximum(prices[self._pool] - self._ask, 0.0)
        total = float((margin * self._chips).sum())
        for block in self._blocks:
            total += max(0.0, float((block.chips * (prices[block.pool] - block.ask)).sum()))
        return total

    def supplied(self, prices: FloatArray) -> FloatArray:
        """Return the chips that offers want to sell at the prices, P x T."""
        total = np.zeros_like(prices)
        np.add.at(total, self._pool, np.where(prices[self._pool] > self._ask, self._chips, 0.0))
        for block in self._blocks:
            if float((block.chips * (prices[block.pool] - block.ask)).sum()) > 0:
                total[block.pool] += block.chips
        return total


def _counted_demands(problem: Problem, response: Response) -> IntArray:
    # Every demand of no group, and the best member (the first of equals) of each group.
    counted = np.ones(len(problem.demands), dtype=bool)
    for members in problem.groups:
        best = max(members, key=lambda d: (response.surplus[d], -d))
        counted[list(members)] = False
        counted[best] = True
    return np.flatnonzero(counted)


def _counted(problem: Problem, response: Response) -> list[int]:
    surplus: npt.NDArray[Any] = response.surplus
    return [int(surplus[d]) for d in _counted_demands(problem, response).tolist()]
