"""Settling hours: delivered, partly delivered, not reported; and what may be taken back."""

from __future__ import annotations

import pytest

from schemas import events
from schemas.money import AllocationSettled, MoneyRefused
from schemas.types import Role
from services.ledger.state import (
    cny_account,
    collateral_account,
    debt_account,
    escrow_account,
    fees_account,
    penalties_account,
)
from tests.unit.ledger import world as w
from tests.unit.ledger.balances import posted


@pytest.fixture
def ledger(topics: w.Topics) -> w.MemoryLedger:
    """Return a ledger with a lab of 100 yuan and a cloud of 10 yuan, 3 of them collateral."""
    made = w.MemoryLedger()
    made.feed(
        topics.put(
            w.registered("lab"),
            w.registered("cloud", Role.PROVIDER),
            w.deposited("lab", 100 * w.YUAN),
            w.deposited("cloud", 10 * w.YUAN),
            w.collateral("cloud", 3 * w.YUAN),
            w.offered("o1", "cloud", chips=10),
        )
    )
    return made


def book(ledger: w.MemoryLedger, topics: w.Topics, **terms: int) -> events.AllocationMade:
    """Book a round of 10 chips for hours 0 and 1 at a yuan each, on these terms."""
    if terms:
        ledger.feed(topics.put(w.terms(**terms)))
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    body = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, w.YUAN), (1, 10, w.YUAN)])
    ledger.feed(topics.round(1, body, w.kept(1, "d1", "lab", 0)))
    assert posted(ledger, escrow_account(w.MARKET)) == 20 * w.YUAN
    return body


def test_what_was_not_delivered_is_refunded_and_costs_the_penalty_out_of_collateral(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    body = book(ledger, topics, provider_fee_ppm=10_000, compensation_ppm=500_000)
    ledger.feed(topics.put(w.delivered(body, [(0, 10), (1, 4)])))
    assert posted(ledger, escrow_account(w.MARKET)) == 0
    # 14 delivered less 1 %; 6 refunded; a fifth of 6 is 1.2, half of it compensation.
    assert posted(ledger, cny_account("cloud")) == 7 * w.YUAN + 13_860_000
    assert posted(ledger, cny_account("lab")) == 80 * w.YUAN + 6_600_000
    assert posted(ledger, collateral_account("cloud")) == 1_800_000
    assert posted(ledger, penalties_account(w.MARKET)) == 600_000
    assert posted(ledger, fees_account(w.MARKET)) == 140_000
    (told,) = ledger.events(AllocationSettled)
    assert (told.paid, told.refund, told.penalty) == (14 * w.YUAN, 6 * w.YUAN, 1_200_000)
    assert (told.compensation, told.provider_owes, told.lapsed) == (600_000, 0, False)


def test_an_hour_that_nobody_reports_in_time_is_refunded_by_the_markets_clock(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    body = book(ledger, topics, report_within_periods=4)
    ledger.feed(topics.put(w.delivered(body, [(0, 10)], "in time"), at=w.hour(4)))
    # Hour 1 is due at 6; it lapses once a round is past that hour, not within it.
    ledger.feed(topics.round(2, at=w.hour(6)))
    assert posted(ledger, escrow_account(w.MARKET)) == 10 * w.YUAN
    ledger.feed(topics.round(3, at=w.hour(7)))
    assert posted(ledger, escrow_account(w.MARKET)) == 0
    assert posted(ledger, cny_account("lab")) == 90 * w.YUAN
    assert [told.lapsed for told in ledger.events(AllocationSettled)] == [False, True]
    ledger.feed(topics.put(w.delivered(body, [(1, 10)], "too late")))
    assert posted(ledger, cny_account("lab")) == 90 * w.YUAN


def test_a_late_report_pays_nothing_even_if_nothing_has_lapsed_yet(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    body = book(ledger, topics, report_within_periods=4)
    ledger.feed(topics.put(w.delivered(body, [(0, 10), (1, 10)]), at=w.hour(5)))
    assert posted(ledger, escrow_account(w.MARKET)) == 10 * w.YUAN
    assert len(ledger.view.open) == 1


def test_a_penalty_beyond_the_collateral_is_a_debt_taken_from_the_next_money(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    body = book(ledger, topics, penalty_ppm=1_000_000)
    ledger.feed(topics.put(w.withdrawn("cloud", 7 * w.YUAN)))
    ledger.feed(topics.put(w.delivered(body, [(0, 0)], "1")))
    assert posted(ledger, collateral_account("cloud")) == 0
    assert posted(ledger, debt_account("cloud")) == -7 * w.YUAN
    ledger.feed(topics.put(w.withdrawn("cloud", 1, "2")))
    assert ledger.events(MoneyRefused)[-1].reason.code == "hold.owes"
    ledger.feed(topics.put(w.delivered(body, [(1, 10)], "2")))
    assert posted(ledger, debt_account("cloud")) == 0
    assert posted(ledger, cny_account("cloud")) == 3 * w.YUAN


def test_collateral_stays_as_long_as_open_hours_could_cost_it(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    body = book(ledger, topics, penalty_ppm=100_000)
    ledger.feed(topics.put(w.collateral("cloud", 1_000_001, "out", "too much")))
    assert ledger.events(MoneyRefused)[-1].reason.code == "hold.collateral_needed"
    ledger.feed(topics.put(w.collateral("cloud", w.YUAN, "out", "free")))
    assert posted(ledger, collateral_account("cloud")) == 2 * w.YUAN
    ledger.feed(topics.put(w.delivered(body, [(0, 10), (1, 10)])))
    ledger.feed(topics.put(w.collateral("cloud", 2 * w.YUAN, "out", "the rest")))
    assert posted(ledger, collateral_account("cloud")) == 0


def test_terms_are_in_force_from_their_round_and_never_backwards(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    first = book(ledger, topics)
    ledger.feed(topics.put(w.terms(1, provider_fee_ppm=100_000)))
    ledger.feed(topics.put(w.delivered(first, [(0, 10), (1, 10)])))
    assert posted(ledger, fees_account(w.MARKET)) == 0
    assert ledger.view.terms[w.MARKET][0].from_seq == 2
    ledger.feed(topics.put(w.terms(1, provider_fee_ppm=5)))
    assert ledger.letters()[-1]["dlq_reason"] == "settle.terms_version"


def test_a_refused_payout_stays_refused_when_its_copy_comes_later(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    order = w.withdrawn("lab", 150 * w.YUAN)
    ledger.feed(topics.put(order))
    ledger.feed(topics.put(w.deposited("lab", 100 * w.YUAN, "more")))
    ledger.feed(topics.put(order))
    assert posted(ledger, cny_account("lab")) == 200 * w.YUAN
    assert len(ledger.events(MoneyRefused)) == 1
    ledger.feed(topics.put(order.model_copy(update={"amount": 1})))
    assert ledger.letters()[-1]["dlq_reason"] == "settle.other_body"


def test_a_reversal_mirrors_its_entry_once_and_names_it(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    entry = ledger.events(events.JournalEntryRecorded)[0]
    ledger.feed(topics.put(w.reversed_entry(entry.entry_id)))
    back = ledger.events(events.JournalEntryRecorded)[-1]
    assert (back.kind, back.pending_id) == ("reversal", entry.entry_id)
    assert back.amount == entry.amount
    assert posted(ledger, cny_account("lab")) == 0
    ledger.feed(topics.put(w.reversed_entry(entry.entry_id, "again")))
    assert ledger.events(MoneyRefused)[-1].reason.code == "hold.not_reversible"


@pytest.mark.parametrize("purpose", ["hold_placed", "hold_captured", "delivery_paid", "nothing"])
def test_holds_and_what_left_escrow_are_not_taken_back(
    topics: w.Topics, ledger: w.MemoryLedger, purpose: str
) -> None:
    body = book(ledger, topics)
    ledger.feed(topics.put(w.delivered(body, [(0, 10)])))
    ids = {e.purpose: e.entry_id for e in ledger.events(events.JournalEntryRecorded)}
    before = dict(ledger.view.accounts)
    ledger.feed(topics.put(w.reversed_entry(ids.get(purpose, "no-uuid"))))
    assert ledger.view.accounts == before
    assert ledger.events(MoneyRefused)[-1].reason.code == "hold.not_reversible"
