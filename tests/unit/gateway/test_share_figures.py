"""Domestic shares on the market's page: a row for each round and region that was asked."""

from __future__ import annotations

from schemas.share_examples import SHARES
from schemas.shares import RoundShares
from services.gateway.adapters.pages.share_figures import share_regions, shares_figure

_EXAMPLE = SHARES[RoundShares]
_SHARE = _EXAMPLE["shares"][0]
_EMPTY = {"tflops_hours": 0, "tflops_hours_domestic": 0, "charges": 0, "credits": 0}
_LATEST_FIRST = [
    RoundShares.model_validate(_EXAMPLE | {"seq": 8, "shares": [_SHARE | _EMPTY]}),
    RoundShares.model_validate(
        _EXAMPLE | {"shares": [_SHARE, _SHARE | {"policy_id": "all", "region": None}]}
    ),
]


def test_each_round_and_region_that_was_asked_is_a_row_the_earliest_first() -> None:
    figure = shares_figure(_LATEST_FIRST)
    assert [row[:5] for row in figure.rows] == [
        (7, "beijing", 600_000, 625_000, 2_500),
        (7, "all", 600_000, 625_000, 2_500),
        (8, "beijing", 600_000, None, 2_500),
    ]
    lines = figure.csv().splitlines()
    assert lines[0].startswith("seq,region,asked_ppm,achieved_ppm,premium_yuan")
    assert lines[1].startswith("7,beijing,600000,625000,0.0025,0.04,0,120000,24000,23999.999998")


def test_a_region_has_a_chart_of_its_own_and_all_regions_together_come_first() -> None:
    assert share_regions(_LATEST_FIRST) == ("all", "beijing")
    assert [row[0] for row in shares_figure(_LATEST_FIRST, "beijing").rows] == [7, 8]
    assert [row[0] for row in shares_figure(_LATEST_FIRST, "all").rows] == [7]
    assert share_regions([]) == ()
