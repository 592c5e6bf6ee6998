"""What the command line says of a quote's money and of the account's largest share."""

from __future__ import annotations

from typing import Any

from suanli.cli.quotes import facts

QUOTE: dict[str, Any] = {
    "state": "open",
    "reason": {"code": "largest_share", "en": "none", "zh": "无", "params": {}},
    "periods": [],
    "links": [],
    **dict.fromkeys(("chip_hours", "cost", "value"), 0),
    "hold": 5_000_000,
    "round_id": "m:1",
}
SHARE = {"policy": "half", "chip": "h800", "pool": "bj-1/h800", "period": "2026-11-25T00:00:00Z"}


def test_a_quote_shows_free_money_and_what_all_orders_leave_of_a_share_in_both_languages() -> None:
    counts = {"share": 20, "held": 8, "wanted": 5, "asked": 32, "left": -25}
    quote = QUOTE | {"free": -2, "largest_share": SHARE | counts}
    told = {name: text for name, _, text in facts(quote)}
    assert told["free_yuan"] == "-0.000002"
    text = told["largest_share"]
    assert not isinstance(text, str)
    en, zh = text
    for count in ("-25", "20", "8", "5", "32", "11-25 00:00"):
        assert count in en
        assert count in zh


def test_a_quote_without_money_or_share_says_nothing_of_them() -> None:
    names = {name for name, _, _ in facts(QUOTE | {"free": None, "largest_share": None})}
    assert not names & {"free_yuan", "largest_share"}
    assert "hold_yuan" in {name for name, _, _ in facts(QUOTE)}
