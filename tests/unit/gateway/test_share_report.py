"""The daily report of domestic shares, worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.market import Market
from services.gateway.adapters.http import examples
from services.gateway.app.report_tables import TradeRow
from services.gateway.app.share_report import domestic_share

MARKET = Market.model_validate(examples.MARKET)
HOUR = datetime(2026, 11, 24, 9, tzinfo=UTC)


def test_a_chip_hour_counts_once_and_what_was_sold_on_stands_beside_it() -> None:
    found = domestic_share(
        [
            TradeRow("bj-1/h800", "p", "e", HOUR, 12, 1_200),
            TradeRow("bj-1/h800", "e", "f", HOUR, 5, 600, resold=5),
        ],
        (),
        MARKET,
    )
    (row,) = (
        dict(zip((one.name for one in found.columns), row, strict=True)) for row in found.rows
    )
    assert (row["chip_hours"], row["resold_chip_hours"], row["tflops_hours"]) == (12, 5, 12 * 989)
    whole = next(one for one in found.figures if one.name == "tflops_hours")
    assert whole.value == 12 * 989
