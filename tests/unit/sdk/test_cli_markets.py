"""`suanli markets MARKET`: how the zones are joined."""

from __future__ import annotations

from typing import Any

import pytest

from suanli.cli.markets import _changed, _print_ways
from suanli.cli.session import Output, Session

Json = dict[str, Any]
LINK = {"source": "bj", "destination": "he", "capacity_gb_per_period": 45_000, "tariff": 12_000}
MARKET: Json = {
    "latencies": [{"a": "he", "b": "bj", "ms": 4}, {"a": "bj", "b": "tj", "ms": 3}],
    "links": [LINK],
}


def printed(capsys: pytest.CaptureFixture[str], market: Json) -> list[list[str]]:
    _print_ways(Session(None, None, "en", Output.TABLE), market)
    return [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_links_show_room_tariff_and_latency_and_other_pairs_their_latency(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = printed(capsys, MARKET)
    assert ["bj", "he", "45,000", "0.012", "4"] in lines
    assert ["bj", "tj", "3"] in lines
    assert ["he", "bj", "4"] not in lines


def test_a_market_without_links_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert ["Links"] not in printed(capsys, {"latencies": MARKET["latencies"]})
    assert printed(capsys, {"latencies": []}) == []


def test_a_definition_says_what_is_other_than_in_the_one_before() -> None:
    cut = {**MARKET, "links": [{**LINK, "capacity_gb_per_period": 0}], "rules": {"tick": 100}}
    assert _changed(cut, MARKET) == ("links, rules", "链路、规则")
    assert _changed(MARKET, None) == ("first known", "已知最早")
