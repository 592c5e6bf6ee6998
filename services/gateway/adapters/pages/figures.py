"""Figures: a table that is shown as a chart, as a table, and as CSV, from the same rows."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from services.gateway.adapters.pages.rendering import clock, count, percent, plain_yuan, yuan

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["time", "text", "price", "money", "count", "ppm", "zone", "chip", "pool"]
_WORDS = frozenset({"time", "text", "zone", "chip", "pool"})
Value = int | str | datetime | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a figure.

    Attributes:
        en: Its heading.
        zh: The same in Chinese.
        kind: What its values are.
        name: How CSV calls it.
    """

    en: str
    zh: str
    kind: Kind
    name: str

    @property
    def is_number(self) -> bool:
        """Return whether its values stand at the right, one below the other."""
        return self.kind not in _WORDS


@dataclass(frozen=True, slots=True)
class Figure:
    """Rows under columns; a value that is missing is none, never zero.

    Attributes:
        name: Its name in addresses.
        columns: Its columns.
        rows: Its rows, each as long as the columns.
    """

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]

    def csv(self) -> str:
        """Return it as CSV: yuan exactly, instants in ISO 8601 and UTC."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(column.name for column in self.columns)
        for row in self.rows:
            writer.writerow(
                _machine(column.kind, value)
                for column, value in zip(self.columns, row, strict=True)
            )
        return out.getvalue()


def shown(kind: Kind, value: Value) -> str:
    """Return a value as people read it."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return clock(value, "%m-%d %H:%M")
    if isinstance(value, str):
        return value
    if kind == "price":
        return yuan(value, 4)
    if kind == "money":
        return yuan(value)
    return percent(value, 3) if kind == "ppm" else count(value)


def drawn(kind: Kind, value: Value) -> str:
    """Return a value as a script draws it: seconds, yuan, percent, numbers."""
    if isinstance(value, datetime):
        return str(int(value.timestamp()))
    if isinstance(value, int) and kind in ("price", "money"):
        return plain_yuan(value)
    if isinstance(value, int) and kind == "ppm":
        return f"{value // 10_000}.{value % 10_000:04d}"
    return "" if value is None else str(value)


def _machine(kind: Kind, value: Value) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, int) and kind in ("price", "money"):
        return plain_yuan(value)
    text = "" if value is None else str(value)
    # A spreadsheet runs a text that begins like this as a formula.
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+", "-", "@") else text


@dataclass(frozen=True, slots=True)
class Cell:
    """Neighbouring hours of one shade in a heat map.

    Attributes:
        start: Its first hour from the left.
        hours: How many.
        shade: 0 to 8, dear is high; -1: nothing is on offer.
        said: What it stands for.
    """

    start: int
    hours: int
    shade: int
    said: str


SHADES = 9


def cells(values: Sequence[int | None], low: int, high: int) -> tuple[Cell, ...]:
    """Return a row of a heat map, with neighbours of one shade made one."""
    shades = [
        -1 if value is None else (value - low) * (SHADES - 1) // (high - low) if high > low else 0
        for value in values
    ]
    found = []
    start = 0
    for shade, run in groupby(shades):
        hours = len(tuple(run))
        known = [value for value in values[start : start + hours] if value is not None]
        found.append(Cell(start, hours, shade, _range(known)))
        start += hours
    return tuple(found)


def _range(known: Sequence[int]) -> str:
    if not known:
        return "–"
    low, high = yuan(min(known), 4), yuan(max(known), 4)
    return low if low == high else f"{low} – {high}"
