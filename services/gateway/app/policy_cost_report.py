"""The daily report of what policies cost, and who bore it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.gateway.app.report_tables import Content, column, figure, iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from schemas.policy_costs import PolicyCost
    from schemas.reports import Cell


@dataclass(frozen=True, slots=True)
class CostRow:
    """What a policy cost in a round."""

    round_id: str
    market_time: datetime
    cost: PolicyCost


_COLUMNS = (
    column("round_id", ("round", "轮次")),
    column("market_time", ("time", "时间"), "instant"),
    column("policy_id", ("policy", "政策")),
    column("version", ("version", "版本"), "count"),
    column("kind", ("kind", "类别")),
    column("region", ("region", "地区")),
    column("cost", ("cost", "成本"), "micro-yuan"),
    column("cost_least", ("least", "至少"), "micro-yuan"),
    column("cost_most", ("most", "至多"), "micro-yuan"),
    column("within_gap", ("sign", "正负")),
    column("buyers_change", ("buyers", "买方"), "micro-yuan"),
    column("sellers_change", ("sellers", "卖方"), "micro-yuan"),
    column("chip_hours_change", ("chip-hours", "卡时"), "chip-hours"),
    column("demands_kept_out", ("demand kept out", "未能进入的需求"), "count"),
    column("offers_kept_out", ("offers kept out", "未能进入的供给"), "count"),
)
_EVERYWHERE = "all"


def policy_costs(found: Sequence[CostRow]) -> Content:
    """Return each policy of each round: a row for all regions, then one for each that changed."""
    rows: list[tuple[Cell, ...]] = []
    for one in found:
        cost = one.cost
        head = (one.round_id, iso(one.market_time), cost.policy_id, cost.version, cost.kind)
        rows.append(
            (
                *(*head, _EVERYWHERE, cost.cost, cost.cost_least, cost.cost_most),
                "within the gap" if cost.within_gap else "certain",
                cost.with_it.buyers - cost.without_it.buyers,
                cost.with_it.sellers - cost.without_it.sellers,
                cost.with_it.chip_hours - cost.without_it.chip_hours,
                cost.demands_kept_out,
                cost.offers_kept_out,
            )
        )
        without = {row.region: row for row in cost.without_it.regions}
        for row in cost.with_it.regions:
            before = without[row.region]
            change = (
                row.buyers - before.buyers,
                row.sellers - before.sellers,
                row.chip_hours - before.chip_hours,
            )
            if any(change):
                rows.append((*head, row.region, *(None,) * 4, *change, None, None))
    figures = (
        figure(
            "rounds",
            ("Rounds under policies", "有政策的轮次"),
            "count",
            len({one.round_id for one in found}),
        ),
        figure(
            "cost",
            ("Cost of each policy by itself, in all", "各政策单独成本合计"),
            "micro-yuan",
            sum(one.cost.cost for one in found),
        ),
        figure(
            "certain",
            ("Costs whose sign is certain", "正负可确定的成本"),
            "count",
            sum(not one.cost.within_gap for one in found),
        ),
    )
    return Content(figures, _COLUMNS, tuple(rows))
