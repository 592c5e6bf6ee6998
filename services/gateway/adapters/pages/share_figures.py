"""Domestic shares on the market's page: what was asked of each round, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.adapters.pages.figures import Column, Figure
from services.gateway.adapters.pages.rendering import share_ppm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.shares import RoundShares

EVERYWHERE = "all"
"""What the region is called of a share that is asked of every region together."""
_PPM_PER_BP = 100
_COLUMNS = (
    Column("Round", "轮次", "count", "seq"),
    Column("Region", "地区", "text", "region"),
    Column("Share asked", "要求占比", "ppm", "asked_ppm"),
    Column("Share achieved", "实际占比", "ppm", "achieved_ppm"),
    Column("Premium", "溢价", "price", "premium_yuan"),
    Column("Highest premium", "溢价上限", "price", "premium_max_yuan"),
    Column("Missed, TFLOPS-hours", "缺口（TFLOPS·小时）", "count", "shortfall_tflops_hours"),
    Column("Missed so far", "累计缺口", "count", "account_tflops_hours"),
    Column("Paid by imported supply", "进口供给支付", "money", "charges_yuan"),
    Column("Received by domestic supply", "国产供给所得", "money", "credits_yuan"),
    Column("Cut", "截止时刻", "time", "market_time"),
)


def share_regions(found: Iterable[RoundShares]) -> tuple[str, ...]:
    """Return the regions that shares were asked of, every region together first."""
    names = {share.region or EVERYWHERE for one in found for share in one.shares}
    return tuple(sorted(names, key=lambda name: (name != EVERYWHERE, name)))


def shares_figure(found: Sequence[RoundShares], region: str | None = None) -> Figure:
    """Return what was asked of rounds, the earliest first.

    Args:
        found: Rounds that a share was asked of, the latest first.
        region: Only of this one; every one that a share was asked of if left out.
    """
    rows = tuple(
        (
            one.seq,
            share.region or EVERYWHERE,
            share.share_bp * _PPM_PER_BP,
            share_ppm(share.tflops_hours_domestic, share.tflops_hours),
            share.premium,
            share.premium_max,
            share.shortfall,
            share.account,
            share.charges,
            share.credits,
            one.market_time,
        )
        for one in reversed(found)
        for share in one.shares
        if region in (None, share.region or EVERYWHERE)
    )
    return Figure("shares" if region is None else f"shares-{region}", _COLUMNS, rows)
