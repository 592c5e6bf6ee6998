"""What ``suanli-exchange`` reads of recorded rounds, and how it shows tables of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from services.core.book import Book, Result, Rules
    from services.core.policy_study.tables import Cell

Output = Annotated[
    Literal["table", "json", "csv"], typer.Option("-o", "--output", help="Format. 输出格式。")
]
_YUAN = 1_000_000
_FILES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """A round file.

    Attributes:
        path: Where it is.
        value: Its JSON.
        book: Its book.
        rules: Its rules.
        result: What was published.
    """

    path: Path
    value: dict[str, Any]
    book: Book
    rules: Rules
    result: Result

    @property
    def seq(self) -> int:
        """Return the number of the round."""
        return int(self.book.round_id.rpartition(":")[2])


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a file holds.

    Raises:
        typer.BadParameter: if it cannot be read, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise typer.BadParameter(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{path} must hold an object, was {type(found).__name__}")
    return found


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Return the files, and those of folders that end in ``.json``, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        found += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not found:
        raise typer.BadParameter("FILES must name a round file, named none")
    if len(found) > _FILES_MAX:
        raise typer.BadParameter(f"FILES must be at most {_FILES_MAX}, was {len(found)}")
    return found


def in_order(paths: Sequence[Path]) -> list[Path]:
    """Return round files by market and number of their rounds; each is read for it."""
    ends = [((one.book.market, one.seq), one.path) for one in recorded(paths)]
    return [path for _, path in sorted(ends)]


def recorded(paths: Sequence[Path]) -> Iterator[Recorded]:
    """Yield round files, one in memory at a time.

    Raises:
        ValidationError: if one is no round file; the field's path begins with the file's.
    """
    from services.core.codec import round_from_dict
    from services.core.errors import Message, ValidationError

    for path in files_of(paths):
        value = read_json(path)
        try:
            book, rules, result = round_from_dict(value)
        except ValidationError as error:
            text = Message(f"{path}: {error.message.en}", f"{path}:{error.message.zh}")
            raise ValidationError(
                error.code,
                text,
                field=f"{path}:{error.field}",
                value=error.value,
                allowed=error.allowed,
            ) from error
        yield Recorded(path, value, book, rules, result)


def yuan(amount: int) -> str:
    """Return money as yuan, to the hundredth."""
    return f"{amount / _YUAN:,.2f}"


def show_rows(rows: Sequence[dict[str, Cell]], output: str, columns: dict[str, str]) -> None:
    """Print rows.

    Args:
        rows: What to print.
        output: ``table``, ``json`` or ``csv``; the last two have every column, in micro-yuan.
        columns: Columns of the table and their headings; what is in yuan is headed so.
    """
    from services.core.policy_study.tables import csv_of

    if output == "json":
        typer.echo(json.dumps(list(rows), ensure_ascii=False, indent=2))
        return
    if output == "csv":
        typer.echo(csv_of(rows), nl=False)
        return
    lines = [list(columns.values())]
    lines += [[_cell(row[name], heading) for name, heading in columns.items()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [any(isinstance(row[name], str) for row in rows) for name in columns]
    for line in lines:
        cells = (
            text.ljust(width) if is_text else text.rjust(width)
            for text, width, is_text in zip(line, widths, texts, strict=True)
        )
        typer.echo("  ".join(cells).rstrip())


def _cell(value: Cell, heading: str) -> str:
    if heading.endswith("yuan") and isinstance(value, int):
        return yuan(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
