"""The day in numbers: pure functions over `Facts`."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from infra.demo.facts import Facts, Json, Phrase

_HOUR = timedelta(hours=1)
_MILLION = 1_000_000
_OUT = ("rejected",)


@dataclass(frozen=True, slots=True)
class Lot:
    """Capacity and what was sold of it.

    Attributes:
        offered: Chip-hours offered.
        sold: Chip-hours sold.
        payment: Paid for them, micro-yuan.
    """

    offered: int = 0
    sold: int = 0
    payment: int = 0

    @property
    def price(self) -> int | None:
        """Return the average price weighted by chip-hours, micro-yuan, rounded down."""
        return self.payment // self.sold if self.sold else None

    @property
    def fill(self) -> float:
        """Return the share that was sold, 0 to 1."""
        return self.sold / self.offered if self.offered else 0.0

    def __add__(self, other: Lot) -> Lot:
        return Lot(
            self.offered + other.offered, self.sold + other.sold, self.payment + other.payment
        )


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution of durations: nearest-rank percentiles.

    Attributes:
        count: Number of values.
        p50: Median.
        p99: 99th percentile.
        most: Greatest.
    """

    count: int = 0
    p50: float = 0.0
    p99: float = 0.0
    most: float = 0.0


@dataclass(frozen=True, slots=True)
class Hour:
    """One delivery hour.

    Attributes:
        start: Its first instant.
        offered: Chips offered.
        sold_domestic: Domestic chips sold.
        sold_foreign: Foreign chips sold.
        wanted: Chips asked for, each demand spread evenly over its window.
        lots: What was sold of each chip class.
    """

    start: datetime
    offered: int
    sold_domestic: int
    sold_foreign: int
    wanted: float
    lots: Mapping[str, Lot]

    @property
    def sold(self) -> int:
        """Return all chips sold."""
        return self.sold_domestic + self.sold_foreign


@dataclass(frozen=True, slots=True)
class Cause:
    """Why orders are in a state.

    Attributes:
        side: ``offer`` or ``demand``.
        state: Their state.
        code: Code of the reason.
        example: Its sentence, as one of them has it.
        orders: How many.
    """

    side: str
    state: str
    code: str
    example: Phrase
    orders: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The day in numbers.

    Attributes:
        states: Orders by side and state.
        reasons: (side, state, reason code) with a sentence and the number of orders.
        chip_hours: Sold, from the rounds.
        chip_hours_domestic: Of them on domestic chips.
        tflops_hours: The same weighted by the chips' dense FP16 TFLOPS.
        tflops_hours_domestic: Of them on domestic chips.
        welfare: Sum over rounds, micro-yuan.
        bound: Sum of the certificates' bounds.
        payment: Sum of payments.
        gap_ppm: Of the day: all bounds less all welfare, over all bounds.
        gap_mean_ppm: Mean over rounds that had anything to gain.
        gap_worst_ppm: Worst round.
        gap_worst_round: Which, ``None`` if there was none.
        gap_worst: The same gap in micro-yuan: a large share of a small round is little money.
        pools: By (region, chip), every delivery hour.
        day_pools: The same, delivery hours of the day itself.
        hours: Every delivery hour from the day's start, as far as anything was offered.
        wait_s: From submission to first allocation, real seconds.
        wait_market_min: The same on the market's clock, minutes.
        http_ms: From an order's sending to its receipt.
        solve_ms: Solving and checking, per round.
    """

    states: Mapping[str, Mapping[str, int]]
    reasons: tuple[Cause, ...]
    chip_hours: int
    chip_hours_domestic: int
    tflops_hours: int
    tflops_hours_domestic: int
    welfare: int
    bound: int
    payment: int
    gap_ppm: int
    gap_mean_ppm: int
    gap_worst_ppm: int
    gap_worst_round: str | None
    gap_worst: int
    pools: Mapping[tuple[str, str], Lot]
    day_pools: Mapping[tuple[str, str], Lot]
    hours: tuple[Hour, ...]
    wait_s: Spread
    wait_market_min: Spread
    http_ms: Spread
    solve_ms: Spread


def figures_of(facts: Facts) -> Figures:
    """Return the day in numbers."""
    rounds = facts.rounds
    gaps = [
        (row["gap_ppm"], row["bound"] - row["welfare"], row["round_id"])
        for row in rounds
        if row.get("bound")
    ]
    worst = max(gaps, default=(0, 0, None))
    waits = list(_waits(facts))
    welfare, bound = _total(rounds, "welfare"), _total(rounds, "bound")
    return Figures(
        states={
            "offer": _states(facts.offers),
            "demand": _states(facts.demands),
        },
        reasons=_reasons(facts),
        chip_hours=_total(rounds, "chip_hours"),
        chip_hours_domestic=_total(rounds, "chip_hours_domestic"),
        tflops_hours=_total(rounds, "tflops_hours"),
        tflops_hours_domestic=_total(rounds, "tflops_hours_domestic"),
        welfare=welfare,
        bound=bound,
        payment=_total(rounds, "payment"),
        gap_ppm=share_ppm(bound - welfare, bound),
        gap_mean_ppm=sum(gap for gap, *_ in gaps) // len(gaps) if gaps else 0,
        gap_worst_ppm=worst[0],
        gap_worst=worst[1],
        gap_worst_round=worst[2],
        pools=_pools(facts, None),
        day_pools=_pools(facts, facts.start + facts.hours * _HOUR),
        hours=_hours(facts),
        wait_s=spread(real_s for real_s, _ in waits),
        wait_market_min=spread(market_min for _, market_min in waits),
        http_ms=spread(item.http_ms for item in facts.attempts if item.outcome == "accepted"),
        solve_ms=spread(row["solve_ms"] for row in rounds if row.get("solve_ms") is not None),
    )


def spread(values: Iterable[float]) -> Spread:
    """Return the percentiles of values, zeros if there are none."""
    ordered = sorted(values)
    if not ordered:
        return Spread()

    def rank(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Spread(len(ordered), rank(0.5), rank(0.99), ordered[-1])


def share_ppm(part: int, whole: int) -> int:
    """Return a share in millionths, rounded down; 0 of nothing."""
    return part * _MILLION // whole if whole else 0


def price_averages(curves: Iterable[Json], chip_of: Mapping[str, str]) -> dict[str, Lot]:
    """Return what a round traded and offered of each chip class, from its price curves.

    Args:
        curves: `CurveView` of a round; those that are not clearing prices are left out.
        chip_of: Chip class of each pool.
    """
    found: dict[str, Lot] = defaultdict(Lot)
    for curve in curves:
        if curve["kind"] != "clearing":
            continue
        chips = curve["chips"]
        paid = sum(n * price for n, price in zip(chips, curve["prices"], strict=True))
        found[chip_of[curve["pool"]]] += Lot(sum(curve["offered"]), sum(chips), paid)
    return dict(found)


def pool_facts(market: Json) -> dict[str, tuple[str, str, bool]]:
    """Return (region, chip, domestic) of each pool of a market."""
    return {
        f"{zone['id']}/{chip['id']}": (zone["region"], chip["id"], chip["domestic"])
        for zone in market["zones"]
        for chip in market["chips"]
    }


def window(start: str, end: str) -> tuple[datetime, int]:
    """Return the first instant of a window of the API and its length in hours."""
    first = datetime.fromisoformat(start)
    return first, (datetime.fromisoformat(end) - first) // _HOUR


def chip_hours_wanted(terms: Json) -> float:
    """Return the chip-hours that a demand asks for, in chips of its first alternative."""
    shape = terms["shape"]
    _, hours = window(terms["earliest"], terms["deadline"])
    wanted = {
        "block": lambda: shape["chips"] * shape["duration"],
        "flow": lambda: shape["chips"] * hours,
        "work": lambda: shape["chip_hours"],
    }[shape["type"]]()
    return float(wanted * terms["alternatives"][0].get("equivalence_milli", 1000)) / 1000


def supplied_by_round(facts: Facts, region: str | None) -> dict[str, tuple[int, int]]:
    """Return the TFLOPS-hours, all and domestic, that each round allocated in a region.

    Args:
        facts: The day.
        region: The region, ``None`` for all of them.
    """
    pools = pool_facts(facts.market)
    tflops = {chip["id"]: chip["tflops"] for chip in facts.market["chips"]}
    found: dict[str, tuple[int, int]] = {}
    for item in facts.allocations:
        where, chip, domestic = pools[item["pool"]]
        if region in {None, where}:
            hours = tflops[chip] * sum(period["chips"] for period in item["periods"])
            whole, part = found.get(item["round_id"], (0, 0))
            found[item["round_id"]] = whole + hours, part + hours * domestic
    return found


def _states(orders: Iterable[Json]) -> dict[str, int]:
    return dict(Counter(order["state"] for order in orders).most_common())


def _reasons(facts: Facts) -> tuple[Cause, ...]:
    """Return why orders are in their states, the most frequent first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str, str], Phrase] = {}
    for side, orders in (("offer", facts.offers), ("demand", facts.demands)):
        for order in orders:
            reason = order["reason"]
            key = (side, order["state"], reason["code"])
            counts[key] += 1
            examples.setdefault(key, (reason["en"], reason["zh"]))
    return tuple(Cause(*key, examples[key], count) for key, count in counts.most_common())


def _total(rounds: Iterable[Json], field: str) -> int:
    return sum(row.get(field) or 0 for row in rounds)


def by_region(pools: Mapping[tuple[str, str], Lot]) -> dict[str, Lot]:
    """Return capacity and sales of each region."""
    return _grouped(pools, 0)


def by_chip(pools: Mapping[tuple[str, str], Lot]) -> dict[str, Lot]:
    """Return capacity and sales of each chip class."""
    return _grouped(pools, 1)


def _grouped(pools: Mapping[tuple[str, str], Lot], index: int) -> dict[str, Lot]:
    found: dict[str, Lot] = defaultdict(Lot)
    for key, lot in pools.items():
        found[key[index]] += lot
    return dict(found)


def _pools(facts: Facts, end: datetime | None) -> dict[tuple[str, str], Lot]:
    """Return capacity and sales by (region, chip) of the delivery hours before ``end``."""
    pools = pool_facts(facts.market)
    found: dict[tuple[str, str], Lot] = defaultdict(Lot)
    for order in facts.offers:
        if order["state"] in _OUT:
            continue
        terms = order["terms"]
        first, hours = window(terms["start"], terms["end"])
        last = first + hours * _HOUR
        inside = ((last if end is None else min(end, last)) - max(facts.start, first)) // _HOUR
        region, chip, _ = pools[f"{terms['zone']}/{terms['chip']}"]
        found[region, chip] += Lot(offered=terms["chips"] * max(0, inside))
    for item in facts.allocations:
        region, chip, _ = pools[item["pool"]]
        for period in item["periods"]:
            if end is None or datetime.fromisoformat(period["start"]) < end:
                chips = period["chips"]
                found[region, chip] += Lot(sold=chips, payment=chips * period["price"])
    return dict(found)


def _hours(facts: Facts) -> tuple[Hour, ...]:
    pools = pool_facts(facts.market)
    offered: Counter[datetime] = Counter()
    wanted: defaultdict[datetime, float] = defaultdict(float)
    sold: defaultdict[datetime, dict[str, Lot]] = defaultdict(dict)
    by_domestic: Counter[tuple[datetime, bool]] = Counter()
    for order in facts.offers:
        if order["state"] not in _OUT:
            first, hours = window(order["terms"]["start"], order["terms"]["end"])
            for hour in range(hours):
                offered[first + hour * _HOUR] += order["terms"]["chips"]
    for order in facts.demands:
        if order["state"] not in _OUT:
            first, hours = window(order["terms"]["earliest"], order["terms"]["deadline"])
            for hour in range(hours):
                wanted[first + hour * _HOUR] += chip_hours_wanted(order["terms"]) / hours
    for item in facts.allocations:
        _, chip, domestic = pools[item["pool"]]
        for period in item["periods"]:
            at, chips = datetime.fromisoformat(period["start"]), period["chips"]
            lot = Lot(sold=chips, payment=chips * period["price"])
            sold[at][chip] = sold[at].get(chip, Lot()) + lot
            by_domestic[at, domestic] += chips
    last = max((at for at, chips in offered.items() if chips), default=facts.start)
    count = (last - facts.start) // _HOUR + 1
    starts = [facts.start + hour * _HOUR for hour in range(count)]
    return tuple(
        Hour(
            start=at,
            offered=offered[at],
            sold_domestic=by_domestic[at, True],
            sold_foreign=by_domestic[at, False],
            wanted=wanted[at],
            lots=sold.get(at, {}),
        )
        for at in starts
    )


def _waits(facts: Facts) -> Iterator[tuple[float, float]]:
    """Yield (real seconds, market minutes) from each demand's sending to its first allocation.

    The first ends when matching has published the round, the second at the round's own time.
    """
    seqs = {row["round_id"]: (row["seq"], row["market_time"]) for row in facts.rounds}
    first: dict[str, tuple[int, str]] = {}
    for item in facts.allocations:
        found = (seqs[item["round_id"]][0], item["round_id"])
        first[item["demand_id"]] = min(found, first.get(item["demand_id"], found))
    sent = {item.order_id: item.sent_at for item in facts.attempts if item.kind == "demand"}
    submitted = {order["order_id"]: order["submitted_at"] for order in facts.demands}
    for order_id, (_, round_id) in first.items():
        if order_id in sent and order_id in submitted and round_id in facts.published_at:
            real = facts.published_at[round_id] - sent[order_id]
            at = datetime.fromisoformat(seqs[round_id][1])
            market = at - datetime.fromisoformat(submitted[order_id])
            yield real.total_seconds(), market.total_seconds() / 60


def domestic_chips(market: Json) -> Sequence[str]:
    """Return the ids of a market's domestic chip classes."""
    return [chip["id"] for chip in market["chips"] if chip["domestic"]]
