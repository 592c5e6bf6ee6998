"""A round whose demand sends over links, with orders that a policy keeps out.

Prices are micro-yuan per chip-hour and per GB, the three periods begin at 1000. From z3 all ways
lead over z1. dem_a and dem_b send 2 GB for each chip from z1 to z2, over a link that has room for
three chips in the first hour; dem_c needs 5 GB of z3 where it runs. The cap keeps off_z and dem_z
out.
"""

from __future__ import annotations

import json

from services.core.book import Rules
from services.core.clearing.clear import clear
from services.core.codec import book_from_dict, canonical_json, round_to_dict
from tests.unit.sdk import rounds
from tests.unit.sdk.rounds import Json


def link(source: str, destination: str, tariff: int, *capacity: int) -> Json:
    return {
        "key": f"{source}>{destination}",
        "source": source,
        "destination": destination,
        "tariff": tariff,
        "capacity": list(capacity),
    }


def moves(data_zone: str | None, data_gb: int, user_zone: str | None, traffic_gb: int) -> Json:
    return {
        "data_zone": data_zone,
        "data_gb": data_gb,
        "user_zone": user_zone,
        "traffic_gb": traffic_gb,
    }


def book() -> Json:
    """Return the book that the module's docstring tells of."""
    z1, both = ["z1/a"], ["z1/a", "z2/a"]
    to_z2 = moves(None, 0, "z2", 2)
    there = rounds.book(
        [rounds.pool("z1"), rounds.pool("z2")],
        [
            rounds.offer("off_a", "z1/a", 1_000, 1_000, [9, 9, 9]),
            rounds.offer("off_b", "z2/a", 2_000, 1_000, [3, 3, 3]),
        ],
        [
            rounds.demand("dem_a", "flow", rounds.parts(z1, 5_000, 1_000, [3]), moves=to_z2),
            rounds.demand("dem_b", "work", rounds.parts(z1, 4_000, 1_000, [3, 2]), moves=to_z2),
            rounds.demand(
                "dem_c", "block", rounds.block(both, 4_000, 2, 1), moves=moves("z3", 5, None, 0)
            ),
            rounds.demand("dem_d", "flow", rounds.parts(both, 3_000, 1_000, [2])),
        ],
    )
    links = [link("z1", "z2", 70, 6, 3, 6), link("z2", "z1", 70, 9, 9, 9)]
    links.append(link("z3", "z1", 50, 4, 4, 4))
    limits = {"cap": 6_000, "chip": "", "floor": 500}
    kept = {
        "offers": [rounds.offer("off_z", "z1/a", 7_000, 1_000, [1])],
        "demands": [rounds.demand("dem_z", "flow", rounds.parts(z1, 9_000, 1_000, [1]))],
    }
    policy = {"id": "cap", "version": 1, "kind": "price_limits", "params": limits}
    return there | {"links": links, "policies": [policy], "kept_out": kept}


def round_file() -> Json:
    """Return the round, cleared, as its file."""
    parsed = book_from_dict(book())
    rules = Rules()
    file: Json = json.loads(canonical_json(round_to_dict(parsed, rules, clear(parsed, rules))))
    return file
