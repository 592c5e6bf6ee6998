"""``suanli-exchange replay``: recorded rounds cleared again, and compared with the published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli_rounds import Output, recorded, show_rows

if TYPE_CHECKING:
    from services.cli_rounds import Recorded
    from services.core.policy_study.tables import Cell

_COLUMNS = {
    "round_id": "round",
    "verdict": "verdict",
    "published": "published yuan",
    "again": "again yuan",
    "gap_ppm_published": "gap ppm published",
    "gap_ppm_again": "again",
    "problem": "problem",
}
_GOOD = {"same", "within the gap"}


def replay(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES", help="Round files, or folders of them. 轮次文件或文件夹。"),
    ],
    *,
    output: Output = "table",
) -> None:
    """Clear recorded rounds again, verify both results, and compare them (重放轮次).

    Exit code 1 if a result breaks a rule, or if the two differ by more than their certified gaps.
    """
    rows = [_replayed(one) for one in recorded(files)]
    show_rows(rows, output, _COLUMNS)
    raise typer.Exit(0 if all(row["verdict"] in _GOOD for row in rows) else 1)


def _replayed(one: Recorded) -> dict[str, Cell]:
    from services.core.clearing.clear import clear, gap_ppm
    from services.core.codec import result_to_dict
    from services.core.policy_study.compared import difference
    from suanli.checker import verify

    again = clear(one.book, one.rules)
    problem = ""
    for name, value in (("published", one.value["result"]), ("again", result_to_dict(again))):
        report = verify(one.value["book"], one.value["rules"], value)
        if not report.ok:
            problem = problem or f"{name}: {report.problems[0].detail_en}"
    published = one.result
    verdict = "refuted" if problem else difference(one.book, published, again)
    return {
        "round_id": one.book.round_id,
        "verdict": verdict,
        "published": published.welfare,
        "again": again.welfare,
        "gap_ppm_published": gap_ppm(one.book, published),
        "gap_ppm_again": gap_ppm(one.book, again),
        "problem": problem,
    }
