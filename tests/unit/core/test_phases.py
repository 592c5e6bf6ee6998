"""Before a round takes the book orders may only improve; what counts is when they were judged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from schemas import events
from schemas.market import Market, RoundRules
from schemas.types import OrderState, period_of
from services.core.indication import projected_book
from services.core.phases import (
    last_cut,
    last_instant,
    next_cut,
    periods_ahead,
    periods_given,
    schedule_of,
)
from services.core.verdicts import Verdict
from tests.unit.core.orders_world import (
    DEMAND_ID,
    MARKET,
    OFFER_ID,
    OTHER_OFFER_ID,
    Records,
    amended_demand,
    amended_offer,
    demand,
    offer,
    placed,
)

# Rounds at 08:00, 08:15, ...; the freeze before 08:15 begins at 08:10.
CUT = datetime(2026, 11, 24, 8, 15, tzinfo=UTC)
FREEZE = CUT - timedelta(minutes=5)
FREEZING = MARKET.model_copy(
    update={"rules": MARKET.rules.model_copy(update={"round_every_s": 900, "freeze_s": 300})}
)
CANCEL_OFFER = events.OfferCancelled(order_id=OFFER_ID, market_id="jjj", participant_id="p-1")
CANCEL_DEMAND = events.DemandCancelled(order_id=DEMAND_ID, market_id="jjj", participant_id="e-1")
BLOCK: dict[str, Any] = {"shape": {"type": "block", "chips": 4, "duration": 2}}
WORK: dict[str, Any] = {"shape": {"type": "work", "chip_hours": 12, "chips_max": 4}}
# What a fixed demand is given in addition, so that each row changes one field.
RICH: dict[str, Any] = {"budget": 8_000_000, "expires_at": "2026-11-24T12:00:00Z"}


def frozen(*before: events.Event) -> Records:
    """Return records that were judged in the open phase, at the freeze's first instant."""
    records = Records(*before, market=FREEZING, now=FREEZE - timedelta(seconds=1))
    records.now = FREEZE
    return records


def limit(price: int, **changes: object) -> dict[str, Any]:
    return {"alternatives": [{"chips_any_of": ["t4"], "limit": price} | changes]}


@pytest.mark.parametrize("cancel", [CANCEL_OFFER, CANCEL_DEMAND], ids=["offer", "demand"])
def test_a_cancellation_in_the_freeze_is_refused_and_says_when_it_can_be(
    cancel: events.OrderCancelled,
) -> None:
    records = frozen(offer(), demand(), placed())
    decision = records.judge(cancel)
    assert decision.verdict is Verdict.REJECTED
    assert decision.why is not None
    assert decision.why.code == "frozen_cancel"
    assert "2026-11-24T08:15:00Z" in decision.why.en
    assert "2026-11-24T08:15:00Z" in decision.why.zh
    assert decision.orders[0].state is OrderState.OPEN
    records.now = CUT
    assert records.verdict(cancel) is Verdict.CANCELLED


def test_what_a_round_still_takes_in_belongs_to_the_phase_before_its_cut() -> None:
    records = frozen(offer())
    records.now = last_instant(CUT)
    assert records.verdict(CANCEL_OFFER) is Verdict.REJECTED


def test_between_an_urgent_round_and_the_ordinary_one_the_book_stays_frozen() -> None:
    records = frozen(offer())
    records.now, records.is_mid_cycle = CUT, True
    assert records.verdict(CANCEL_OFFER) is Verdict.REJECTED
    records.is_mid_cycle = False
    assert records.verdict(CANCEL_OFFER) is Verdict.CANCELLED


def test_new_orders_are_taken_in_the_freeze() -> None:
    records = frozen(offer())
    assert records.verdict(offer(OTHER_OFFER_ID, owner="p-2")) is Verdict.OPEN
    assert records.verdict(demand()) is Verdict.ACCEPTED


@pytest.mark.parametrize(
    "terms",
    [
        {"ask": 900_000},
        {"chips": 9},
        {"start": "2026-11-24T08:00:00Z", "end": "2026-11-24T18:00:00Z"},
        {"mobilisable": True, "mobilisation_price": 3_000_000},
        {"expires_at": None},
    ],
)
def test_an_offer_may_improve_in_the_freeze(terms: dict[str, Any]) -> None:
    before: dict[str, Any] = {"expires_at": "2026-11-24T12:00:00Z"}
    records = frozen(offer(**before))
    assert records.verdict(amended_offer(1, **before | terms)) is Verdict.AMENDED


@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("ask", {"ask": 1_000_100}),
        ("chips", {"chips": 7}),
        ("start", {"start": "2026-11-24T10:00:00Z"}),
        ("end", {"end": "2026-11-24T16:00:00Z"}),
        ("zone", {"zone": "he-1"}),
        ("block", {"block": True}),
        ("mobilisable", {"mobilisable": False}),
        ("mobilisation_price", {"mobilisation_price": 2_000_100}),
        ("expires_at", {"expires_at": "2026-11-24T12:00:00Z"}),
    ],
)
def test_an_offer_may_not_get_worse_in_the_freeze(field: str, terms: dict[str, Any]) -> None:
    before: dict[str, Any] = {"mobilisable": True, "mobilisation_price": 2_000_000}
    records = frozen(offer(**before))
    decision = records.judge(amended_offer(1, **before | terms))
    assert decision.why is not None
    assert (decision.verdict, decision.why.code) == (Verdict.REJECTED, "frozen_worse")
    assert dict(decision.why.params)["field"] == field
    assert records.orders[OFFER_ID].version == 1
    records.now = CUT
    assert records.verdict(amended_offer(1, **before | terms)) is Verdict.AMENDED


@pytest.mark.parametrize(
    ("before", "terms"),
    [
        ({}, limit(2_000_100)),
        ({}, {"shape": {"type": "flow", "chips": 5}}),
        ({}, {"earliest": "2026-11-24T08:00:00Z", "deadline": "2026-11-24T14:00:00Z"}),
        ({}, {"budget": 32_000_000}),
        (RICH, {"budget": 8_000_100, "expires_at": None}),
        # A higher limit that the budget still pays for as often.
        (RICH, limit(3_000_000) | {"budget": 12_000_000}),
        (BLOCK, {"shape": {"type": "block", "chips": 6, "chips_min": 3, "duration": 2}}),
        (WORK, {"shape": {"type": "work", "chip_hours": 13, "chips_max": 4}}),
        ({"exclusive_group": "g"}, {"exclusive_group": None}),
    ],
)
def test_a_demand_may_improve_in_the_freeze(before: dict[str, Any], terms: dict[str, Any]) -> None:
    records = frozen(demand(**before), placed())
    assert records.verdict(amended_demand(1, **before | terms)) is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("field", "before", "terms"),
    [
        ("alternatives.0.limit", {}, limit(1_999_900)),
        ("alternatives.0", {}, limit(2_000_000, zones=["bj-1"])),
        ("shape", {}, WORK),
        ("shape.chips", {}, {"shape": {"type": "flow", "chips": 3}}),
        ("earliest", {}, {"earliest": "2026-11-24T10:00:00Z"}),
        ("deadline", {}, {"deadline": "2026-11-24T12:00:00Z"}),
        ("budget", {}, {"budget": 8_000_000}),
        ("budget", RICH, {"budget": 6_000_000}),
        ("budget", RICH, limit(4_000_000)),
        ("expires_at", RICH, {"expires_at": "2026-11-24T11:00:00Z"}),
        ("priority", {}, {"priority": "interruptible"}),
        ("exclusive_group", {}, {"exclusive_group": "g"}),
        ("shape.chips_min", BLOCK, {"shape": {"type": "block", "chips": 5, "duration": 2}}),
        ("shape.duration", BLOCK, {"shape": {"type": "block", "chips": 4, "duration": 3}}),
        ("shape.chip_hours", WORK, {"shape": {"type": "work", "chip_hours": 11, "chips_max": 4}}),
        ("shape.chips_max", WORK, {"shape": {"type": "work", "chip_hours": 12, "chips_max": 3}}),
        (
            "traffic_gb_per_chip_hour",
            {"user_zone": "bj-1"} | limit(2_000_000, zones=["bj-1"]),
            {"traffic_gb_per_chip_hour": 1},
        ),
    ],
)
def test_a_demand_may_not_get_worse_in_the_freeze(
    field: str, before: dict[str, Any], terms: dict[str, Any]
) -> None:
    records = frozen(demand(**before), placed())
    decision = records.judge(amended_demand(1, **before | terms), event_id="amend")
    assert decision.why is not None
    assert (decision.verdict, decision.why.code) == (Verdict.REJECTED, "frozen_worse")
    assert dict(decision.why.params)["field"] == field


def test_a_market_without_a_freeze_is_written_as_before_and_never_frozen() -> None:
    assert "freeze_s" not in MARKET.model_dump_json()
    assert Market.model_validate_json(FREEZING.model_dump_json()) == FREEZING
    records = Records(offer(), now=last_instant(CUT))
    assert records.verdict(CANCEL_OFFER) is Verdict.CANCELLED


def test_every_round_has_an_open_phase() -> None:
    with pytest.raises(ValidationError, match="freeze_s: must be below round_every_s"):
        RoundRules(round_every_s=60, freeze_s=60)
    schedule = schedule_of(RoundRules(round_every_s=60, freeze_s=59), CUT)
    assert schedule.freezes_at - CUT == timedelta(seconds=1)


def test_a_cut_comes_after_the_instant_that_is_asked_for() -> None:
    rules = FREEZING.rules
    assert next_cut(rules, CUT) - CUT == timedelta(minutes=15)
    assert next_cut(rules, last_instant(CUT)) == CUT
    assert next_cut(rules, datetime.min.replace(tzinfo=UTC)) == datetime.fromtimestamp(900, UTC)


# A day-ahead market: its gate is at 04:00 UTC, noon in Beijing, and it gives the next day there.
DAY_AHEAD = RoundRules(
    round_every_s=86_400, round_at_s=4 * 3600, lead_periods=11, horizon_periods=24
)
GATE = datetime(2026, 11, 24, 4, tzinfo=UTC)
NEXT_DAY = period_of(datetime(2026, 11, 24, 16, tzinfo=UTC))


def test_a_gate_comes_once_a_day_at_its_instant() -> None:
    assert next_cut(DAY_AHEAD, last_instant(GATE)) == GATE == last_cut(DAY_AHEAD, GATE)
    assert next_cut(DAY_AHEAD, GATE) == GATE + timedelta(days=1)
    assert last_cut(DAY_AHEAD, last_instant(GATE)) == GATE - timedelta(days=1)
    with pytest.raises(ValidationError, match="round_at_s: must be below round_every_s"):
        RoundRules(round_every_s=3600, round_at_s=3600)


def test_a_day_ahead_round_gives_the_hours_of_the_next_day_however_late_it_is() -> None:
    whole = range(NEXT_DAY, NEXT_DAY + 24)
    assert periods_given(DAY_AHEAD, GATE) == whole
    assert periods_given(DAY_AHEAD, GATE + timedelta(hours=3)) == whole
    late = periods_given(DAY_AHEAD, GATE + timedelta(hours=14, minutes=5))
    assert late == range(NEXT_DAY + 3, NEXT_DAY + 24)
    assert periods_ahead(DAY_AHEAD, GATE) == range(period_of(GATE) + 1, NEXT_DAY + 48)
    spot = RoundRules(horizon_periods=24)
    assert periods_given(spot, GATE) == periods_ahead(spot, GATE)
    assert periods_given(spot, GATE) == range(period_of(GATE) + 1, period_of(GATE) + 25)


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2026-11-24T16:00:00Z", "2026-11-25T16:00:00Z", ""),
        ("2026-11-24T10:00:00Z", "2026-11-24T17:00:00Z", ""),
        ("2026-11-24T10:00:00Z", "2026-11-24T16:00:00Z", "validation.window_past"),
        ("2026-11-25T15:00:00Z", "2026-11-26T17:00:00Z", ""),
        ("2026-11-25T16:00:00Z", "2026-11-25T17:00:00Z", "validation.window_beyond_horizon"),
    ],
)
def test_an_order_has_to_reach_the_day_that_the_next_gate_gives(
    start: str, end: str, code: str
) -> None:
    market = MARKET.model_copy(update={"rules": DAY_AHEAD})
    records = Records(market=market, now=GATE - timedelta(minutes=30))
    decision = records.judge(offer(start=start, end=end))
    found = decision.why.code if decision.verdict is Verdict.REJECTED and decision.why else ""
    assert found == code
    # What came after the gate is for the day after.
    after = Records(market=market, now=GATE)
    assert after.verdict(offer(start="2026-11-24T20:00:00Z", end="2026-11-25T12:00:00Z")) is (
        Verdict.REJECTED
    )


def test_the_book_of_a_gate_holds_the_next_day_alone() -> None:
    market = MARKET.model_copy(update={"rules": DAY_AHEAD})
    records = Records(
        offer(start="2026-11-24T10:00:00Z", end="2026-11-25T02:00:00Z"),
        market=market,
        now=GATE - timedelta(minutes=30),
    )
    book = projected_book(market, list(records.orders.values()), (), 1, records.now, {})
    assert (book.first_period, book.periods) == (NEXT_DAY, 24)
    assert (book.offers[0].start, len(book.offers[0].chips)) == (NEXT_DAY, 10)
