"""`suanli reports`: a report whose rows are of two kinds is printed as two tables."""

from __future__ import annotations

from typing import Any

from suanli.cli.reports import _columns, _parts

Json = dict[str, Any]
COLUMNS = [
    {"name": "region", "unit": "text"},
    {"name": "chip", "unit": "text"},
    {"name": "chip_hours", "unit": "chip-hours"},
    {"name": "round_id", "unit": "text"},
]


def row(chip: str | None, hours: int | None, round_id: str | None) -> Json:
    return {"region": "beijing", "chip": chip, "chip_hours": hours, "round_id": round_id}


def test_rows_are_parted_where_their_texts_are_others_and_not_where_a_figure_is_missing() -> None:
    allocated = [row("a10", 5, None), row("t4", None, None)]
    asked = [row(None, None, "m:1"), row(None, None, "m:2")]
    assert _parts([*allocated, *asked], COLUMNS) == [allocated, asked]
    assert _parts([], COLUMNS) == []


def test_where_a_terminal_is_narrow_later_figures_go_before_what_they_are_of() -> None:
    told = [{"name": "policy", "unit": "text", "en": "policy", "zh": "政策"}]
    told += [{"name": f"n{n}", "unit": "count", "en": f"n{n}", "zh": f"n{n}"} for n in range(9)]
    found = {one["name"]: None if one["name"] == "n0" else 1 for one in told}
    ranks = {one.name: one.rank for one in _columns([found], told)}
    assert ranks["policy"] == 1
    # Of the figures that have a value, six come first.
    assert [ranks[f"n{n}"] for n in range(9)] == [0, 0, 0, 0, 0, 0, 0, 2, 2]
