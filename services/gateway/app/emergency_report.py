"""The register of emergency use: what each urgent round took, for whom, at which price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.gateway.app.report_tables import Content, column, figure, iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class EmergencyRow:
    """An urgent round and the mobilisation that it served; prices and money in micro-yuan."""

    mobilisation_id: str
    reason: str
    proposed_by: str
    declared_by: str
    round_id: str
    market_time: datetime
    demands: int
    demands_served: int
    chip_hours: int
    reserve_chip_hours: int
    price_max: int
    price_cap: int
    payment: int


def emergency_use(found: Sequence[EmergencyRow]) -> Content:
    """Return the register of urgent rounds."""
    columns = (
        column("mobilisation_id", ("mobilisation", "动员")),
        column("reason", ("because", "原因")),
        column("proposed_by", ("proposed by", "提出人")),
        column("declared_by", ("confirmed by", "确认人")),
        column("round_id", ("round", "轮次")),
        column("market_time", ("time", "时间"), "instant"),
        column("demands", ("urgent demands", "紧急需求"), "count"),
        column("demands_served", ("served", "已满足"), "count"),
        column("chip_hours", ("given", "已分配"), "chip-hours"),
        column("reserve_chip_hours", ("of these, reserve", "其中储备"), "chip-hours"),
        column("price_max", ("highest price", "最高价格"), "micro-yuan"),
        column("price_cap", ("cap", "价格上限"), "micro-yuan"),
        column("payment", ("paid", "金额"), "micro-yuan"),
    )
    rows = tuple(
        (
            one.mobilisation_id,
            one.reason,
            one.proposed_by,
            one.declared_by,
            one.round_id,
            iso(one.market_time),
            one.demands,
            one.demands_served,
            one.chip_hours,
            one.reserve_chip_hours,
            one.price_max,
            one.price_cap,
            one.payment,
        )
        for one in found
    )
    named = len({one.mobilisation_id for one in found})
    given = sum(one.chip_hours for one in found)
    reserve = sum(one.reserve_chip_hours for one in found)
    paid = sum(one.payment for one in found)
    figures = (
        figure("mobilisations", ("Mobilisations that took", "有用量的动员"), "count", named),
        figure("rounds", ("Urgent rounds", "紧急轮次"), "count", len(found)),
        figure("chip_hours", ("Given to urgent demand", "紧急需求所得"), "chip-hours", given),
        figure("reserve_chip_hours", ("From the reserve", "取自储备"), "chip-hours", reserve),
        figure("payment", ("Paid for it", "支付金额"), "micro-yuan", paid),
    )
    return Content(figures, columns, rows)
