"""Books as columns: against the same sums made order by order, and back from their bytes."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from schemas.market import Market
from schemas.orders import DemandTerms, OfferTerms
from schemas.types import period_of, period_start, pool_key
from services.core.eligibility import resolve_alternatives
from services.gateway.adapters.http import examples
from services.gateway.app.book_columns import (
    Columns,
    Fresh,
    Kept,
    no_columns,
    packed,
    revised,
    unpacked,
    updated,
)
from services.gateway.app.book_sides import Book, Group, groups_of

MARKET = Market.model_validate(examples.MARKET)
FIRST = period_of(DemandTerms.model_validate(examples.DEMAND_TERMS).earliest)
POOLS = [pool_key(zone.id, chip.id) for zone in MARKET.zones for chip in MARKET.chips]


def offer(draw: random.Random, name: str) -> Fresh:
    pool = draw.choice(POOLS)
    start = FIRST + draw.randrange(6)
    end = start + 1 + draw.randrange(6)
    chips = 1 + draw.randrange(9)
    terms = copy.deepcopy(examples.OFFER_TERMS) | {
        "zone": pool.partition("/")[0],
        "chip": pool.partition("/")[2],
        "chips": chips,
        "ask": draw.randrange(1, 5) * 1_000_000,
        "start": period_start(start),
        "end": period_start(end),
    }
    # Allocated hours at the edges, side by side, more than there is, and outside.
    hours = draw.sample(range(start - 1, end + 2), draw.randrange(3))
    taken = {hour: draw.randrange(1, chips + 2) for hour in hours}
    return Fresh(name, f"t-{name}", OfferTerms.model_validate(terms), 0, taken)


def wanted(draw: random.Random, name: str) -> Fresh:
    start, hours = FIRST + draw.randrange(6), 1 + draw.randrange(6)
    shape: dict[str, Any] = draw.choice(
        [
            {"type": "block", "chips": 4, "duration": 1},
            {"type": "flow", "chips": 3},
            {"type": "work", "chip_hours": min(11, 5 * hours), "chips_max": 5},
        ]
    )
    alternatives = [
        {
            "chips_any_of": [draw.choice(MARKET.chips).id],
            "zones": draw.sample([zone.id for zone in MARKET.zones], draw.randrange(2)),
            "limit": draw.randrange(1, 6) * 1_000_000,
            "equivalence_milli": draw.choice([1_000, 1_500]),
        }
        for _ in range(draw.randrange(1, 4))
    ]
    terms = copy.deepcopy(examples.DEMAND_TERMS) | {
        "shape": shape,
        "alternatives": alternatives,
        "earliest": period_start(start),
        "deadline": period_start(start + hours),
        "budget": None,
    }
    left = 1 + draw.randrange(12)
    return Fresh(name, f"t-{name}", DemandTerms.model_validate(terms), left, {})


def orders(seed: int, count: int) -> list[Fresh]:
    draw = random.Random(seed)
    made = (offer, wanted)
    return [made[number % 2](draw, f"{seed}-{number}") for number in range(count)]


def sums(
    found: list[Fresh], group: Group, first: int, end: int
) -> tuple[dict[int, int], dict[int, int]]:
    """Return chip-hours offered and wanted by price, order by order and hour by hour."""
    sides: tuple[dict[int, int], dict[int, int]] = {}, {}
    for order in found:
        terms = order.terms
        if isinstance(terms, OfferTerms):
            hours = range(max(first, period_of(terms.start)), min(end, period_of(terms.end)))
            amount = sum(max(0, terms.chips - order.taken.get(hour, 0)) for hour in hours)
            is_in, price = pool_key(terms.zone, terms.chip) in group.pools, terms.ask
        else:
            items = resolve_alternatives(terms, MARKET)
            usable = [item for item in items if group.pools & set(item.pools)]
            most = [item.chips * item.duration or item.chip_hours for item in usable]
            best = max(
                zip(usable, most, strict=True), key=lambda one: (one[0].limit, one[1]), default=None
            )
            if best is None:
                continue
            item, most_hours = best
            milli = terms.alternatives[item.index].equivalence_milli
            window = min(end, period_of(terms.deadline)) - max(first, period_of(terms.earliest))
            chips = item.chips or max(item.chips_by_period)
            amount = min(chips * max(0, window), most_hours, -(-order.left * milli // 1_000))
            is_in, price = True, item.limit
        if is_in and amount > 0:
            side = sides[not isinstance(terms, OfferTerms)]
            side[price] = side.get(price, 0) + amount
    return sides


def told(columns: Columns, group: Group, first: int, end: int) -> tuple[dict[int, int], ...]:
    sides = Book(MARKET, columns).sides(group)
    return tuple(
        {step.price: step.chip_hours for step in side.steps(first, end, dearest_first=False)}
        for side in sides
    )


def assert_same(columns: Columns, found: list[Fresh]) -> None:
    groups = [*groups_of(MARKET), *(Group(frozenset({pool})) for pool in POOLS)]
    for group in groups:
        for window in ((FIRST, FIRST + 12), (FIRST + 2, FIRST + 5), (FIRST + 40, FIRST + 41)):
            assert told(columns, group, *window) == sums(found, group, *window), (group, window)


@pytest.mark.parametrize("seed", range(8))
def test_columns_tell_what_the_orders_tell_one_by_one_however_they_came(seed: int) -> None:
    known, later = orders(seed, 30), orders(seed + 100, 12)
    columns = updated(no_columns(), (), known, MARKET)
    assert_same(columns, known)
    # Some go, some come, and one comes in the place of what it was.
    gone = {order.order_id for order in known[::3]} | {known[1].order_id}
    again = Fresh(known[1].order_id, "t-new", later[0].terms, later[0].left, later[0].taken)
    stay = [order for order in known if order.order_id not in gone]
    columns = updated(columns, gone, [again, *later], MARKET)
    assert_same(columns, [*stay, again, *later])
    # All are listed anew: what is left and taken is as it is told, and who is not told of leaves.
    listed = [
        Fresh(one.order_id, one.terms_id, one.terms, max(0, one.left - 1), {FIRST + 1: 1})
        for one in [again, *later]
    ]
    columns = revised(
        columns,
        {order.order_id for order in stay},
        {one.order_id: one.left for one in listed},
        {one.order_id: one.taken for one in listed if isinstance(one.terms, OfferTerms)},
    )
    assert_same(columns, listed)
    # Of one alone there is news; what was told of the others stands.
    columns = revised(columns, (), {again.order_id: 3}, {})
    assert_same(columns, [Fresh(again.order_id, "t-new", again.terms, 3, {}), *listed[1:]])


def test_a_book_comes_back_from_its_bytes_and_from_no_others() -> None:
    found = orders(1, 20)
    for columns in (updated(no_columns(), (), found, MARKET), no_columns()):
        body = packed(Kept(columns, "feed", 17), MARKET)
        kept = unpacked(body, MARKET)
        assert kept is not None
        assert (kept.feed, kept.seq) == ("feed", 17)
        assert (kept.columns.ids, kept.columns.terms_ids) == (columns.ids, columns.terms_ids)
        assert_same(kept.columns, found if columns.ids else [])
        # What comes back can be brought up to date like any other.
        assert_same(updated(kept.columns, columns.ids, found[:3], MARKET), found[:3])
        assert unpacked(body, MARKET.model_copy(update={"name_en": "Other"})) is None
        for spoilt in (b"", body[:-9], b"x" + body, body[: len(body) // 2]):
            assert unpacked(spoilt, MARKET) is None
