"""Allocations sold on: what may be, and who has what once the first provider has delivered."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import events
from schemas.capacity import CapacityHeld, CapacityRefused
from schemas.events import FindingRaised
from schemas.money import AllocationSettled
from schemas.orders import FlowShape
from schemas.types import Priority, Role
from services.ledger.state import (
    BANK,
    cny_account,
    collateral_account,
    debt_account,
    escrow_account,
    penalties_account,
)
from tests.unit.ledger import world as w
from tests.unit.ledger.balances import posted

PEOPLE = ("lab", "mill", "farm")
FULL = {"cloud": 10, "lab": 100, "mill": 100, "farm": 100}
"""Yuan that they begin with; three of the cloud's are collateral."""


@pytest.fixture
def ledger(topics: w.Topics) -> w.MemoryLedger:
    """Return a ledger in which the lab bought ten chips for the hours 1 and 2, a yuan each."""
    made = w.MemoryLedger()
    made.feed(
        topics.put(
            w.registered("cloud", Role.PROVIDER),
            *(w.registered(one) for one in PEOPLE),
            *(w.deposited(one, yuan * w.YUAN) for one, yuan in FULL.items()),
            w.collateral("cloud", 3 * w.YUAN),
            w.terms(compensation_ppm=500_000),
            w.offered("o1", "cloud", chips=10),
            *(w.demanded(f"d-{one}", one, chips=10, hours=3, limit=2 * w.YUAN) for one in PEOPLE),
        )
    )
    made.feed(topics.round(1, FIRST, w.kept(1, "d-lab", "lab", 0)))
    return made


FIRST = w.allocated(1, "d-lab", "lab", "o1", "cloud", [(1, 10, w.YUAN), (2, 10, w.YUAN)])


def resale(
    name: str, owner: str, source: events.AllocationMade = FIRST, chips: int = 10, **more: object
) -> events.OfferSubmitted:
    asked: dict[str, Any] = {"start": 1, "hours": 3, "resale_of": source.allocation_id} | more
    return w.offered(name, owner, chips, **asked)


def sell(
    ledger: w.MemoryLedger,
    topics: w.Topics,
    seq: int,
    name: str,
    pair: tuple[str, str],
    periods: list[tuple[int, int, int]],
) -> events.AllocationMade:
    """Book a round in which one buys of the other's resale."""
    seller, buyer = pair
    body = w.allocated(seq, f"d-{buyer}", buyer, name, seller, periods)
    ledger.feed(topics.round(seq, body, w.kept(seq, f"d-{buyer}", buyer, 0)))
    assert not ledger.view.halts
    return body


def has(ledger: w.MemoryLedger, who: str) -> int:
    return posted(ledger, cny_account(who))


def test_what_was_bought_is_reserved_for_its_resale_and_once(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(resale("r1", "lab", chips=6), resale("r2", "lab", chips=5)))
    (held,) = ledger.events(CapacityHeld)
    assert (held.order_id, held.chips) == (w.offer_id("r1"), 6)
    (refused,) = ledger.events(CapacityRefused)
    assert (refused.reason.code, refused.reason.params["allowed"]) == (
        "capacity.taken",
        f"at most 4 in the hour from {w.hour(1).isoformat()[:19]}Z",
    )


@pytest.mark.parametrize(
    ("owner", "more", "field"),
    [
        ("mill", {}, "resale_of"),
        ("lab", {"resale_of": w.allocation_id("nobody's")}, None),
        ("lab", {"zone": "he-1"}, "zone, chip"),
        ("lab", {"hours": 4}, "start, end"),
    ],
)
def test_only_hours_to_come_of_ones_own_allocation_are_sold_on(
    owner: str,
    more: dict[str, Any],
    field: str | None,
    topics: w.Topics,
    ledger: w.MemoryLedger,
) -> None:
    ledger.feed(topics.put(resale("r1", owner, **more)))
    refused = ledger.events(CapacityRefused)
    assert [one.reason.params["field"] for one in refused] == ([field] if field else [])
    # What is not booked yet may be booked with the next round: it waits.
    assert len(ledger.waiting) == (field is None)


def test_a_resale_that_is_read_before_its_round_is_booked_waits_for_it(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    body = w.allocated(2, "d-mill", "mill", "o1", "cloud", [(4, 3, w.YUAN)])
    ledger.feed(topics.put(resale("r1", "mill", body, chips=3, start=4, hours=5)))
    assert ledger.events(CapacityHeld) == []
    ledger.feed(topics.round(2, body, w.kept(2, "d-mill", "mill", 0)))
    assert [one.order_id for one in ledger.events(CapacityHeld)] == [w.offer_id("r1")]
    assert not ledger.waiting


def test_what_interruptible_demand_was_given_is_not_sold_on(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    cheap = w.demanded("d-cheap", "mill", chips=2)
    yields = cheap.terms.model_copy(
        update={"priority": Priority.INTERRUPTIBLE, "shape": FlowShape(chips=2)}
    )
    ledger.feed(topics.put(cheap.model_copy(update={"terms": yields})))
    body = w.allocated(2, "d-cheap", "mill", "o1", "cloud", [(4, 2, w.YUAN)])
    ledger.feed(topics.round(2, body, w.kept(2, "d-cheap", "mill", 0)))
    ledger.feed(topics.put(resale("r1", "mill", body, chips=2, start=4, hours=5)))
    (refused,) = ledger.events(CapacityRefused)
    assert "firm demand" in refused.reason.en


def test_a_chain_is_paid_link_by_link_once_the_first_provider_delivered(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(resale("r1", "lab", chips=10)))
    second = sell(ledger, topics, 2, "r1", ("lab", "mill"), [(1, 8, 1_500_000)])
    ledger.feed(topics.put(resale("r2", "mill", second, chips=5, hours=2)))
    sell(ledger, topics, 3, "r2", ("mill", "farm"), [(1, 5, 1_200_000)])
    assert posted(ledger, escrow_account(w.MARKET)) == (20 + 12 + 6) * w.YUAN
    ledger.feed(topics.put(w.delivered(FIRST, [(1, 10), (2, 10)])))
    assert posted(ledger, escrow_account(w.MARKET)) == 0
    assert [has(ledger, one) // w.YUAN for one in ("cloud", *PEOPLE)] == [
        7 + 20,
        100 - 20 + 12,
        100 - 12 + 6,
        100 - 6,
    ]
    told = {one.provider_id: one for one in ledger.events(AllocationSettled)}
    assert sorted(told) == ["cloud", "lab", "mill"]
    assert all(one.refund == one.penalty == 0 for one in told.values())


def test_of_what_came_the_last_buyer_is_served_first_and_each_sale_costs_its_own_penalty(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(resale("r1", "lab", chips=8)))
    second = sell(ledger, topics, 2, "r1", ("lab", "mill"), [(1, 8, 2 * w.YUAN)])
    ledger.feed(topics.put(resale("r2", "mill", second, chips=5, hours=2)))
    sell(ledger, topics, 3, "r2", ("mill", "farm"), [(1, 5, w.YUAN)])
    # Six of ten came in hour 1: the farm has its five, the mill one of its eight, the lab none.
    ledger.feed(topics.put(w.delivered(FIRST, [(1, 6)])))
    rows = {
        one.provider_id: [(row.chips, row.delivered) for row in one.periods]
        for one in ledger.events(AllocationSettled)
    }
    assert rows == {"cloud": [(10, 6)], "lab": [(8, 6)], "mill": [(5, 5)]}
    # The cloud's penalty is a fifth of four yuan, half of it the lab's. The lab owes the mill's
    # penalty, a fifth of four yuan, which it has no collateral for: it is taken from its money.
    assert posted(ledger, collateral_account("cloud")) == 3 * w.YUAN - 800_000
    assert has(ledger, "cloud") == (7 + 6) * w.YUAN
    assert has(ledger, "lab") == (100 - 20 + 4 + 12) * w.YUAN + 400_000 - 800_000
    assert posted(ledger, debt_account("lab")) == 0
    assert has(ledger, "mill") == (100 - 16 + 4 + 5) * w.YUAN
    assert has(ledger, "farm") == (100 - 5) * w.YUAN
    assert posted(ledger, penalties_account(w.MARKET)) == 400_000 + 800_000
    assert posted(ledger, escrow_account(w.MARKET)) == 10 * w.YUAN, "hour 2 is not settled"


def test_hours_that_lapse_take_the_whole_chain_with_them_and_never_a_resale_by_itself(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(resale("r1", "lab", chips=4)))
    sell(ledger, topics, 2, "r1", ("lab", "mill"), [(1, 4, 2 * w.YUAN)])
    ledger.feed(topics.round(3, at=w.hour(100)))
    told = ledger.events(AllocationSettled)
    assert {one.provider_id: (one.lapsed, one.paid) for one in told} == {
        "cloud": (True, 0),
        "lab": (True, 0),
    }
    assert posted(ledger, escrow_account(w.MARKET)) == 0
    assert has(ledger, "mill") == 100 * w.YUAN


def test_no_chip_that_came_is_passed_on_to_two_buyers(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(resale("r1", "lab", chips=7)))
    sold = [
        sell(ledger, topics, 2, "r1", ("lab", "mill"), [(1, 4, w.YUAN)]),
        sell(ledger, topics, 3, "r1", ("lab", "farm"), [(1, 3, w.YUAN)]),
    ]
    ledger.feed(topics.put(w.delivered(FIRST, [(1, 5)])))
    came = {
        one.allocation_id: [(row.chips, row.delivered) for row in one.periods]
        for one in ledger.events(AllocationSettled)
        if one.provider_id == "lab"
    }
    # By their ids.
    first, second = sorted(sold, key=lambda one: one.allocation_id)
    chips = first.periods[0].chips
    assert came[first.allocation_id] == [(chips, chips)]
    assert came[second.allocation_id] == [(7 - chips, 5 - chips)]


def test_nobody_reports_a_resale(topics: w.Topics, ledger: w.MemoryLedger) -> None:
    ledger.feed(topics.put(resale("r1", "lab", chips=4)))
    body = sell(ledger, topics, 2, "r1", ("lab", "mill"), [(1, 4, 2 * w.YUAN)])
    ledger.feed(topics.put(w.delivered(body, [(1, 4)])))
    assert [letter["dlq_field"] for letter in ledger.letters()] == ["allocation_id"]
    assert ledger.events(AllocationSettled) == []


def test_what_a_late_round_sold_on_of_a_settled_hour_is_settled_with_the_round(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(resale("r1", "lab", chips=9)))
    sell(ledger, topics, 2, "r1", ("lab", "mill"), [(1, 4, 2 * w.YUAN)])
    ledger.feed(topics.put(w.delivered(FIRST, [(1, 6)])))
    # Sealed before the hour began, booked after its delivery was reported.
    sell(ledger, topics, 3, "r1", ("lab", "farm"), [(1, 5, w.YUAN), (2, 5, w.YUAN)])
    told = {one.enterprise_id: one for one in ledger.events(AllocationSettled)}
    assert [(row.chips, row.delivered) for row in told["mill"].periods] == [(4, 4)]
    assert [(row.chips, row.delivered) for row in told["farm"].periods] == [(5, 2)]
    assert has(ledger, "farm") == (100 - 10 + 3) * w.YUAN


def test_what_is_settled_is_not_offered_on(topics: w.Topics, ledger: w.MemoryLedger) -> None:
    ledger.feed(topics.put(w.delivered(FIRST, [(1, 10)])))
    ledger.feed(topics.put(resale("r1", "lab")))
    (refused,) = ledger.events(CapacityRefused)
    assert refused.reason.params["field"] == "start, end"


def test_a_round_that_sells_another_ones_hours_on_stops_its_market(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(resale("r1", "mill")))
    body = w.allocated(2, "d-farm", "farm", "r1", "mill", [(1, 1, w.YUAN)])
    ledger.feed(topics.round(2, body))
    assert [one.summary.code for one in ledger.events(FindingRaised)] == ["settle.oversold"]


def test_a_chain_has_at_most_eight_sales(topics: w.Topics, ledger: w.MemoryLedger) -> None:
    people = [f"e{number}" for number in range(9)]
    before, owner = FIRST, "lab"
    for number, buyer in enumerate(people, start=2):
        ledger.feed(
            topics.put(
                w.registered(buyer),
                w.deposited(buyer, 10 * w.YUAN),
                w.demanded(f"d-{buyer}", buyer, chips=1, hours=3, limit=2 * w.YUAN),
                resale(f"r{number}", owner, before, chips=1, hours=2),
            )
        )
        if number == 9:
            break
        before = sell(ledger, topics, number, f"r{number}", (owner, buyer), [(1, 1, w.YUAN)])
        owner = buyer
    assert len(ledger.events(CapacityHeld)) == 7
    (refused,) = ledger.events(CapacityRefused)
    assert "at most 7 times" in refused.reason.en
    ledger.feed(topics.put(w.delivered(FIRST, [(1, 10), (2, 10)])))
    assert len(ledger.events(AllocationSettled)) == 8
    assert posted(ledger, escrow_account(w.MARKET)) == 0
    assert posted(ledger, BANK) == -sum(FULL.values()) * w.YUAN - 80 * w.YUAN
