"""Events of small market days, for what reads them."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas import events
from schemas.types import OrderState, Side
from services.core.surveillance.tape_builder import DAY_MS, TapeBuilder, milliseconds
from tests.integration.matching.desk import MARKET, START, demand, offer

DIGEST = "0" * 64
DAY = milliseconds(START) // DAY_MS


def status(
    order: events.OfferSubmitted | events.DemandSubmitted, state: OrderState, **more: object
) -> events.OrderStatusChanged:
    return events.OrderStatusChanged.model_validate(
        {
            "order_id": order.order_id,
            "market_id": MARKET.id,
            "participant_id": order.participant_id,
            "side": Side.OFFER if order.order_id.startswith("off") else Side.DEMAND,
            "version": 1,
            "state": state,
            "reason": {"code": "x", "en": "x", "zh": "x"},
            "sequence": 1,
        }
        | more
    )


def round_of(seq: int, at: datetime, made: tuple[events.AllocationMade, ...]) -> list[events.Event]:
    head = {"round_id": f"{MARKET.id}:{seq}", "market_id": MARKET.id, "seq": seq}
    zero = dict.fromkeys(
        (
            "welfare",
            "bound",
            "gap_ppm",
            "total_regret",
            "payment",
            "chip_hours",
            "chip_hours_domestic",
            "tflops_hours",
            "tflops_hours_domestic",
            "offers",
            "demands",
            "demands_filled",
            "demands_part_filled",
            "paradoxically_rejected",
            "solve_ms",
        ),
        0,
    )
    curve = {"pool": "bj-1/a910b", "prices": [1_000_000], "chips": [64], "offered": [64]}
    return [
        events.RoundSealed.model_validate(
            head
            | {"epoch": 1, "market_time": at, "manifest": [], "offers": 1, "demands": 1}
            | {"book_digest": DIGEST, "rules_digest": DIGEST}
        ),
        events.RoundCleared.model_validate(
            head
            | zero
            | {"market_time": at, "status": "optimal", "allocations": len(made)}
            | {"result_digest": DIGEST}
        ),
        events.RoundPrices.model_validate(
            {"round_id": head["round_id"], "market_id": MARKET.id, "part": 0, "parts": 1}
            | {"first_period": START, "pools": [curve]}
        ),
        *made,
        events.RoundClosed.model_validate(
            head
            | {"count": len(made), "digest": DIGEST, "market_time": at, "fee_ppm": 0}
            | {"offers_through": []}
        ),
    ]


def allocation(
    seq: int, need: events.DemandSubmitted, room: events.OfferSubmitted, hour: int
) -> events.AllocationMade:
    start = START + timedelta(hours=hour)
    return events.AllocationMade.model_validate(
        {
            "allocation_id": "al_" + "abcdefg"[seq] * 26,
            "round_id": f"{MARKET.id}:{seq}",
            "market_id": MARKET.id,
            "index": 0,
            "demand_id": need.order_id,
            "enterprise_id": need.participant_id,
            "demand_version": 1,
            "offer_id": room.order_id,
            "provider_id": room.participant_id,
            "offer_version": 1,
            "pool": "bj-1/a910b",
            "alternative": 0,
            "periods": [{"start": start, "chips": 8, "price": 1_000_000}],
            "payment": 8_000_000,
        }
    )


def fed(*found: tuple[events.Event, int]) -> TapeBuilder:
    builder = TapeBuilder(MARKET.id)
    for number, (event, at_ms) in enumerate(found):
        builder.add(event, f"e{number}", at_ms)
    return builder


def one_round() -> list[tuple[events.Event, int]]:
    need, room = demand("a"), offer("a")
    at_ms = milliseconds(START)
    made = allocation(1, need, room, 2)
    return [
        (events.MarketDefined(market=MARKET), at_ms - 9_000),
        (room, at_ms - 5_000),
        (need, at_ms - 4_000),
        (status(room, OrderState.OPEN), at_ms - 3_000),
        (status(need, OrderState.OPEN), at_ms - 2_000),
        *((event, at_ms) for event in round_of(1, START, (made,))),
        (status(need, OrderState.FILLED, sequence=2, round_id=f"{MARKET.id}:1"), at_ms),
    ]
