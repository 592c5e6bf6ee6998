from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli.cli import units
from suanli.cli.errors import UsageProblem
from suanli.cli.render import sparkline

NOW = datetime(2026, 11, 25, 8, 41, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "micro"),
    [("9.5", 9_500_000), ("0.0001", 100), ("12", 12_000_000), (" 3.000001 ", 3_000_001)],
)
def test_yuan_become_micro_yuan_exactly(text: str, micro: int) -> None:
    assert units.micro_of_yuan("--ask", text) == micro


@pytest.mark.parametrize(
    "text", ["9.5000001", "-1", "1e3", "9,5", "1,000", "", "NaN", "Infinity", ".5", "٣"]
)
def test_what_is_no_exact_amount_is_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        units.micro_of_yuan("--ask", text)
    assert caught.value.field == "--ask"
    assert "six decimal places" in caught.value.allowed[0]


@given(st.integers(min_value=0, max_value=10**17))
def test_an_amount_that_is_shown_reads_back_as_the_same_amount(micro: int) -> None:
    text = units.yuan(micro, grouped=False)
    assert units.micro_of_yuan("--ask", text) == micro
    assert units.yuan(micro).replace(",", "") == text
    assert Decimal(text) == Decimal(micro) / 10**6


def test_amounts_keep_at_least_two_places_and_their_sign() -> None:
    assert units.yuan(1_234_500_000) == "1,234.50"
    assert units.yuan(-100) == "-0.0001"
    assert units.yuan(13_731_000, places_min=4) == "13.7310"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-25T08:00:00Z", "2026-11-25T08:00:00Z"),
        ("2026-11-25T16:00+08:00", "2026-11-25T08:00:00Z"),
        ("+0h", "2026-11-25T08:00:00Z"),
        ("+3h", "2026-11-25T11:00:00Z"),
        ("+1d", "2026-11-26T08:00:00Z"),
    ],
)
def test_instants_are_taken_with_a_zone_or_from_the_current_full_hour(
    text: str, expected: str
) -> None:
    assert units.instant("--start", text, lambda: NOW) == expected


@pytest.mark.parametrize("text", ["2026-11-25T08:00:00", "tomorrow", "+3", "3h", "2026-11-25"])
def test_an_instant_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(UsageProblem, match=r"--start: must be an instant with a time zone"):
        units.instant("--start", text, lambda: NOW)


def test_a_window_names_its_hours_and_repeats_the_day_only_if_it_changes() -> None:
    first = "2026-11-25T08:00:00Z"
    assert units.window(first, "2026-11-25T14:00:00Z") == "11-25 08:00 - 14:00 (6 h)"
    assert units.window(first, "2026-11-26T02:00:00Z") == "11-25 08:00 - 11-26 02:00 (18 h)"


def test_a_sparkline_spans_lowest_to_highest_and_leaves_gaps() -> None:
    assert sparkline([10, None, 45, 80]) == "▁ ▄█"
    assert sparkline([5, 5]) == "▄▄"
    assert sparkline([None, None]) == ""
    assert sparkline([]) == ""


def test_a_long_sparkline_is_averaged_into_its_width() -> None:
    line = sparkline([0, 2, 100, 104, None, None], width=3)
    assert line == "▁█ "
    assert len(sparkline(list(range(1000)), width=36)) == 36
