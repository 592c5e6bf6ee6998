"""A day small enough to check by hand: two pools, three rounds, one of them without a trade.

An offer of 10 domestic chips in Beijing for hours 1 to 4 at 2 yuan, one of 4 foreign chips in
Hebei for hours 1 to 2. One demand takes 6 domestic chips for hours 1 and 2 at 3 yuan, one takes
4 foreign ones for hour 1 at 5 yuan; a third has too little money.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.demo.facts import (
    Attempt,
    Audit,
    Facts,
    Json,
    Money,
    ProcessUse,
    Trial,
    Verdict,
)

YUAN = 1_000_000
START = datetime(2026, 11, 23, 16, tzinfo=UTC)
SENT = datetime(2026, 7, 1, 12, tzinfo=UTC)
MARKET: Json = {
    "id": "m",
    "name_en": "Test market",
    "name_zh": "测试市场",
    "zones": [
        {"id": "bj", "region": "beijing"},
        {"id": "he", "region": "hebei"},
    ],
    "chips": [
        {"id": "home", "name": "Home <1>", "domestic": True, "tflops": 10},
        {"id": "away", "name": "Away", "domestic": False, "tflops": 10},
    ],
}


SHARE: Json = {
    "policy_id": "home-first",
    "version": 1,
    "region": None,
    "share_bp": 7_000,
    "premium_max": 30_000,
    "premium": 2,
    "premium_certified": 2,
    "split_bp": 7_500,
    "tflops_hours": 160,
    "tflops_hours_domestic": 120,
    "shortfall": 0,
    "account": 0,
    "charges": 61,
    "credits": 60,
}
"""What a share of 70 % asked of the first round: it came to 75 % at a premium of 2."""


def hour(number: int) -> str:
    """Return the start of a delivery hour as the API writes it."""
    return (START + timedelta(hours=number)).isoformat().replace("+00:00", "Z")


def make_facts(**changes: Any) -> Facts:  # noqa: ANN401 - fields of Facts
    """Return the day, with some of its fields replaced."""
    return replace(_DAY, **changes)


def shared_facts(**changes: Any) -> Facts:  # noqa: ANN401 - fields of a share
    """Return the day with a domestic share: 50 of its charges are paid, 30 of its credits."""
    told = {"round_id": "m:1", "seq": 1, "market_time": hour(0), "shares": [SHARE | changes]}
    missed = {"premium": 30_000, "tflops_hours": 0, "tflops_hours_domestic": 0, "shortfall": 5}
    later = SHARE | missed | {"account": 5, "charges": 0, "credits": 0, "share_bp": 8_000}
    rule = {"kind": "domestic_share", "region": None, "share_bp": 7_000, "premium_max": 30_000}
    policy = {"version": 1, "in_force_from_round": 1, "rule": rule, "reason": "Home <first>"}
    money = replace(
        _DAY.money,
        providers=19 * YUAN - 20,
        charges_by_round={"m:1": 61},
        charges_due=11,
        credited=30,
        fund=31,
    )
    return make_facts(
        shares=(told, {"round_id": "m:2", "seq": 2, "market_time": hour(1), "shares": [later]}),
        policies=({"policy": policy}, {"policy": policy | {"version": 2, "rule": None}}),
        money=money,
    )


def offer(order_id: str, zone: str, chip: str, chips: int, hours: tuple[int, int]) -> Json:
    """Return an open offer."""
    terms = {"zone": zone, "chip": chip, "chips": chips, "ask": 2 * YUAN}
    window = {"start": hour(hours[0]), "end": hour(hours[1])}
    reason = {"code": "part_filled", "en": "Part-filled.", "zh": "部分成交。"}
    return {"order_id": order_id, "state": "open", "terms": terms | window, "reason": reason}


def demand(order_id: str, state: str, shape: Json, hours: tuple[int, int]) -> Json:
    """Return a demand, sent at the start of the day."""
    terms = {"shape": shape, "alternatives": [{"limit": 6 * YUAN}]}
    window = {"earliest": hour(hours[0]), "deadline": hour(hours[1])}
    reason = {"code": "because", "en": "Because.", "zh": "因为。"}
    return {
        "order_id": order_id,
        "state": state,
        "terms": terms | window,
        "reason": reason,
        "submitted_at": hour(0),
    }


def allocation(name: str, demand_id: str, pool: str, periods: list[tuple[int, int, int]]) -> Json:
    """Return an allocation of the first round; periods are (hour, chips, yuan)."""
    return {
        "allocation_id": name,
        "round_id": "m:1",
        "demand_id": demand_id,
        "pool": pool,
        "periods": [
            {"start": hour(at), "chips": chips, "price": price * YUAN}
            for at, chips, price in periods
        ],
        "payment": sum(chips * price * YUAN for _, chips, price in periods),
    }


def round_view(seq: int, **numbers: int) -> Json:
    """Return a closed and verified round."""
    zeros = dict.fromkeys(
        (
            "chip_hours",
            "chip_hours_domestic",
            "tflops_hours",
            "tflops_hours_domestic",
            "welfare",
            "bound",
            "payment",
            "gap_ppm",
            "allocations",
            "demands_filled",
            "demands_part_filled",
            "offers",
            "demands",
        ),
        0,
    )
    fixed: Json = {"seq": seq, "round_id": f"m:{seq}", "state": "closed", "verified": True}
    fixed["file"] = {"state": "ok"}
    return zeros | fixed | {"market_time": hour(seq - 1), "solve_ms": 10 * seq} | numbers


def attempt(kind: str, order_id: str | None, outcome: str = "accepted", **changes: Any) -> Attempt:  # noqa: ANN401
    """Return an order that was sent at noon."""
    made = Attempt(kind, "someone", f"key-{order_id}", outcome, order_id, "", 20.0, SENT)
    return replace(made, **changes)


def verdict(seq: int, *, ok: bool = True) -> Verdict:
    """Return the checker's verdict on a round."""
    return Verdict(f"m:{seq}", ok, 0 if ok else 2, "" if ok else "welfare must be 3", 0, 5, 4000)


_BLOCK = {"type": "block", "chips": 6, "duration": 2}
_DAY = Facts(
    market=MARKET,
    start=START,
    hours=3,
    speed=720.0,
    rounds=(
        round_view(
            1,
            chip_hours=16,
            chip_hours_domestic=12,
            tflops_hours=160,
            tflops_hours_domestic=120,
            welfare=52 * YUAN,
            bound=65 * YUAN,
            payment=56 * YUAN,
            gap_ppm=200_000,
            allocations=2,
            demands_filled=2,
        ),
        round_view(2),
        round_view(3, bound=2 * YUAN, gap_ppm=1_000_000),
    ),
    offers=(offer("off_1", "bj", "home", 10, (1, 5)), offer("off_2", "he", "away", 4, (1, 3))),
    demands=(
        demand("dem_1", "filled", _BLOCK, (1, 3)),
        demand("dem_2", "filled", {"type": "flow", "chips": 4}, (1, 2)),
        demand("dem_3", "rejected", _BLOCK, (1, 3)),
    ),
    allocations=(
        allocation("al_1", "dem_1", "bj/home", [(1, 6, 3), (2, 6, 3)]),
        allocation("al_2", "dem_2", "he/away", [(1, 4, 5)]),
    ),
    published_at={f"m:{seq}": SENT + timedelta(seconds=5 * seq) for seq in (1, 2, 3)},
    findings=(),
    attempts=(
        attempt("offer", "off_1"),
        attempt("offer", "off_2"),
        attempt("demand", "dem_1", http_ms=30.0),
        attempt("demand", "dem_2", http_ms=40.0, sent_at=SENT + timedelta(seconds=3)),
        attempt("demand", "dem_3"),
    ),
    trials=(
        Trial(("off & tick", "不在<档>"), refused=True, where="gateway", code="x", said=("a", "b")),
    ),
    trial_orders=(),
    resent=(("dem_1", "dem_1"),),
    delivered=2,
    refused_deliveries=(),
    verdicts={f"m:{seq}": verdict(seq) for seq in (1, 2, 3)},
    money=Money(
        deposited=100 * YUAN,
        held=72 * YUAN,
        captured=56 * YUAN,
        released=16 * YUAN,
        paid=19 * YUAN,
        fees=1 * YUAN,
        escrow=36 * YUAN,
        enterprises=44 * YUAN,
        providers=19 * YUAN,
        reserved=0,
        captured_by_round={"m:1": 56 * YUAN},
        entries=12,
    ),
    audit=Audit(ok=True, lines=("9 promises",)),
    dead_letters=0,
    lag={"matching": 0, "ledger": 0},
    processes=(ProcessUse("matching", 3 * 2**20, 1, running=True),),
    peak_bytes=5 * 2**20,
    took_s={"day": 15.0},
)
