"""Matcher favouritism: a round that served an order in the place of a better one.

Method: a feasible swap. Of two demands that differ in nothing but their limit the dearer must be
served first, and of two offers of one pool the cheaper: exchanging them keeps every rule of the
round and adds to its welfare, so the choice needs an explanation. Orders that are not comparable
without doubt (several alternatives, a budget, links, latency, an amendment) are left out; their
rounds are judged by the certificate (``docs/reference/round-file.md``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING

from schemas.types import Side
from services.core.surveillance.cases import Case, CaseKind, make_case

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from services.core.surveillance.tape import Allocation, Round, Terms
    from services.core.surveillance.thresholds import Thresholds
    from services.core.surveillance.view import View


def favouritism(view: View, _thresholds: Thresholds) -> Iterator[Case]:
    """Yield a case for each order that was served in the place of better ones."""
    demands = _plain(view, Side.DEMAND)
    offers = _plain(view, Side.OFFER)
    used: dict[tuple[str, int], int] = defaultdict(int)
    for item in view.tape.earlier:
        for period, chips, _ in item.periods:
            used[item.offer_id, period] += chips
    for sealed in view.tape.rounds:
        items = view.allocations.get(sealed.round_id, ())
        if not items:
            continue
        for item in items:
            for period, chips, _ in item.periods:
                used[item.offer_id, period] += chips
        yield from _demands(view, sealed, items, demands)
        yield from _offers(view, sealed, items, offers, used)


def _plain(view: View, side: Side) -> dict[str, list[tuple[int, str, Terms]]]:
    """Return orders that were never amended, by what they are alike in, cheapest first."""
    found: dict[str, list[tuple[int, str, Terms]]] = defaultdict(list)
    for order_id, acts in view.acts.items():
        terms = acts[0].terms
        amended = any(act.version > 1 for act in acts)
        if acts[0].side is not side or terms is None or amended or terms.is_block:
            continue
        key = terms.alike if side is Side.DEMAND else terms.pools[0]
        if key:
            found[key].append((terms.price, order_id, terms))
    for rows in found.values():
        rows.sort(key=lambda row: row[:2])
    return found


def _demands(
    view: View,
    sealed: Round,
    items: Sequence[Allocation],
    plain: Mapping[str, Sequence[tuple[int, str, Terms]]],
) -> Iterator[Case]:
    served: dict[str, list[Allocation]] = defaultdict(list)
    for item in items:
        served[item.demand_id].append(item)
    for demand_id, made in sorted(served.items()):
        terms = view.terms(demand_id)
        if terms is None or not terms.alike or len(view.acts[demand_id]) > 1:
            continue
        if sum(item.chip_hours for item in made) < terms.chip_hours:
            continue
        rows = plain[terms.alike]
        better = [
            row
            for row in rows[bisect_left(rows, terms.price + 1, key=lambda row: row[0]) :]
            if row[1] not in served and view.in_book(row[1], sealed)
        ]
        if better:
            loss = (better[-1][0] - terms.price) * terms.chip_hours
            yield _case(view, sealed, (demand_id, made), [row[1] for row in better], loss)


def _offers(
    view: View,
    sealed: Round,
    items: Sequence[Allocation],
    plain: Mapping[str, Sequence[tuple[int, str, Terms]]],
    used: Mapping[tuple[str, int], int],
) -> Iterator[Case]:
    served: dict[str, list[Allocation]] = defaultdict(list)
    for item in items:
        served[item.offer_id].append(item)
    in_book: dict[str, bool] = {}
    for offer_id, made in sorted(served.items()):
        terms = view.terms(offer_id, made[0].offer_version)
        if terms is None or terms.is_block:
            continue
        rows = plain.get(terms.pools[0], ())
        for price, other_id, other in rows:
            if price >= terms.price:
                break
            if other_id not in in_book:
                in_book[other_id] = view.in_book(other_id, sealed)
            if not in_book[other_id]:
                continue
            moved = [item for item in made if _fits(item, other_id, other, used)]
            if moved:
                loss = (terms.price - price) * max(item.chip_hours for item in moved)
                yield _case(view, sealed, (offer_id, moved), [other_id], loss)
                break


def _fits(
    item: Allocation, other_id: str, other: Terms, used: Mapping[tuple[str, int], int]
) -> bool:
    return all(
        other.first <= period < other.end and other.chips - used.get((other_id, period), 0) >= chips
        for period, chips, _ in item.periods
    )


def _case(
    view: View,
    sealed: Round,
    served: tuple[str, Sequence[Allocation]],
    better: Sequence[str],
    loss: int,
) -> Case:
    order_id, made = served
    return make_case(
        view.tape,
        CaseKind.FAVOURITISM,
        f"{sealed.round_id} {order_id}",
        (view.acts[one][0].participant_id for one in (order_id, *better)),
        (sealed.round_id, order_id, *better, *(item.allocation_id for item in made)),
        round_id=sealed.round_id,
        orders=len(better),
        loss=loss,
    )
