"""What lists of many orders share: rows, and the faults of those that were refused."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any, Final

from suanli.cli import words
from suanli.cli.complaint import Complaint
from suanli.cli.render import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from suanli.cli.session import Session

Json = dict[str, Any]

ROW: Final = Column("index", ("row", "行"), lambda item: str(item["index"]), number=True)
"""Place of an order in its file, from 0."""

FAULT: Final[tuple[Column, ...]] = (
    words.text_column("code", ("refused", "拒绝原因"), "code"),
    words.text_column("field", ("field", "字段"), "field"),
    words.text_column("value", ("value", "实为"), "value"),
    Column("allowed", ("allowed", "须为"), lambda row: str(row.get("allowed", "")), wraps=True),
)
"""What is wrong with one."""


def fault_rows(session: Session, result: Mapping[str, Any]) -> Iterator[Json]:
    """Yield a row for each fault of an order that was refused."""
    problem, index = result["problem"], result["index"]
    told = Complaint(session.lang, as_json=False)
    # A problem of the whole item names no field, and its sentence stands for it.
    faults = problem.get("errors") or [{"allowed": problem["detail"]}]
    for fault in faults:
        field, value, allowed = told.row(fault)
        row = {"code": problem["code"], "field": field, "value": value, "allowed": allowed}
        yield {"index": index, **row}


def print_csv(names: Sequence[str], rows: Sequence[Json]) -> None:
    """Print rows as CSV; what a row lacks is an empty cell."""
    writer = csv.DictWriter(
        sys.stdout, names, restval="", extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
