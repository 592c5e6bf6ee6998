"""A suspended participant's orders leave at the next round, after a restart too."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas import events
from schemas.standing import ParticipantStandingSet, Status
from schemas.types import OrderState
from services.core.past_books import sealed_books
from services.gateway.adapters.market_log import KafkaMarketLogs
from services.kit.clock import ManualClock
from tests.integration.matching.desk import (
    MARKET,
    START,
    Desk,
    demand,
    hold,
    offer,
    open_process,
    settled,
)

pytestmark = pytest.mark.integration


def standing(participant_id: str, status: Status) -> ParticipantStandingSet:
    return ParticipantStandingSet(
        market_id=MARKET.id, participant_id=participant_id, status=status, reason="under review"
    )


async def test_orders_of_who_is_suspended_leave_and_what_is_allocated_stands(desk: Desk) -> None:
    supply, other = offer("a", chips=16), offer("b", ask=1_500_000)
    flow = demand("f")
    need, late = demand("n"), offer("a2").model_copy(update={"participant_id": "p-a"})
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await desk.say(supply, other, flow, hold(flow))
        await settled(matching, least=4)
        await matching.run_round()
        await desk.say(standing("p-a", "suspended"), standing("e-ghost", "suspended"))
        await settled(matching, least=2)
    clock.advance(timedelta(minutes=15))
    async with open_process(desk.settings, clock) as matching:
        # On its way when the participant was suspended: it is taken, and leaves as well.
        await desk.say(late, need, hold(need))
        await settled(matching, least=3)
        await matching.run_round()
        await desk.say(
            standing("p-a", "active"), offer("a3").model_copy(update={"participant_id": "p-a"})
        )
        await settled(matching, least=2)
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await desk.hear(3)

    left = {
        one.order_id: one
        for one in desk.distinct("order-status")
        if isinstance(one, events.OrderStatusChanged) and one.state is OrderState.CANCELLED
    }
    assert set(left) == {supply.order_id, late.order_id}
    reason = left[supply.order_id].reason
    assert (reason.code, reason.params) == ("participant_suspended", {"reason": "under review"})
    made = [one for one in desk.distinct("allocations") if isinstance(one, events.AllocationMade)]
    assert [(one.demand_id, one.offer_id) for one in made] == [
        (flow.order_id, supply.order_id),
        (need.order_id, other.order_id),
    ]
    log = await KafkaMarketLogs(desk.settings, 10_000).read(MARKET.id)
    found = list(sealed_books(log))
    assert [one.digest for one in found] == [one.sealed_digest for one in found]
    assert not found[-1].differing
    assert [len(one.book.offers) for one in found] == [2, 1, 2]
