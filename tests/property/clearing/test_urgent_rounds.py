"""Urgent demand gets what it would get if no other demand existed; nothing is given twice."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.types import OrderState, period_of
from services.core.book import Book, Result, Rules
from services.core.book_builder import build_book, entered
from services.core.clearing.clear import clear
from services.core.codec import canonical_json, round_to_dict
from services.core.orders import DemandOrder, OfferOrder, Order
from services.core.round_outcome import apply_result
from services.core.urgent_rounds import Stages
from suanli.checker import verify
from tests.property.clearing.books import oracle_welfare
from tests.unit.core.orders_world import MARKET
from tests.unit.core.test_book_builder import HORIZON, named, offered, opened
from tests.unit.core.test_urgent_rounds import declared

RULES = Rules(tick=100, ascent_steps=20)
DEV = settings().max_examples < 100


def drawn(seed: int) -> dict[str, Order]:
    """Return a few offers, some of them reserve, and demand, some of it urgent."""
    rng = random.Random(seed)
    found: list[Order] = []
    for n in range(rng.randint(1, 3)):
        reserve = rng.random() < 0.5
        supply = offered(
            chips=rng.randint(1, 3),
            ask=rng.randint(5, 20) * 100_000,
            end=f"2026-11-24T{rng.randint(10, 12)}:00:00Z",
            mobilisable=reserve,
            mobilisation_price=rng.randint(5, 20) * 100_000 if reserve else None,
        )
        found.append(replace(supply, id=f"off_{'abc'[n] * 26}"))
    for n in range(rng.randint(1, 4)):
        chips = rng.randint(1, 3)
        shape = rng.choice(
            (
                {"type": "flow", "chips": chips},
                {"type": "block", "chips": chips, "duration": 2},
                {"type": "work", "chip_hours": chips + 1, "chips_max": chips},
            )
        )
        need = opened(
            shape=shape,
            alternatives=[{"chips_any_of": ["t4"], "limit": rng.randint(5, 30) * 100_000}],
            deadline="2026-11-24T12:00:00Z",
            priority=rng.choice(("urgent", "standard")),
        )
        found.append(named(need, f"dem_{'abcd'[n] * 26}"))
    return {order.id: order for order in found}


def cleared(orders: dict[str, Order], stages: Stages) -> tuple[Book, Result]:
    """Clear the next round and let the orders change by it, as matching does."""
    live = [order for order in orders.values() if order.is_live]
    build = partial(build_book, MARKET, parents=orders, horizon=HORIZON)
    book = stages.book(build, live, MARKET, HORIZON.first)
    orders |= {order.id: entered(order, 5) for order in live}
    result = clear(book, RULES)
    parts = json.loads(canonical_json(round_to_dict(book, RULES, result)))
    report = verify(parts["book"], parts["rules"], parts["result"])
    assert report.ok, [str(problem) for problem in report.problems[:5]]
    assert result.welfare == oracle_welfare(book)
    orders |= {order.id: order for order in apply_result(book, result, orders, MARKET, 5)}
    return book, result


@settings(max_examples=10 if DEV else 40, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_urgent_demand_is_served_as_if_it_were_alone_and_no_chip_is_given_twice(seed: int) -> None:
    orders = drawn(seed)
    has_urgent = any(
        isinstance(order, DemandOrder) and order.terms.priority == "urgent"
        for order in orders.values()
    )
    stages = Stages()
    stages.take(declared(price_cap=2_000_000, end="2026-11-24T12:00:00Z"))
    alone = {
        key: order
        for key, order in orders.items()
        if isinstance(order, OfferOrder) or order.terms.priority == "urgent"
    }
    # Their book alone, whose best welfare brute force finds.
    found = [cleared(dict(alone), stages.fork())[1]] if has_urgent else []
    rounds = [cleared(orders, stages)]
    if stages.served:
        rounds.append(cleared(orders, stages))
        assert found[0].welfare == rounds[0][1].welfare
    assert rounds[-1][0].mobilisation is None
    given_: Counter[tuple[str, int]] = Counter()
    for book, result in rounds:
        for row in result.allocations:
            for period, chips in enumerate(row.chips, row.start):
                given_[row.offer, period] += chips
        if book.mobilisation is None:
            continue
        for outcome in result.demands:
            assert outcome.payment <= outcome.chip_hours * book.mobilisation.price_cap
    for (offer_id, period), chips in given_.items():
        order = orders[offer_id]
        assert isinstance(order, OfferOrder)
        assert chips <= order.terms.chips
        assert period_of(order.terms.start) <= period < period_of(order.terms.end)
        assert dict(order.allocated)[period] == chips
    assert all(order.state in OrderState for order in orders.values())
