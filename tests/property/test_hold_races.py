"""An amendment that meets a round under way: both sides end with the same money, told to all."""

from __future__ import annotations

from schemas import events
from schemas.orders import DemandTerms, OfferTerms
from services.core.orders import DemandOrder
from tests.property.market_world import MARKET, World, instant, order_id

DEMAND_ID = order_id("dem", 0)


def flow(chips: int) -> DemandTerms:
    """Return a demand for chips in each of two periods at up to 10 each."""
    return DemandTerms.model_validate(
        {
            "shape": {"type": "flow", "chips": chips},
            "alternatives": [{"chips_any_of": ["t4"], "limit": 10}],
            "earliest": instant(0),
            "deadline": instant(2),
        }
    )


def world_with(money: int) -> World:
    """Return a market with 2 chips at 6 and an open demand for 4 of them, which needs 80."""
    world = World()
    world.ledger.money = {"e-1": money}
    supply = {"zone": "bj-1", "chip": "t4", "chips": 2, "start": instant(0), "end": instant(2)}
    terms = OfferTerms.model_validate(supply | {"ask": 6, "resource_code": "CN.11.0108.BJ01"})
    world.offers_log.append(
        events.OfferSubmitted(
            order_id=order_id("off", 0), market_id=MARKET.id, participant_id="p-1", terms=terms
        )
    )
    world.demand_log.append(
        events.DemandSubmitted(
            order_id=DEMAND_ID, market_id=MARKET.id, participant_id="e-1", terms=flow(4)
        )
    )
    world.matching_reads_offers()
    world.ledger_reads_demand()
    world.matching_reads_demand()
    world.matching_reads_holds()
    return world


def amend(world: World, chips: int, version: int = 1) -> None:
    """Ask for another number of chips."""
    world.demand_log.append(
        events.DemandAmended(
            order_id=DEMAND_ID,
            market_id=MARKET.id,
            participant_id="e-1",
            expected_version=version,
            terms=flow(chips),
        )
    )


def overtaken(money: int) -> tuple[World, DemandOrder]:
    """Let the ledger read an amendment before, and matching after, a round that allocates."""
    world = world_with(money)
    amend(world, chips=5)
    world.ledger_reads_demand()
    world.round(0)
    world.ledger_reads_round()
    world.matching_reads_demand()
    world.matching_reads_holds()
    waiting = world.orders[DEMAND_ID]
    assert isinstance(waiting, DemandOrder)
    assert waiting.pending is not None, "the answer of before the round must not count"
    world.run_dry()
    order = world.orders[DEMAND_ID]
    assert isinstance(order, DemandOrder)
    return world, order


def test_an_amendment_that_a_round_overtook_counts_if_the_money_is_still_there() -> None:
    world, order = overtaken(money=1000)
    assert (order.version, order.pending) == (2, None)
    assert world.ledger.demands[DEMAND_ID].amount == order.hold == 100


def test_an_amendment_that_a_round_overtook_is_refused_if_the_round_took_its_money() -> None:
    world, order = overtaken(money=100)
    assert (order.version, order.pending) == (1, None)
    assert world.ledger.demands[DEMAND_ID].amount == order.hold == 40


def test_an_amendment_that_the_round_had_read_but_not_its_hold_has_to_be_sent_again() -> None:
    world = world_with(1000)
    amend(world, chips=5)
    world.matching_reads_demand()
    world.round(0)
    order = world.orders[DEMAND_ID]
    assert isinstance(order, DemandOrder)
    assert (order.version, order.why.code) == (1, "amend_overtaken")
    amend(world, chips=5)
    world.run_dry()
    again = world.orders[DEMAND_ID]
    assert isinstance(again, DemandOrder)
    assert (again.version, again.pending) == (2, None)
    assert world.ledger.demands[DEMAND_ID].amount == again.hold == 100


def test_money_held_for_a_stale_amendment_comes_free_with_the_next_round() -> None:
    world = world_with(1000)
    amend(world, chips=9, version=7)
    world.ledger_reads_demand()
    assert world.ledger.demands[DEMAND_ID].amount == 180
    world.matching_reads_demand()
    world.round(0)
    world.ledger_reads_round()
    assert world.ledger.demands[DEMAND_ID].amount == 40
