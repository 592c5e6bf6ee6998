"""The figures of the market page, from what the use cases tell."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from schemas.types import period_start
from services.core.eligibility import pools_of
from services.core.phases import last_instant, next_cut, periods_ahead
from services.gateway.adapters.pages.figures import Cell, Column, Figure, Value, cells
from services.gateway.adapters.pages.rendering import share_ppm
from suanli.vocabulary import REGIONS

if TYPE_CHECKING:
    from schemas.api import PriceView, RoundView
    from schemas.indications import IndicativePriceView
    from schemas.links import LinkFlowView
    from schemas.market import ChipClass, Market
    from schemas.market_data import BookCurvesView, IndexView
    from schemas.policies import MarketPaused
    from schemas.shares import RoundShares

ROUNDS_SHOWN = 60
# At night rounds come and go empty; those that traded are looked for among so many.
ROUNDS_READ = 300


@dataclass(frozen=True, slots=True)
class Sight:
    """What the market page tells, as of one moment.

    Attributes:
        market: The market.
        now: The market's instant.
        rounds: Its rounds, latest first, as many as `ROUNDS_READ`.
        prices: Prices by (pool, period).
        indices: Indices of the latest day with one, by chip class and region.
        pause: What a circuit breaker paused last, if it ever did.
        flows: Links between zones, over the hours that rounds look ahead.
        shares: Those of these rounds that a domestic share was asked of, latest first.
        indicated: Indicative prices of the round to come; none while nothing is known.
        defined_at: When the rules were set last, to whose cadence rounds keep from then on.
        is_halted: Whether a policy stops all rounds.
        is_whole: Whether all prices are here.
        mark: Stays the same as long as all of it but the instant does.
    """

    market: Market
    now: datetime
    rounds: tuple[RoundView, ...]
    prices: dict[tuple[str, int], PriceView]
    indices: tuple[IndexView, ...]
    is_whole: bool
    pause: MarketPaused | None = None
    flows: tuple[LinkFlowView, ...] = ()
    shares: tuple[RoundShares, ...] = ()
    indicated: tuple[IndicativePriceView, ...] = ()
    defined_at: datetime | None = None
    is_halted: bool = False
    mark: object = None

    @property
    def latest(self) -> RoundView | None:
        """Return the round that is under way or was the last."""
        return self.rounds[0] if self.rounds else None

    @property
    def closed(self) -> RoundView | None:
        """Return the last round that is published."""
        return next((item for item in self.rounds if item.state == "closed"), None)

    @property
    def traded(self) -> RoundView | None:
        """Return the last published round that traded anything."""
        return next(iter(self.trading), None)

    @property
    def trading(self) -> tuple[RoundView, ...]:
        """Return the published rounds that traded, latest first."""
        found = [item for item in self.rounds if item.state == "closed" and item.chip_hours]
        return tuple(found[:ROUNDS_SHOWN])

    @property
    def next_round(self) -> datetime | None:
        """Return when the next round takes the book; rounds keep to multiples of the cadence."""
        if self.latest is None:
            return None
        after = max(self.latest.market_time, self.defined_at or self.latest.market_time)
        if self.paused_until is not None:
            after = max(after, last_instant(self.paused_until))
        return next_cut(self.market.rules, after)

    @property
    def is_late(self) -> bool:
        """Return whether the next round should have taken the book a whole cadence ago."""
        every = timedelta(seconds=self.market.rules.round_every_s)
        return self.next_round is not None and self.now > self.next_round + every

    @property
    def frozen_from(self) -> datetime | None:
        """Return from when on orders may only improve before the next round, if they do."""
        freeze_s, cut_at = self.market.rules.freeze_s, self.next_round
        if cut_at is None or not freeze_s or self.is_halted:
            return None
        return cut_at - timedelta(seconds=freeze_s)

    @property
    def paused_until(self) -> datetime | None:
        """Return until when a circuit breaker holds the rounds, if it does."""
        pause = self.pause
        is_last = pause is not None and self.latest is not None and pause.seq == self.latest.seq
        return pause.until if pause is not None and is_last and self.now < pause.until else None

    def regions(self) -> tuple[str, ...]:
        """Return the regions, those of the map first."""
        found = dict.fromkeys(zone.region for zone in self.market.zones)
        known = [region for region in ("beijing", "tianjin", "hebei") if region in found]
        return tuple(dict.fromkeys([*known, *found]))

    def chip(self, wanted: str | None) -> ChipClass:
        """Return the chip class that is meant; by default the one that traded most."""
        traded = dict.fromkeys((chip.id for chip in self.market.chips), 0)
        for (pool, _), view in self.prices.items():
            chip = pool.partition("/")[2]
            if chip in traded:
                traded[chip] += view.chips_total
        best = wanted if wanted in traded else max(traded, key=lambda chip: traded[chip])
        return next(chip for chip in self.market.chips if chip.id == best)

    def periods(self) -> range:
        """Return the hours after the running one, as far as rounds look ahead."""
        return periods_ahead(self.market.rules, self.now)

    def cheapest(self, chip: str, region: str) -> list[int | None]:
        """Return the lowest clearing price of a chip class in a region, hour by hour."""
        pools = [
            pool.key for pool in pools_of(self.market) if (pool.chip, pool.region) == (chip, region)
        ]
        return [
            min(
                (
                    view.price
                    for pool in pools
                    if (view := self.prices.get((pool, period))) and view.price is not None
                ),
                default=None,
            )
            for period in self.periods()
        ]

    def indicated_for(self, chip: str) -> IndicativePriceView | None:
        """Return the lowest indicative price of a chip class, ``None`` if none is known."""
        found = [item for item in self.indicated if item.pool.partition("/")[2] == chip]
        return min(found, key=lambda item: (item.price, item.pool, item.period), default=None)

    def domestic_ppm(self) -> int | None:
        """Return the share of domestic chips in the TFLOPS-hours of the rounds shown."""
        whole = sum(item.tflops_hours or 0 for item in self.trading)
        return share_ppm(sum(item.tflops_hours_domestic or 0 for item in self.trading), whole)


def region_name(region: str) -> tuple[str, str]:
    """Return a region's names, English and Chinese."""
    return REGIONS.get(region, (region, region))


_TIME = Column("Delivery hour", "交付时段", "time", "period")


def prices_figure(sight: Sight, chip: ChipClass) -> Figure:
    """Return the lowest clearing price of a chip class by hour and region."""
    regions = sight.regions()
    columns = [
        Column(*region_name(region), "price", f"{region}_yuan_per_chip_hour") for region in regions
    ]
    series = [sight.cheapest(chip.id, region) for region in regions]
    rows = tuple(
        (period_start(period), *(values[place] for values in series))
        for place, period in enumerate(sight.periods())
    )
    return Figure("prices", (_TIME, *columns), rows)


def volumes_figure(sight: Sight) -> Figure:
    """Return the chips that are sold for each hour, domestic ones apart."""
    domestic = {chip.id for chip in sight.market.chips if chip.domestic}
    sold: dict[int, list[int]] = {period: [0, 0] for period in sight.periods()}
    for (pool, period), view in sight.prices.items():
        if period in sold:
            sold[period][0] += view.chips_total
            if pool.partition("/")[2] in domestic:
                sold[period][1] += view.chips_total
    columns = (
        _TIME,
        Column("All chips", "全部芯片", "count", "chips"),
        Column("Domestic", "国产", "count", "chips_domestic"),
    )
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (period_start(period), *numbers) for period, numbers in sold.items()
    )
    return Figure("volumes", columns, rows)


def welfare_figure(sight: Sight) -> Figure:
    """Return welfare and certified gap of the latest rounds that traded."""
    columns = (
        Column("Round", "轮次", "count", "seq"),
        Column("Welfare", "福利", "money", "welfare_yuan"),
        Column("Certified gap", "已证明差距", "ppm", "gap_ppm"),
        Column("Chip-hours", "卡时", "count", "chip_hours"),
        Column("Cut", "截止时刻", "time", "market_time"),
    )
    rows: list[tuple[Value, ...]] = [
        (item.seq, item.welfare, item.gap_ppm, item.chip_hours, item.market_time)
        for item in reversed(sight.trading)
    ]
    return Figure("welfare", columns, tuple(rows))


def turnover_figure(sight: Sight) -> Figure:
    """Return what each of the latest rounds that traded came to, and the domestic share of it."""
    columns = (
        Column("Round", "轮次", "count", "seq"),
        Column("Chip-hours", "成交卡时", "count", "chip_hours"),
        Column("Domestic share", "国产占比", "ppm", "domestic_share_ppm"),
        Column("Paid", "成交金额", "money", "payment_yuan"),
        Column("TFLOPS-hours", "TFLOPS·小时", "count", "tflops_hours"),
        Column("Cut", "截止时刻", "time", "market_time"),
    )
    rows: list[tuple[Value, ...]] = [
        (
            item.seq,
            item.chip_hours,
            share_ppm(item.tflops_hours_domestic, item.tflops_hours),
            item.payment,
            item.tflops_hours,
            item.market_time,
        )
        for item in reversed(sight.trading)
    ]
    return Figure("turnover", columns, tuple(rows))


def regions_figure(sight: Sight, chip: ChipClass) -> Figure:
    """Return what the map shows of a chip class: its lowest prices by region over the horizon."""
    columns = (
        Column("Region", "地区", "text", "region"),
        Column("Average", "均价", "price", "average_yuan_per_chip_hour"),
        Column("Lowest", "最低", "price", "min_yuan_per_chip_hour"),
        Column("Highest", "最高", "price", "max_yuan_per_chip_hour"),
        Column("Hours with a price", "有价时段", "count", "hours"),
    )
    rows: list[tuple[Value, ...]] = []
    for region in sight.regions():
        known = [value for value in sight.cheapest(chip.id, region) if value is not None]
        average = sum(known) // len(known) if known else None
        ends = (min(known), max(known)) if known else (None, None)
        rows.append((region, average, *ends, len(known)))
    return Figure("regions", columns, tuple(rows))


def indices_figure(sight: Sight) -> Figure:
    """Return the latest index of each chip class and region."""
    columns = (
        Column("Chip class", "芯片型号", "text", "chip"),
        Column("Region", "地区", "text", "region"),
        Column("Index", "指数", "price", "index_yuan_per_chip_hour"),
        Column("Change", "涨跌", "ppm", "change_ppm"),
        Column("Per PFLOPS-hour", "每 PFLOPS·小时", "money", "yuan_per_pflops_hour"),
        Column("Chip-hours", "卡时", "count", "volume"),
        Column("Day", "交付日", "time", "start"),
    )
    names = {chip.id: chip.name for chip in sight.market.chips}
    rows = tuple(
        (
            names.get(item.chip, item.chip),
            item.region,
            item.index,
            item.change_ppm,
            item.per_pflops_hour,
            item.volume,
            item.start,
        )
        for item in sight.indices
    )
    return Figure("indices", columns, rows)


def depth_figure(curves: BookCurvesView) -> Figure:
    """Return what is offered and wanted at each price of one delivery window."""
    columns = (
        Column("Price", "价格", "price", "yuan_per_chip_hour"),
        Column("Offered at this or less", "供给（不高于此价）", "count", "supply_chip_hours"),
        Column("Wanted at this or more", "需求（不低于此价）", "count", "demand_chip_hours"),
    )
    # Both are exact between their steps too: supply is that of the dearest ask up to the price,
    # demand that of the cheapest limit from it on.
    asks = [step.price for step in curves.supply]
    limits = [step.price for step in reversed(curves.demand)]
    offered = [0, *(step.chip_hours for step in curves.supply)]
    wanted = [*(step.chip_hours for step in reversed(curves.demand)), 0]
    rows = tuple(
        (price, offered[bisect_right(asks, price)], wanted[bisect_left(limits, price)])
        for price in sorted({*asks, *limits})
    )
    return Figure("depth", columns, rows)


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A row of the heat map."""

    chip: ChipClass
    region: str
    cells: tuple[Cell, ...]
    low: int
    high: int


def heat_rows(sight: Sight) -> tuple[HeatRow, ...]:
    """Return the heat map: every chip class has a scale of its own, the same in all regions."""
    found = []
    for chip in sight.market.chips:
        rows = [(region, sight.cheapest(chip.id, region)) for region in sight.regions()]
        known = [value for _, values in rows for value in values if value is not None]
        if known:
            low, high = min(known), max(known)
            found += [
                HeatRow(chip, region, cells(values, low, high), low, high)
                for region, values in rows
                if any(value is not None for value in values)
            ]
    return tuple(found)


def heat_figure(sight: Sight) -> Figure:
    """Return the prices behind the heat map, an hour a row."""
    pairs = [(chip, region) for chip in sight.market.chips for region in sight.regions()]
    series = [(pair, sight.cheapest(pair[0].id, pair[1])) for pair in pairs]
    series = [(pair, values) for pair, values in series if any(item is not None for item in values)]
    columns = [
        Column(
            f"{chip.name}, {region_name(region)[0]}",
            f"{chip.name} {region_name(region)[1]}",
            "price",
            f"{chip.id}/{region}",
        )
        for (chip, region), _ in series
    ]
    rows = tuple(
        (period_start(period), *(values[place] for _, values in series))
        for place, period in enumerate(sight.periods())
    )
    return Figure("heat", (_TIME, *columns), rows)


def map_prices(sight: Sight, chip: ChipClass) -> dict[str, tuple[int | None, int]]:
    """Return (average of the lowest prices over the horizon, shade 0 to 8) by region."""
    means: dict[str, int | None] = {
        str(row[0]): row[1] if isinstance(row[1], int) else None
        for row in regions_figure(sight, chip).rows
    }
    values = [value for value in means.values() if value is not None]
    low, high = (min(values), max(values)) if values else (0, 0)
    return {
        region: (
            value,
            -1 if value is None else (1 + (value - low) * 6 // (high - low) if high > low else 3),
        )
        for region, value in means.items()
    }


def window_of(sight: Sight, hours: int) -> tuple[datetime, datetime]:
    """Return the delivery window of so many hours after the running one."""
    start = period_start(sight.periods().start)
    return start, start + timedelta(hours=hours)
