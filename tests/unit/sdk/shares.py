"""A round under a domestic share, worked out by hand.

Prices are micro-yuan per chip-hour, the tick is 100; the one period is 1000. A chip has 100 TFLOPS.
Offers:  off_d  z1/d domestic, ask 3000, 10 chips     off_i  z2/i imported, ask 1000, 10 chips
Demands: dem_a  flow 6 chips, z1/d or z2/i, limit 5000;  dem_b  flow 4 chips, z2/i, limit 5000
Without a share all 10 chips come from off_i: none of 1000 TFLOPS-hours is domestic. At least
6000 basis points have to be, at a premium of at most 40 micro-yuan per TFLOPS-hour.
At a premium of 25, split by 0.6, a chip of off_d counts as 3000 - 0.4 x 25 x 100 = 2000 and one of
off_i as 1000 + 0.6 x 25 x 100 = 2500. Prices: z1/d 2000, z2/i 2500. dem_a goes to off_d.
    achieved 600 of 1000 TFLOPS-hours, which is the split: it covers
    charges  off_i 25 x 600 x 400 / 1000 = 6000;  credits  off_d 25 x 400 x 600 / 1000 = 6000
    paid     dem_a 6 x 2000 = 12000, dem_b 4 x 2500 = 10000
    received off_d 12000 + 6000 = 18000 = 6 x 3000;  off_i 10000 - 6000 = 4000 = 4 x 1000
    welfare  10 x 5000 - 6 x 3000 - 4 x 1000 = 28000
Certificate at the same prices and premium: dem_a 6 x 3000, dem_b 4 x 2500, offers 0: 28000.
Of 100 TFLOPS-hours that rounds before missed none is made good.
"""

from __future__ import annotations

from tests.unit.sdk import rounds
from tests.unit.sdk.rounds import Json

WELFARE = 28_000


def share_policy(**params: int | str) -> Json:
    told = {"carried": 100, "premium_max": 40, "region": "", "share_bp": 6_000, **params}
    return {"id": "share", "version": 1, "kind": "domestic_share", "params": told}


def hand_made() -> tuple[Json, Json, Json]:
    """Return (book, rules, result) of the round that the module's docstring works out."""
    pools = [
        {**rounds.pool("z1", "d"), "tflops": 100},
        {**rounds.pool("z2", "i"), "tflops": 100, "domestic": False, "region": "hebei"},
    ]
    offers = [
        rounds.offer("off_d", "z1/d", 3_000, 1_000, [10]),
        rounds.offer("off_i", "z2/i", 1_000, 1_000, [10]),
    ]
    demands = [
        rounds.demand("dem_a", "flow", rounds.parts(["z1/d", "z2/i"], 5_000, 1_000, [6])),
        rounds.demand("dem_b", "flow", rounds.parts(["z2/i"], 5_000, 1_000, [4])),
    ]
    book = rounds.book(pools, offers, demands, periods=1) | {"policies": [share_policy()]}
    prices = {"z1/d": [2_000], "z2/i": [2_500]}
    certificate = {"prices": prices, "bound": WELFARE, "premiums": {"share": 25}}
    result = rounds.empty_result(book, prices, certificate)
    result["welfare"] = WELFARE
    result["allocations"] = [
        rounds.allocation("dem_a", "off_d", "z1/d", 1_000, [6]),
        rounds.allocation("dem_b", "off_i", "z2/i", 1_000, [4]),
    ]
    result["demands"] = [
        rounds.demand_in("dem_a", "filled", 0, 6, 30_000, 12_000, 0),
        rounds.demand_in("dem_b", "filled", 0, 4, 20_000, 10_000, 0),
    ]
    result["offers"] = [
        rounds.offer_in("off_d", "part-filled", 6, 18_000, 12_000, 0),
        rounds.offer_in("off_i", "part-filled", 4, 4_000, 10_000, 0),
    ]
    result["shares"] = [
        {
            "policy": "share",
            "premium": 25,
            "split_bp": 6_000,
            "tflops_hours": 1_000,
            "tflops_hours_domestic": 600,
            "shortfall": 0,
            "account": 100,
            "charges": 6_000,
            "credits": 6_000,
        }
    ]
    return book, rounds.rules(), result


def round_file() -> Json:
    """Return the round as its file."""
    book, rules, result = hand_made()
    return {"format": "suanli.round.v1", "book": book, "rules": rules, "result": result}


def resold() -> tuple[Json, Json, Json]:
    """Return (book, rules, result) of that round with chips in it that are sold on.

    off_r sells on 3 domestic chips in z1/d at 1900, and dem_c wants them: flow 3 chips, z1/d, limit
    5000. They were counted when they were first sold, so share, premium, charges and credits are as
    before, and off_r is paid the price alone: 3 x 2000. Welfare and bound have 3 x 3100 more.
    """
    book, rules, result = hand_made()
    offer = rounds.offer("off_r", "z1/d", 1_900, 1_000, [3]) | {"resale": True}
    demand = rounds.demand("dem_c", "flow", rounds.parts(["z1/d"], 5_000, 1_000, [3]))
    book = {
        **book,
        "offers": [*book["offers"], offer],
        "demands": [*book["demands"], demand],
    }
    more = 3 * (5_000 - 1_900)
    result = {
        **result,
        "book_digest": rounds.digest(book),
        "welfare": WELFARE + more,
        "certificate": {**result["certificate"], "bound": WELFARE + more},
        "allocations": [
            *result["allocations"],
            rounds.allocation("dem_c", "off_r", "z1/d", 1_000, [3]),
        ],
        "demands": [
            *result["demands"],
            rounds.demand_in("dem_c", "filled", 0, 3, 15_000, 6_000, 0),
        ],
        "offers": [*result["offers"], rounds.offer_in("off_r", "filled", 3, 5_700, 6_000, 0)],
    }
    return book, rules, result
