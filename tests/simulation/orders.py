"""A seeded market: who takes part, what they send, and in which order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

MARKET_ID = "jjj-spot"
YUAN = 1_000_000
MARKET: dict[str, Any] = {
    "id": MARKET_ID,
    "name_en": "Beijing-Tianjin-Hebei",
    "name_zh": "京津冀",
    "zones": [
        {"id": "bj-1", "region": "beijing", "name_en": "B", "name_zh": "京", "cloud": "a"},
        {"id": "he-1", "region": "hebei", "name_en": "H", "name_zh": "冀", "cloud": "b"},
    ],
    "chips": [
        {"id": "a910b", "name": "Ascend 910B", "vendor": "Huawei", "domestic": True}
        | {"memory_gb": 64, "tflops": 320, "lot": 8},
    ],
    "rules": {"round_every_s": 900, "horizon_periods": 12, "effort": 1, "fee_ppm": 1_000},
}
PARTICIPANTS = {
    "p-1": "provider",
    "p-2": "provider",
    "e-rich": "enterprise",
    "e-some": "enterprise",
    "e-poor": "enterprise",
}
MONEY = {"e-rich": 5_000 * YUAN, "e-some": 300 * YUAN, "e-poor": 20 * YUAN}
"""What the enterprises have: the last one's demand is mostly refused, the middle one's partly."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a participant sends.

    Attributes:
        kind: ``submit``, ``amend`` or ``cancel``.
        participant: Who.
        number: Number of the order; a change concerns one that was sent before.
        side: ``offers`` or ``demand``.
        terms: Terms, ``None`` for a cancellation.
    """

    kind: str
    participant: str
    number: int
    side: str
    terms: dict[str, Any] | None


def steps(seed: int, orders: int, first: datetime) -> Iterator[Step]:
    """Return what is sent, the same for the same seed.

    Args:
        seed: Seed.
        orders: How many orders.
        first: Full hour from which capacity is offered and wanted.
    """
    random_of = random.Random(seed)
    sent: list[Step] = []
    for number in range(orders):
        is_offer = number % 3 == 0
        who = random_of.choice(["p-1", "p-2"] if is_offer else ["e-rich", "e-some", "e-poor"])
        side = "offers" if is_offer else "demand"
        step = Step("submit", who, number, side, _terms(random_of, side, first))
        sent.append(step)
        yield step
        if random_of.random() < 0.35:
            old = random_of.choice(sent)
            kind = random_of.choice(["amend", "amend", "cancel"])
            terms = None if kind == "cancel" else _terms(random_of, old.side, first)
            yield Step(kind, old.participant, old.number, old.side, terms)


def _terms(random_of: random.Random, side: str, first: datetime) -> dict[str, Any]:
    start = first + timedelta(hours=random_of.randrange(4))
    end = start + timedelta(hours=random_of.randrange(2, 7))
    if side == "offers":
        return {
            "zone": random_of.choice(["bj-1", "he-1"]),
            "chip": "a910b",
            "chips": random_of.randrange(2, 9),
            "start": start.isoformat(),
            "end": end.isoformat(),
            "ask": random_of.randrange(5, 20) * YUAN // 10,
            "block": random_of.random() < 0.1,
            "resource_code": "CN.11.0108.BJ01-A910B",
        }
    chips = random_of.randrange(1, 7)
    return {
        "shape": random_of.choice(
            [
                {"type": "block", "chips": chips, "chips_min": 1, "duration": 2},
                {"type": "block", "chips": chips, "duration": 1},
                {"type": "flow", "chips": chips},
                {"type": "work", "chip_hours": chips * 2, "chips_max": chips},
            ]
        ),
        "alternatives": [
            {
                "chips_any_of": ["a910b"],
                "zones": random_of.choice([[], ["bj-1"], ["he-1"]]),
                "limit": random_of.randrange(10, 30) * YUAN // 10,
            }
            for _ in range(random_of.choice([1, 1, 2]))
        ],
        "earliest": start.isoformat(),
        "deadline": end.isoformat(),
        "budget": random_of.choice([None, None, 30 * YUAN]),
        "exclusive_group": random_of.choice([None, None, None, None, "g"]),
    }
