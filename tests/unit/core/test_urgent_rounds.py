"""Which demand is urgent, what an urgent round's book holds, and which round comes next."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from schemas.mobilisation import MobilisationDeclared, MobilisationEnded, MobilisationTerms
from schemas.types import OrderState
from services.core.book import Book, Rules
from services.core.book_builder import Horizon, build_book
from services.core.clearing.clear import clear
from services.core.codec import book_from_dict, book_to_dict
from services.core.errors import ValidationError
from services.core.mobilisation import check_urgent
from services.core.orders import Order
from services.core.round_outcome import apply_result
from services.core.urgent_rounds import Stages
from tests.unit.core.orders_world import DEMAND_ID, MARKET, OTHER_ID, demand
from tests.unit.core.test_book_builder import FIRST, HORIZON, named, offered, opened

FLOOD, FIRE = "mob_" + "f" * 26, "mob_" + "g" * 26
FULL: dict[str, Any] = {
    "participants": ["e-1"],
    "price_cap": 3_000_000,
    "start": "2026-11-24T09:00:00Z",
    "end": "2026-11-24T11:00:00Z",
    "reason": "Flood",
}


def declared(name: str = FLOOD, **changes: object) -> MobilisationDeclared:
    return MobilisationDeclared(
        mobilisation_id=name,
        market_id="jjj",
        terms=MobilisationTerms.model_validate(FULL | changes),
        proposed_by="a",
        declared_by="b",
    )


def withdrawn(name: str = FLOOD) -> MobilisationEnded:
    return MobilisationEnded(mobilisation_id=name, market_id="jjj", ended_by="a", reason="Over")


def book_of(stages: Stages, *orders: Order, horizon: Horizon = HORIZON) -> Book:
    build = partial(build_book, MARKET, parents={}, horizon=horizon)
    return stages.book(build, orders, MARKET, horizon.first)


def test_an_urgent_book_has_the_scope_alone_with_the_reserve_at_its_agreed_price() -> None:
    stages = Stages()
    assert stages.take(declared(regions=["beijing"], price_cap=1_500_000))
    urgent = opened(priority="urgent")
    reserve = offered(mobilisable=True, mobilisation_price=1_400_000, ask=900_000)
    elsewhere = offered(zone="he-1")
    standard = named(opened(), OTHER_ID)
    book = book_of(stages, urgent, reserve, elsewhere, standard)
    assert book.mobilisation is not None
    assert (book.mobilisation.id, book.mobilisation.price_cap) == (FLOOD, 1_500_000)
    assert [pool.key for pool in book.pools] == ["bj-1/t4"]
    (offer,) = book.offers
    assert offer.ask == 1_400_000
    (row,) = book.demands
    (part,) = row.alternatives
    # Of the four hours that it wants, those of the window; of its price, the cap.
    assert (row.id, part.pools, part.limit) == (DEMAND_ID, ("bj-1/t4",), 1_500_000)
    assert (part.earliest, part.deadline, part.chip_hours) == (FIRST, FIRST + 2, 8)
    assert book_from_dict(book_to_dict(book)) == book
    # The ordinary round comes next: the reserve at its ask, and no urgent demand.
    after = book_of(stages, urgent, reserve, elsewhere, standard)
    assert after.mobilisation is None
    assert [item.id for item in after.demands] == [OTHER_ID]
    assert {item.ask for item in after.offers} == {900_000, 1_000_000}
    assert book_of(stages, urgent, reserve).mobilisation is not None


def test_mobilisations_come_by_rank_and_a_cycle_goes_on_after_the_one_served() -> None:
    stages = Stages()
    for one in (declared(FIRE, rank=2, participants=["e-2"]), declared(rank=1)):
        stages.take(one)
    urgent = opened(priority="urgent")
    other = named(urgent, OTHER_ID, participant_id="e-2")

    def next_served() -> str:
        book_of(stages, urgent, other, offered())
        return stages.served

    assert [next_served() for _ in range(4)] == [FLOOD, FIRE, "", FLOOD]
    # Withdrawn in the middle of a cycle: the ordinary round has waited long enough.
    stages.take(withdrawn())
    assert [next_served() for _ in range(2)] == ["", FIRE]
    # A declaration that comes late does not bring it back; of a copy nothing is changed.
    child = stages.fork()
    child.take(declared())
    assert FLOOD not in child.known
    child.take(withdrawn(FIRE))
    assert FIRE in stages.known


def test_a_mobilisation_without_demand_takes_no_round_and_ends_by_itself() -> None:
    stages = Stages()
    stages.take(declared())
    assert book_of(stages, offered(), opened()).mobilisation is None
    urgent = opened(priority="urgent")
    assert not stages.leaving([urgent], MARKET, FIRST)
    (left,) = stages.leaving([urgent], MARKET, FIRST + 2)
    assert (left.state, left.why.code) == (OrderState.CANCELLED, "not_urgent")
    assert book_of(stages, urgent, horizon=Horizon(9, FIRST + 2, 24)).mobilisation is None


def test_demand_linked_to_one_that_is_out_of_scope_is_out_too() -> None:
    stages = Stages()
    stages.take(declared(regions=["beijing"]))
    away = opened(
        priority="urgent",
        alternatives=[{"chips_any_of": ["t4"], "zones": ["he-1"], "limit": 1_000_000}],
    )
    child = named(opened(priority="urgent", linked_to=DEMAND_ID), OTHER_ID)
    build = partial(build_book, MARKET, parents={DEMAND_ID: away}, horizon=HORIZON)
    book = stages.book(build, [away, child, offered()], MARKET, FIRST)
    assert book.mobilisation is None


@pytest.mark.parametrize(
    ("active", "changes", "field", "allowed"),
    [
        ((), {}, "priority", "no mobilisation"),
        ((declared(participants=["e-9"]),), {}, "priority", "does not name"),
        ((declared(),), {"earliest": "2026-11-24T11:00:00Z"}, "deadline", "1 hours lie within"),
        (
            (declared(),),
            {"shape": {"type": "block", "chips": 1, "duration": 3}},
            "deadline",
            "3 hours lie within",
        ),
        ((declared(zones=["he-1"]), declared(FIRE, participants=["e-9"])),
         {"alternatives": [{"chips_any_of": ["t4"], "zones": ["bj-1"], "limit": 1}]},
         "alternatives", "of the pools he-1/t4"),
        ((declared(price_cap=1_999_900),), {}, "alternatives.0.limit", "at most the cap 1999900"),
    ],
)  # fmt: skip
def test_demand_that_no_mobilisation_covers_is_told_what_would_do(
    active: tuple[MobilisationDeclared, ...], changes: dict[str, Any], field: str, allowed: str
) -> None:
    terms = demand(priority="urgent", **changes).terms
    with pytest.raises(ValidationError) as caught:
        check_urgent(terms, "e-1", MARKET, active)
    assert caught.value.field == field
    assert allowed in caught.value.allowed
    assert caught.value.value in caught.value.message.zh
    check_urgent(demand(**changes).terms, "e-1", MARKET, active)


def test_an_emergency_takes_the_hours_after_the_notice_and_nothing_that_was_given() -> None:
    orders: dict[str, Order] = {
        order.id: order
        for order in (
            offered(chips=4, end="2026-11-24T12:00:00Z"),
            named(opened(priority="interruptible", deadline="2026-11-24T13:00:00Z"), OTHER_ID),
        )
    }
    stages = Stages()

    def played(horizon: Horizon) -> Counter[tuple[str, int]]:
        build = partial(build_book, MARKET, parents=orders, horizon=horizon)
        book = stages.book(build, list(orders.values()), MARKET, horizon.first)
        result = clear(book, Rules(ascent_steps=20))
        changed = apply_result(book, result, orders, MARKET, horizon.seq)
        orders.update({order.id: order for order in changed})
        return Counter(
            {
                (row.demand, period): chips
                for row in result.allocations
                for period, chips in enumerate(row.chips, row.start)
            }
        )

    assert played(HORIZON) == {(OTHER_ID, FIRST): 4}
    # The flood comes: all that is not given yet is there for it, without a recall.
    stages.take(declared(end="2026-11-24T12:00:00Z"))
    orders[DEMAND_ID] = opened(priority="urgent", deadline="2026-11-24T11:00:00Z")
    assert played(replace(HORIZON, seq=6)) == {(DEMAND_ID, FIRST + 1): 4}
    assert played(replace(HORIZON, seq=7)) == {}
    # Paused for an hour, it goes on when the flood is over.
    later = Horizon(seq=8, first=FIRST + 2, periods=24)
    assert played(later) == {(OTHER_ID, FIRST + 2): 4}
    kept = orders[OTHER_ID]
    assert dict(kept.allocated) == {FIRST: 4, FIRST + 2: 4}
    assert kept.state is OrderState.PART_FILLED
