"""The daily report of domestic shares: what was allocated where, and what policies asked of it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from services.gateway.app.report_tables import Content, column, figure, iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.market import Market
    from schemas.reports import Cell
    from schemas.shares import RoundShares
    from services.gateway.app.report_tables import TradeRow

_PPM = 1_000_000
_PPM_PER_BP = 100
_EVERYWHERE = "all"
_ALLOCATED = (
    column("region", ("region", "地区")),
    column("chip", ("chip class", "芯片类别")),
    column("origin", ("origin", "来源")),
    column("chip_hours", ("chip-hours", "卡时"), "chip-hours"),
    column("tflops_hours", ("TFLOPS-hours", "TFLOPS 小时"), "tflops-hours"),
    column("region_share_ppm", ("domestic share of the region", "地区国产占比"), "ppm"),
    column("resold_chip_hours", ("sold on besides", "另有转售"), "chip-hours"),
)
_ASKED = (
    column("round_id", ("round", "轮次")),
    column("market_time", ("time", "时间"), "instant"),
    column("policy_id", ("policy", "政策")),
    column("version", ("version", "版本"), "count"),
    column("asked_ppm", ("share asked", "要求占比"), "ppm"),
    column("achieved_ppm", ("share achieved", "实际占比"), "ppm"),
    column("premium", ("premium per TFLOPS-hour", "每 TFLOPS 小时溢价"), "micro-yuan"),
    column("premium_max", ("highest premium", "溢价上限"), "micro-yuan"),
    column("shortfall", ("missed", "缺口"), "tflops-hours"),
    column("account", ("missed so far", "累计缺口"), "tflops-hours"),
    column("charges", ("paid by imported supply", "进口供给支付"), "micro-yuan"),
    column("credits", ("received by domestic supply", "国产供给所得"), "micro-yuan"),
)


def domestic_share(
    found: Sequence[TradeRow], asked: Sequence[RoundShares], market: Market
) -> Content:
    """Return compute allocated by region and chip class, then what each round was asked.

    Args:
        found: What the day's rounds allocated.
        asked: What domestic shares asked of them, the earliest first.
        market: The market.
    """
    shares, allocated = _allocated(found, market)
    rounds = _rounds(asked)
    told = [share for one in asked for share in one.shares]
    whole = sum(tflops for tflops, _ in shares.values())
    domestic = sum(part for _, part in shares.values())
    figures = (
        figure(
            "domestic_ppm", ("Domestic share", "国产占比"), "ppm", share_ppm_of(domestic, whole)
        ),
        figure("tflops_hours", ("Allocated in all", "分配总量"), "tflops-hours", whole),
        figure(
            "rounds_asked", ("Rounds asked for a share", "有占比要求的轮次"), "count", len(asked)
        ),
        figure(
            "rounds_missed",
            ("Rounds that missed one", "未达占比的轮次"),
            "count",
            sum(any(share.shortfall for share in one.shares) for one in asked),
        ),
        figure(
            "shortfall",
            ("Missed by the day's rounds", "当日各轮缺口"),
            "tflops-hours",
            sum(share.shortfall for share in told),
        ),
        figure(
            "credits",
            ("Received by domestic supply", "国产供给所得"),
            "micro-yuan",
            sum(share.credits for share in told),
        ),
    )
    return Content(figures, (*_ALLOCATED, *_ASKED), (*allocated, *rounds))


def share_ppm_of(part: int, whole: int) -> int | None:
    """Return a part in millionths of the whole; ``None`` of nothing."""
    return part * _PPM // whole if whole else None


def _allocated(
    found: Sequence[TradeRow], market: Market
) -> tuple[dict[str, tuple[int, int]], list[tuple[Cell, ...]]]:
    """Return (all, domestic) TFLOPS-hours of each region, and the rows by region and chip class."""
    regions = {zone.id: zone.region for zone in market.zones}
    chips = {chip.id: chip for chip in market.chips}
    hours: dict[tuple[str, str], int] = defaultdict(int)
    resold: dict[tuple[str, str], int] = defaultdict(int)
    for one in found:
        zone, _, chip = one.pool.partition("/")
        # A chip-hour counts once, when it is first sold; what is sold on stands beside it.
        hours[regions.get(zone, zone), chip] += one.chips - one.resold
        resold[regions.get(zone, zone), chip] += one.resold
    shares: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    rows: list[tuple[Cell, ...]] = []
    for (region, chip), count in sorted(hours.items()):
        kind = chips.get(chip)
        tflops = count * (0 if kind is None else kind.tflops)
        is_domestic = kind is not None and kind.domestic
        whole, domestic = shares[region]
        shares[region] = (whole + tflops, domestic + tflops * is_domestic)
        rows.append((region, chip, "domestic" if is_domestic else "imported", count, tflops))
    nothing = (None,) * len(_ASKED)
    return shares, [
        (*row, share_ppm_of(whole[1], whole[0]), resold[str(row[0]), str(row[1])], *nothing)
        for row in rows
        for whole in (shares[str(row[0])],)
    ]


def _rounds(asked: Sequence[RoundShares]) -> list[tuple[Cell, ...]]:
    """Return a row for each share that was asked of a round."""
    return [
        (
            share.region or _EVERYWHERE,
            *(None,) * 3,
            share.tflops_hours,
            *(None,) * 2,
            one.round_id,
            iso(one.market_time),
            share.policy_id,
            share.version,
            share.share_bp * _PPM_PER_BP,
            share_ppm_of(share.tflops_hours_domestic, share.tflops_hours),
            share.premium,
            share.premium_max,
            share.shortfall,
            share.account,
            share.charges,
            share.credits,
        )
        for one in asked
        for share in one.shares
    ]
