"""Simulated rounds as a table: the columns that the command line, the API and the pages share."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.policy_costs import PolicyCost, SimulatedRound

Cell = str | int | bool | None
_GAINS = ("welfare", "chip_hours", "payment", "buyers", "sellers", "links", "fund")


def cost_row(round_id: str, cost: PolicyCost) -> dict[str, Cell]:
    """Return what a policy cost in a round as one row; money in micro-yuan."""
    row: dict[str, Cell] = {
        "round_id": round_id,
        "policy_id": cost.policy_id,
        "version": cost.version,
        "kind": cost.kind,
        "cost": cost.cost,
        "cost_least": cost.cost_least,
        "cost_most": cost.cost_most,
        "within_gap": cost.within_gap,
        "offers_kept_out": cost.offers_kept_out,
        "demands_kept_out": cost.demands_kept_out,
    }
    for name in _GAINS:
        row[f"{name}_without"] = getattr(cost.without_it, name)
        row[f"{name}_with"] = getattr(cost.with_it, name)
    return row


def round_rows(rounds: Sequence[SimulatedRound]) -> list[dict[str, Cell]]:
    """Return one row for each simulated round, with the average price of every chip class."""
    chips = sorted({price.chip for one in rounds for price in one.prices})
    rows = []
    for one in rounds:
        row = cost_row(one.round_id, one.cost) | {"state": one.state}
        prices = {price.chip: price for price in one.prices}
        for chip in chips:
            known = prices.get(chip)
            row[f"price_{chip}_without"] = None if known is None else known.without_it
            row[f"price_{chip}_with"] = None if known is None else known.with_it
        rows.append(row)
    return rows


def region_rows(round_id: str, cost: PolicyCost) -> list[dict[str, Cell]]:
    """Return who bore a policy, one row for each region of supply; money in micro-yuan."""
    without = {row.region: row for row in cost.without_it.regions}
    return [
        {
            "round_id": round_id,
            "policy_id": cost.policy_id,
            "region": row.region,
            "chip_hours_without": without[row.region].chip_hours,
            "chip_hours_with": row.chip_hours,
            "buyers_change": row.buyers - without[row.region].buyers,
            "sellers_change": row.sellers - without[row.region].sellers,
        }
        for row in cost.with_it.regions
    ]


def csv_of(rows: Iterable[dict[str, Cell]]) -> str:
    """Return rows as CSV with a header; flags are true and false, nothing is empty."""
    found = list(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(found[0]) if found else [], lineterminator="\n")
    writer.writeheader()
    for row in found:
        writer.writerow(
            {
                name: str(value).lower() if isinstance(value, bool) else value
                for name, value in row.items()
            }
        )
    return out.getvalue()
