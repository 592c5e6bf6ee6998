"""Chips that offers share over markets: reserved once, sold within it, given back."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.capacity import (
    CapacityFreed,
    CapacityFreedSince,
    CapacityHeld,
    CapacityRefused,
    CapacityWanted,
)
from schemas.events import FindingRaised, OfferAmended
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


def amended(name: str, chips: int, end: int = 24) -> OfferAmended:
    body = w.offered(name, "cloud", chips, end, **SHARED)
    told = body.model_dump(include={"order_id", "market_id", "participant_id"})
    return OfferAmended(**told, expected_version=1, terms=body.terms)


def wanted(name: str, chips: int, asked: int = 1, after: int = 0, **more: int) -> CapacityWanted:
    terms = amended(name, chips).terms
    return CapacityWanted(
        order_id=w.offer_id(name),
        market_id=w.MARKET,
        participant_id="cloud",
        version=2,
        capacity=f"cloud/{terms.resource_code}/{terms.zone}/{terms.chip}",
        chips=chips,
        start=w.hour(more.get("start", 1)),
        end=w.hour(more.get("end", 24)),
        capacity_chips=more.get("stated", 10),
        asked=asked,
        after_seq=after,
    )


def test_what_an_offer_wants_more_is_reserved_beside_what_it_has(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(amended("spot", 9, end=30), wanted("spot", 9, end=30)))
    told = ledger.events(CapacityHeld)[-1]
    assert (told.version, told.chips, told.start, told.end) == (2, 9, w.hour(1), w.hour(30))
    assert [held(ledger, hour) for hour in (1, 23, 24, 29, 30)] == [9, 9, 9, 9, 0]
    # Of hours that only the new terms have, too, what is not needed is given back.
    ledger.feed(topics.put(since(4, start=2, asked=1)))
    assert [held(ledger, hour) for hour in (1, 2, 29)] == [0, 4, 0]


def test_a_raise_that_does_not_fit_into_every_hour_takes_nothing(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.offered("other", "cloud", 3, 3, **SHARED)))
    ledger.feed(topics.put(amended("spot", 8), wanted("spot", 8)))
    (refused,) = ledger.events(CapacityRefused)
    assert (refused.version, refused.reason.code) == (2, "capacity.taken")
    assert "at most 7" in refused.reason.en
    assert (held(ledger, 1), held(ledger, 5)) == (9, 6)
    # More chips were put into the hall.
    ledger.feed(topics.put(wanted("spot", 8, asked=2, stated=12)))
    assert (held(ledger, 1), held(ledger, 5)) == (11, 8)


def since(chips: int, start: int = 0, asked: int = 0) -> CapacityFreedSince:
    return CapacityFreedSince(**freed("spot", chips, start).model_dump(), asked=asked)


def test_a_copy_of_an_older_record_takes_nothing_back_of_what_was_asked_for_since(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    lower, more = since(4), wanted("spot", 8)
    ledger.feed(topics.put(lower, more))
    assert held(ledger, 5) == 8
    ledger.feed(topics.put(lower, freed("spot", 2)))
    ledger.feed(topics.put(w.offered("rest", "cloud", chips=2, **SHARED)))
    ledger.feed(topics.put(more, lower))
    assert held(ledger, 5) == 10
    assert [told.version for told in ledger.events(CapacityHeld)] == [1, 2, 1]


def test_what_is_wanted_waits_for_what_was_given_back_before_it(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    early = freed("spot", 4, after=1)
    ledger.feed(topics.put(early, wanted("spot", 8, after=1)))
    assert (held(ledger, 5), len(ledger.waiting)) == (6, 2)
    ledger.feed(topics.round(1))
    assert (held(ledger, 5), len(ledger.waiting)) == (8, 0)


def test_only_the_capacity_that_an_offer_shares_is_wanted_for_it(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    other = wanted("spot", 8).model_copy(update={"capacity": "sky/other/bj/t4"})
    ledger.feed(topics.put(other))
    assert [letter["dlq_reason"] for letter in ledger.letters()] == ["settle.unknown_offer"]
    assert held(ledger, 5) == 6
