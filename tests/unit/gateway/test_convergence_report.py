"""Spreads between regions, worked by hand: equal hours, lowest pools, links of other regions."""

from __future__ import annotations

from schemas.market import Market
from services.gateway.adapters.http import examples
from services.gateway.app.convergence_report import LinkDay, PeriodPrice, price_convergence

MARKET = Market.model_validate(
    examples.MARKET
    | {
        "zones": [
            *examples.MARKET["zones"],
            examples.MARKET["zones"][0] | {"id": "bj-2", "name_en": "Beijing Yizhuang"},
        ]
    }
)


def test_spreads_are_of_the_lowest_pool_of_each_region_where_both_had_supply() -> None:
    found = price_convergence(
        [
            PeriodPrice("bj-1/h800", 1, 900), PeriodPrice("bj-2/h800", 1, 700),
            PeriodPrice("zjk-1/h800", 1, 700), PeriodPrice("bj-1/h800", 2, 900),
            PeriodPrice("zjk-1/h800", 2, 600), PeriodPrice("zjk-1/h800", 3, 500),
        ],
        [
            LinkDay("bj-1", "zjk-1", 40, 1_000, 2), LinkDay("zjk-1", "bj-2", 5, 0, 0),
            LinkDay("bj-1", "bj-2", 99, 7, 1),
        ],
        MARKET,
    )  # fmt: skip
    assert found.rows == (
        ("beijing", "hebei", "all", 2, 1, None, None, 40, 5, 2, 1_000),
        ("beijing", "hebei", "h800", 2, 1, 150, 300, None, None, None, None),
    )
    assert [one.value for one in found.figures] == [500_000, 1_000]


def test_a_day_without_prices_in_two_regions_has_no_share_of_equal_hours() -> None:
    found = price_convergence([PeriodPrice("bj-1/h800", 1, 900)], [], MARKET)
    assert found.rows == ()
    assert [one.value for one in found.figures] == [None, 0]
