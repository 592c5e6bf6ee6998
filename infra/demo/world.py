"""The demo's market: zones of Beijing, Tianjin and Hebei, chip classes, prices, participants.

What is real and what is assumed is told in ``docs/concepts/demo-data.md``.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent / "data"
MARKET_ID = "jjj-spot"
MICRO = 1_000_000
TICK = 100

ZONES = (
    # id, region, English, Chinese, cloud, latitude, longitude
    ("bj-haidian", "beijing", "Haidian", "海淀", "capital-cloud", 39.96, 116.30),
    ("bj-yizhuang", "beijing", "Yizhuang", "亦庄", "capital-cloud", 39.80, 116.51),
    ("tj-wuqing", "tianjin", "Wuqing", "武清", "bohai-cloud", 39.38, 117.04),
    ("tj-binhai", "tianjin", "Binhai", "滨海", "bohai-cloud", 39.00, 117.71),
    ("he-langfang", "hebei", "Langfang", "廊坊", "green-cloud", 39.52, 116.70),
    ("he-zhangjiakou", "hebei", "Zhangjiakou", "张家口", "green-cloud", 40.77, 114.88),
)
LINKS = (
    # two zones, Gbit/s each way, micro-yuan per GB; both assumed
    ("bj-haidian", "bj-yizhuang", 400, 2_000),
    ("bj-haidian", "he-zhangjiakou", 100, 12_000),
    ("bj-yizhuang", "he-langfang", 200, 4_000),
    ("bj-yizhuang", "tj-wuqing", 200, 5_000),
    ("he-langfang", "tj-wuqing", 100, 4_000),
    ("tj-binhai", "tj-wuqing", 100, 4_000),
)
_GB_PER_HOUR_OF_GBIT_S = 3600 // 8
RESOURCE_NODE = {"beijing": "11", "tianjin": "12", "hebei": "13"}
"""First two digits of the regions' administrative codes (GB/T 2260)."""

_KM_PER_DEGREE = 111.2
_FIBRE_KM_PER_MS = 200.0
_FIBRE_DETOUR = 1.5  # cables follow roads and rails
_EQUIPMENT_MS = 1.0

_PUBLISHED_AS = {
    "t4": "T4",
    "a10": "A10",
    "v100-32g": "V100-32GB",
    "a100-80g": "A100-80GB",
}
"""Chip class -> accelerator of the published price lists (CNY rows)."""

_DOMESTIC_DISCOUNT = 0.8
"""No list price of a domestic chip was found: A100's per TFLOPS, times this (assumed)."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A cloud of the demo; it owns the zones that name it."""

    id: str
    name: str
    resource_code: str


PROVIDERS = (
    Provider("capital-cloud", "首都智算云 Capital Cloud", "CN.11.0000.CAPITAL-CLOUD"),
    Provider("bohai-cloud", "渤海算力 Bohai Compute", "CN.12.0000.BOHAI-CLOUD"),
    Provider("green-cloud", "绿电云谷 Green Valley Cloud", "CN.13.0000.GREEN-CLOUD"),
)


def read_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a data file of the demo, gzipped or not."""
    path = DATA / name
    raw = path.read_bytes()
    text = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return list(csv.DictReader(io.StringIO(text.decode())))


def latency_ms(a: str, b: str) -> int:
    """Return the modelled round trip between two zones: fibre over the distance, both ways."""
    place = {zone[0]: zone[5:7] for zone in ZONES}
    (lat_a, lon_a), (lat_b, lon_b) = place[a], place[b]
    north = (lat_a - lat_b) * _KM_PER_DEGREE
    east = (lon_a - lon_b) * _KM_PER_DEGREE * math.cos(math.radians((lat_a + lat_b) / 2))
    km = math.hypot(north, east) * _FIBRE_DETOUR
    return math.ceil(2 * km / _FIBRE_KM_PER_MS + _EQUIPMENT_MS)


def list_prices() -> dict[str, int]:
    """Return each chip class's list price on demand, micro-yuan per chip-hour.

    The median of the published CNY prices of one chip; domestic chips by TFLOPS against the
    A100's, at a stated discount.
    """
    published: dict[str, list[float]] = {}
    for row in read_rows("accelerator_prices.csv.gz"):
        if row["currency"] == "CNY":
            price = float(row["on_demand_per_hour"]) / float(row["accelerator_count"])
            published.setdefault(row["accelerator"], []).append(price)
    yuan = {chip: statistics.median(published[name]) for chip, name in _PUBLISHED_AS.items()}
    chips = {row["chip"]: row for row in read_rows("chips.csv")}
    per_tflops = yuan["a100-80g"] / int(chips["a100-80g"]["tflops"])
    for chip, row in chips.items():
        if chip not in yuan:
            yuan[chip] = per_tflops * int(row["tflops"]) * _DOMESTIC_DISCOUNT
    return {chip: on_tick(price * MICRO) for chip, price in yuan.items()}


def spot_ratios() -> list[float]:
    """Return published spot over on-demand ratios, sorted (GCP's rows)."""
    return sorted(
        float(row["spot_per_hour"]) / float(row["on_demand_per_hour"])
        for row in read_rows("accelerator_prices.csv.gz")
        if row["spot_per_hour"]
    )


def on_tick(micro_yuan: float) -> int:
    """Return the nearest multiple of the tick, at least one tick."""
    return max(TICK, round(micro_yuan / TICK) * TICK)


def market(*, round_every_s: int, effort: int, horizon_periods: int = 48) -> dict[str, Any]:
    """Return the market's definition as the API takes it."""
    zones = [zone[0] for zone in ZONES]
    return {
        "id": MARKET_ID,
        "name_en": "Beijing-Tianjin-Hebei spot market",
        "name_zh": "京津冀算力现货市场",
        "zones": [
            {"id": zone, "region": region, "name_en": en, "name_zh": zh, "cloud": cloud}
            for zone, region, en, zh, cloud, _, _ in ZONES
        ],
        "latencies": [
            {"a": a, "b": b, "ms": latency_ms(a, b)}
            for index, a in enumerate(zones)
            for b in zones[index + 1 :]
        ],
        "links": [
            {
                "source": source,
                "destination": destination,
                "capacity_gb_per_period": gbit_s * _GB_PER_HOUR_OF_GBIT_S,
                "tariff": tariff,
            }
            for a, b, gbit_s, tariff in LINKS
            for source, destination in ((a, b), (b, a))
        ],
        "chips": [
            {
                "id": row["chip"],
                "name": row["name"],
                "vendor": row["vendor"],
                "domestic": row["domestic"] == "1",
                "memory_gb": int(row["memory_gb"]),
                "tflops": int(row["tflops"]),
                "lot": int(row["lot"]),
            }
            for row in read_rows("chips.csv")
        ],
        "rules": {
            "tick": TICK,
            "round_every_s": round_every_s,
            "horizon_periods": horizon_periods,
            "effort": effort,
            "price_max": 200 * MICRO,
            "fee_ppm": 5_000,
        },
    }
