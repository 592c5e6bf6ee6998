"""A small round whose result was worked out by hand, and ways to change it.

Prices are micro-yuan per chip-hour, the tick is 100, the horizon is periods 1000, 1001, 1002.

Offers (room of z1/a is 8 chips in each period, of z2/a 2, 2, 3):
    off_a  z1/a  ask 1000  4 4 4              off_b  z1/a  ask 2000  4 4 4
    off_c  z2/a  ask 1500  2 2 -  (block)     off_d  z2/a  ask 2500  - - 3
Demands:
    dem_a  block 4 chips (least 2) x 2 periods, z1/a, limit 3000, group g
    dem_b  flow 2 chips in 1000 and 1001, z2/a, limit 2500
    dem_c  work 7 chip-hours, at most 4 at once; alternative 0: z2/a at 100; 2: both at 2200
    dem_d  block 2 chips x 1 period, z1/a, limit 900, group g, same participant as dem_a
    dem_e  flow 1 chip in 1000, z2/a, limit 1000, linked to dem_d
    dem_f  block 8 chips x 3 periods, z1/a, limit 2100
Cleared: dem_a on off_a in 1000 and 1001; dem_b on off_c; dem_c: 1 chip of off_b in 1000 and 4 of
off_a in 1002. Prices: z1/a 2000 2100 2000, z2/a 2200 2200 2600.
    value    dem_a 8 x 3000 = 24000, dem_b 4 x 2500 = 10000, dem_c 5 x 2200 = 11000
    cost     off_a 12 x 1000 = 12000, off_b 1 x 2000, off_c 4 x 1500 = 6000
    welfare  45000 - 20000 = 25000
    paid     dem_a 4 x (2000 + 2100) = 16400, dem_b 4 x 2200 = 8800, dem_c 5 x 2000 = 10000
    revenue  off_a 4 x 2000 + 4 x 2100 + 4 x 2000 = 24400, off_b 2000, off_c 8800; both 35200
    regret   dem_a best 4 x (6000 - 4100) = 7600 = got; dem_b best 4 x 300 = got
             dem_c best 4 in 1000 and 3 in 1002 at 2000: 7 x 200 = 1400, got 1000: 400
             dem_f best 8 x (6300 - 6100) = 1600, got 0
             off_b best 4 x 100 in 1001, got 0: 400; off_d best 3 x 100, got 0; others 0
             total 400 + 1600 + 400 + 300 = 2700
Certificate at z1/a 2100 2100 2100, z2/a 2600 2600 2600:
    off_a 12 x 1100 = 13200, off_b 12 x 100 = 1200, off_c 4 x 1100 = 4400, off_d 3 x 100 = 300
    group g: dem_a 4 x (6000 - 4200) = 7200; dem_c 7 x 100 = 700; dem_b, dem_e, dem_f 0
    bound    27000; gap 2000 / 27000 = 74074 ppm
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

Json = dict[str, Any]

TICK = 100
WELFARE, BOUND, GAP_PPM, REGRET = 25_000, 27_000, 74_074, 2_700


def pool(zone: str, chip: str = "a") -> Json:
    return {
        "key": f"{zone}/{chip}",
        "zone": zone,
        "region": "beijing",
        "chip": chip,
        "domestic": True,
        "tflops": 300,
    }


def offer(id_: str, pool_key: str, ask: int, start: int, chips: list[int], **more: object) -> Json:
    return {
        "id": id_,
        "participant": "p_" + id_,
        "version": 1,
        "pool": pool_key,
        "ask": ask,
        "start": start,
        "chips": chips,
        "block": False,
        "rounds_waited": 0,
        **more,
    }


def demand(id_: str, shape: str, *alternatives: Json, **more: object) -> Json:
    return {
        "id": id_,
        "participant": "e_" + id_,
        "version": 1,
        "shape": shape,
        "alternatives": list(alternatives),
        "rounds_waited": 0,
        "exclusive_group": None,
        "linked_to": None,
        **more,
    }


def block(pools: list[str], limit: int, chips: int, duration: int, **more: object) -> Json:
    return {
        "index": 0,
        "pools": pools,
        "limit": limit,
        "earliest": 1000,
        "deadline": 1003,
        "chips": chips,
        "chips_min": chips,
        "duration": duration,
        "chips_by_period": [],
        "chip_hours": 0,
        **more,
    }


def parts(
    pools: list[str], limit: int, earliest: int, by_period: list[int], **more: object
) -> Json:
    return {
        "index": 0,
        "pools": pools,
        "limit": limit,
        "earliest": earliest,
        "deadline": earliest + len(by_period),
        "chips": 0,
        "chips_min": 0,
        "duration": 0,
        "chips_by_period": by_period,
        "chip_hours": sum(by_period),
        **more,
    }


def allocation(demand_id: str, offer_id: str, pool_key: str, start: int, chips: list[int]) -> Json:
    return {
        "demand": demand_id,
        "offer": offer_id,
        "pool": pool_key,
        "start": start,
        "chips": chips,
    }


def reason(code: str, **params: int | str) -> Json:
    return {"code": code, "params": params}


def demand_out(id_: str, code: str, *, regret: int = 0) -> Json:
    return {
        "id": id_,
        "state": "open",
        "alternative": None,
        "chip_hours": 0,
        "value": 0,
        "payment": 0,
        "regret": regret,
        "reason": reason(code),
    }


def offer_out(id_: str, code: str, *, regret: int = 0) -> Json:
    return {
        "id": id_,
        "state": "open",
        "chip_hours": 0,
        "cost": 0,
        "revenue": 0,
        "regret": regret,
        "reason": reason(code),
    }


def rules(tick: int = TICK) -> Json:
    return {
        "format": "suanli.rules.v1",
        "tick": tick,
        "seed": 1,
        "effort": 4,
        "ascent_steps": 400,
    }


def book(pools: list[Json], offers: list[Json], demands: list[Json], periods: int = 3) -> Json:
    return {
        "format": "suanli.book.v1",
        "market": "jjj-spot",
        "round_id": "jjj-spot:7",
        "first_period": 1000,
        "periods": periods,
        "pools": pools,
        "offers": offers,
        "demands": demands,
    }


def digest(value: Json) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def empty_result(of: Json, prices: dict[str, list[int]], certificate: Json) -> Json:
    """Return the result in which nobody trades and nobody regrets it."""
    return {
        "format": "suanli.result.v1",
        "market": of["market"],
        "round_id": of["round_id"],
        "book_digest": digest(of),
        "rules_digest": digest(rules()),
        "status": "optimal",
        "welfare": 0,
        "allocations": [],
        "prices": prices,
        "demands": [demand_out(item["id"], "no_capacity") for item in of["demands"]],
        "offers": [offer_out(item["id"], "no_demand") for item in of["offers"]],
        "certificate": certificate,
        "total_regret": 0,
    }


def hand_made() -> tuple[Json, Json, Json]:
    """Return (book, rules, result) of the round that the module's docstring works out."""
    z1, z2, both = ["z1/a"], ["z2/a"], ["z1/a", "z2/a"]
    dem_c = (
        parts(z2, 100, 1000, [4, 4, 4], chip_hours=7),
        parts(both, 2200, 1000, [4, 4, 4], chip_hours=7, index=2),
    )
    grouped = {"participant": "e_1", "exclusive_group": "g"}
    the_book = book(
        [pool("z1"), pool("z2")],
        [
            offer("off_a", "z1/a", 1000, 1000, [4, 4, 4]),
            offer("off_b", "z1/a", 2000, 1000, [4, 4, 4]),
            offer("off_c", "z2/a", 1500, 1000, [2, 2], block=True),
            offer("off_d", "z2/a", 2500, 1002, [3]),
        ],
        [
            demand("dem_a", "block", block(z1, 3000, 4, 2, chips_min=2), **grouped),
            demand("dem_b", "flow", parts(z2, 2500, 1000, [2, 2])),
            demand("dem_c", "work", *dem_c),
            demand("dem_d", "block", block(z1, 900, 2, 1), **grouped),
            demand("dem_e", "flow", parts(z2, 1000, 1000, [1]), linked_to="dem_d"),
            demand("dem_f", "block", block(z1, 2100, 8, 3)),
        ],
    )
    result = empty_result(
        the_book,
        {"z1/a": [2000, 2100, 2000], "z2/a": [2200, 2200, 2600]},
        {"prices": {"z1/a": [2100] * 3, "z2/a": [2600] * 3}, "bound": BOUND},
    )
    result["welfare"], result["total_regret"] = WELFARE, REGRET
    result["allocations"] = [
        allocation("dem_a", "off_a", "z1/a", 1000, [4, 4]),
        allocation("dem_b", "off_c", "z2/a", 1000, [2, 2]),
        allocation("dem_c", "off_a", "z1/a", 1002, [4]),
        allocation("dem_c", "off_b", "z1/a", 1000, [1]),
    ]
    result["demands"] = [
        demand_in("dem_a", "filled", 0, 8, 24_000, 16_400, 0),
        demand_in("dem_b", "filled", 0, 4, 10_000, 8_800, 0),
        demand_in("dem_c", "part-filled", 2, 5, 11_000, 10_000, 400),
        demand_out("dem_d", "exclusive_group"),
        demand_out("dem_e", "linked_order_out"),
        demand_out("dem_f", "paradoxically_rejected", regret=1_600),
    ]
    result["offers"] = [
        offer_in("off_a", "filled", 12, 12_000, 24_400, 0),
        offer_in("off_b", "part-filled", 1, 2_000, 2_000, 400),
        offer_in("off_c", "filled", 4, 6_000, 8_800, 0),
        offer_out("off_d", "no_demand", regret=300),
    ]
    return the_book, rules(), result


def demand_in(
    id_: str, state: str, index: int, hours: int, value: int, payment: int, regret: int
) -> Json:
    return {
        "id": id_,
        "state": state,
        "alternative": index,
        "chip_hours": hours,
        "value": value,
        "payment": payment,
        "regret": regret,
        "reason": reason(state.replace("-", "_"), pool="z1/a", chips=hours),
    }


def offer_in(id_: str, state: str, hours: int, cost: int, revenue: int, regret: int) -> Json:
    return {
        "id": id_,
        "state": state,
        "chip_hours": hours,
        "cost": cost,
        "revenue": revenue,
        "regret": regret,
        "reason": reason(state.replace("-", "_")),
    }


def changed(value: Json, path: tuple[Any, ...], new: object) -> Json:
    """Return a copy of a JSON value with the value at a path replaced."""
    value = copy.deepcopy(value)
    at: Any = value
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = new
    return value


def paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], object]]:
    """Return every leaf of a JSON value with its path; empty lists and objects are leaves."""
    items: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    if not items:
        return [(path, value)]
    return [leaf for key, item in items for leaf in paths(item, (*path, key))]
