"""`suanli policy simulate`: the rule that its options say."""

from __future__ import annotations

from typing import Any

import pytest

from suanli.cli.errors import UsageProblem
from suanli.cli.tried_rules import rule_of

Json = dict[str, Any]
NOTHING: Json = {
    **dict.fromkeys(("cap", "chip", "share", "premium_max", "largest", "region", "rule")),
    "floor": "0",
    "free": 0,
}


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({}, None),
        (
            {"cap": "15", "chip": "a10"},
            {"kind": "price_limits", "chip": "a10", "floor": 0, "cap": 15_000_000},
        ),
        (
            {"share": "60", "premium_max": "0.02", "region": "beijing"},
            {
                "kind": "domestic_share",
                "region": "beijing",
                "share_bp": 6_000,
                "premium_max": 20_000,
            },
        ),
        (
            {"largest": "25", "free": 16, "chip": "a10"},
            {
                "kind": "largest_share",
                "chip": "a10",
                "region": None,
                "share_bp": 2_500,
                "chips_free": 16,
            },
        ),
        ({"rule": '{"kind": "trading_halt"}'}, {"kind": "trading_halt"}),
    ],
)
def test_options_say_a_rule(given: Json, rule: Json | None) -> None:
    assert rule_of(NOTHING | given) == rule


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"cap": "15", "share": "60", "premium_max": "1"}, "--share"),
        ({"largest": "25", "rule": "{}"}, "--rule"),
        ({"share": "60"}, "--premium-max"),
        ({"rule": "[1]"}, "--rule"),
        ({"rule": "@no-such-file"}, "--rule"),
    ],
)
def test_options_that_say_two_rules_or_half_of_one_are_refused(given: Json, field: str) -> None:
    with pytest.raises(UsageProblem) as refused:
        rule_of(NOTHING | given)
    assert refused.value.field == field
