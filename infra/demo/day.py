"""One market day of orders, made from the traces: who sends what, and when.

Deterministic: the same seed gives the same day. Only what the traces do not hold (prices that
people would pay, windows they would accept) is drawn; `docs/concepts/demo-data.md` lists it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.demo import world

if TYPE_CHECKING:
    from collections.abc import Iterator

HOURS = 24
_HOUR_S = 3600

_MODEL_TO_CHIPS = {
    # The trace hides two models (G2, G3); the stand-ins are this demo's, not Alibaba's.
    "G2": ("ascend-910b", "mxc500"),
    "G3": ("a100-80g",),
    "P100": ("dcu-k100-ai",),
    "V100M16": ("mlu370-x8",),
    "V100M32": ("v100-32g",),
    "T4": ("t4",),
    "A10": ("a10",),
}
_SERVING_CHIPS = ("t4", "a10", "mlu370-x8")
_TRAINING = (
    # Chip classes that a gang may run on and how many of each stand for one V100 of the trace
    # (milli), by dense FP16 TFLOPS, rounded up to sizes that people would ask for.
    ("v100-32g", 1000),
    ("ascend-910b", 500),
    ("a100-80g", 500),
    ("mxc500", 500),
    ("dcu-k100-ai", 750),
)
_GANG_HOURS_MAX = 18
_NOTICE_H = 3
"""Hours from the full hour of an order to its first possible hour of use: what arrives between
two rounds of an hour is cleared before it is wanted, also on a machine that is a little late."""
_DATA_SHARE = 0.3
"""Of the gangs of one fixed size: those whose data lies in a zone of its own (assumed)."""
_DATA_GB_PER_CHIP = (200, 1_000, 4_000)
_TRAFFIC_GB = 20
"""Traffic of a chip-hour that serves callers who are near (assumed)."""
_NODES_PER_OFFER = 4
_NODE_STRIDES = {"G2": 11, "T4": 8, "V100M16": 5}
_NODE_STRIDE = 3
"""Every third node, fewer of the models that are frequent in the trace's cluster: supply then is
about what the day's demand asks for, as in a tight market."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a participant does at a time of the day.

    Attributes:
        at_s: Seconds from the day's start, on the market's clock.
        kind: ``offer``, ``demand``, ``cancel`` or ``amend``.
        participant_id: Who does it.
        key: Idempotency key of the order (also of the order that is amended or cancelled).
        body: Terms for the API; empty for ``cancel``.
    """

    at_s: int
    kind: str
    participant_id: str
    key: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Day:
    """A market day: who takes part, and all they do, by time."""

    start: datetime
    enterprises: tuple[tuple[str, str], ...]
    actions: tuple[Action, ...]


def build_day(start: datetime, *, demands: int = 3000, seed: int = 20261124) -> Day:
    """Return the day's actions.

    Args:
        start: First instant of the day, a full hour.
        demands: How many demands to take from the traces (half gangs, half services).
        seed: Seeds everything that the traces do not say.
    """
    rng = random.Random(seed)
    gangs = list(_gangs(start, rng, demands * 2 // 5))
    pods = list(_pods(start, rng, demands - len(gangs)))
    actions = [*_offers(start, rng), *gangs, *pods]
    actions += list(_changes(actions, rng))
    enterprises = sorted({item.participant_id for item in gangs + pods})
    return Day(
        start=start,
        enterprises=tuple((item, item.replace("-", " ").title()) for item in enterprises),
        actions=tuple(sorted(actions, key=lambda item: (item.at_s, item.key))),
    )


def shorten(day: Day, *, hours: int, demands: int, seed: int = 7) -> Day:
    """Return the first hours of a day, with no more than so many demands.

    Args:
        day: A whole day.
        hours: How many of its hours.
        demands: How many demands to keep at most, drawn evenly; their changes stay with them.
        seed: Seeds the draw.
    """
    early = [item for item in day.actions if item.at_s < hours * _HOUR_S]
    keys = [item.key for item in early if item.kind == "demand"]
    kept = set(random.Random(seed).sample(keys, min(demands, len(keys))))
    actions = [item for item in early if item.kind == "offer" or item.key in kept]
    present = {item.participant_id for item in actions}
    return Day(
        start=day.start,
        enterprises=tuple(item for item in day.enterprises if item[0] in present),
        actions=tuple(actions),
    )


def _offers(start: datetime, rng: random.Random) -> Iterator[Action]:
    racks: dict[tuple[str, str], list[int]] = {}
    zones = [zone[0] for zone in world.ZONES]
    by_model: dict[str, list[dict[str, str]]] = {}
    for node in world.read_rows("alibaba2023_gpu_nodes.csv.gz"):
        by_model.setdefault(node["model"], []).append(node)
    nodes = [
        node
        for model, rows in sorted(by_model.items())
        for node in rows[:: _NODE_STRIDES.get(model, _NODE_STRIDE)]
    ]
    for index, node in enumerate(nodes):
        chips = _MODEL_TO_CHIPS[node["model"]]
        chip = chips[index % len(chips)]
        # Foreign and domestic chips alike stand in three of the six zones, rotating.
        offset = list(world.list_prices()).index(chip)
        zone = zones[(offset + 2 * (index % 3)) % len(zones)]
        racks.setdefault((zone, chip), []).append(int(node["gpu"]))
    prices, ratios = world.list_prices(), world.spot_ratios()
    cloud = {zone[0]: zone[4] for zone in world.ZONES}
    region = {zone[0]: zone[1] for zone in world.ZONES}
    for (zone, chip), gpus in sorted(racks.items()):
        for number, first in enumerate(range(0, len(gpus), _NODES_PER_OFFER)):
            rack = gpus[first : first + _NODES_PER_OFFER]
            night_h = rng.randrange(6, 12)
            for part, (first_h, last_h) in enumerate(((0, night_h), (night_h, 36))):
                ratio = ratios[rng.randrange(len(ratios))] * (0.85 if part == 0 else 1.0)
                yield Action(
                    at_s=0 if part == 0 else max(0, night_h - rng.randrange(1, 6)) * _HOUR_S // 2,
                    kind="offer",
                    participant_id=cloud[zone],
                    key=f"{zone}-{chip}-{number}-{part}",
                    body={
                        "zone": zone,
                        "chip": chip,
                        "chips": sum(rack),
                        "start": _iso(start, first_h + 1),
                        "end": _iso(start, last_h + 1),
                        "ask": world.on_tick(prices[chip] * ratio),
                        "mobilisable": chip == "ascend-910b" and number % 2 == 0,
                        "mobilisation_price": world.on_tick(prices[chip]),
                        "resource_code": (
                            f"CN.{world.RESOURCE_NODE[region[zone]]}.0000."
                            f"{zone.upper()}-{chip.upper()}-{number:02d}"
                        ),
                    },
                )


def _gangs(start: datetime, rng: random.Random, count: int) -> Iterator[Action]:
    rows = world.read_rows("philly_vc_jobs.csv.gz")
    prices = world.list_prices()
    regions = sorted({zone[1] for zone in world.ZONES})
    # Dice of their own: who has data elsewhere changes nothing else of the day.
    far = random.Random(f"data {rng.getstate()[1][:8]}")
    for number, row in enumerate(rng.sample(rows, count)):
        at_s = int(row["arrival_s"]) % (HOURS * _HOUR_S)
        hours = min(_GANG_HOURS_MAX, math.ceil(int(row["duration_s"]) / _HOUR_S))
        gpus = int(row["num_gpus"])
        first_h = at_s // _HOUR_S + _NOTICE_H + rng.choice((0, 0, 0, 1, 2, 4))
        slack = rng.choice((1, 2, 4, 6, 8, 12))
        worth = rng.lognormvariate(-0.25, 0.35)
        chips = rng.sample(_TRAINING, rng.choice((1, 2, 3)))
        alternatives = [
            {
                "chips_any_of": [chip],
                "regions": rng.choice(([], [], regions[:1], [rng.choice(regions)])),
                "limit": world.on_tick(prices[chip] * worth),
                "equivalence_milli": milli,
            }
            for chip, milli in chips
        ]
        shape: dict[str, Any] = {"type": "block", "chips": gpus, "duration": hours}
        if gpus > 1 and rng.random() < 0.4:
            shape["chips_min"] = gpus // 2
        moves: dict[str, Any] = {}
        if "chips_min" not in shape and far.random() < _DATA_SHARE:
            moves["data_zone"] = far.choice(world.ZONES)[0]
            moves["data_gb"] = gpus * far.choice(_DATA_GB_PER_CHIP)
        yield Action(
            at_s=at_s,
            kind="demand",
            participant_id=f"lab-{row['vc']}",
            key=f"philly-{number}",
            body={
                "shape": shape,
                "alternatives": alternatives,
                "earliest": _iso(start, first_h),
                "deadline": _iso(start, first_h + hours + slack),
                "priority": rng.choice(("standard", "standard", "interruptible")),
                **moves,
            },
        )


def _pods(start: datetime, rng: random.Random, count: int) -> Iterator[Action]:
    rows = world.read_rows("alibaba2023_gpu_pods_last30days.csv.gz")
    prices = world.list_prices()
    for number, row in enumerate(rng.sample(rows, count)):
        at_s = int(row["creation_time"]) % (HOURS * _HOUR_S)
        life_s = int(row["deletion_time"]) - int(row["creation_time"])
        hours = min(12, max(1, math.ceil(life_s / _HOUR_S)))
        gpus = int(row["num_gpu"])
        first_h = at_s // _HOUR_S + _NOTICE_H + rng.choice((0, 0, 1, 2))
        slack = rng.choice((1, 2, 3, 5))
        models = [model for model in row["gpu_spec"].split("|") if model]
        chips = sorted({chip for model in models for chip in _MODEL_TO_CHIPS[model]})
        worth = rng.lognormvariate(-0.2, 0.35)
        serving = row["qos"] in {"LS", "Guaranteed"}
        shape = (
            {"type": "flow", "chips": gpus}
            if serving
            else {"type": "work", "chip_hours": gpus * hours, "chips_max": gpus * 2}
        )
        body: dict[str, Any] = {
            "shape": shape,
            "alternatives": [
                {"chips_any_of": [chip], "limit": world.on_tick(prices[chip] * worth)}
                for chip in (chips or _SERVING_CHIPS)[:4]
            ],
            "earliest": _iso(start, first_h),
            "deadline": _iso(start, first_h + hours + (0 if serving else slack)),
        }
        if serving and rng.random() < 0.2:
            body["user_zone"] = rng.choice(world.ZONES)[0]
            body["latency_ms_max"] = 4
            body["traffic_gb_per_chip_hour"] = _TRAFFIC_GB
            body["alternatives"] = [
                item | {"zones": [], "chips_any_of": list(_SERVING_CHIPS)}
                for item in body["alternatives"][:1]
            ]
        yield Action(at_s, "demand", f"cloud-app-{number % 12:02d}", f"pod-{number}", body)


def _changes(actions: list[Action], rng: random.Random) -> Iterator[Action]:
    demands = [item for item in actions if item.kind == "demand"]
    for item in rng.sample(demands, len(demands) // 30):
        later = min(HOURS * _HOUR_S - 1, item.at_s + rng.randrange(60, 7200))
        if rng.random() < 0.5:
            yield Action(later, "cancel", item.participant_id, item.key, {})
            continue
        raised = [
            choice | {"limit": world.on_tick(choice["limit"] * 1.1)}
            for choice in item.body["alternatives"]
        ]
        body = item.body | {"alternatives": raised}
        yield Action(later, "amend", item.participant_id, item.key, body)


def _iso(start: datetime, hours: int) -> str:
    return (start + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
