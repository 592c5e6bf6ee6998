"""Flows between regions, worked by hand: routes, then what each region gave and took in all."""

from __future__ import annotations

from schemas.market import Market
from services.gateway.adapters.http import examples
from services.gateway.app.report_tables import FlowRow, regional_flows

MARKET = Market.model_validate(examples.MARKET)


def test_what_a_region_exports_another_imports_and_unstated_demand_counts_in_neither() -> None:
    found = regional_flows(
        [
            FlowRow("bj-1/h800", "zjk-1", None, 3, 300), FlowRow("zjk-1/h800", "bj-1", None, 5, 50),
            FlowRow("bj-1/h800", None, "bj-1", 7, 7), FlowRow("bj-1/h800", None, None, 2, 20),
        ],
        MARKET,
    )  # fmt: skip
    assert found.rows == (
        ("route", "beijing", "beijing", 7, 7),
        ("route", "beijing", "hebei", 3, 300),
        ("route", "beijing", "unstated", 2, 20),
        ("route", "hebei", "beijing", 5, 50),
        ("exported", "beijing", "others", 3, 300),
        ("exported", "hebei", "others", 5, 50),
        ("imported", "others", "beijing", 5, 50),
        ("imported", "others", "hebei", 3, 300),
    )
