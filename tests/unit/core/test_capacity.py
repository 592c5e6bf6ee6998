"""Offers that share capacity: they wait for the ledger, only shrink, and give back what is left."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from schemas import events
from schemas.capacity import CapacityHeld, CapacityRefused
from schemas.types import OrderState, period_of, period_start
from services.core.book_builder import build_book, horizon_of
from services.core.capacity import has_freed, kept_of, passed_by
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
    ("changes", "code"),
    [
        ({"chips": 9}, "capacity_raised"),
        ({"end": "2026-11-24T18:00:00Z"}, "capacity_raised"),
        ({"start": "2026-11-24T08:00:00Z"}, "capacity_raised"),
        ({"capacity_chips": 17}, "capacity_same"),
        ({"capacity_chips": None}, "capacity_same"),
        ({"resource_code": "CN.11.0108.OTHER-T4"}, "capacity_same"),
        ({"zone": "he-1"}, "capacity_same"),
    ],
)
def test_what_is_reserved_only_shrinks_by_an_amendment(changes: dict[str, Any], code: str) -> None:
    records = w.Records(w.offer(**SHARED), HELD)
    decision = records.judge(w.amended_offer(1, **(SHARED | changes)))
    assert (decision.verdict, decision.why and decision.why.code) == (Verdict.REJECTED, code)
    assert the_offer(records).version == 1


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
