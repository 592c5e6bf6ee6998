"""Every record gets one verdict, and does what that verdict says."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import events
from schemas.types import OrderState
from services.core.orders import DemandOrder
from services.core.verdicts import Verdict
from tests.unit.core.orders_world import (
    DEMAND_ID,
    OFFER_ID,
    OTHER_ID,
    OTHER_OFFER_ID,
    Records,
    amended_demand,
    amended_offer,
    demand,
    offer,
    placed,
    refused,
)

CANCEL_DEMAND = events.DemandCancelled(order_id=DEMAND_ID, market_id="jjj", participant_id="e-1")
CANCEL_OFFER = events.OfferCancelled(order_id=OFFER_ID, market_id="jjj", participant_id="p-1")
OPEN_DEMAND = (demand(), placed())
POLICY = events.PolicySet(
    policy_id="p",
    market_id="jjj",
    kind="domestic_share",
    version=1,
    in_force_from_round=1,
    parameters={},
    reason="",
)

TABLE: tuple[tuple[str, tuple[events.Event, ...], events.Event, Verdict, str], ...] = (
    ("an offer", (), offer(), Verdict.OPEN, "in_the_book"),
    ("the same offer again", (offer(),), offer(), Verdict.DUPLICATE, ""),
    ("another offer with its id", (offer(),), offer(chips=9), Verdict.CONFLICT, ""),
    ("an off-tick ask", (), offer(ask=1_000_050), Verdict.REJECTED, "validation.off_tick"),
    ("an unknown chip", (), offer(chip="tpu"), Verdict.REJECTED, "validation.unknown"),
    (
        "a past window",
        (),
        offer(end="2026-11-24T09:00:00Z", start="2026-11-24T07:00:00Z"),
        Verdict.REJECTED,
        "validation.window_past",
    ),
    ("a resale", (), offer(resale_of="al_" + "a" * 26), Verdict.ACCEPTED, "waiting_for_capacity"),
    ("an offer with a demand's id", (), offer(DEMAND_ID), Verdict.REJECTED, "validation.order_id"),
    (
        "a second block offer",
        (offer(block=True),),
        offer(OTHER_OFFER_ID, block=True),
        Verdict.REJECTED,
        "one_block_offer",
    ),
    ("a demand", (), demand(), Verdict.ACCEPTED, "waiting_for_hold"),
    (
        "a demand in parts with data to move",
        (),
        demand(data_zone="bj-1", data_gb=5),
        Verdict.REJECTED,
        "validation.data_of_blocks",
    ),
    (
        "a demand it cannot pay",
        (),
        demand(budget=5),
        Verdict.REJECTED,
        "validation.budget_too_small",
    ),
    (
        "a demand linked to itself",
        (),
        demand(linked_to=DEMAND_ID),
        Verdict.REJECTED,
        "linked_to_other",
    ),
    (
        "a demand linked to another's",
        (demand(OTHER_ID, "e-2"),),
        demand(linked_to=OTHER_ID),
        Verdict.REJECTED,
        "linked_to_other",
    ),
    ("its hold", (demand(),), placed(), Verdict.OPEN, "in_the_book"),
    ("its hold again", OPEN_DEMAND, placed(), Verdict.DUPLICATE, ""),
    ("its hold refused", (demand(),), refused(), Verdict.REJECTED, "hold_refused"),
    ("a hold before its demand", (), placed(), Verdict.KEPT, ""),
    (
        "a hold after its cancellation",
        (demand(), CANCEL_DEMAND),
        placed(),
        Verdict.CLOSED,
        "cancelled_by_participant",
    ),
    ("a cancellation", OPEN_DEMAND, CANCEL_DEMAND, Verdict.CANCELLED, "cancelled_by_participant"),
    (
        "it again",
        (*OPEN_DEMAND, CANCEL_DEMAND),
        CANCEL_DEMAND,
        Verdict.CLOSED,
        "cancelled_by_participant",
    ),
    ("a cancellation of nothing", (), CANCEL_OFFER, Verdict.UNKNOWN_ORDER, ""),
    ("another's cancellation", (offer(owner="p-2"),), CANCEL_OFFER, Verdict.NOT_OWNER, ""),
    ("a lower ask", (offer(),), amended_offer(1, ask=900_000), Verdict.AMENDED, "amended"),
    (
        "it again",
        (offer(), amended_offer(1, ask=900000)),
        amended_offer(1, ask=900000),
        Verdict.DUPLICATE,
        "",
    ),
    (
        "an old version",
        (offer(), amended_offer(1, ask=900000)),
        amended_offer(1, ask=800000),
        Verdict.STALE_VERSION,
        "stale_version",
    ),
    ("another's amendment", (offer(),), amended_offer(1, owner="p-2"), Verdict.NOT_OWNER, ""),
    ("an amendment of nothing", (), amended_offer(1), Verdict.UNKNOWN_ORDER, ""),
    (
        "an invalid amendment",
        (offer(),),
        amended_offer(1, ask=50),
        Verdict.REJECTED,
        "validation.off_tick",
    ),
    (
        "a demand's amendment",
        OPEN_DEMAND,
        amended_demand(1, budget=8000000),
        Verdict.ACCEPTED,
        "amend_waiting_for_hold",
    ),
    (
        "one of an old version",
        OPEN_DEMAND,
        amended_demand(2, budget=8000000),
        Verdict.STALE_VERSION,
        "stale_version",
    ),
    ("a policy", (), POLICY, Verdict.IGNORED, ""),
)


@pytest.mark.parametrize(
    ("before", "event", "verdict", "code"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_every_record_gets_its_one_verdict(
    before: tuple[events.Event, ...], event: events.Event, verdict: Verdict, code: str
) -> None:
    records = Records(*before)
    decision = records.judge(event)
    assert decision.verdict is verdict
    assert (decision.why.code if decision.why else "") == code


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ((offer(),), offer(chips=9)),
        ((offer(owner="p-2"),), CANCEL_OFFER),
        ((demand(),), events.OfferCancelled(**CANCEL_DEMAND.model_dump())),
    ],
    ids=["conflict", "another's cancellation", "cancelled as the other side"],
)
def test_a_record_without_the_right_to_it_changes_nothing(
    before: tuple[events.Event, ...], event: events.Event
) -> None:
    records = Records(*before)
    known = dict(records.orders)
    records.judge(event)
    assert records.orders == known


def test_a_hold_that_came_first_opens_the_demand_when_it_comes() -> None:
    records = Records(placed())
    decision = records.judge(demand())
    assert [order.state for order in decision.orders] == [OrderState.ACCEPTED, OrderState.OPEN]
    assert [order.sequence for order in decision.orders] == [1, 2]
    assert not records.stash[DEMAND_ID]


def test_an_amendment_counts_only_once_its_own_hold_is_placed() -> None:
    records = Records(*OPEN_DEMAND)
    records.judge(amended_demand(1, shape={"type": "flow", "chips": 6}), event_id="amend")
    waiting = records.orders[DEMAND_ID]
    assert (waiting.version, waiting.state) == (1, OrderState.OPEN)
    assert records.judge(placed(2, 48_000_000), cause="other").verdict is Verdict.KEPT
    decision = records.judge(placed(2, 48_000_000), cause="amend")
    assert decision.verdict is Verdict.AMENDED
    amended = records.orders[DEMAND_ID]
    assert isinstance(amended, DemandOrder)
    assert (amended.version, amended.hold, amended.hold_due) == (2, 48_000_000, 48_000_000)


def test_a_refused_amendment_keeps_the_old_terms_and_says_so() -> None:
    records = Records(*OPEN_DEMAND)
    records.judge(amended_demand(1, shape={"type": "flow", "chips": 6}), event_id="amend")
    records.judge(refused(2, 48_000_000), cause="amend")
    order = records.orders[DEMAND_ID]
    assert isinstance(order, DemandOrder)
    assert (order.version, order.state, order.pending) == (1, OrderState.OPEN, None)
    assert order.why.code == "amend_hold_refused"
    assert "48000000" in order.why.en


def test_an_answer_to_an_amendment_that_was_replaced_does_not_count() -> None:
    records = Records(*OPEN_DEMAND)
    records.judge(amended_demand(1, shape={"type": "flow", "chips": 5}), event_id="first")
    records.judge(amended_demand(1, shape={"type": "flow", "chips": 6}), event_id="second")
    assert records.judge(refused(2, 40_000_000), cause="first").verdict is Verdict.IGNORED
    decision = records.judge(placed(2, 48_000_000), cause="second")
    assert decision.verdict is Verdict.AMENDED


@pytest.mark.parametrize(
    ("terms", "is_lost"),
    [
        ({"ask": 900_000}, False),
        ({"chips": 7}, False),
        ({"ask": 1_100_000}, True),
        ({"chips": 9}, True),
        ({"end": "2026-11-24T18:00:00Z"}, True),
    ],
)
def test_a_rise_of_price_or_quantity_loses_the_rounds_waited(
    terms: dict[str, Any], is_lost: bool
) -> None:
    records = Records(offer())
    order = records.orders[OFFER_ID]
    records.orders[OFFER_ID] = type(order)(
        **{name: getattr(order, name) for name in order.__dataclass_fields__} | {"waiting_since": 3}
    )
    records.judge(amended_offer(1, **terms))
    assert records.orders[OFFER_ID].waiting_since == (None if is_lost else 3)


def test_a_demand_of_a_group_that_is_won_is_refused() -> None:
    records = Records()
    records.groups["e-1/night"] = OTHER_ID
    decision = records.judge(demand(exclusive_group="night"))
    assert decision.verdict is Verdict.REJECTED
    assert decision.why is not None
    assert (decision.why.code, dict(decision.why.params)["order_id"]) == (
        "exclusive_group",
        OTHER_ID,
    )


def test_the_same_group_name_of_another_participant_is_another_group() -> None:
    records = Records()
    records.groups["e-2/night"] = OTHER_ID
    assert records.verdict(demand(exclusive_group="night")) is Verdict.ACCEPTED
