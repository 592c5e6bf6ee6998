"""Wash trades: volume without a change of beneficial interest.

Method: ACER's guidance note 1/2017 on wash trades under REMIT (no change of beneficial interest or
of market risk between parties in concert). A self-match is recorded; it is a wash trade when it is
much of what the owner trades in a pool, or when several owners trade round a ring so that
everybody ends about where it began: gross volume within a strongly connected component of the
graph of flows between owners, against its net positions, pool by pool and hour by hour.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from services.core.surveillance.cases import Case, CaseKind, make_case
from services.core.surveillance.view import PPM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from services.core.surveillance.tape import Allocation, Tape
    from services.core.surveillance.thresholds import Thresholds
    from services.core.surveillance.view import View

# A ring's net positions, and each member's trade outside it, must be below this share.
_RING_REST_PPM = 200_000


def self_matches(view: View, _thresholds: Thresholds) -> Iterator[Case]:
    """Yield a record for each owner whose orders were matched with each other."""
    by_owner: dict[str, list[Allocation]] = defaultdict(list)
    for item in view.tape.allocations:
        owner = view.tape.owner(item.provider_id)
        if owner == view.tape.owner(item.enterprise_id):
            by_owner[owner].append(item)
    for owner, items in sorted(by_owner.items()):
        yield make_case(
            view.tape,
            CaseKind.SELF_MATCH,
            owner,
            _participants(items),
            (item.allocation_id for item in items),
            allocations=len(items),
            chip_hours=sum(item.chip_hours for item in items),
        )


def wash_trades(view: View, thresholds: Thresholds) -> Iterator[Case]:
    """Yield a case for each owner that trades with itself, and for each ring, by pool."""
    by_pool: dict[str, list[Allocation]] = defaultdict(list)
    for item in view.tape.allocations:
        by_pool[item.pool].append(item)
    for pool, items in sorted(by_pool.items()):
        flows = _flows(view.tape, items)
        volumes = _volumes(flows)
        for owner in sorted(volumes):
            own = _hours(flows.get((owner, owner), ()))
            is_much = own * 2 * PPM >= thresholds.wash_share_ppm * volumes[owner]
            if own >= thresholds.wash_chip_hours_min and is_much:
                yield _wash(view.tape, pool, (owner,), flows, net=0)
        for ring in components(flows):
            yield from _ring(view, pool, ring, flows, volumes, thresholds)


def _ring(
    view: View,
    pool: str,
    ring: tuple[str, ...],
    flows: Mapping[tuple[str, str], Sequence[Allocation]],
    volumes: Mapping[str, int],
    thresholds: Thresholds,
) -> Iterator[Case]:
    members = set(ring)
    inside = {
        pair: items for pair, items in flows.items() if members.issuperset(pair) and len(ring) > 1
    }
    inner = _volumes(inside)
    gross = sum(_hours(items) for (one, other), items in inside.items() if one != other)
    net = residual(inside)
    if gross < thresholds.wash_chip_hours_min or net * PPM > _RING_REST_PPM * gross:
        return
    if all(inner[one] * PPM >= (PPM - _RING_REST_PPM) * volumes[one] for one in ring):
        yield _wash(view.tape, pool, ring, inside, net)


def _wash(
    tape: Tape,
    pool: str,
    owners: tuple[str, ...],
    flows: Mapping[tuple[str, str], Sequence[Allocation]],
    net: int,
) -> Case:
    members = set(owners)
    items = [item for pair, found in flows.items() if members.issuperset(pair) for item in found]
    return make_case(
        tape,
        CaseKind.WASH,
        f"{pool} {' '.join(owners)}",
        _participants(items),
        (item.allocation_id for item in items),
        pool=pool,
        owners=len(owners),
        chip_hours=_hours(items),
        net_chip_hours=net,
    )


def residual(flows: Mapping[tuple[str, str], Sequence[Allocation]]) -> int:
    """Return the chip-hours that changed owner for good: half the sum of net positions."""
    net: dict[tuple[str, int], int] = defaultdict(int)
    for (seller, buyer), items in flows.items():
        for item in items:
            for period, chips, _ in item.periods:
                net[seller, period] -= chips
                net[buyer, period] += chips
    return sum(map(abs, net.values())) // 2


def components(flows: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return the strongly connected components of two or more, members and all sorted.

    Method: Kosaraju and Sharir, two depth-first passes, here with stacks of our own so that the
    depth is no matter.
    """
    forth: dict[str, list[str]] = defaultdict(list)
    back: dict[str, list[str]] = defaultdict(list)
    for seller, buyer in flows:
        if seller != buyer:
            forth[seller].append(buyer)
            back[buyer].append(seller)
    order: list[str] = []
    seen: set[str] = set()
    for start in sorted(forth):
        _visit(start, forth, seen, order)
    found = []
    assigned: set[str] = set()
    for start in reversed(order):
        members: list[str] = []
        _visit(start, back, assigned, members)
        if len(members) > 1:
            found.append(tuple(sorted(members)))
    return sorted(found)


def _visit(start: str, edges: Mapping[str, list[str]], seen: set[str], done: list[str]) -> None:
    """Append what can be reached from a node to ``done``, each after all that it leads to."""
    if start in seen:
        return
    seen.add(start)
    stack = [(start, iter(edges.get(start, ())))]
    while stack:
        node, following = stack[-1]
        step = next((one for one in following if one not in seen), None)
        if step is None:
            stack.pop()
            done.append(node)
        else:
            seen.add(step)
            stack.append((step, iter(edges.get(step, ()))))


def _flows(tape: Tape, items: Iterable[Allocation]) -> dict[tuple[str, str], list[Allocation]]:
    flows: dict[tuple[str, str], list[Allocation]] = defaultdict(list)
    for item in items:
        flows[tape.owner(item.provider_id), tape.owner(item.enterprise_id)].append(item)
    return flows


def _volumes(flows: Mapping[tuple[str, str], Sequence[Allocation]]) -> dict[str, int]:
    """Return what each owner sold and bought together, a self-match twice."""
    volumes: dict[str, int] = defaultdict(int)
    for (seller, buyer), items in flows.items():
        volumes[seller] += _hours(items)
        volumes[buyer] += _hours(items)
    return volumes


def _hours(items: Iterable[Allocation]) -> int:
    return sum(item.chip_hours for item in items)


def _participants(items: Iterable[Allocation]) -> set[str]:
    return {who for item in items for who in (item.provider_id, item.enterprise_id)}
