"""Prices that somebody may have made: marking the round, and prices far off the others.

Method: MiFID II's indicators of manipulation, Delegated Regulation (EU) 2016/522, annex II (marking
the close: orders at the end of a phase that move its price), as a conduct test (late orders are
much of the volume) and an impact test (the price moved). Outliers by the median and the median
absolute deviation, which outliers do not move (Iglewicz and Hoaglin, 1993); 1.4826 times it
estimates a standard deviation.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from schemas.types import Side
from services.core.surveillance.cases import Case, CaseKind, make_case
from services.core.surveillance.view import PPM, median

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from services.core.surveillance.tape import Allocation, Round
    from services.core.surveillance.thresholds import Thresholds
    from services.core.surveillance.view import View

# The median absolute deviation of a normal distribution is 1/1.4826 of its standard deviation.
_DEVIATION_TEN_THOUSANDTHS = 14_826
# Below a tick of the default rules a median is no reference.
_MEDIAN_MIN = 100


def marking(view: View, thresholds: Thresholds) -> Iterator[Case]:
    """Yield a case for each owner and pool whose late orders moved the price of several rounds."""
    found: dict[tuple[str, str], list[tuple[Round, int, int, list[Allocation]]]] = defaultdict(list)
    for sealed in view.tape.rounds:
        for (owner, pool), items in _late(view, sealed, thresholds).items():
            whole = sum(
                item.chip_hours for item in view.allocations[sealed.round_id] if item.pool == pool
            )
            share_ppm = sum(item.chip_hours for item in items) * PPM // whole
            if share_ppm < thresholds.marking_share_ppm:
                continue
            move_ppm = _move_ppm(view, sealed, items)
            if move_ppm >= thresholds.marking_move_ppm:
                found[owner, pool].append((sealed, share_ppm, move_ppm, items))
    for (owner, pool), rounds in sorted(found.items(), key=lambda item: item[0]):
        if len(rounds) < thresholds.marking_rounds_min:
            continue
        items = [item for *_, made in rounds for item in made]
        orders = {order_id for item in items for order_id in _orders(view, item, owner)}
        yield make_case(
            view.tape,
            CaseKind.MARKING,
            f"{owner} {pool}",
            {view.acts[order_id][0].participant_id for order_id in orders},
            {*orders, *(item.allocation_id for item in items)},
            pool=pool,
            rounds=len(rounds),
            share_ppm=max(share_ppm for _, share_ppm, _, _ in rounds),
            move_ppm=max(move_ppm for _, _, move_ppm, _ in rounds),
        )


def _orders(view: View, item: Allocation, owner: str) -> list[str]:
    sides = ((item.offer_id, item.provider_id), (item.demand_id, item.enterprise_id))
    return [
        order_id
        for order_id, who in sides
        if view.tape.owner(who) == owner and order_id in view.acts
    ]


def _late(
    view: View, sealed: Round, thresholds: Thresholds
) -> dict[tuple[str, str], list[Allocation]]:
    """Return the allocations of orders that came just before the seal, by owner and pool."""
    late: dict[tuple[str, str], list[Allocation]] = defaultdict(list)
    after_ms = sealed.at_ms - thresholds.marking_before_ms
    for item in view.allocations.get(sealed.round_id, ()):
        for order_id, who in (
            (item.offer_id, item.provider_id),
            (item.demand_id, item.enterprise_id),
        ):
            if any(after_ms <= act.at_ms <= sealed.at_ms for act in view.acts.get(order_id, ())):
                late[view.tape.owner(who), item.pool].append(item)
    return late


def _move_ppm(view: View, sealed: Round, items: Sequence[Allocation]) -> int:
    """Return how far the price went the way that the late orders push, at most over the hours."""
    farthest = 0
    for item in items:
        is_buyer = _is_late_side(view, item.demand_id, sealed)
        for period, _, price in item.periods:
            reference = view.price_reference(item.pool, period, but=sealed.round_id)
            if reference is None or reference < _MEDIAN_MIN:
                continue
            rise = price - reference if is_buyer else reference - price
            farthest = max(farthest, rise * PPM // reference)
    return farthest


def _is_late_side(view: View, order_id: str, sealed: Round) -> bool:
    acts = view.acts.get(order_id, ())
    return any(act.side is Side.DEMAND and act.at_ms <= sealed.at_ms for act in acts)


def outliers(view: View, thresholds: Thresholds) -> Iterator[Case]:
    """Yield a case for each pool with prices far off its other prices of the day."""
    by_pool: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for (pool, period), found in view.prices.items():
        by_pool[pool] += [(round_id, period, price) for round_id, price, _ in found]
    for pool, points in sorted(by_pool.items()):
        if len(points) < thresholds.outlier_samples_min:
            continue
        middle = max(view.pool_medians[pool], _MEDIAN_MIN)
        reference = median(abs(price - middle) for _, _, price in points)
        far = [point for point in points if _is_far(point[2], middle, reference, thresholds)]
        if not far:
            continue
        rounds = {round_id for round_id, _, _ in far}
        hours = {(round_id, period) for round_id, period, _ in far}
        items = [
            item
            for round_id in rounds
            for item in view.allocations.get(round_id, ())
            if item.pool == pool
            and any((round_id, period) in hours for period, _, _ in item.periods)
        ]
        yield make_case(
            view.tape,
            CaseKind.OUTLIER,
            pool,
            {who for item in items for who in (item.provider_id, item.enterprise_id)},
            {*rounds, *(item.allocation_id for item in items)},
            pool=pool,
            prices=len(far),
            median=middle,
            price=max((price for _, _, price in far), key=lambda price: abs(price - middle)),
        )


def _is_far(price: int, middle: int, deviation: int, thresholds: Thresholds) -> bool:
    apart = abs(price - middle) * 10_000
    if apart < thresholds.outlier_deviations * deviation * _DEVIATION_TEN_THOUSANDTHS:
        return False
    ratio = thresholds.outlier_ratio_ppm
    return price * PPM >= ratio * middle or middle * PPM >= ratio * max(price, 1)
