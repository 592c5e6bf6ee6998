from __future__ import annotations

import pytest

from infra.demo.spark import meter, sparkline
from infra.demo.svg import Scale, both, line, nice_ticks, staircase, tag


def test_a_sparkline_spans_from_least_to_greatest() -> None:
    assert sparkline([0, 7, 3.5], 10) == "▁█▅"


def test_a_sparkline_keeps_the_newest_and_leaves_gaps_open() -> None:
    assert sparkline([9, 0, None, 7], 3) == "▁ █"


def test_a_flat_sparkline_is_in_the_middle() -> None:
    assert sparkline([5, 5], 10) == "▄▄"


@pytest.mark.parametrize(("values", "text"), [([], ""), ([None, None], "  ")])
def test_a_sparkline_of_nothing_is_blank(values: list[float | None], text: str) -> None:
    assert sparkline(values, 10) == text
    assert sparkline([1.0, 2.0], 0) == ""


@pytest.mark.parametrize(
    ("part", "bar"),
    [
        (0.0, "    "),
        (0.5, "██  "),
        (0.53, "██▏ "),
        (1.0, "████"),
        (7.0, "████"),
        (-1.0, "    "),
        (float("nan"), "    "),
    ],
)
def test_a_meter_is_filled_in_eighths(part: float, bar: str) -> None:
    assert meter(part, 4) == bar


def test_markup_escapes_what_it_is_given() -> None:
    assert tag("i", title='"<&', font_size=3) == '<i title="&quot;&lt;&amp;" font-size="3"></i>'
    assert both(("<", ">")) == '<span class="en">&lt;</span><span class="zh">&gt;</span>'
    assert both(("x", "x"), class_="k") == '<span class="k">x</span>'


def test_a_line_is_interrupted_where_a_value_is_missing() -> None:
    assert 'd="M1 2L3 4M5 6.5"' in line([(1, 2), (3, 4), None, (5, 6.5)], "line")


def test_a_staircase_has_two_corners_for_each_step() -> None:
    assert staircase([(0, 1), (2, 5)], 2) == [(0, 1), (2, 1), (2, 5), (4, 5)]


@pytest.mark.parametrize(
    ("high", "ticks"),
    [
        (0, [0, 1]),
        (1, [0, 0.25, 0.5, 0.75, 1.0]),
        (37, [0, 10, 20, 30, 40]),
        (2000, [0, 500, 1000, 1500, 2000]),
    ],
)
def test_ticks_are_round_and_reach_the_greatest_value(high: float, ticks: list[float]) -> None:
    assert nice_ticks(high) == pytest.approx(ticks)


def test_a_scale_maps_its_ends_to_its_ends() -> None:
    scale = Scale(0, 10, 100, 20)
    assert (scale(0), scale(10), scale(5)) == (100, 20, 60)
