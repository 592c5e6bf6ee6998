"""A round under a largest share, worked out by hand."""

from __future__ import annotations

from typing import Any

from tests.unit.sdk import rounds

Json = dict[str, Any]
WELFARE = 2_900


def largest_policy(**params: int | str) -> Json:
    """Return a largest share of four fifths of every class."""
    given = {"chip": "", "chips_free": 0, "region": "", "share_bp": 8_000} | params
    return {"id": "most", "version": 1, "kind": "largest_share", "params": given}


def _flow(id_: str, participant: str, limit: int) -> Json:
    return {
        "id": id_,
        "participant": participant,
        "version": 1,
        "shape": "flow",
        "alternatives": [
            {
                "index": 0,
                "pools": ["zhangjiakou/910b"],
                "limit": limit,
                "earliest": 100,
                "deadline": 101,
                "chips": 0,
                "chips_min": 0,
                "duration": 0,
                "chips_by_period": [3],
                "chip_hours": 3,
            }
        ],
        "rounds_waited": 0,
        "exclusive_group": None,
        "linked_to": None,
    }


def _outcome(id_: str, got: tuple[int, int, int], reason: Json) -> Json:
    hours, value, payment = got
    state = "open" if not hours else "filled" if hours == 3 else "part-filled"
    return {
        "id": id_,
        "state": state,
        "alternative": 0 if hours else None,
        "chip_hours": hours,
        "value": value,
        "payment": payment,
        "regret": 0,
        "reason": reason,
    }


def _part_filled() -> Json:
    return {"code": "part_filled", "params": {"asked": 3, "chip_hours": 1}}


def round_file() -> Json:
    """Return the round file."""
    book, rules, result = hand_made()
    return {"format": "suanli.round.v1", "book": book, "rules": rules, "result": result}


def hand_made() -> tuple[Json, Json, Json]:
    """Return book, rules and result: of five chips at 300 one may get four.

    A sixth was given by a round before, to `p1`: four fifths of six are five, of which it has one.
    `p1` wants three at 1,000, three at 800 and three at 700: it gets three and one. `p2` wants
    three at 600 and gets the last, so the price is its 600, and a chip more would be worth 200
    to `p1`.
    """
    book = _book()
    rules: Json = {
        "format": "suanli.rules.v1",
        "tick": 100,
        "seed": 1,
        "effort": 4,
        "ascent_steps": 400,
    }
    return book, rules, _result(rounds.digest(book), rounds.digest(rules))


def _book() -> Json:
    return {
        "format": "suanli.book.v1",
        "market": "jjj",
        "round_id": "jjj:9",
        "first_period": 100,
        "periods": 1,
        "pools": [
            {
                "key": "zhangjiakou/910b",
                "zone": "zhangjiakou",
                "region": "hebei",
                "chip": "910b",
                "domestic": True,
                "tflops": 320,
            }
        ],
        "offers": [
            {
                "id": "off_a",
                "participant": "p3",
                "version": 1,
                "pool": "zhangjiakou/910b",
                "ask": 300,
                "start": 100,
                "chips": [5],
                "block": False,
                "rounds_waited": 0,
            }
        ],
        "demands": [
            _flow("dem_a", "p1", 1_000),
            _flow("dem_b", "p1", 800),
            _flow("dem_c", "p2", 600),
            _flow("dem_d", "p1", 700),
        ],
        "policies": [largest_policy()],
        "held": [
            {"participant": who, "pool": "zhangjiakou/910b", "start": 100, "chips": [1]}
            for who in ("", "p1")
        ],
        "allowances": [
            {
                "key": "most/910b/p1",
                "policy": "most",
                "chip": "910b",
                "participant": "p1",
                "pools": ["zhangjiakou/910b"],
                "capacity": [4],
            }
        ],
    }


def _result(book_digest: str, rules_digest: str) -> Json:
    kept = {"chip": "910b", "chips": 1, "got": 4, "held": 1, "largest": 4, "policy": "most"}
    return {
        "format": "suanli.result.v1",
        "market": "jjj",
        "round_id": "jjj:9",
        "book_digest": book_digest,
        "rules_digest": rules_digest,
        "status": "optimal",
        # 3 x 1,000 + 800 + 600 - 5 x 300.
        "welfare": WELFARE,
        "allocations": [
            {
                "demand": demand,
                "offer": "off_a",
                "pool": "zhangjiakou/910b",
                "start": 100,
                "chips": [chips],
            }
            for demand, chips in (("dem_a", 3), ("dem_b", 1), ("dem_c", 1))
        ],
        "prices": {"zhangjiakou/910b": [600]},
        "demands": [
            _outcome("dem_a", (3, 3_000, 1_800), {"code": "filled", "params": {"chip_hours": 3}}),
            _outcome("dem_b", (1, 800, 600), _part_filled()),
            _outcome("dem_c", (1, 600, 600), _part_filled()),
            _outcome(
                "dem_d",
                (0, 0, 0),
                {
                    "code": "largest_share",
                    "params": kept | {"pool": "zhangjiakou/910b", "start": 100},
                },
            ),
        ],
        "offers": [
            {
                "id": "off_a",
                "state": "filled",
                "chip_hours": 5,
                "cost": 1_500,
                "revenue": 3_000,
                "regret": 0,
                "reason": {"code": "filled", "params": {"chip_hours": 5}},
            }
        ],
        # At 600 and 200: the offer 5 x 300, dem_a 3 x 200, the allowance 4 x 200.
        "certificate": {
            "prices": {"zhangjiakou/910b": [600]},
            "bound": WELFARE,
            "allowance_prices": {"most/910b/p1": [200]},
        },
        "total_regret": 0,
        "allowances": [{"key": "most/910b/p1", "prices": [200], "used": [4], "regret": 0}],
    }
