"""Figures of a trader's pages, from the sums that the database makes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from schemas.types import period_start
from services.gateway.adapters.pages.figures import Column, Figure
from services.gateway.adapters.pages.rendering import BEIJING, share_ppm
from services.gateway.desk_ports import DaySum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.gateway.desk_ports import BudgetUse, HourSum, SiteSum


# A chart of one bar tells nothing; a fortnight back and some days ahead do.
_DAYS_BACK, _DAYS_AHEAD = 13, 3
_DAY = timedelta(days=1)


def days_figure(days: Sequence[DaySum], now: datetime) -> Figure:
    """Return what deliveries of each day cost or earn; none at all if there were none."""
    columns = (
        Column("Day of delivery", "交付日", "time", "day"),
        Column("Amount", "金额", "money", "yuan"),
        Column("Chip-hours", "卡时", "count", "chip_hours"),
        Column("On average", "均价", "price", "yuan_per_chip_hour"),
    )
    rows = tuple(
        (
            item.day,
            item.amount,
            item.chip_hours,
            item.amount // item.chip_hours if item.chip_hours else None,
        )
        for item in _every_day(days, now)
    )
    return Figure("days", columns, rows)


def _every_day(days: Sequence[DaySum], now: datetime) -> list[DaySum]:
    if not days:
        return []
    known = {item.day.astimezone(BEIJING): item for item in days}
    today = now.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    first = min(*known, today - _DAYS_BACK * _DAY)
    last = max(*known, today + _DAYS_AHEAD * _DAY)
    places = [first + number * _DAY for number in range((last - first).days + 1)]
    return [known.get(day, DaySum(day, 0, 0)) for day in places]


def sites_figure(sites: Sequence[SiteSum]) -> Figure:
    """Return fill, use and revenue of each pool of a provider."""
    columns = (
        Column("Zone", "区域", "zone", "zone"),
        Column("Chip class", "芯片型号", "chip", "chip"),
        Column("Offered", "供给卡时", "count", "chip_hours_offered"),
        Column("Sold", "成交卡时", "count", "chip_hours_sold"),
        Column("Fill", "成交率", "ppm", "fill_percent"),
        Column("Delivered", "已交付", "count", "chip_hours_delivered"),
        Column("Used", "利用率", "ppm", "utilisation_percent"),
        Column("Revenue", "收入", "money", "revenue_yuan"),
        Column("On average", "均价", "price", "yuan_per_chip_hour"),
    )
    rows = tuple(
        (
            item.zone,
            item.chip,
            item.offered,
            item.sold,
            share_ppm(item.sold, item.offered),
            item.delivered,
            share_ppm(item.delivered, item.offered),
            item.revenue,
            item.revenue // item.sold if item.sold else None,
        )
        for item in sites
    )
    return Figure("sites", columns, rows)


def hours_figure(hours: Sequence[HourSum]) -> Figure:
    """Return chips offered and sold in each hour of the horizon."""
    columns = (
        Column("Hour", "时段", "time", "period"),
        Column("Offered", "供给", "count", "chips_offered"),
        Column("Sold", "成交", "count", "chips_sold"),
        Column("Used", "利用率", "ppm", "utilisation_percent"),
    )
    rows = tuple(
        (
            period_start(item.period),
            item.offered,
            item.sold,
            share_ppm(item.sold, item.offered),
        )
        for item in hours
    )
    return Figure("hours", columns, rows)


def budgets_figure(found: Sequence[BudgetUse]) -> Figure:
    """Return what live demand with a budget has come to."""
    columns = (
        Column("Demand", "需求", "text", "order_id"),
        Column("Budget", "预算", "money", "budget_yuan"),
        Column("Held", "冻结", "money", "held_yuan"),
        Column("Spent so far", "已支出", "money", "spent_yuan"),
        Column("Chip-hours got", "已成交卡时", "count", "chip_hours_allocated"),
        Column("Left", "剩余", "count", "chip_hours_left"),
    )
    rows = tuple(
        (
            item.order_id,
            item.budget,
            item.held,
            item.spent,
            item.chip_hours_allocated,
            item.chip_hours_left,
        )
        for item in found
    )
    return Figure("budgets", columns, rows)
