"""The price ascent of the certificate, for large books (`market.md` 6).

Every step judges whole prices, so each D is exact; the prices that move are floats. The best
prices seen are kept, or the mean of the last ones, if D is smaller there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.clearing.price_search import PRICE_MAX
from services.core.clearing.scale.compiled import compiled
from services.core.clearing.scale.layout import Layout, Supplies
from services.core.clearing.scale.respond import Responder

AnyArray = npt.NDArray[Any]

# Direction memory and step law as measured in market.md 6; shorter memories oscillate.
_MEMORY = 0.8
_STEP = 0.25
_STEP_FALL = 40
# Demand can exceed supply many times over; past this ratio the direction says no more.
_EXCESS_MAX = 2.0
# The ascent has converged when so many steps together gain less than this share of D.
_WINDOW = 10
_GAIN_MIN = 1e-4
# Prices swing around those of the least D, and the mean of so many is nearer to them than any.
LAST = 20


@dataclass(frozen=True, slots=True)
class Ascended:
    """What a price ascent found.

    Attributes:
        prices: P x T whole prices with the smallest D found, micro-yuan.
        bound: D at these prices, exact, micro-yuan.
        steps: Steps taken.
    """

    prices: AnyArray
    bound: int
    steps: int


class Supply:
    """The supply side of D at integer prices."""

    def __init__(self, supplies: Supplies) -> None:
        self._supplies = supplies

    def answer(self, prices: AnyArray) -> tuple[int, AnyArray]:
        """Return what all offers could gain at the prices, and P x T chips they would sell."""
        supplies = self._supplies
        sold = np.zeros_like(prices)
        total = int(_sell(supplies.step_ptr, supplies.ask, supplies.chips, prices, sold))
        for b, pool in enumerate(supplies.block_pool.tolist()):
            chips = supplies.block_chips[b]
            gain = int((chips * (prices[pool] - supplies.block_ask[b])).sum())
            if gain > 0:
                total += gain
                sold[pool] += chips
        return total, sold


@compiled
def _sell(
    step_ptr: AnyArray, ask: AnyArray, chips: AnyArray, prices: AnyArray, sold: AnyArray
) -> int:
    total = 0
    for p in range(len(prices)):
        for k in range(step_ptr[p], step_ptr[p + 1]):
            for t in range(prices.shape[1]):
                margin = prices[p, t] - ask[k]
                if margin > 0:
                    total += margin * chips[k, t]
                    sold[p, t] += chips[k, t]
    return total


def ascend(layout: Layout, responder: Responder, steps: int, steps_min: int = 0) -> Ascended:
    """Look for prices with a small D by following excess demand.

    Args:
        layout: The book.
        responder: Best responses to prices.
        steps: Most steps; it ends earlier when D has stopped to fall.
        steps_min: Steps that are taken though D has stopped to fall, if ``steps`` allows.
    """
    supply = Supply(layout.supplies)
    capacity = np.maximum(layout.supplies.capacity, 1)
    prices = _start(layout)
    lowest, tops = layout.lanes.lowest(layout.shape), layout.lanes.tops(layout.shape)
    direction = np.zeros(layout.shape)
    best = Ascended(np.zeros(layout.shape, dtype=np.int64), 2**62, 0)
    marks = [float(best.bound)]
    last: deque[AnyArray] = deque(maxlen=LAST)
    for step in range(max(1, steps)):
        whole = np.rint(prices).astype(np.int64)
        last.append(whole)
        answer = responder.answer(whole)
        offered, sold = supply.answer(whole)
        value = answer.total + offered
        if value < best.bound:
            best = Ascended(whole, value, step + 1)
        if step % _WINDOW == _WINDOW - 1:
            if step >= steps_min and marks[-1] - best.bound < _GAIN_MIN * best.bound:
                break
            marks.append(float(best.bound))
        excess = np.minimum((answer.load - sold) / capacity, _EXCESS_MAX)
        direction = _MEMORY * direction + (1 - _MEMORY) * excess
        prices = grown(prices, _STEP / (1 + step / _STEP_FALL) * direction)
        if len(layout.lanes.tariff):
            # Below its tariff a link gains nothing, and lets demand seem to gain more.
            prices = np.clip(prices, lowest, tops)
    whole = np.rint(np.mean(last, axis=0)).astype(np.int64)
    value = responder.answer(whole).total + supply.answer(whole)[0]
    return Ascended(whole, value, best.steps) if value < best.bound else best


def grown(prices: AnyArray, exponent: AnyArray) -> AnyArray:
    """Return about prices x exp(exponent), within the formats, for |exponent| below 1.

    By the four operations alone, which are the same on every machine.
    """
    risen: AnyArray = np.minimum(prices * (2.0 + exponent) / (2.0 - exponent), float(PRICE_MAX))
    return risen


def _start(layout: Layout) -> AnyArray:
    """Return P x T prices to start from: those that the rules give, elsewhere the dearest ask."""
    supplies = layout.supplies
    prices = _dearest_asks(layout)
    periods = layout.shape[1]
    given = dict(layout.rules.start_prices)
    for p, pool in enumerate(layout.book.pools):
        curve = given.get(pool.key, ())
        prices[p, : len(curve)] = curve[:periods]
    # A price of zero could never rise by multiplication, so free supply starts just above it.
    least = max(1.0, 0.01 * layout.limit_max)
    prices = np.where(supplies.capacity > 0, np.maximum(prices, least), 0.0)
    # Prices per GB have nothing to do with limits per chip-hour.
    count = len(layout.book.links)
    links = slice(layout.pools, layout.pools + count)
    prices[links] = np.maximum(layout.lanes.tariff[:count], 1)[:, None]
    return prices


def _dearest_asks(layout: Layout) -> AnyArray:
    supplies = layout.supplies
    prices = np.zeros(layout.shape)
    for p in range(layout.shape[0]):
        for k in range(int(supplies.step_ptr[p]), int(supplies.step_ptr[p + 1])):
            prices[p][supplies.chips[k] > 0] = supplies.ask[k]
    for b, pool in enumerate(supplies.block_pool.tolist()):
        row = prices[pool]
        used = supplies.block_chips[b] > 0
        row[used] = np.maximum(row[used], supplies.block_ask[b])
    return prices
