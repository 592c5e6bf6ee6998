"""Premiums of a round: the policy fund is filled at once, and pays domestic supply out of it."""

from __future__ import annotations

import pytest

from schemas import events
from schemas.money import MoneyRefused
from schemas.shares import PremiumSettled
from schemas.types import Role
from services.ledger.state import (
    cny_account,
    collateral_account,
    debt_account,
    policy_account,
    premiums_account,
)
from tests.unit.ledger import world as w
from tests.unit.ledger.balances import check_sums, posted
from tests.unit.ledger.charges import premium_assigned

FUND, CLAIMS = policy_account(w.MARKET), premiums_account(w.MARKET)


@pytest.fixture
def ledger(topics: w.Topics) -> w.MemoryLedger:
    made = w.MemoryLedger()
    made.feed(
        topics.put(
            w.registered("lab"),
            w.registered("home", Role.PROVIDER),
            w.registered("away", Role.PROVIDER),
            w.deposited("lab", 1_000 * w.YUAN),
            w.deposited("away", 2 * w.YUAN),
            w.collateral("away", 2 * w.YUAN),
            w.offered("o1", "home", chips=10, hours=24),
            w.offered("o2", "away", chips=10, hours=24),
            w.demanded("d1", "lab", chips=20, hours=2, limit=20 * w.YUAN),
        )
    )
    return made


def book(
    ledger: w.MemoryLedger, topics: w.Topics, credit: int = 3 * w.YUAN, charge: int = 4 * w.YUAN
) -> tuple[events.AllocationMade, events.AllocationMade]:
    """Book 6 domestic chips in hour 0, 10 imported ones in hours 0 and 1, at two yuan each."""
    home = w.allocated(1, "d1", "lab", "o1", "home", [(0, 6, 2 * w.YUAN)])
    away = w.allocated(1, "d1", "lab", "o2", "away", [(0, 10, 2 * w.YUAN), (1, 10, 2 * w.YUAN)])
    premiums = premium_assigned(home, [credit]), premium_assigned(away, [-charge, 0])
    ledger.feed(topics.round(1, home, away, *premiums, w.kept(1, "d1", "lab", 0)))
    return home, away


def test_the_fund_has_what_a_round_charges_from_its_booking_on(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    home, away = book(ledger, topics)
    assert posted(ledger, FUND) == 4 * w.YUAN
    assert posted(ledger, CLAIMS) == -4 * w.YUAN
    # Domestic supply delivers first, and is credited before anything was charged.
    ledger.feed(topics.put(w.delivered(home, [(0, 6)], "home")))
    assert posted(ledger, cny_account("home")) == 15 * w.YUAN
    assert posted(ledger, FUND) == w.YUAN
    ledger.feed(topics.put(w.delivered(away, [(0, 10), (1, 10)], "away")))
    assert posted(ledger, cny_account("away")) == 36 * w.YUAN
    assert posted(ledger, CLAIMS) == 0
    told = ledger.events(PremiumSettled)
    assert [(one.credit, one.charge) for one in told] == [(3 * w.YUAN, 0), (0, 4 * w.YUAN)]
    check_sums(ledger)


def test_a_charge_is_due_of_what_was_not_delivered_and_a_credit_is_not_paid_for_it(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    home, away = book(ledger, topics)
    ledger.feed(topics.put(w.delivered(away, [(0, 5), (1, 10)], "away")))
    # Five of ten chips missed: half the charge out of collateral, which has just that.
    assert posted(ledger, cny_account("away")) == 28 * w.YUAN
    assert posted(ledger, collateral_account("away")) == 0
    ledger.feed(topics.put(w.delivered(home, [(0, 2)], "home")))
    assert posted(ledger, cny_account("home")) == 5 * w.YUAN
    assert posted(ledger, FUND) == 3 * w.YUAN
    assert posted(ledger, CLAIMS) == 0
    # The lab has all of its money back but for what was delivered.
    assert posted(ledger, cny_account("lab")) == (1_000 - 2 * 17) * w.YUAN
    check_sums(ledger)


def test_a_charge_beyond_collateral_is_a_debt(topics: w.Topics, ledger: w.MemoryLedger) -> None:
    _, away = book(ledger, topics, charge=8 * w.YUAN)
    ledger.feed(topics.put(w.delivered(away, [(0, 0), (1, 0)], "away")))
    assert posted(ledger, debt_account("away")) == -6 * w.YUAN
    assert posted(ledger, CLAIMS) == 0
    assert posted(ledger, FUND) == 8 * w.YUAN
    (told,) = ledger.events(PremiumSettled)
    assert (told.charge, told.charge_missed, told.owes) == (0, 8 * w.YUAN, 6 * w.YUAN)


def test_no_fee_is_taken_of_what_is_charged(topics: w.Topics, ledger: w.MemoryLedger) -> None:
    ledger.feed(topics.put(w.terms(provider_fee_ppm=100_000)))
    _, away = book(ledger, topics, charge=20 * w.YUAN)
    ledger.feed(topics.put(w.delivered(away, [(0, 10), (1, 0)], "away")))
    # All of the price of hour 0 is charged; a fee on it would have come out of nothing.
    assert posted(ledger, cny_account("away")) == 0
    assert posted(ledger, CLAIMS) == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"allocation_id": w.allocation_id("other")}, "settle.premium"),
        ({"provider_id": "home"}, "settle.premium"),
        ({"amount": 0}, "settle.premium"),
    ],
)
def test_a_round_with_a_wrong_premium_books_nothing(
    topics: w.Topics, ledger: w.MemoryLedger, change: dict[str, object], code: str
) -> None:
    away = w.allocated(1, "d1", "lab", "o2", "away", [(0, 10, 2 * w.YUAN)])
    premium = premium_assigned(away, [-w.YUAN]).model_copy(update=change)
    ledger.feed(topics.round(1, away, premium, w.kept(1, "d1", "lab", 0)))
    assert [found.summary.code for found in ledger.events(events.FindingRaised)] == [code]
    assert posted(ledger, FUND) == 0


def test_no_charge_is_above_the_price(topics: w.Topics, ledger: w.MemoryLedger) -> None:
    away = w.allocated(1, "d1", "lab", "o2", "away", [(0, 10, 2 * w.YUAN)])
    dear = premium_assigned(away, [-20 * w.YUAN - 1])
    ledger.feed(topics.round(1, away, dear, w.kept(1, "d1", "lab", 0)))
    (found,) = ledger.events(events.FindingRaised)
    assert found.summary.code == "settle.premium"


def test_credits_beyond_the_charges_are_refused(topics: w.Topics, ledger: w.MemoryLedger) -> None:
    book(ledger, topics, credit=4 * w.YUAN + 1)
    (found,) = ledger.events(events.FindingRaised)
    assert found.summary.code == "settle.premium_sum"


def test_what_the_fund_was_booked_is_not_taken_back(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    book(ledger, topics)
    entry = next(booked for booked in ledger.view.booked.items() if booked[1].credit == FUND)
    ledger.feed(topics.put(w.reversed_entry(str(entry[0]))))
    (refused,) = ledger.events(MoneyRefused)
    assert "of a premium" in refused.reason.en
    assert posted(ledger, FUND) == 4 * w.YUAN
