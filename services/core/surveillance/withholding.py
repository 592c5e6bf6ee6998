"""Withholding: capacity that stays idle while the price is high.

Method: ACER's guidance on capacity hoarding (1/2018), with MISO's pair of tests: conduct (capacity
was in the book and was withdrawn, or stands at an ask far above the owner's own other asks) and
impact (the price of the hour is high, and what was taken away is a good part of the pool). What a
provider never offered is not measured here: the exchange knows of no capacity but what it is told.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from schemas.types import PERIOD_SECONDS, OrderState, Side
from services.core.surveillance.cases import Case, CaseKind, make_case
from services.core.surveillance.tape import ActKind
from services.core.surveillance.view import PPM, final_terms, median, traded_periods

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from services.core.surveillance.tape import Terms
    from services.core.surveillance.thresholds import Thresholds
    from services.core.surveillance.view import View

_PERIOD_MS = PERIOD_SECONDS * 1000
# Fewer asks of its own are no reference for an owner's next.
_OWN_ASKS_MIN = 3

_Row = list[int]


def withholding(view: View, thresholds: Thresholds) -> Iterator[Case]:
    """Yield a case for each owner and pool with idle capacity in dear hours."""
    periods = traded_periods(view)
    high = _high(view, thresholds)
    offers: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for order_id, acts in view.acts.items():
        terms = final_terms(acts)
        if acts[0].side is Side.OFFER and terms is not None and terms.pools[0] in high:
            offers[terms.pools[0]][view.tape.owner(acts[0].participant_id)].append(order_id)
    sold = _sold(view, set(high))
    for pool, owners in sorted(offers.items()):
        peaks = {owner: _peak(view, ids, periods) for owner, ids in owners.items()}
        whole = [sum(column) for column in zip(*peaks.values(), strict=True)]
        for owner, ids in sorted(owners.items()):
            taken, evidence, withdrawn = _taken_away(view, ids, periods, thresholds)
            found = {}
            for at, period in enumerate(periods):
                idle = min(taken[at], peaks[owner][at] - sold.get((pool, owner, period), 0))
                if (
                    period in high[pool]
                    and idle * PPM >= thresholds.withholding_own_ppm * peaks[owner][at] > 0
                    and idle * PPM >= thresholds.withholding_pool_ppm * whole[at]
                    and _rose(view, (pool, period), withdrawn.get(period), thresholds)
                ):
                    found[period] = idle
            is_much = len(evidence) >= thresholds.withholding_orders_min
            if is_much and len(found) >= thresholds.withholding_periods_min:
                yield make_case(
                    view.tape,
                    CaseKind.WITHHOLDING,
                    f"{owner} {pool}",
                    (view.acts[order_id][0].participant_id for order_id in evidence),
                    evidence,
                    pool=pool,
                    periods=len(found),
                    chips=max(found.values()),
                )


def _high(view: View, thresholds: Thresholds) -> dict[str, set[int]]:
    """Return, by pool, the periods whose last price is high."""
    high: dict[str, set[int]] = defaultdict(set)
    for (pool, period), found in view.prices.items():
        price = found[-1][1]
        if price * PPM >= thresholds.withholding_price_ppm * view.pool_medians[pool]:
            high[pool].add(period)
    return high


def _sold(view: View, pools: set[str]) -> Mapping[tuple[str, str, int], int]:
    sold: dict[tuple[str, str, int], int] = defaultdict(int)
    for item in (*view.tape.earlier, *view.tape.allocations):
        if item.pool in pools:
            owner = view.tape.owner(item.provider_id)
            for period, chips, _ in item.periods:
                sold[item.pool, owner, period] += chips
    return sold


def _peak(view: View, ids: Sequence[str], periods: range) -> _Row:
    """Return the most chips that these offers stood for at once, by period."""
    steps = []
    for order_id in ids:
        if any(one.state is OrderState.REJECTED for one in view.statuses.get(order_id, ())):
            continue
        before: Terms | None = None
        for act in view.acts[order_id]:
            steps.append((act.at_ms, before, act.terms))
            before = act.terms
    steps.sort(key=lambda step: step[0])
    now, peak = [0] * len(periods), [0] * len(periods)
    for _, before, after in steps:
        for terms, sign in ((before, -1), (after, 1)):
            if terms is None:
                continue
            for period in range(max(terms.first, periods.start), min(terms.end, periods.stop)):
                at = period - periods.start
                now[at] += sign * terms.chips
                peak[at] = max(peak[at], now[at])
    return peak


def _rose(
    view: View, hour: tuple[str, int], withdrawn_ms: int | None, thresholds: Thresholds
) -> bool:
    """Return whether an hour's price rose after a withdrawal; what was priced out needs none."""
    if withdrawn_ms is None:
        return True
    found = view.prices[hour]
    before = [price for round_id, price, _ in found if view.sealed_ms[round_id] < withdrawn_ms]
    if not before:
        return False
    return found[-1][1] * PPM >= thresholds.withholding_rise_ppm * before[-1]


def _taken_away(
    view: View, ids: Sequence[str], periods: range, thresholds: Thresholds
) -> tuple[_Row, list[str], Mapping[int, int]]:
    """Return the chips withdrawn or priced out by period, less what came back.

    With them the offers that were, and by period the instant of the first withdrawal.
    """
    taken = [0] * len(periods)
    evidence = []
    first_ms: dict[int, int] = {}
    asks = [
        terms.price for order_id in ids if (terms := final_terms(view.acts[order_id])) is not None
    ]
    usual = median(asks)
    withdrawn_ms: int | None = None
    for order_id in sorted(ids, key=lambda one: (view.acts[one][-1].at_ms, one)):
        last, terms = view.acts[order_id][-1], final_terms(view.acts[order_id])
        assert terms is not None, "the caller chose offers with terms"
        since = periods.start
        if last.kind is ActKind.CANCEL:
            # What is over cannot be withheld any more.
            since = last.at_ms // _PERIOD_MS + 1
            withdrawn_ms = last.at_ms if withdrawn_ms is None else withdrawn_ms
            sign = 1
        elif len(asks) > _OWN_ASKS_MIN and (
            terms.price * PPM >= thresholds.withholding_ask_ppm * usual
        ):
            sign = 1
        elif withdrawn_ms is not None and view.acts[order_id][0].at_ms >= withdrawn_ms:
            # An offer that came after a withdrawal replaces it.
            sign = -1
        else:
            continue
        if sign > 0:
            evidence.append(order_id)
        for period in range(max(terms.first, since), min(terms.end, periods.stop)):
            if period >= periods.start:
                taken[period - periods.start] += sign * terms.chips
                if last.kind is ActKind.CANCEL:
                    first_ms.setdefault(period, last.at_ms)
    return taken, evidence, first_ms
