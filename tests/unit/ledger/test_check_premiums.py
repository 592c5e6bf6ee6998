"""The client's check of premiums on journals that the ledger made, whole and falsified."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.types import Role
from suanli.check_booking import Bookings, check_premiums, compare_assessed, parties_of
from tests.unit.ledger import world as w
from tests.unit.ledger.charges import premium_assigned

Json = dict[str, Any]
CHARGE, CREDIT = 4 * w.YUAN, 3 * w.YUAN


def journal(home_chips: int, away_chips: int) -> tuple[list[Json], list[Json]]:
    """Return the entries and the allocations of a round with a premium, of what was delivered."""
    topics, ledger = w.Topics(), w.MemoryLedger()
    home = w.allocated(1, "d1", "lab", "o1", "home", [(0, 6, 2 * w.YUAN)])
    away = w.allocated(1, "d1", "lab", "o2", "away", [(0, 10, 2 * w.YUAN)])
    premiums = premium_assigned(home, [CREDIT]), premium_assigned(away, [-CHARGE])
    ledger.feed(
        topics.put(
            w.registered("lab"),
            w.registered("home", Role.PROVIDER),
            w.registered("away", Role.PROVIDER),
            w.deposited("lab", 1_000 * w.YUAN),
            w.deposited("away", w.YUAN),
            w.collateral("away", w.YUAN),
            w.offered("o1", "home", chips=10, hours=24),
            w.offered("o2", "away", chips=10, hours=24),
            w.demanded("d1", "lab", chips=20, limit=20 * w.YUAN),
        )
    )
    ledger.feed(topics.round(1, home, away, *premiums, w.kept(1, "d1", "lab", 0)))
    ledger.feed(topics.put(w.delivered(home, [(0, home_chips)], "home")))
    ledger.feed(topics.put(w.delivered(away, [(0, away_chips)], "away")))
    told = [
        json.loads(body.model_dump_json()) | {"premium": premium}
        for body, premium in ((home, CREDIT), (away, -CHARGE))
    ]
    return [json.loads(one.value) for one in ledger.outbox if one.topic == "journal-entries"], told


def problems(entries: list[Json], told: list[Json]) -> list[str]:
    """Return what is wrong with the premiums of a journal."""
    books = Bookings()
    for index, entry in enumerate(entries):
        books.add(index, entry)
    found = [fault.text for fault in books.faults]
    found += compare_assessed(CHARGE, books.assessed.get(f"{w.MARKET}:1", 0))
    for place, parties in parties_of(told).items():
        claim = books.claims[place]
        found += check_premiums(claim, parties, is_settled=claim.paid == claim.taken)
    return found


@pytest.mark.parametrize("delivered", [(6, 10), (2, 10), (0, 5), (6, 0)])
def test_premiums_are_in_order_whatever_was_delivered(delivered: tuple[int, int]) -> None:
    assert problems(*journal(*delivered)) == []


def with_purpose(entries: list[Json], purpose: str) -> Json:
    return next(entry for entry in entries if entry["purpose"] == purpose)


def by_one(purpose: str, more: int = 1) -> Callable[[list[Json]], object]:
    """Return what lets an entry move more than it should."""

    def change(entries: list[Json]) -> None:
        for posting in with_purpose(entries, purpose)["postings"]:
            posting["amount"] += more if posting["amount"] > 0 else -more

    return change


def without(purpose: str) -> Callable[[list[Json]], object]:
    return lambda entries: entries.remove(with_purpose(entries, purpose))


def twice(purpose: str) -> Callable[[list[Json]], object]:
    return lambda entries: entries.append(with_purpose(entries, purpose))


def of_another(purpose: str, name: str) -> Callable[[list[Json]], object]:
    """Return what lets an entry name another round or demand."""
    return lambda entries: with_purpose(entries, purpose).update({name: "jjj:9"})


def backwards(entries: list[Json]) -> None:
    for posting in with_purpose(entries, "premium_credit")["postings"]:
        posting["amount"] *= -1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (by_one("premium_assessed"), "file charges 4000000, the journal assessed 4000001"),
        (without("premium_assessed"), "file charges 4000000, the journal assessed 0"),
        (twice("premium_assessed"), "file charges 4000000, the journal assessed 8000000"),
        (of_another("premium_assessed", "round_id"), "the journal assessed 0"),
        (by_one("premium_credit"), "the policy fund paid 3000001 to home"),
        (twice("premium_credit"), "the policy fund paid 6000000 to home"),
        (of_another("premium_credit", "order_id"), "for which nothing is in escrow"),
        (backwards, "for which nothing is in escrow"),
        (by_one("premium_charge", -1), "premiums charged 3999999 to away, they cost 4000000"),
        (without("premium_charge"), "premiums charged 2000000 to away, they cost 4000000"),
        (without("premium_missed"), "to away, they cost 4000000"),
        (without("premium_owed"), "to away, they cost 4000000"),
    ],
)
def test_a_premium_booked_otherwise_is_found(
    change: Callable[[list[Json]], object], problem: str
) -> None:
    # Half of the imported chips are missed: collateral covers one yuan of two, the rest is a debt.
    entries, told = journal(6, 5)
    change(entries)
    assert any(problem in text for text in problems(entries, told)), problems(entries, told)


def test_a_credit_left_out_is_found_where_nothing_was_refunded() -> None:
    entries, told = journal(6, 10)
    without("premium_credit")(entries)
    assert problems(entries, told) == ["the policy fund paid 0 to home, premiums come to 3000000"]
    # Of an hour that costs nothing, no refund tells that it was missed.
    told[0]["periods"][0]["price"] = 0
    assert problems(entries, told) == []
