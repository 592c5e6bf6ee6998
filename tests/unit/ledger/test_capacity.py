"""Chips that offers share over markets: reserved once, sold within it, given back."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.capacity import CapacityFreed, CapacityHeld, CapacityRefused
from schemas.events import FindingRaised
from schemas.types import Role
from tests.unit.ledger import world as w

SHARED: dict[str, Any] = {"capacity_chips": 10}


@pytest.fixture
def ledger(topics: w.Topics) -> w.MemoryLedger:
    made = w.MemoryLedger()
    made.feed(
        topics.put(
            w.registered("lab"),
            w.registered("cloud", Role.PROVIDER),
            w.deposited("lab", 100 * w.YUAN),
            w.offered("spot", "cloud", chips=6, **SHARED),
            w.demanded("d1", "lab", chips=10),
        )
    )
    return made


def freed(name: str, chips: int = 0, start: int = 0, after: int = 0) -> CapacityFreed:
    return CapacityFreed(
        order_id=w.offer_id(name),
        market_id=w.MARKET,
        participant_id="cloud",
        chips=chips,
        start=w.hour(start),
        end=w.hour(24),
        after_seq=after,
    )


def held(ledger: w.MemoryLedger, hour: int) -> int:
    """Return what is reserved of the one capacity in an hour."""
    found = ledger.view.capacities.items()
    return sum(there.held for (_, at), there in found if at == w.period(hour))


def test_what_one_market_reserved_another_is_refused_with_what_is_left(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    (told,) = ledger.events(CapacityHeld)
    # The running hour is sold by no round any more.
    assert (told.chips, told.start, told.end) == (6, w.hour(1), w.hour(24))
    ledger.feed(topics.put(w.offered("ahead", "cloud", chips=5, market="jjj-ahead", **SHARED)))
    (refused,) = ledger.events(CapacityRefused)
    assert refused.order_id == w.offer_id("ahead")
    assert refused.reason.code == "capacity.taken"
    assert "at most 4" in refused.reason.en
    assert "6 are offered or sold elsewhere" in refused.reason.en
    assert "至多 4" in refused.reason.zh
    ledger.feed(topics.put(w.offered("fits", "cloud", chips=4, market="jjj-ahead", **SHARED)))
    assert [one.order_id for one in ledger.events(CapacityHeld)][1:] == [w.offer_id("fits")]
    assert held(ledger, 1) == 10


@pytest.mark.parametrize(
    "other",
    [
        {"resource_code": "CN.11.0108.OTHER"},
        {"capacity_chips": None},
        {"chip": "t4"},
        {"capacity_chips": 12},
    ],
)
def test_another_resource_pool_or_a_larger_statement_has_room(
    other: dict[str, Any], topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.offered("other", "cloud", chips=6, **(SHARED | other))))
    assert ledger.events(CapacityRefused) == []


def test_another_providers_chips_are_not_the_same_whatever_it_calls_them(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.offered("mine", "sky", chips=10, **SHARED)))
    assert [one.participant_id for one in ledger.events(CapacityHeld)] == ["cloud", "sky"]


def test_a_withdrawn_offer_gives_back_what_it_did_not_sell(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    body = w.allocated(1, "d1", "lab", "spot", "cloud", [(1, 2, w.YUAN)])
    ledger.feed(topics.round(1, body, w.kept(1, "d1", "lab", 0)))
    ledger.feed(topics.put(freed("spot", after=1)))
    assert (held(ledger, 1), held(ledger, 2)) == (2, 0)
    ledger.feed(topics.put(w.offered("next", "cloud", chips=8, **SHARED)))
    assert ledger.events(CapacityRefused) == []
    assert (held(ledger, 1), held(ledger, 2)) == (10, 8)


def test_nothing_is_given_back_before_the_round_that_may_have_sold_it_is_booked(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(freed("spot", after=1)))
    assert held(ledger, 2) == 6
    assert len(ledger.waiting) == 1
    body = w.allocated(1, "d1", "lab", "spot", "cloud", [(2, 5, w.YUAN)])
    ledger.feed(topics.round(1, body, w.kept(1, "d1", "lab", 0)))
    assert (held(ledger, 1), held(ledger, 2)) == (0, 5)
    assert not ledger.waiting


def test_hours_that_a_gate_passed_by_and_chips_that_were_lowered_are_free_again(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(freed("spot", chips=4, start=5)))
    assert (held(ledger, 4), held(ledger, 5)) == (0, 4)
    # Told again, and told more than is left: what was given back is not taken again.
    ledger.feed(topics.put(freed("spot", chips=4, start=5), freed("spot", chips=6, start=0)))
    assert (held(ledger, 4), held(ledger, 5)) == (0, 4)


def test_a_round_that_sells_what_is_not_reserved_stops_its_market(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(freed("spot", chips=6, start=5)))
    body = w.allocated(1, "d1", "lab", "spot", "cloud", [(2, 1, w.YUAN)])
    ledger.feed(topics.round(1, body, w.kept(1, "d1", "lab", 0)))
    (found,) = ledger.events(FindingRaised)
    assert found.summary.code == "settle.oversold"
    assert list(ledger.view.halts) == [w.MARKET]


def test_only_the_owners_market_gives_back_what_an_offer_holds(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(freed("spot").model_copy(update={"participant_id": "sky"})))
    assert held(ledger, 2) == 6
    assert [letter["dlq_reason"] for letter in ledger.letters()] == ["settle.unknown_offer"]
