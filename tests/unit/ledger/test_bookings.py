from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from loadtests.journal_records import published
from schemas import events
from schemas.types import Role
from services.kit.kafka import Record
from services.ledger import app
from services.ledger.app import decode_all
from services.ledger.state import cny_account, escrow_account, fees_account
from tests.unit.ledger import world as w
from tests.unit.ledger.balances import check_sums, free, posted


@pytest.fixture
def ledger(topics: w.Topics) -> w.MemoryLedger:
    made = w.MemoryLedger()
    made.feed(
        topics.put(
            w.registered("lab"),
            w.registered("cloud", Role.PROVIDER),
            w.deposited("lab", 100 * w.YUAN),
            w.offered("o1", "cloud", chips=10, hours=24),
        )
    )
    return made


def test_a_deposit_moves_money_from_the_bank_to_the_participant_once(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    again = w.deposited("lab", 7 * w.YUAN)
    ledger.feed(topics.put(again, again))
    ledger.feed(topics.put(again))
    assert free(ledger, "lab") == 107 * w.YUAN
    assert posted(ledger, "bank") == -107 * w.YUAN
    check_sums(ledger)


def test_a_deposit_id_with_another_amount_is_a_finding_and_books_nothing(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.deposited("lab", 1, "same"), w.deposited("lab", 2, "same")))
    assert free(ledger, "lab") == 100 * w.YUAN + 1
    assert [f.summary.code for f in ledger.events(events.FindingRaised)] == ["settle.other_body"]
    assert ledger.letters()[0]["dlq_reason"] == "settle.other_body"


def test_a_deposit_for_nobody_goes_to_the_dead_letters(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.deposited("ghost", 5)))
    assert ledger.letters()[0]["dlq_field"] == "participant_id"
    assert cny_account("ghost") not in ledger.view.accounts


def test_a_demand_holds_what_it_can_cost_at_most(topics: w.Topics, ledger: w.MemoryLedger) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10, hours=3, limit=2 * w.YUAN)))
    (placed,) = ledger.events(events.HoldPlaced)
    assert (placed.version, placed.amount) == (1, 60 * w.YUAN)
    assert free(ledger, "lab") == 40 * w.YUAN
    check_sums(ledger)


def test_a_demand_that_costs_too_much_is_refused_with_what_is_needed_and_free(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=100, hours=2)))
    (refused,) = ledger.events(events.HoldRefused)
    assert (refused.needed, refused.free) == (200 * w.YUAN, 100 * w.YUAN)
    assert refused.reason.code == "hold.insufficient_funds"
    assert free(ledger, "lab") == 100 * w.YUAN


def test_a_demand_of_an_unknown_or_suspended_participant_is_refused(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    suspended = w.registered("lab").model_copy(update={"status": "suspended"})
    ledger.feed(topics.put(suspended, w.demanded("d1", "lab"), w.demanded("d2", "ghost")))
    codes = [found.reason.code for found in ledger.events(events.HoldRefused)]
    assert codes == ["hold.participant", "hold.participant"]


def test_a_demand_of_nothing_is_placed_without_a_transfer(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    outcome = ledger.feed(topics.put(w.demanded("d1", "lab", limit=0)))
    (placed,) = ledger.events(events.HoldPlaced)
    assert placed.amount == 0
    assert not outcome.batch.entries


def test_a_repeated_demand_holds_once_and_another_body_is_a_finding(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    first = w.demanded("d1", "lab")
    ledger.feed(topics.put(first, first))
    ledger.feed(topics.put(first, w.demanded("d1", "lab", chips=11)))
    assert free(ledger, "lab") == 80 * w.YUAN
    assert len(ledger.events(events.FindingRaised)) == 1


def test_an_amendment_raises_the_hold_and_never_lowers_it(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    ledger.feed(topics.put(w.demand_amended("d1", "lab", chips=20)))
    assert free(ledger, "lab") == 60 * w.YUAN
    ledger.feed(topics.put(w.demand_amended("d1", "lab", chips=5, expected_version=2)))
    assert free(ledger, "lab") == 60 * w.YUAN
    placed = ledger.events(events.HoldPlaced)
    assert [(p.version, p.amount // w.YUAN) for p in placed] == [(1, 20), (2, 40), (3, 40)]
    check_sums(ledger)


def test_a_refused_amendment_leaves_the_hold_of_the_old_version(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    ledger.feed(topics.put(w.demand_amended("d1", "lab", chips=51)))
    (refused,) = ledger.events(events.HoldRefused)
    assert (refused.version, refused.needed, refused.free) == (2, 102 * w.YUAN, 100 * w.YUAN)
    assert free(ledger, "lab") == 80 * w.YUAN
    assert ledger.view.demands[w.demand_id("d1")].version == 1


def test_an_amendment_of_another_participants_demand_is_a_finding(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.registered("rival"), w.demanded("d1", "lab")))
    ledger.feed(topics.put(w.demand_amended("d1", "rival", chips=1)))
    assert ledger.letters()[0]["dlq_reason"] == "settle.unknown_demand"
    assert free(ledger, "lab") == 80 * w.YUAN


def test_a_round_captures_into_escrow_keeps_what_it_says_and_refunds_the_rest(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    periods = [(0, 10, 700_000), (1, 4, 500_000)]
    ledger.feed(
        topics.round(
            1,
            w.allocated(1, "d1", "lab", "o1", "cloud", periods),
            w.kept(1, "d1", "lab", 6 * w.YUAN),
        )
    )
    (captured,) = ledger.events(events.HoldCaptured)
    assert (captured.captured, captured.kept) == (9 * w.YUAN, 6 * w.YUAN)
    assert captured.refunded == 5 * w.YUAN
    assert free(ledger, "lab") == 85 * w.YUAN
    assert posted(ledger, escrow_account(w.MARKET)) == 9 * w.YUAN
    check_sums(ledger)


def test_a_filled_demand_keeps_nothing_and_only_matching_says_that_it_is_over(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    allocation = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, w.YUAN)])
    ledger.feed(topics.round(1, allocation, w.kept(1, "d1", "lab", 0)))
    assert free(ledger, "lab") == 90 * w.YUAN
    # Matching will refuse this amendment, and the next round gives the money back.
    ledger.feed(topics.put(w.demand_amended("d1", "lab", chips=1)))
    assert free(ledger, "lab") == 88 * w.YUAN
    ledger.feed(topics.round(2, w.kept(2, "d1", "lab", 0)))
    assert free(ledger, "lab") == 90 * w.YUAN


def test_a_demand_whose_hold_was_refused_cannot_be_amended(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=1000)))
    ledger.feed(topics.put(w.demand_amended("d1", "lab", chips=1)))
    refused = ledger.events(events.HoldRefused)[-1]
    assert (refused.version, refused.reason.code) == (2, "hold.order_closed")
    assert free(ledger, "lab") == 100 * w.YUAN


def test_a_release_without_a_capture_gives_all_back(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    ledger.feed(topics.round(1, w.kept(1, "d1", "lab", 0)))
    (released,) = ledger.events(events.HoldReleased)
    assert (released.released, released.kept) == (20 * w.YUAN, 0)
    assert free(ledger, "lab") == 100 * w.YUAN


def test_a_part_of_a_round_waits_and_the_whole_is_booked_once(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    allocation = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, w.YUAN)])
    records = topics.round(1, allocation, w.kept(1, "d1", "lab", 0))
    assert not ledger.feed(records[:2]).batch.entries
    assert len(ledger.waiting) == 2
    outcome = ledger.feed(records[2:])
    assert len(outcome.batch.rounds) == 1
    assert len(outcome.batch.waited) == 2
    for repeat in (records, records[1:], records[:1]):
        again = ledger.feed(topics.again(repeat))
        assert not again.batch.entries
        assert not again.waiting
    assert not ledger.events(events.FindingRaised)


def test_a_round_waits_until_the_offers_it_had_read_are_read(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    late = topics.put(w.offered("o2", "cloud", chips=10))
    allocation = w.allocated(1, "d1", "lab", "o2", "cloud", [(0, 10, w.YUAN)])
    records = topics.round(1, allocation, w.kept(1, "d1", "lab", 0))
    assert not ledger.feed(records).batch.rounds
    assert ledger.feed(late).batch.rounds


def test_a_later_round_does_not_overtake_one_that_waits(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    first = topics.round(1, w.kept(1, "d1", "lab", 5))
    second = topics.round(2, w.kept(2, "d1", "lab", 0))
    assert not ledger.feed([*first[:1], *second]).batch.rounds
    booked = ledger.feed(first[1:]).batch.rounds
    assert [row.seq for row in booked] == [1, 2]


def test_an_oversold_round_books_nothing_and_stops_the_market_loudly(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab"), w.demanded("d2", "lab")))
    before = dict(ledger.view.accounts)
    outcome = ledger.feed(
        topics.round(
            1,
            w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 6, w.YUAN)]),
            w.allocated(1, "d2", "lab", "o1", "cloud", [(0, 5, w.YUAN)]),
        )
    )
    assert ledger.view.accounts == before
    (finding,) = ledger.events(events.FindingRaised)
    assert (finding.ok, finding.summary.code) == (False, "settle.oversold")
    assert outcome.halted == {w.MARKET}
    # Everything later of this market waits; other work goes on.
    later = ledger.feed(
        topics.round(2, w.kept(2, "d1", "lab", 0)) + topics.put(w.deposited("lab", 3))
    )
    assert not later.batch.rounds
    assert len(later.batch.waiting) == 2
    assert len(later.batch.entries) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"payment": 1}, "settle.payment"),
        ({"provider_id": "ghost"}, "settle.allocation"),
        ({"enterprise_id": "cloud"}, "settle.allocation"),
        ({"offer_version": 2}, "settle.oversold"),
        ({"pool": "bj-2/a910b"}, "settle.oversold"),
        ({"demand_id": w.demand_id("nobody")}, "settle.allocation"),
    ],
)
def test_an_allocation_that_is_not_what_it_must_be_stops_the_market(
    topics: w.Topics, ledger: w.MemoryLedger, change: dict[str, object], code: str
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab")))
    allocation = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 6, w.YUAN)])
    ledger.feed(topics.round(1, allocation.model_copy(update=change)))
    (finding,) = ledger.events(events.FindingRaised)
    assert finding.summary.code == code


def test_a_capture_of_more_than_is_held_stops_the_market(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=1, hours=1)))
    allocation = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 2, w.YUAN)])
    ledger.feed(topics.round(1, allocation))
    (finding,) = ledger.events(events.FindingRaised)
    assert finding.summary.code == "settle.hold_exceeded"


def test_a_round_whose_digest_does_not_fit_stops_the_market(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab")))
    good = topics.round(1, w.kept(1, "d1", "lab", 0))
    other = topics.round(1, w.kept(1, "d1", "lab", 1))
    ledger.feed([other[0], replace(good[1], offset=other[1].offset)])
    (finding,) = ledger.events(events.FindingRaised)
    assert finding.summary.code == "settle.round_digest"


def test_a_round_out_of_order_stops_the_market(topics: w.Topics, ledger: w.MemoryLedger) -> None:
    ledger.feed(topics.round(5) + topics.round(4))
    (finding,) = ledger.events(events.FindingRaised)
    assert finding.summary.code == "settle.round_order"


def test_a_booked_round_that_comes_again_with_other_records_is_a_finding(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab")))
    ledger.feed(topics.round(1, w.kept(1, "d1", "lab", 0)))
    outcome = ledger.feed(topics.round(1, w.kept(1, "d1", "lab", 1)))
    (finding,) = ledger.events(events.FindingRaised)
    assert finding.summary.code == "settle.other_body"
    assert not outcome.batch.entries


def test_an_amendment_the_round_had_not_read_keeps_its_money(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    read = topics.ends["demand", 0]
    ledger.feed(topics.put(w.demand_amended("d1", "lab", chips=20)))
    allocation = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, w.YUAN)])
    ledger.feed(topics.round(1, allocation, w.kept(1, "d1", "lab", 10 * w.YUAN), demand_end=read))
    placed = ledger.events(events.HoldPlaced)[-1]
    assert (placed.version, placed.amount, placed.booked_through_seq) == (2, 40 * w.YUAN, 1)
    assert free(ledger, "lab") == 50 * w.YUAN


def test_an_amendment_whose_money_the_round_took_is_refused_and_keeps_the_old_part(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    read = topics.ends["demand", 0]
    ledger.feed(topics.put(w.demand_amended("d1", "lab", chips=48)))
    allocation = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, w.YUAN)])
    ledger.feed(topics.round(1, allocation, w.kept(1, "d1", "lab", 10 * w.YUAN), demand_end=read))
    (refused,) = ledger.events(events.HoldRefused)
    assert (refused.version, refused.needed, refused.free) == (2, 96 * w.YUAN, 90 * w.YUAN)
    assert free(ledger, "lab") == 80 * w.YUAN


def test_a_delivery_pays_what_was_delivered_less_the_fee_and_each_period_once(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    allocation = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, 999_999), (1, 5, 400_000)])
    ledger.feed(topics.round(1, allocation, w.kept(1, "d1", "lab", 0), fee_ppm=30_000))
    ledger.feed(topics.put(w.delivered(allocation, [(0, 10)])))
    fee = 9_999_990 * 30_000 // 1_000_000
    assert free(ledger, "cloud") == 9_999_990 - fee
    assert posted(ledger, fees_account(w.MARKET)) == fee
    # More than allocated pays what was allocated; a period that was paid is not paid again.
    ledger.feed(topics.put(w.delivered(allocation, [(0, 10), (1, 50)], "2")))
    ledger.feed(topics.put(w.delivered(allocation, [(1, 5)], "3")))
    assert posted(ledger, escrow_account(w.MARKET)) == 0
    assert free(ledger, "cloud") + posted(ledger, fees_account(w.MARKET)) == 11_999_990
    check_sums(ledger)


def test_a_delivery_waits_for_its_round(topics: w.Topics, ledger: w.MemoryLedger) -> None:
    ledger.feed(topics.put(w.demanded("d1", "lab", chips=10)))
    allocation = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, w.YUAN)])
    ledger.feed(topics.put(w.delivered(allocation, [(0, 10)])))
    assert len(ledger.waiting) == 1
    ledger.feed(topics.round(1, allocation, w.kept(1, "d1", "lab", 0)))
    assert free(ledger, "cloud") == 10 * w.YUAN
    assert not ledger.waiting


def test_a_delivery_of_an_unknown_allocation_is_given_up_by_a_round_an_hour_after_it(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    unknown = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, w.YUAN)])
    ledger.feed(topics.put(w.delivered(unknown, [(0, 10)])))
    elsewhere = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, w.YUAN)], market="other")
    ledger.feed(topics.put(w.delivered(elsewhere, [(0, 10)])))
    ledger.feed(topics.round(1, at=w.NOW + timedelta(hours=1)))
    assert (len(ledger.waiting), ledger.letters()) == (2, [])
    ledger.feed(topics.round(2, at=w.NOW + timedelta(hours=1, seconds=1)))
    assert len(ledger.waiting) == 1
    (letter,) = ledger.letters()
    assert (letter["dlq_reason"], letter["dlq_offset"]) == ("settle.unknown_allocation", "0")


def test_too_many_deliveries_of_unknown_allocations_go_to_the_dead_letters_oldest_first(
    topics: w.Topics, ledger: w.MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "DELIVERIES_WAITING_MAX", 2)
    unknown = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, w.YUAN)])
    ledger.feed(topics.put(*(w.delivered(unknown, [(0, 10)], str(n)) for n in range(3))))
    assert len(ledger.waiting) == 2
    (letter,) = ledger.letters()
    assert (letter["dlq_reason"], letter["dlq_offset"]) == ("settle.unknown_allocation", "0")


def test_a_delivery_by_another_provider_or_of_another_period_pays_nothing(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(w.registered("thief", Role.PROVIDER), w.demanded("d1", "lab")))
    allocation = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, w.YUAN)])
    ledger.feed(topics.round(1, allocation, w.kept(1, "d1", "lab", 0)))
    stolen = w.delivered(allocation, [(0, 10)]).model_copy(update={"provider_id": "thief"})
    ledger.feed(topics.put(stolen, w.delivered(allocation, [(7, 1)], "2")))
    assert [letter["dlq_field"] for letter in ledger.letters()] == ["provider_id", "periods"]
    assert posted(ledger, escrow_account(w.MARKET)) == 10 * w.YUAN


@pytest.mark.parametrize(
    ("topic", "value", "code"),
    [
        ("deliveries", b"\xff\x00random", "not_json"),
        ("deliveries", b"", "not_json"),
        ("allocations", b"[" * 5000, "not_json"),
        ("allocations", b"{" + b" " * (64 * 1024) + b"}", "too_large"),
        ("deliveries", b'{"order_id": NaN}', "invalid_body"),
    ],
)
def test_bytes_that_are_no_event_go_to_the_dead_letters_as_they_are(
    ledger: w.MemoryLedger, topics: w.Topics, topic: str, value: bytes, code: str
) -> None:
    good = topics.put(w.demanded("d1", "lab"))[0]
    bad = topics.raw(topic, value, good.headers)
    _, letters = decode_all([bad])
    headers = dict(letters[0].headers)
    assert headers["dlq_reason"].decode() in (code, "not_json")
    assert (headers["dlq_offset"], headers["dlq_consumer"]) == (b"0", b"ledger")
    assert letters[0].value == value


def test_records_without_attributes_of_unknown_type_or_on_the_wrong_topic_are_dead_letters(
    topics: w.Topics,
) -> None:
    good = topics.put(w.deposited("lab", 1))[0]
    attributes = dict(good.headers)
    records = [
        replace(good, headers=()),
        replace(good, headers=tuple((attributes | {"ce_type": b"suanli.coin.v1"}).items())),
        replace(
            good, headers=tuple((attributes | {"ce_time": b"0001-01-01T00:00:00+23:59"}).items())
        ),
        replace(good, headers=tuple((attributes | {"ce_time": b"1999-01-01T00:00:00Z"}).items())),
        replace(good, topic="deliveries"),
        replace(good, value=(good.value or b"").replace(b'"lab"', b'"l\\u0000b"')),
    ]
    inputs, letters = decode_all(records)
    assert not inputs
    assert len(letters) == len(records)


@pytest.mark.parametrize("topic", ["offers", "demand", "policies"])
def test_what_matching_buries_gets_no_second_letter(topics: w.Topics, topic: str) -> None:
    inputs, letters = decode_all([topics.raw(topic, b"no event")])
    assert not inputs
    assert not letters


def test_an_event_id_of_any_text_does_not_stop_the_journal(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    for number, raw in enumerate((b" ", b"x" * 512, "编号 七".encode(), b"\x01")):
        record: Record = topics.put(w.deposited("lab", 1 + number))[0]
        headers = tuple((dict(record.headers) | {"ce_id": raw}).items())
        assert ledger.feed([replace(record, headers=headers)]).batch.entries


def test_absurd_numbers_are_refused_and_stop_nothing(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    huge = w.demanded("d1", "lab", chips=100_000, hours=168, limit=10_000_000_000)
    alternatives = tuple(
        a.model_copy(update={"equivalence_milli": 1_000_000}) for a in huge.terms.alternatives
    )
    terms = huge.terms.model_copy(update={"alternatives": alternatives})
    ledger.feed(topics.put(huge.model_copy(update={"terms": terms})))
    assert len(ledger.events(events.HoldRefused)) == 1
    ledger.feed(topics.put(w.deposited("lab", 10**17)))
    assert ledger.letters()[-1]["dlq_reason"] == "settle.too_large"
    ledger.feed(topics.put(w.deposited("lab", 0)))
    assert ledger.letters()[-1]["dlq_reason"] == "settle.amount"


def test_every_leaf_is_the_value_on_the_journal_topic(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    outcome = ledger.feed(topics.put(w.demanded("d1", "lab")))
    journal = published(outcome.batch)
    assert [record.value for record in journal] == [leaf.opening for leaf in outcome.batch.leaves]
    entry = w.event_of(journal[0])
    assert isinstance(entry, events.JournalEntryRecorded)
    assert entry.leaf_index == outcome.batch.leaves[0].place
