"""The register of emergency use: what each urgent round took, for whom, at which price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.gateway.app.report_tables import Content, column, figure, iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from schemas.reports import Cell


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


@dataclass(frozen=True, slots=True)
class DisplacementRow:
    """What the urgent rounds of a cycle cost other demand; money in micro-yuan."""

    round_id: str
    market_time: datetime
    mobilisations: Sequence[str]
    status: str
    welfare: int
    welfare_without: int
    demands: int
    chip_hours: int
    value: int


@dataclass(frozen=True, slots=True)
class DisplacedRow:
    """A demand that got less by urgent rounds; the value in micro-yuan."""

    round_id: str
    market_time: datetime
    mobilisations: Sequence[str]
    status: str
    demand_id: str
    participant_id: str
    chip_hours: int
    value: int


_COLUMNS = (
    column("kind", ("what", "类别")),
    column("mobilisation_id", ("mobilisation", "动员")),
    column("reason", ("because", "原因")),
    column("proposed_by", ("proposed by", "提出人")),
    column("declared_by", ("confirmed by", "确认人")),
    column("round_id", ("round", "轮次")),
    column("market_time", ("time", "时间"), "instant"),
    column("demands", ("urgent demands", "紧急需求"), "count"),
    column("demands_served", ("served", "已满足"), "count"),
    column("chip_hours", ("given, or lost", "分配或损失"), "chip-hours"),
    column("reserve_chip_hours", ("of these, reserve", "其中储备"), "chip-hours"),
    column("price_max", ("highest price", "最高价格"), "micro-yuan"),
    column("price_cap", ("cap", "价格上限"), "micro-yuan"),
    column("payment", ("paid", "金额"), "micro-yuan"),
    column("demand_id", ("displaced demand", "被挤出的需求")),
    column("participant_id", ("enterprise", "需求方")),
    column("value", ("value that it lost", "损失价值"), "micro-yuan"),
    column("proof", ("clearing without urgency", "无紧急需求的出清")),
)


def emergency_use(
    served: Sequence[EmergencyRow],
    costs: Sequence[DisplacementRow],
    displaced: Sequence[DisplacedRow],
) -> Content:
    """Return the register: a row for each urgent round, then one for each demand that lost."""
    rows = [_served(one) for one in served] + [_displaced(one) for one in displaced]
    named = len({one.mobilisation_id for one in served})
    given = sum(one.chip_hours for one in served)
    reserve = sum(one.reserve_chip_hours for one in served)
    paid = sum(one.payment for one in served)
    lost = sum(one.chip_hours for one in costs)
    value = sum(one.value for one in costs)
    welfare = sum(one.welfare_without - one.welfare for one in costs)
    demands = sum(one.demands for one in costs)
    figures = (
        figure("mobilisations", ("Mobilisations that took", "有用量的动员"), "count", named),
        figure("rounds", ("Urgent rounds", "紧急轮次"), "count", len(served)),
        figure("chip_hours", ("Given to urgent demand", "紧急需求所得"), "chip-hours", given),
        figure("reserve_chip_hours", ("From the reserve", "取自储备"), "chip-hours", reserve),
        figure("payment", ("Paid for it", "支付金额"), "micro-yuan", paid),
        figure("displaced", ("Other demand that got less", "被挤出的需求"), "count", demands),
        figure("displaced_chip_hours", ("It got less by", "被挤出量"), "chip-hours", lost),
        figure("displaced_value", ("Worth to it", "被挤出价值"), "micro-yuan", value),
        figure("welfare_cost", ("Cost to ordinary rounds", "普通轮次损失"), "micro-yuan", welfare),
    )
    return Content(figures, _COLUMNS, tuple(rows))


def _served(one: EmergencyRow) -> tuple[Cell, ...]:
    return (
        "urgent round",
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
        *(None,) * 4,
    )


def _displaced(one: DisplacedRow) -> tuple[Cell, ...]:
    names, nothing = " ".join(one.mobilisations), (None,)
    return (
        *("displaced", names, *nothing * 3, one.round_id, iso(one.market_time), *nothing * 2),
        *(one.chip_hours, *nothing * 4, one.demand_id, one.participant_id, one.value, one.status),
    )
