"""A halt or a pause takes the freeze away with the round that it would be before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.policies import MarketPaused, MarketPolicySet
from schemas.policy_examples import POLICIES
from services.core.market_log import Status
from services.core.orders import Order, noted
from services.core.reasons import why
from services.core.stops import Stops, resuming
from services.core.verdicts import Verdict
from tests.unit.core.orders_world import (
    MARKET,
    OFFER_ID,
    amended_demand,
    amended_offer,
    demand,
    offer,
    placed,
)
from tests.unit.core.test_phases import (
    CANCEL_DEMAND,
    CANCEL_OFFER,
    CUT,
    FREEZE,
    FREEZING,
    frozen,
    limit,
)

HALT = {"kind": "trading_halt"}
BREAKER = {"kind": "circuit_breaker", "move_bp": 100, "pause_s": 60}
MINUTE = timedelta(minutes=1)


def policy(rule: dict[str, Any] | None, first: int = 1, version: int = 1) -> MarketPolicySet:
    return MarketPolicySet.model_validate(
        {"market_id": MARKET.id, "policy_id": "p", "version": version, "reason": "Calm"}
        | {"in_force_from_round": first, "rule": rule, "set_by": "regulator"}
    )


def pause(minutes: int) -> MarketPaused:
    """Return a pause of the policy's first version, so many minutes from the cut on."""
    named = {"market_id": MARKET.id, "round_id": "jjj:2", "seq": 2, "policy_id": "p", "version": 1}
    times = {"since": CUT, "until": CUT + minutes * MINUTE}
    return MarketPaused.model_validate(POLICIES[MarketPaused] | named | times)


def test_while_a_halt_is_in_force_no_freeze_holds() -> None:
    records = frozen(offer(), demand(), placed())
    records.stops = Stops(3, (policy(HALT, first=4),))
    assert records.verdict(CANCEL_OFFER) is Verdict.REJECTED
    records.stops = Stops(3, (policy(HALT), policy(None, version=2)))
    assert records.verdict(CANCEL_OFFER) is Verdict.REJECTED
    records.stops = Stops(3, (policy(HALT),))
    assert records.verdict(amended_demand(1, **limit(1_000_000))) is Verdict.ACCEPTED
    assert records.verdict(amended_offer(1, chips=1)) is Verdict.AMENDED
    assert records.verdict(CANCEL_DEMAND) is Verdict.CANCELLED


def test_a_halt_between_an_urgent_round_and_the_ordinary_one_lifts_the_freeze_between_them() -> (
    None
):
    records = frozen(offer())
    records.now, records.is_mid_cycle = CUT, True
    records.stops = Stops(3, (policy(HALT),))
    assert records.verdict(CANCEL_OFFER) is Verdict.CANCELLED


# Cuts are at 8:15, 8:30, ...; each freeze begins five minutes before.
@pytest.mark.parametrize(
    ("paused_for", "judged_after", "is_frozen"),
    [
        (60, 0, False),
        (60, 12, False),
        (60, 54, False),
        (60, 55, True),
        (60, 60, False),
        (50, 42, False),
        (50, 55, True),
        (57, 54, False),
        (57, 55, True),
        (57, 58, True),
    ],
)
def test_in_a_pause_only_the_freeze_before_the_round_that_ends_it_holds(
    paused_for: int, judged_after: int, *, is_frozen: bool
) -> None:
    stopped = Stops(3, (policy(BREAKER),), pause(paused_for))
    assert resuming(FREEZING.rules, pause(paused_for)).cut_at == CUT + 60 * MINUTE
    records = frozen(offer())
    records.stops, records.now = stopped, CUT + judged_after * MINUTE
    expected = Verdict.REJECTED if is_frozen else Verdict.CANCELLED
    assert records.verdict(CANCEL_OFFER) is expected


def test_a_pause_whose_policy_is_replaced_ends_and_freezes_go_on() -> None:
    records = frozen(offer())
    records.now = FREEZE + 15 * MINUTE
    replaced = policy(BREAKER), policy(BREAKER, first=3, version=2)
    records.stops = Stops(3, replaced, pause(60))
    assert records.verdict(CANCEL_OFFER) is Verdict.REJECTED


def test_a_refusal_in_the_freeze_is_told_from_another_status_of_the_same_version() -> None:
    records = frozen(offer())
    refused = records.judge(CANCEL_OFFER)
    order = records.orders[OFFER_ID]
    assert refused.agrees([_told(order)])
    assert not refused.agrees([_told(noted(order, why("in_the_book")))])


def _told(order: Order) -> Status:
    return Status("cause", FREEZE, order.state, order.version, order.why.code)
