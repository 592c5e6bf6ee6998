"""Orders that are not meant to trade: layering and spoofing, and quote stuffing.

Method: ACER's guidance note 1/2019 on layering and spoofing under REMIT (non-genuine orders on one
side, trades on the other), and the disorderly-trading indicators of MiFID II's RTS 7, Regulation
(EU) 2017/584 (order-to-trade ratios, rates of messages). A round's book is sealed, but the depth
that it shows before is public, so an order that is withdrawn just before the seal can still have
moved others.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from schemas.types import Side
from services.core.surveillance.cases import Case, CaseKind, make_case
from services.core.surveillance.tape import ActKind
from services.core.surveillance.view import PPM, final_terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from services.core.surveillance.tape import Act, Allocation, Round
    from services.core.surveillance.thresholds import Thresholds
    from services.core.surveillance.view import View


def layering(view: View, thresholds: Thresholds) -> Iterator[Case]:
    """Yield a case for each owner, pool and side whose withdrawals precede fills of its other."""
    two_sided = _two_sided(view)
    orders = _orders_of(view, two_sided)
    found: dict[tuple[str, str, Side], _Layers] = defaultdict(_Layers)
    previous_ms = 0
    for sealed in view.tape.rounds:
        fills = _fills(view, sealed, two_sided)
        for (owner, pool, filled_side), items in fills.items():
            side = Side.OFFER if filled_side is Side.DEMAND else Side.DEMAND
            layers = _layers(
                view, orders.get((owner, pool, side), ()), (previous_ms, sealed.at_ms), thresholds
            )
            filled = sum(item.chip_hours for item in items)
            if layers and layers.chip_hours * PPM >= thresholds.layering_multiple_ppm * filled:
                found[owner, pool, side].add(layers, items)
        previous_ms = sealed.at_ms
    for (owner, pool, side), layers in sorted(found.items()):
        if len(layers.orders) < thresholds.layering_orders_min:
            continue
        yield make_case(
            view.tape,
            CaseKind.LAYERING,
            f"{owner} {pool} {side.value}",
            layers.who,
            layers.orders | layers.allocations,
            pool=pool,
            orders=len(layers.orders),
            cancelled_chip_hours=layers.chip_hours,
            filled_chip_hours=layers.filled,
        )


class _Layers:
    """Withdrawn orders and the fills that they stood against."""

    def __init__(self) -> None:
        self.orders: set[str] = set()
        self.allocations: set[str] = set()
        self.who: set[str] = set()
        self.chip_hours = 0
        self.filled = 0

    def __bool__(self) -> bool:
        return bool(self.orders)

    def add(self, layers: _Layers, items: Sequence[Allocation]) -> None:
        self.orders |= layers.orders
        self.who |= layers.who
        self.chip_hours += layers.chip_hours
        self.filled += sum(item.chip_hours for item in items)
        self.allocations |= {item.allocation_id for item in items}


def _layers(
    view: View, orders: Sequence[str], since: tuple[int, int], thresholds: Thresholds
) -> _Layers:
    """Return what of these orders was withdrawn before a seal, if that was most of them.

    Args:
        view: The day.
        orders: Orders of one owner and side that a pool can serve.
        since: The seal before, and this one.
        thresholds: Thresholds.
    """
    previous_ms, sealed_ms = since
    layers = _Layers()
    standing = 0
    for order_id in orders:
        acts = view.acts[order_id]
        cancelled_ms = next((act.at_ms for act in acts if act.kind is ActKind.CANCEL), None)
        if acts[0].at_ms > sealed_ms or (cancelled_ms is not None and cancelled_ms <= previous_ms):
            continue
        terms = final_terms(acts)
        hours = 0 if terms is None else terms.chip_hours
        standing += hours
        if cancelled_ms is not None and (
            sealed_ms - thresholds.layering_before_ms <= cancelled_ms <= sealed_ms
        ):
            layers.orders.add(order_id)
            layers.who.add(acts[0].participant_id)
            layers.chip_hours += hours
    share_ppm = layers.chip_hours * PPM // standing if standing else 0
    return layers if share_ppm >= thresholds.layering_cancelled_ppm else _Layers()


def _two_sided(view: View) -> set[str]:
    """Return the owners with orders on both sides; no other can layer."""
    sides: dict[str, set[Side]] = defaultdict(set)
    for acts in view.acts.values():
        sides[view.tape.owner(acts[0].participant_id)].add(acts[0].side)
    return {owner for owner, found in sides.items() if len(found) > 1}


def _orders_of(view: View, owners: set[str]) -> Mapping[tuple[str, str, Side], Sequence[str]]:
    orders: dict[tuple[str, str, Side], list[str]] = defaultdict(list)
    for order_id, acts in view.acts.items():
        owner = view.tape.owner(acts[0].participant_id)
        terms = final_terms(acts)
        if owner in owners and terms is not None:
            for pool in terms.pools:
                orders[owner, pool, acts[0].side].append(order_id)
    return orders


def _fills(
    view: View, sealed: Round, owners: set[str]
) -> Mapping[tuple[str, str, Side], Sequence[Allocation]]:
    fills: dict[tuple[str, str, Side], list[Allocation]] = defaultdict(list)
    for item in view.allocations.get(sealed.round_id, ()):
        for who, side in ((item.provider_id, Side.OFFER), (item.enterprise_id, Side.DEMAND)):
            owner = view.tape.owner(who)
            if owner in owners:
                fills[owner, item.pool, side].append(item)
    return fills


def stuffing(view: View, thresholds: Thresholds) -> Iterator[Case]:
    """Yield a case for each participant that floods the exchange with fleeting messages."""
    by_participant: dict[str, list[Act]] = defaultdict(list)
    for act in view.tape.acts:
        by_participant[act.participant_id].append(act)
    filled: dict[str, set[str]] = defaultdict(set)
    for item in view.tape.allocations:
        filled[item.provider_id].add(item.offer_id)
        filled[item.enterprise_id].add(item.demand_id)
    for who, acts in sorted(by_participant.items()):
        if len(acts) < thresholds.stuffing_messages_min:
            continue
        fleeting = _fleeting(acts, thresholds.stuffing_fleeting_ms)
        burst = most_within([act.at_ms for act in acts], thresholds.stuffing_window_ms)
        fills = len(filled[who])
        if (
            len(fleeting) >= thresholds.stuffing_messages_min
            and burst >= thresholds.stuffing_burst_min
            and len(acts) >= thresholds.stuffing_per_fill_min * fills
        ):
            yield make_case(
                view.tape,
                CaseKind.STUFFING,
                who,
                (who,),
                (act.order_id for act in fleeting),
                messages=len(acts),
                fleeting=len(fleeting),
                burst=burst,
                fills=fills,
            )


def _fleeting(acts: Sequence[Act], within_ms: int) -> list[Act]:
    """Return the changes and withdrawals that follow the order's last message at once."""
    last_ms: dict[str, int] = {}
    found = []
    for act in acts:
        before_ms = last_ms.get(act.order_id)
        if before_ms is not None and act.at_ms - before_ms <= within_ms:
            found.append(act)
        last_ms[act.order_id] = act.at_ms
    return found


def most_within(times_ms: Sequence[int], window_ms: int) -> int:
    """Return the most of these instants, in order, that lie within a window."""
    most = start = 0
    for at, time_ms in enumerate(times_ms):
        while time_ms - times_ms[start] > window_ms:
            start += 1
        most = max(most, at - start + 1)
    return most
