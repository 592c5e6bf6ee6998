"""Offers that share capacity: they wait for the ledger, also to be raised, and give back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from schemas import events
from schemas.capacity import CapacityHeld, CapacityRefused
from schemas.types import OrderState, period_of, period_start
from services.core.book_builder import Horizon, build_book, horizon_of, leaving
from services.core.capacity import (
    has_freed,
    has_wanted,
    id_wanted,
    kept_of,
    passed_by,
    wanted_of,
)
from services.core.order_fills import filled_offer
from services.core.orders import OfferOrder
from services.core.verdicts import Verdict
from tests.unit.core import orders_world as w

SHARED: dict[str, Any] = {"capacity_chips": 16}
ABOUT: dict[str, Any] = {
    "order_id": w.OFFER_ID,
    "market_id": "jjj",
    "participant_id": "p-1",
    "version": 1,
}
NINE = datetime.fromisoformat("2026-11-24T09:00:00Z")
HELD = CapacityHeld(**ABOUT, chips=8, start=NINE, end=NINE + timedelta(hours=8))
REFUSED = CapacityRefused(
    **ABOUT, reason=events.Reason(code="capacity.taken", en="taken", zh="已占用", params={"n": 1})
)
CANCEL = events.OfferCancelled(order_id=w.OFFER_ID, market_id="jjj", participant_id="p-1")


def the_offer(records: w.Records) -> OfferOrder:
    order = records.orders[w.OFFER_ID]
    assert isinstance(order, OfferOrder)
    return order


def test_an_offer_that_shares_capacity_is_in_no_book_before_the_ledger_has_reserved_it() -> None:
    records = w.Records()
    assert records.verdict(w.offer(**SHARED)) is Verdict.ACCEPTED
    assert (the_offer(records).state, the_offer(records).why.code) == (
        OrderState.ACCEPTED,
        "waiting_for_capacity",
    )
    book = build_book(w.MARKET, [the_offer(records)], {}, horizon_of(w.MARKET, 1, w.NOW))
    assert book.offers == ()
    assert records.verdict(HELD) is Verdict.OPEN
    assert (the_offer(records).state, the_offer(records).is_held) == (OrderState.OPEN, True)
    assert records.verdict(HELD) is Verdict.DUPLICATE


def test_a_refusal_of_the_ledger_ends_the_offer_with_the_ledgers_words() -> None:
    records = w.Records(w.offer(**SHARED))
    assert records.verdict(REFUSED) is Verdict.REJECTED
    reason = the_offer(records).why
    assert (reason.code, reason.en, reason.zh) == ("capacity.taken", "taken", "已占用")
    assert records.verdict(REFUSED) is Verdict.CLOSED


@pytest.mark.parametrize(
    ("answer", "state"), [(HELD, OrderState.OPEN), (REFUSED, OrderState.REJECTED)]
)
def test_an_answer_that_came_before_its_offer_decides_it_at_once(
    answer: CapacityHeld | CapacityRefused, state: OrderState
) -> None:
    records = w.Records()
    assert records.verdict(answer) is Verdict.KEPT
    decision = records.judge(w.offer(**SHARED))
    assert [order.state for order in decision.orders] == [OrderState.ACCEPTED, state]
    assert records.stash[w.OFFER_ID] == {}


def test_an_offer_sells_no_hour_before_the_first_that_is_reserved() -> None:
    late = HELD.model_copy(update={"start": NINE + timedelta(hours=2)})
    records = w.Records(w.offer(**SHARED), late)
    (row,) = build_book(w.MARKET, [the_offer(records)], {}, horizon_of(w.MARKET, 1, w.NOW)).offers
    assert (row.start, len(row.chips)) == (period_of(late.start), 6)
    whole = w.Records(w.offer(**SHARED, block=True), late)
    book = build_book(w.MARKET, [the_offer(whole)], {}, horizon_of(w.MARKET, 1, w.NOW))
    assert book.offers == (), "a block whose first hours are not reserved is not whole"


@pytest.mark.parametrize(
    "changes",
    [
        {"capacity_chips": None},
        {"resource_code": "CN.11.0108.OTHER-T4"},
        {"zone": "he-1"},
    ],
)
def test_an_amendment_names_the_same_capacity(changes: dict[str, Any]) -> None:
    records = w.Records(w.offer(**SHARED), HELD)
    decision = records.judge(w.amended_offer(1, **(SHARED | changes)))
    assert (decision.verdict, decision.why and decision.why.code) == (
        Verdict.REJECTED,
        "capacity_same",
    )
    assert the_offer(records).version == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"chips": 9},
        {"end": "2026-11-24T18:00:00Z", "chips": 2},
        {"start": "2026-11-24T08:00:00Z"},
        {"capacity_chips": 17},
    ],
)
def test_terms_that_want_more_count_once_it_is_reserved_and_the_old_ones_until_then(
    changes: dict[str, Any],
) -> None:
    records = w.Records(w.offer(**SHARED), HELD)
    before = the_offer(records)
    raised = w.amended_offer(1, **(SHARED | changes))
    assert records.verdict(raised) is Verdict.ACCEPTED
    waiting = the_offer(records)
    assert (waiting.version, waiting.terms, waiting.state) == (1, before.terms, OrderState.OPEN)
    assert waiting.why.code == "amend_waiting_for_capacity"
    assert has_wanted(before, waiting)
    assert not has_freed(before, waiting)
    assert records.verdict(raised) is Verdict.DUPLICATE
    wanted = wanted_of(waiting, 3, w.NOW)
    assert (wanted.version, wanted.chips, wanted.after_seq) == (2, raised.terms.chips, 3)
    assert records.verdict(answered(), cause="another request") is Verdict.DUPLICATE
    assert records.verdict(answered(), cause=id_wanted(waiting)) is Verdict.AMENDED
    after = the_offer(records)
    assert (after.version, after.terms, after.pending) == (2, raised.terms, None)
    assert has_freed(waiting, after) is (raised.terms.chips < before.terms.chips)


def answered(chips: int = 12) -> CapacityHeld:
    end = NINE + timedelta(hours=9)
    return CapacityHeld(**(ABOUT | {"version": 2}), chips=chips, start=NINE, end=end)


def test_a_refused_raise_leaves_the_offer_as_it_was_with_the_ledgers_words() -> None:
    records = w.Records(w.offer(**SHARED), HELD, w.amended_offer(1, **SHARED, chips=12))
    no = REFUSED.model_copy(update={"version": 2})
    assert records.verdict(no, cause=id_wanted(the_offer(records))) is Verdict.APPLIED
    after = the_offer(records)
    assert (after.version, after.terms.chips, after.state) == (1, 8, OrderState.OPEN)
    assert (after.pending, after.why.en) == (None, "taken")


def test_another_amendment_takes_the_place_of_one_that_waits_for_chips() -> None:
    records = w.Records(w.offer(**SHARED), HELD, w.amended_offer(1, **SHARED, chips=12))
    first = the_offer(records)
    records.judge(w.amended_offer(1, **SHARED, chips=10))
    second = the_offer(records)
    assert has_wanted(first, second)
    # Asked for ten now, whatever twelve were given.
    assert has_freed(first, second)
    assert kept_of(second)[0] == 10
    assert records.verdict(answered(), cause=id_wanted(first)) is Verdict.DUPLICATE
    assert records.verdict(w.amended_offer(1, **SHARED, ask=900_000)) is Verdict.AMENDED
    assert has_freed(second, the_offer(records))
    assert records.verdict(answered(10), cause=id_wanted(second)) is Verdict.DUPLICATE
    assert (the_offer(records).version, the_offer(records).terms.chips) == (2, 8)


def test_a_raise_that_waits_ends_with_its_offer_and_gives_back_what_it_got() -> None:
    records = w.Records(w.offer(**SHARED), HELD, w.amended_offer(1, **SHARED, chips=12))
    waiting = the_offer(records)
    records.judge(CANCEL)
    assert the_offer(records).pending is None
    assert has_freed(waiting, the_offer(records))
    assert records.verdict(answered(), cause=id_wanted(waiting)) is Verdict.CLOSED


def test_a_raise_that_what_rounds_sold_meanwhile_or_another_block_bars_does_not_count() -> None:
    end = {"end": "2026-11-24T18:00:00Z"}
    fewer = w.amended_offer(1, **SHARED, chips=2, **end)
    records = w.Records(w.offer(**SHARED), HELD, fewer)
    waiting = the_offer(records)
    records.orders[w.OFFER_ID] = replace(waiting, allocated=((period_of(NINE), 3),))
    records.judge(answered(), cause=id_wanted(waiting))
    assert (the_offer(records).version, the_offer(records).why.code) == (1, "below_allocated")
    records = w.Records(w.offer(**SHARED), HELD, w.amended_offer(1, **SHARED, block=True, **end))
    records.judge(w.offer(w.OTHER_OFFER_ID, block=True))
    records.judge(answered(), cause=id_wanted(the_offer(records)))
    assert (the_offer(records).version, the_offer(records).why.code) == (1, "one_block_offer")


def sold_out(waiting: OfferOrder) -> OfferOrder:
    """Return an offer of which a round took all that its terms in force had."""
    first, end = period_of(waiting.terms.start), period_of(waiting.terms.end)
    fills = [(period, waiting.terms.chips) for period in range(first, end)]
    return filled_offer(waiting, fills, 100)


def test_an_offer_that_sells_out_while_its_raise_waits_goes_on_with_what_is_raised() -> None:
    records = w.Records(w.offer(**SHARED), HELD, w.amended_offer(1, **SHARED, chips=12))
    waiting = the_offer(records)
    sold = sold_out(waiting)
    assert (sold.state, sold.why.code) == (OrderState.PART_FILLED, "sold_out_raise_waits")
    assert (sold.pending, kept_of(sold)[0]) == (waiting.pending, 12)
    assert not has_freed(waiting, sold)
    records.orders[w.OFFER_ID] = sold
    horizon = Horizon(4, period_of(NINE), 24)
    assert build_book(w.MARKET, [sold], {}, horizon).offers == ()
    assert records.verdict(answered(), cause=id_wanted(waiting)) is Verdict.AMENDED
    after = the_offer(records)
    assert (after.version, after.state) == (2, OrderState.PART_FILLED)
    (row,) = build_book(w.MARKET, [after], {}, horizon).offers
    assert set(row.chips) == {4}


def test_an_offer_that_sold_out_is_filled_once_its_raise_is_refused_or_its_time_is_over() -> None:
    records = w.Records(w.offer(**SHARED), HELD, w.amended_offer(1, **SHARED, chips=12))
    sold = records.orders[w.OFFER_ID] = sold_out(the_offer(records))
    no = REFUSED.model_copy(update={"version": 2})
    records.judge(no, cause=id_wanted(sold))
    after = the_offer(records)
    assert (after.state, after.pending, after.why.en) == (OrderState.FILLED, None, "taken")
    assert has_freed(sold, after)
    end = period_of(sold.terms.end)
    (left,) = leaving([sold], {}, {}, w.NOW, end)
    assert (left.state, left.why.code) == (OrderState.FILLED, "filled")
    assert has_freed(sold, left)


def test_a_block_that_sold_is_over_and_says_that_its_raise_does_not_count() -> None:
    block = SHARED | {"block": True}
    records = w.Records(w.offer(**block), HELD, w.amended_offer(1, **block, chips=12))
    sold = sold_out(the_offer(records))
    assert (sold.state, sold.pending) == (OrderState.FILLED, None)
    assert (sold.why.code, dict(sold.why.params)["version"]) == ("sold_whole_before_raise", 2)


def test_an_offer_is_not_changed_while_its_chips_are_being_reserved() -> None:
    records = w.Records(w.offer(**SHARED))
    decision = records.judge(w.amended_offer(1, **SHARED, chips=4))
    assert decision.why is not None
    assert decision.why.code == "capacity_waiting"
    records = w.Records(w.offer())
    decision = records.judge(w.amended_offer(1, **SHARED))
    assert decision.why is not None
    assert decision.why.code == "capacity_same"


def test_the_ledger_hears_of_an_offer_once_it_needs_less_than_is_reserved() -> None:
    records = w.Records(w.offer(**SHARED))
    before = the_offer(records)
    records.judge(HELD)
    opened = the_offer(records)
    assert not has_freed(before, opened)
    records.judge(w.amended_offer(1, **SHARED, ask=2_000_000))
    assert not has_freed(opened, the_offer(records)), "a price needs no chips"
    records.judge(w.amended_offer(2, **SHARED, ask=2_000_000, chips=4))
    lowered = the_offer(records)
    assert has_freed(opened, lowered)
    assert kept_of(lowered)[0] == 4
    records.judge(CANCEL)
    assert has_freed(lowered, the_offer(records))
    assert kept_of(the_offer(records))[0] == 0


def test_what_is_reserved_for_an_offer_that_was_withdrawn_meanwhile_is_given_back() -> None:
    records = w.Records(w.offer(**SHARED), CANCEL)
    before = the_offer(records)
    assert records.verdict(HELD) is Verdict.CLOSED
    assert has_freed(before, the_offer(records))


def test_an_offer_that_the_market_refuses_gives_back_what_was_reserved_for_it() -> None:
    records = w.Records()
    records.judge(w.offer(**SHARED, ask=150))
    before = the_offer(records)
    assert before.state is OrderState.REJECTED
    records.judge(HELD)
    assert has_freed(before, the_offer(records))


def test_hours_that_a_later_round_cannot_give_are_given_back_after_the_gate() -> None:
    rules: dict[str, Any] = {"round_every_s": 86_400, "round_at_s": 43_200, "lead_periods": 11}
    market = w.MARKET.model_copy(update={"rules": w.MARKET.rules.model_copy(update=rules)})
    gate = datetime.fromisoformat("2026-11-24T12:00:00Z")
    terms: dict[str, Any] = {"start": "2026-11-25T00:00:00Z", "end": "2026-11-26T12:00:00Z"}
    records = w.Records(w.offer(**SHARED, **terms), market=market, now=gate - timedelta(hours=2))
    start, end = (datetime.fromisoformat(terms[name]) for name in ("start", "end"))
    records.judge(HELD.model_copy(update={"start": start, "end": end}))
    (after,) = passed_by([the_offer(records)], market, gate)
    assert has_freed(the_offer(records), after)
    # The gate gave the 25th; the next one gives the 26th.
    assert kept_of(after) == (8, period_of(start) + 24, period_of(end))
    assert passed_by([after], market, gate + timedelta(minutes=5)) == []
    # Should a round come again before the next gate, it gives none of what was given back.
    horizon = horizon_of(market, 2, gate + timedelta(hours=1))
    assert horizon.first < after.held_from
    book = build_book(market, [after], {}, horizon)
    assert all(row.start >= after.held_from for row in book.offers)
    assert period_start(after.held_from) == start + timedelta(hours=24)
