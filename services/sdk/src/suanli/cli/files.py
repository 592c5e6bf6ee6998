"""Files of orders: read whole and checked whole before anything is sent."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from suanli.cli.errors import UsageProblem, because
from suanli.shapes import faults_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]
_LISTS: Final = ("chips_any_of", "zones", "regions")
_WORDS: Final = {"true": True, "false": False}
# What is shown at once; a file with more has a fault of its own.
_FAULTS_MAX: Final = 50


def rows_of_csv(text: str) -> list[Json]:
    """Return the orders of a CSV file, one a row.

    A column is a field, with dots where it is inside another: ``shape.chips``,
    ``alternatives.0.limit_yuan``. An empty cell is a field that is left out; names in a list are
    separated by blanks.

    Raises:
        UsageProblem: if a row has more cells than the head, or a column has no name.
    """
    reader = csv.DictReader(io.StringIO(text), restkey="")
    if not reader.fieldnames or not all(reader.fieldnames):
        raise UsageProblem(
            "--file", ("a column without a name", "有未命名的列"), ("named columns", "每列均有列名")
        )
    found = []
    for index, cells in enumerate(reader):
        if "" in cells:
            more = ("as many cells as the head", "与表头相同的列数")
            raise UsageProblem(f"items.{index}", ("more cells", "列数更多"), more)
        order: Json = {}
        for name, cell in cells.items():
            if cell not in {None, ""}:
                _put(order, name.split("."), _value(name, cell.strip()))
        found.append(_with_lists(order))
    return found


def rows_of_lines(text: str) -> list[Json]:
    """Return the orders of a file of JSON line by line; blank lines are left out.

    Raises:
        UsageProblem: with every line that is no JSON object.
    """
    rows: list[Json] = []
    problems: list[UsageProblem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=Decimal)
        except ValueError as error:
            allowed = because(("a JSON object", "一个 JSON 对象"), error)
            problems.append(UsageProblem(f"line {number}", line[:40], allowed))
            continue
        if not isinstance(row, dict):
            problems.append(
                UsageProblem(f"line {number}", line[:40], ("a JSON object", "一个 JSON 对象"))
            )
            continue
        rows.append(row)
    refuse(problems)
    return rows


def check(
    orders: Sequence[Json],
    model: Any,  # noqa: ANN401 - a type
    wrong: Sequence[UsageProblem] = (),
) -> None:
    """Check that all orders of a file have the contract's shape.

    Args:
        orders: The rows.
        model: Type of `suanli.models` that each must fit.
        wrong: Faults of rows that were found while it was read.

    Raises:
        UsageProblem: with every fault of every row.
    """
    shapes = [
        UsageProblem(f"items.{index}.{fault.field}", fault.value, fault.allowed)
        for index, order in enumerate(orders)
        for fault in faults_of(order, model)
    ]
    refuse(sorted([*wrong, *shapes], key=_row))


def refuse(problems: Sequence[UsageProblem]) -> None:
    """Refuse a file for its faults, if it has any.

    Raises:
        UsageProblem: with as many of them as are shown at once.
    """
    if not problems:
        return
    first, *rest = problems[:_FAULTS_MAX]
    first.more = tuple(rest)
    if len(problems) > _FAULTS_MAX:
        left = len(problems) - _FAULTS_MAX
        nothing = ("without these and more faults", "无上述及其余错误")
        first.more += (UsageProblem("--file", (f"{left} more", f"另有 {left} 处"), nothing),)
    raise first


def _row(problem: UsageProblem) -> int:
    parts = problem.field.split(".")
    return int(parts[1]) if parts[0] == "items" and len(parts) > 1 else 0


def _value(name: str, cell: str) -> object:
    if name.rpartition(".")[2] in _LISTS:
        return cell.split()
    if cell.lower() in _WORDS:
        return _WORDS[cell.lower()]
    return int(cell) if cell.lstrip("-").isascii() and cell.lstrip("-").isdigit() else cell


def _put(order: Json, path: list[str], value: object) -> None:
    for name in path[:-1]:
        order = order.setdefault(name, {})
    order[path[-1]] = value


def _with_lists(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value in which what is numbered from 0 is a list."""
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(item) for name, item in value.items()}
    if inner and set(inner) == {str(number) for number in range(len(inner))}:
        return [inner[str(number)] for number in range(len(inner))]
    return inner
