"""An emergency in Beijing while its supply is sold out: urgent rounds on the real broker."""

from __future__ import annotations

import json
import zlib
from datetime import timedelta
from typing import Any

import pytest

from schemas import events
from schemas.mobilisation import (
    MobilisationDeclared,
    MobilisationDisplaced,
    MobilisationEnded,
    MobilisationServed,
    MobilisationTerms,
)
from schemas.types import OrderState
from services.core.clearing.clear import clear
from services.core.codec import book_from_dict, result_digest, result_from_dict, rules_from_dict
from services.core.displacement import book_without
from services.core.past_books import sealed_books
from services.gateway.adapters.market_log import KafkaMarketLogs
from services.kit.clock import ManualClock
from suanli.checker import verify
from tests.integration.matching.desk import (
    MARKET,
    START,
    Desk,
    demand,
    hold,
    hours,
    offer,
    open_process,
    settled,
)

pytestmark = pytest.mark.integration

FLOOD = "mob_" + "f" * 26
YUAN = 1_000_000


def declared(mobilisation_id: str = FLOOD, **changes: object) -> MobilisationDeclared:
    terms: dict[str, Any] = {
        "regions": ["beijing"],
        "participants": ["e-flood"],
        "price_cap": 2 * YUAN,
        "start": hours(1),
        "end": hours(3),
        "reason": "Flood forecast",
    }
    return MobilisationDeclared(
        mobilisation_id=mobilisation_id,
        market_id=MARKET.id,
        terms=MobilisationTerms.model_validate(terms | changes),
        proposed_by="operator-1",
        declared_by="regulator-1",
    )


def taken_of(one: events.AllocationMade) -> tuple[int, int, int]:
    """Return chips and price of an allocation's first period, and its periods."""
    return one.periods[0].chips, one.periods[0].price, len(one.periods)


async def round_files(desk: Desk) -> list[dict[str, Any]]:
    rows = await desk.rows("SELECT book, rules, result FROM round ORDER BY seq")
    return [
        {
            "book": json.loads(zlib.decompress(row["book"])),
            "rules": json.loads(row["rules"]),
            "result": json.loads(zlib.decompress(row["result"])),
        }
        for row in rows
    ]


def check_displaced(
    desk: Desk, files: list[dict[str, Any]], trading: events.DemandSubmitted
) -> None:
    """Look at what the emergency cost, and work it out again from the round files alone."""
    (told,) = [one for one in desk.distinct("rounds") if isinstance(one, MobilisationDisplaced)]
    assert (told.round_id, told.urgent_rounds) == ("jjj:2", ("jjj:1",))
    # 4 chips at up to 2.5 yuan, for 2 hours, that had 8 chips at 1 yuan and now have 4 at 1.8.
    assert [(row.demand_id, row.chip_hours, row.value) for row in told.displaced] == [
        (trading.order_id, 8, 8 * 2_500_000)
    ]
    assert told.welfare == 8 * (2_500_000 - 1_800_000)
    assert told.welfare_without == 16 * (2_500_000 - 1_000_000)
    urgent, ordinary = (
        (book_from_dict(file["book"]), result_from_dict(file["result"])) for file in files[:2]
    )
    again = clear(book_without(ordinary[0], [urgent]), rules_from_dict(files[1]["rules"]))
    assert (again.book_digest, result_digest(again)) == (told.book_digest, told.result_digest)


async def test_urgent_demand_is_served_first_and_the_rest_at_once_after_a_restart(
    desk: Desk,
) -> None:
    sold_out = offer("a", end=hours(3))
    reserve = offer(
        "r", end=hours(3), ask=1_800_000, mobilisable=True, mobilisation_price=1_500_000
    )
    flood = demand("flood", priority="urgent", shape={"type": "block", "chips": 12, "duration": 2})
    stranger = demand("stranger", priority="urgent")
    trading = demand(
        "s",
        shape={"type": "flow", "chips": 8},
        alternatives=[{"chips_any_of": ["a910b"], "limit": 2_500_000}],
        deadline=hours(3),
    )
    orders = (sold_out, reserve, flood, stranger, trading)
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await desk.say(declared(), *orders, hold(flood), hold(stranger), hold(trading))
        await settled(matching, least=9)
        urgent = await matching.run_round()
        assert urgent.mobilisation == FLOOD
    async with open_process(desk.settings, clock) as matching:
        # The cycle goes on where it was, without waiting for the cadence.
        assert matching._due(matching.now()) == matching.now()
        ordinary = await matching.run_round()
        assert ordinary.mobilisation == ""
        assert ordinary.market_time == urgent.market_time
        late = demand("flood2", priority="urgent").model_copy(update={"participant_id": "e-flood"})
        await desk.say(late, hold(late))
        await settled(matching, least=2)
        clock.advance(timedelta(hours=2, minutes=1))
        await matching.run_round()
        await desk.hear(3)

    made = [one for one in desk.distinct("allocations") if isinstance(one, events.AllocationMade)]
    got = {(one.demand_id, one.offer_id): taken_of(one) for one in made}
    assert got == {
        # All from the offer that ordinary demand would have had, the rest from the reserve; one
        # price for both, at the reserve's agreed price and below the cap.
        (flood.order_id, sold_out.order_id): (8, 1_500_000, 2),
        (flood.order_id, reserve.order_id): (4, 1_500_000, 2),
        # In the ordinary round the reserve has its ordinary ask.
        (trading.order_id, reserve.order_id): (4, got[trading.order_id, reserve.order_id][1], 2),
    }
    assert got[trading.order_id, reserve.order_id][1] >= 1_800_000
    left = {
        one.order_id: one.reason
        for one in desk.distinct("order-status")
        if isinstance(one, events.OrderStatusChanged)
        and one.state is OrderState.CANCELLED
        and one.reason.code == "not_urgent"
    }
    assert left.keys() == {stranger.order_id, late.order_id}
    assert "does not name" in str(left[stranger.order_id].params["allowed"])
    assert "no mobilisation" in str(left[late.order_id].params["allowed"])
    (served,) = [one for one in desk.distinct("rounds") if isinstance(one, MobilisationServed)]
    assert (served.round_id, served.demands, served.demands_served) == ("jjj:1", 1, 1)
    assert (served.chip_hours, served.reserve_chip_hours) == (24, 8)
    assert (served.payment, served.price_max) == (24 * 1_500_000, 1_500_000)
    check_displaced(desk, await round_files(desk), trading)
    log = await KafkaMarketLogs(desk.settings, 10_000).read(MARKET.id)
    found = list(sealed_books(log))
    assert [one.digest for one in found] == [one.sealed_digest for one in found]
    assert not found[-1].differing
    for file in await round_files(desk):
        assert verify(file["book"], file["rules"], file["result"]).ok


async def test_mobilisations_serve_by_rank_and_one_that_is_withdrawn_serves_no_more(
    desk: Desk,
) -> None:
    supply = offer("a", end=hours(3))
    second = "mob_" + "s" * 26
    first = demand("flood", priority="urgent", shape={"type": "flow", "chips": 6})
    after = demand("clinic", priority="urgent", shape={"type": "flow", "chips": 6})
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await desk.say(
            declared(rank=1),
            declared(second, rank=2, participants=["e-clinic"]),
            supply,
            first,
            after,
            hold(first),
            hold(after),
        )
        await settled(matching, least=7)
        served = [(await matching.run_round()).mobilisation for _ in range(3)]
        assert served == [FLOOD, second, ""]
        await desk.say(
            MobilisationEnded(
                mobilisation_id=second,
                market_id=MARKET.id,
                ended_by="regulator-1",
                reason="Over",
            )
        )
        await settled(matching, least=1)
        clock.advance(timedelta(minutes=15))
        assert (await matching.run_round()).mobilisation == ""
        await desk.hear(4)
    made = [one for one in desk.distinct("allocations") if isinstance(one, events.AllocationMade)]
    assert [(one.demand_id, one.periods[0].chips) for one in made] == [
        (first.order_id, 6),
        (after.order_id, 2),
    ]
    (status,) = [one for one in desk.statuses(after) if one.state is OrderState.CANCELLED]
    assert status.reason.code == "not_urgent"
