"""What the ledger settles passes the client's rules, and whatever is changed of it is found."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from schemas import events
from schemas.money import AllocationSettled
from schemas.types import Role
from suanli.check_chains import hour_of
from suanli.check_settlement import PURPOSES, Booked, check_settlements
from tests.unit.ledger import world as w
from tests.unit.ledger.charges import premium_assigned

Json = dict[str, Any]
PEOPLE = ("lab", "mill", "farm", "shop")
FIRST = w.allocated(
    1, "d-lab", "lab", "o1", "cloud", [(1, 10, w.YUAN), (2, 10, w.YUAN), (3, 2, w.YUAN)]
)
HOME = w.allocated(1, "d-shop", "shop", "o2", "home", [(1, 3, w.YUAN)])
# Parts of them round down.
PREMIUMS = (premium_assigned(FIRST, [-9, -4, -9]), premium_assigned(HOME, [7]))


@dataclass
class Export:
    """What is listed of a ledger."""

    settlements: list[Json]
    allocations: list[Json]
    terms: list[Json]
    premiums: dict[str, dict[str, int]]
    entries: list[Json]

    def problems(self) -> list[str]:
        booked = Booked()
        for _ in booked.watch(enumerate(self.entries)):
            pass
        place = (booked, len(self.entries))
        outcome = check_settlements(
            self.settlements, self.allocations, self.terms, self.premiums, place
        )
        assert outcome.checked == len(self.settlements)
        return outcome.problems

    def of(self, provider: str, hour: int = 1) -> Json:
        """Return the settlement of an hour that somebody sold."""
        at = w.hour(hour).isoformat().replace("+00:00", "Z")
        (found,) = [
            it
            for it in self.settlements
            if it["provider_id"] == provider and any(hour_of(row) == at for row in it["periods"])
        ]
        return found


def sold_on(
    ledger: w.MemoryLedger,
    topics: w.Topics,
    seq: int,
    source: events.AllocationMade,
    periods: list[tuple[int, int, int]],
    buyer: str,
) -> events.AllocationMade:
    """Book a round in which the buyer of an allocation sells some of it on."""
    owner, name = source.enterprise_id, f"r{seq}"
    asked = {"start": 1, "hours": 3, "resale_of": source.allocation_id}
    hours = [at for at, _, _ in periods]
    asked |= {"start": min(hours), "hours": max(hours) + 1}
    chips = max(count for _, count, _ in periods)
    body = w.allocated(seq, f"d-{buyer}", buyer, name, owner, periods)
    ledger.feed(topics.put(w.offered(name, owner, chips, **asked)))  # type: ignore[arg-type]
    ledger.feed(topics.round(seq, body, w.kept(seq, f"d-{buyer}", buyer, 0)))
    assert not ledger.view.halts
    return body


@pytest.fixture(scope="module")
def whole() -> Export:
    """Return a day with a chain of three sales, a short delivery, a lapse and premiums."""
    topics, ledger = w.Topics(), w.MemoryLedger()
    ledger.feed(
        topics.put(
            w.registered("cloud", Role.PROVIDER),
            w.registered("home", Role.PROVIDER),
            *(w.registered(one) for one in PEOPLE),
            *(w.deposited(one, 100 * w.YUAN) for one in ("cloud", *PEOPLE)),
            # For the penalty of hour 1, what is charged of it, and one micro-yuan of hour 2.
            w.collateral("cloud", 800_004),
            w.terms(compensation_ppm=500_000, provider_fee_ppm=3_333, enterprise_fee_ppm=777),
            w.offered("o1", "cloud", chips=10),
            w.offered("o2", "home", chips=3),
            *(w.demanded(f"d-{one}", one, chips=10, hours=4, limit=2 * w.YUAN) for one in PEOPLE),
        )
    )
    ledger.feed(topics.round(1, FIRST, HOME, *PREMIUMS, w.kept(1, "d-lab", "lab", 0)))
    second = sold_on(ledger, topics, 2, FIRST, [(1, 8, 1_500_001), (2, 8, w.YUAN)], "mill")
    third = sold_on(ledger, topics, 3, second, [(1, 5, 1_200_007)], "farm")
    ledger.feed(topics.put(w.delivered(FIRST, [(1, 6)]), w.delivered(HOME, [(1, 2)])))
    ledger.feed(topics.put(w.delivered(FIRST, [(3, 2)], "later")))
    # Nobody reports hour 2.
    ledger.feed(topics.round(4, at=w.hour(100)))
    assert not ledger.events(events.FindingRaised)
    entries = [json.loads(one.value) for one in ledger.outbox if one.topic == "journal-entries"]
    allocations, reports = [], {FIRST: {1: 6, 3: 2}, HOME: {1: 2}}
    for body, source in ((FIRST, None), (HOME, None), (second, FIRST), (third, second)):
        told = reports.get(body, {})
        rows = [{"start": w.hour(at).isoformat(), "chips": chips} for at, chips in told.items()]
        item = body.model_dump(mode="json") | {"delivered": rows}
        allocations.append(item | {"resale_of": source.allocation_id if source else None})
    settlements = []
    for n, made in enumerate(ledger.events(AllocationSettled)):
        item = made.model_dump(mode="json") | {"settled_at": f"{n:03}", "end_leaf": len(entries)}
        settlements.append(item)
    premiums = {
        one.allocation_id: {hour_of(row.model_dump(mode="json")): row.amount for row in one.periods}
        for one in PREMIUMS
    }
    terms = [w.terms(compensation_ppm=500_000, provider_fee_ppm=3_333, enterprise_fee_ppm=777)]
    listed = [one.model_dump(mode="json") for one in terms]
    return Export(settlements, allocations, listed, premiums, entries)


@pytest.fixture
def export(whole: Export) -> Export:
    return copy.deepcopy(whole)


def test_what_the_ledger_settles_passes_with_every_purpose_in_it(whole: Export) -> None:
    assert whole.problems() == []
    purposes = {entry["purpose"] for entry in whole.entries}
    assert purposes >= PURPOSES - {"enterprise_fee_owed"}
    assert len(whole.settlements) == 7


AMOUNTS = [
    *("paid", "provider_fee", "enterprise_fee", "refund", "penalty", "compensation"),
    *("provider_owes", "enterprise_owes"),
]


@pytest.mark.parametrize("name", AMOUNTS)
def test_an_amount_of_a_settlement_that_is_one_off_is_found(export: Export, name: str) -> None:
    for provider in ("cloud", "lab", "mill", "home"):
        settled = export.of(provider)
        settled[name] += 1
        found = export.problems()
        assert found, (provider, name)
        assert all(settled["settlement_id"] in text or "entry" in text for text in found)
        settled[name] -= 1
    assert export.problems() == []


def test_each_entry_that_is_one_off_misses_or_goes_elsewhere_is_found(export: Export) -> None:
    for place, entry in enumerate(export.entries):
        if entry["purpose"] not in PURPOSES:
            continue
        entry["amount"] += 1
        (text, *_) = export.problems()
        assert f"entry {place}: " in text or "premiums of what was missed" in text, entry
        entry["amount"] -= 1
        kept = entry["postings"][1]["account"]
        entry["postings"][1]["account"] = entry["postings"][1]["account"] + "x"
        assert any(f"entry {place}: " in text for text in export.problems()), entry
        entry["postings"][1]["account"] = kept
        purpose, entry["purpose"] = entry["purpose"], "deposit"
        assert any("missing" in text or "missed" in text for text in export.problems()), purpose
        entry["purpose"] = purpose
        entry["entry_id"], known = "00000000-0000-8000-8000-000000000000", entry["entry_id"]
        assert any(f"entry {place}: {purpose} of " in text for text in export.problems())
        entry["entry_id"] = known
    assert export.problems() == []


Change = Callable[[Export], object]


def period(provider: str, **changes: int) -> Change:
    return lambda export: export.of(provider)["periods"][0].update(changes)


def twice(export: Export) -> None:
    again = export.of("mill") | {"settlement_id": "again", "settled_at": "999", "end_leaf": 0}
    export.settlements.append(again)


def without(provider: str) -> Change:
    return lambda export: export.settlements.remove(export.of(provider))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (period("cloud", chips=11), "chips must be 10, was 11"),
        (period("cloud", price=1), "price must be 1000000, was 1"),
        (period("cloud", delivered=7), "delivered must be 6, that was reported; was 7"),
        (period("cloud", delivered=11), "delivered 11 of 10 chips"),
        # The last buyer is served first, the reseller with what is left.
        (period("mill", delivered=4), "delivered must be 5 of what came of"),
        (period("lab", delivered=5), "delivered must be 6 of what came of"),
        (lambda it: it.of("cloud").update(lapsed=True), "must be 0, nobody reported it in time"),
        (lambda it: it.of("lab").update(enterprise_id="farm"), "enterprise_id must be mill"),
        (lambda it: it.of("home").update(settlement_id="other"), "is missing in the journal"),
        (lambda it: it.of("home").update(allocation_id="al_x"), "there is no such allocation"),
        (lambda it: it.of("home").update(terms_version=2), "terms of version 2 are not in force"),
        (lambda it: it.terms[0].update(in_force_from_round=2), "version 1 are not in force"),
        (lambda it: it.terms[0].update(penalty_ppm=1), "penalty must be "),
        (lambda it: it.premiums.clear(), "nothing is due"),
        (twice, "is settled twice"),
        (without("cloud"), "which it resells, is not"),
        (without("home"), "is of no settlement"),
        (lambda it: it.of("mill").update(settlement_id="resale:x"), "entry"),
    ],
)  # fmt: skip
def test_a_settlement_that_is_not_what_follows_is_found(
    export: Export, change: Change, problem: str
) -> None:
    change(export)
    found = export.problems()
    assert any(problem in text for text in found), found


def test_the_newest_settlements_may_not_be_in_the_journal_yet(export: Export) -> None:
    assert export.settlements[-1]["lapsed"]
    export.entries = [
        entry for entry in export.entries
        if entry["purpose"] not in PURPOSES or entry["cause"] != export.entries[-1]["cause"]
    ]  # fmt: skip
    for item in export.settlements:
        if item["lapsed"]:
            item["end_leaf"] = 0
    assert export.problems() == []


def test_without_terms_all_of_a_round_pay_a_fee_of_one_rate(export: Export) -> None:
    export.terms.clear()
    for item in export.settlements:
        item |= {"terms_version": None, "enterprise_fee": 0, "enterprise_owes": 0}
        item |= {"penalty": 0, "compensation": 0, "provider_owes": 0}
    assert all("provider_fee" not in text for text in export.problems())
    export.of("home")["provider_fee"] += 1
    assert any("as others of its round" in text for text in export.problems())
