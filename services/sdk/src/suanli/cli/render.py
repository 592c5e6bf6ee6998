"""Lists and details as tables, JSON or CSV; every amount in yuan with its unit in the header."""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from suanli.cli.session import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from suanli.cli.session import Session, Text

Json = dict[str, Any]
_GAP_CELLS: Final = 2
_WRAPPED_CELLS: Final = 24
_BARS: Final = "▁▂▃▄▅▆▇█"
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list.

    Attributes:
        name: Header in CSV: a stable name with its unit.
        head: Header of the table, with the unit.
        value: Returns the cell of an item, for the table and, unless ``plain`` is set, for CSV.
        plain: Returns the cell of CSV: numbers without grouping, full instants.
        number: Whether it is a number, which stands at the right.
        wraps: Whether a narrow terminal may break it into lines.
        rank: Where a terminal is too narrow, columns of the highest rank go first.
        varied: Shown in a table only if its values differ.
    """

    name: str
    head: Text
    value: Callable[[Json], str | Text]
    plain: Callable[[Json], object] | None = None
    number: bool = False
    wraps: bool = False
    rank: int = 0
    varied: bool = False


def ranked(rank: int, column: Column, *, varied: bool = False) -> Column:
    """Return a column that goes at this rank where a terminal is too narrow."""
    return replace(column, rank=rank, varied=varied)


def print_list(
    session: Session,
    items: Sequence[Json],
    columns: Sequence[Column],
    *,
    empty: Text,
    title: str | None = None,
) -> None:
    """Print a list: a table, the items as the exchange gave them (JSON), or CSV."""
    if session.output is Output.JSON:
        session.print_json(items)
    elif session.output is Output.CSV:
        _print_csv(items, columns)
    elif not items:
        session.console.print(session.say(empty), style="dim", markup=False)
    else:
        _print_table(session, items, columns, title)


def print_details(
    session: Session, item: Json, rows: Iterable[tuple[str, Text, str | Text]]
) -> None:
    """Print one thing: a line per fact, the item itself (JSON), or one row of CSV.

    Args:
        session: The run.
        item: As the exchange gave it.
        rows: (CSV name, label, value) of each fact; empty values are left out of the table. CSV is
            for programs, and the same in every language.
    """
    if session.output is Output.JSON:
        session.print_json(item)
        return
    if session.output is Output.CSV:
        told = [(name, value if isinstance(value, str) else value[0]) for name, _, value in rows]
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(name for name, _ in told)
        writer.writerow(_harmless(value) for _, value in told)
        return
    shown = [(session.say(label), _pick(session, value)) for _, label, value in rows]
    print_facts(session, [fact for fact in shown if fact[1]])


def print_facts(session: Session, facts: Sequence[tuple[str, str]]) -> None:
    """Print label and value, one per line, in two columns."""
    from rich.table import Table
    from rich.text import Text as Cell

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in facts:
        table.add_row(Cell(label), Cell(value))
    session.console.print(table)


def print_titled(session: Session, title: Text) -> None:
    """Print a heading between parts of a page."""
    session.console.print()
    session.console.print(session.say(title), style="bold", markup=False)


def _pick(session: Session, value: str | Text) -> str:
    return value if isinstance(value, str) else session.say(value)


def _print_table(
    session: Session, items: Sequence[Json], columns: Sequence[Column], title: str | None
) -> None:
    from rich.table import Table
    from rich.text import Text as Cell

    if title:
        session.console.print(title, markup=False, highlight=False)
    fitted = fit(
        [column for column in columns if _tells(session, column, items)],
        items,
        session.pick,
        session.console.width,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, head in fitted.columns:
        table.add_column(
            head,
            justify="right" if column.number else "left",
            no_wrap=not column.wraps,
            overflow="fold",
            vertical="top",
        )
    for item in items:
        table.add_row(*(Cell(_pick(session, column.value(item))) for column, _ in fitted.columns))
    session.console.print(table)
    if fitted.hidden:
        listed = ", ".join(session.say(column.head) for column in fitted.hidden)
        session.note(
            (
                f"Too narrow for: {listed}. A wider terminal or -o csv shows all.",
                f"宽度不足,未显示:{listed}。加宽终端或用 -o csv 查看全部。",
            )
        )


def _tells(session: Session, column: Column, items: Sequence[Json]) -> bool:
    values = {_pick(session, column.value(item)) for item in items}
    # A column without a single value says nothing.
    return values != {""} and not (column.varied and len(values) == 1)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Which columns fit into a width.

    Attributes:
        columns: Those that do, with their header.
        hidden: Those that do not.
    """

    columns: tuple[tuple[Column, str], ...]
    hidden: tuple[Column, ...]


def fit(columns: Sequence[Column], items: Sequence[Json], pick: int, width: int) -> Fitted:
    """Return the columns that fit: none is cut, as half an id or half a price is worse than none.

    Headers go over two lines if that is enough; else columns of the highest rank are left out.

    Args:
        columns: All columns.
        items: Rows.
        pick: Language, as the place in a `Text`.
        width: Cells of the terminal.
    """
    from rich.cells import cell_len

    def needed(column: Column, head: str) -> int:
        words = [cell_len(part) for part in head.split("\n")]
        if column.wraps:
            return max([*words, _WRAPPED_CELLS])
        found = (column.value(item) for item in items)
        return max(
            [*words, *(cell_len(one if isinstance(one, str) else one[pick]) for one in found)]
        )

    def total(chosen: Sequence[tuple[Column, str]]) -> int:
        return sum(needed(*one) + _GAP_CELLS for one in chosen) - _GAP_CELLS

    chosen = [(column, column.head[pick]) for column in columns]
    if total(chosen) > width:
        chosen = [(column, _two_lines(head)) for column, head in chosen]
    hidden: list[Column] = []
    while len(chosen) > 1 and total(chosen) > width:
        at = max(range(1, len(chosen)), key=lambda index: (chosen[index][0].rank, index))
        hidden.insert(0, chosen.pop(at)[0])
    return Fitted(tuple(chosen), tuple(hidden))


def _two_lines(head: str) -> str:
    label, opening, unit = head.partition("(")
    return f"{label.rstrip()}\n({unit}" if opening and label else head


def _print_csv(items: Sequence[Json], columns: Sequence[Column]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(column.name for column in columns)
    for item in items:
        writer.writerow(_csv_cell(column, item) for column in columns)


def _csv_cell(column: Column, item: Json) -> object:
    found = (column.plain or column.value)(item)
    if isinstance(found, tuple):
        found = found[0]
    if found is None:
        return ""
    if isinstance(found, bool):
        # As in JSON, whatever language reads it.
        return str(found).lower()
    return found if column.number else _harmless(str(found))


def _harmless(text: str) -> str:
    # A spreadsheet runs a text that begins like this as a formula.
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def sparkline(values: Sequence[int | None], width: int = 72) -> str:
    """Return a line of bars, lowest to highest; a gap where there is no value.

    More values than ``width`` are averaged in even steps.
    """
    thinned = _thin(values, width)
    known = [value for value in thinned if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    span = high - low
    top = len(_BARS) - 1
    return "".join(
        " " if value is None else _BARS[(value - low) * top // span if span else top // 2]
        for value in thinned
    )


def _thin(values: Sequence[int | None], width: int) -> list[int | None]:
    if len(values) <= width:
        return list(values)
    steps = [len(values) * at // width for at in range(width + 1)]
    parts = [values[a:b] for a, b in pairwise(steps)]
    thinned: list[int | None] = []
    for part in parts:
        known = [value for value in part if value is not None]
        thinned.append(sum(known) // len(known) if known else None)
    return thinned
