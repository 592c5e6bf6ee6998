"""Offers as rows of CSV: read one by one, each with what is wrong with it beside it."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from services.core.errors import Message
from services.gateway.adapters.pages import offer_form
from services.gateway.adapters.pages.fields import hour_text

if TYPE_CHECKING:
    from schemas.market import Market
    from schemas.orders import OfferTerms
    from services.gateway.adapters.pages.fields import Fields

ROWS_MAX = 1_000
_NEEDED = ("zone", "chip", "chips", "ask_yuan", "start", "end", "resource_code")
COLUMNS = (
    *_NEEDED,
    "block",
    "mobilisable",
    "mobilisation_price_yuan",
    "expires_at",
    "capacity_chips",
)
_PLAIN = ("zone", "chip", "chips", "resource_code", "capacity_chips")
_HOURS = ("start", "end", "expires_at")
_FLAGS = ("block", "mobilisable")
_YES = frozenset({"yes", "true", "1", "是"})
_NO = frozenset({"", "no", "false", "0", "否"})


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file.

    Attributes:
        number: Its line's number among the rows, from 1.
        cells: What it says, by column.
        terms: What it means; ``None`` if something is wrong with it.
        faults: What is wrong, by field.
    """

    number: int
    cells: dict[str, str]
    terms: OfferTerms | None
    faults: dict[str, Message]

    def refused(self, faults: dict[str, Message]) -> Row:
        """Return the row with what the market finds wrong with it."""
        return Row(self.number, self.cells, None, faults)


def template(market: Market, start: datetime, end: datetime, code: str) -> str:
    """Return a file to begin with: the columns, and a row for each of the first few pools."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    first, last = (hour_text(instant).replace("T", " ") for instant in (start, end))
    for chip in market.chips[:2]:
        zone = market.zones[0].id
        writer.writerow(
            (zone, chip.id, chip.lot, "9.50", first, last, code or "CN.11.0108.BJ01-A910B")
            + ("",) * (len(COLUMNS) - len(_NEEDED))
        )
    return out.getvalue()


def rows_of(text: str) -> tuple[list[Row], Message | None]:
    """Return the rows of a file, or what is wrong with it as a whole."""
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff").strip()), strict=True)
    try:
        heads = [head.strip() for head in reader.fieldnames or ()]
        wrong = _heads_wrong(heads)
        if wrong is not None:
            return [], wrong
        reader.fieldnames = heads
        read = [dict(line) for _, line in zip(range(ROWS_MAX + 1), reader, strict=False)]
    except csv.Error as error:
        return [], Message(f"The file is no CSV: {error}", f"文件不是有效的 CSV：{error}")
    if not read:
        return [], Message("The file has no rows", "文件没有数据行")
    if len(read) > ROWS_MAX:
        return [], Message(
            f"At most {ROWS_MAX} rows at once; send the rest after it, or use the API",
            f"每次至多 {ROWS_MAX} 行；其余请分批提交或使用 API",
        )
    return [_row(number, cells) for number, cells in enumerate(read, start=1)], None


def _heads_wrong(heads: list[str]) -> Message | None:
    unknown = [head for head in heads if head not in COLUMNS]
    missing = [head for head in _NEEDED if head not in heads]
    if not unknown and not missing:
        return None
    listed = ", ".join(COLUMNS)
    said = ", ".join(unknown[:8]) or "-"
    lacks = ", ".join(missing) or "-"
    return Message(
        f"Columns must be {listed}; unknown: {said}; missing: {lacks}",
        f"列须为 {listed}；未知：{said}；缺少：{lacks}",
    )


def _row(number: int, cells: dict[str | None, str | list[str] | None]) -> Row:
    known = {
        name: (value if isinstance(value, str) else "").strip()
        for name, value in cells.items()
        if name is not None
    }
    if None in cells:
        faults = {
            "": Message("The row has more cells than columns", "该行的单元格多于列"),
        }
        return Row(number, known, None, faults)
    fields, faults = _fields(known)
    terms, wrong = offer_form.read(fields)
    found = faults | {name: message for name, message in wrong.items() if name not in faults}
    return Row(number, known, None if found else terms, found)


def _fields(cells: dict[str, str]) -> tuple[Fields, dict[str, Message]]:
    fields = {name: cells.get(name, "") for name in _PLAIN} | {
        "ask": cells.get("ask_yuan", ""),
        "mobilisation_price": cells.get("mobilisation_price_yuan", ""),
    }
    faults: dict[str, Message] = {}
    for name in _HOURS:
        fields[name] = _hour(cells.get(name, ""))
    for name in _FLAGS:
        text = cells.get(name, "").lower()
        fields[name] = "yes" if text in _YES else ""
        if text not in _YES and text not in _NO:
            label = offer_form.label_of(name)
            faults[name] = Message(
                f"{label.en}: must be yes or no, was {text[:40]}",
                f"{label.zh}：须为 yes 或 no，实为 {text[:40]}",
            )
    return fields, faults


def _hour(text: str) -> str:
    """Return an hour as the form has it; what names no zone is Beijing time."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return text
    return hour_text(instant) if instant.tzinfo else text.replace(" ", "T")


def key_of(key: str, row: Row, copy: int) -> str:
    """Return the idempotency key of a row: the same row of the same form is the same offer.

    Args:
        key: Key of the form.
        row: The row, which has terms.
        copy: How many rows before it say the same.
    """
    assert row.terms is not None
    text = f"{key}\n{copy}\n{row.terms.model_dump_json()}"
    return f"rows-{hashlib.sha256(text.encode()).hexdigest()[:40]}"
