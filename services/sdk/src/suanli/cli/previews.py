"""What an order would come to, if it were placed now: `--dry-run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import quotes, units, words
from suanli.cli.many import FAULT, ROW, fault_rows, print_csv
from suanli.cli.render import Column, print_details, print_list, ranked
from suanli.cli.session import EXIT_REFUSED, Output, Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from suanli.cli.session import Text

Json = dict[str, Any]
_POOLS_SHOWN: Final = 6


def show(session: Session, operation: ops.Operation) -> None:
    """Ask what a submission or an amendment would come to; print it; nothing is done.

    Raises:
        typer.Exit: with 1, if it fits nowhere or its hold is not covered.
    """
    tried = ops.Operation(
        operation.method,
        operation.path,
        {**operation.params, "dry_run": True},
        operation.body,
        operation.idempotency_key,
    )
    found: Json = session.client.send(tried)
    print_details(session, found, _facts(found))
    session.note(
        (
            "A dry run: nothing was placed; prices are those of the last round.",
            "试算:未下单;价格依据上一轮。",
        )
    )
    if not (_pools(found) and _is_covered(found)):
        raise typer.Exit(EXIT_REFUSED)


def _pools(preview: Json) -> list[str]:
    return sorted({pool for fit in preview["fits"] for pool in fit["pools"]})


def _is_covered(preview: Json) -> bool:
    hold = preview.get("hold")
    return hold is None or bool(hold["is_covered"])


def _facts(preview: Json) -> Iterator[tuple[str, Text, str | Text]]:
    yield "market_id", ("market", "市场"), preview["market_id"]
    pools = _pools(preview)
    more = [f"+{len(pools) - _POOLS_SHOWN}"] if len(pools) > _POOLS_SHOWN else []
    fits = ", ".join(pools[:_POOLS_SHOWN] + more)
    yield "pools", ("fits", "可用资源池"), fits or ("nowhere", "无")
    unfit = [one for fit in preview["fits"] for one in fit.get("unfit") or ()]
    for number, one in enumerate(unfit):
        label: Text = ("fits not", "不适用") if number == 0 else ("", "")
        name = one["name"] or "budget"
        why = words.reason(one)
        yield f"unfit_{number}", label, (f"{name}: {why[0]}", f"{name}:{why[1]}")
    hold = preview.get("hold")
    if hold:
        yield "hold_yuan", ("would reserve (yuan)", "将冻结(元)"), units.yuan(hold["amount"])
        yield "free_yuan", ("free (yuan)", "可用(元)"), units.yuan(hold["free"])
        covered = ("yes", "是") if hold["is_covered"] else ("no", "否")
        yield "is_covered", ("covered", "资金充足"), covered
    if preview.get("quote"):
        # What would be reserved was told above.
        yield from (fact for fact in quotes.facts(preview["quote"]) if fact[0] != "hold_yuan")
    sold = preview.get("offer_quote")
    if sold:
        yield "chip_hours", ("would sell (chip-hours)", "预计售出(卡时)"), f"{sold['chip_hours']:,}"
        yield "revenue_yuan", ("would earn (yuan)", "预计收入(元)"), units.yuan(sold["revenue"])
        yield "round_id", ("by round", "依据轮次"), str(sold["round_id"])


# --- many -----------------------------------------------------------------------------------

_NAMES: Final = (
    *("index", "pools", "would_be", "hold_yuan", "is_covered"),
    *("code", "field", "value", "allowed"),
)
_COLUMNS: Final = (
    ROW,
    Column(
        "pools", ("fits pools", "可用资源池"), lambda row: str(row.get("pools", "")), number=True
    ),
    Column(
        "would_be",
        ("would be", "预计状态"),
        lambda row: words.state(row["would_be"]) if row.get("would_be") else "",
    ),
    words.text_column("hold_yuan", ("would reserve (yuan)", "将冻结(元)"), "hold_yuan"),
    ranked(2, words.text_column("is_covered", ("covered", "资金充足"), "is_covered")),
    *FAULT,
)


def print_tried(session: Session, results: Sequence[Json]) -> None:
    """Print what each of many orders would come to: ``index``, ``preview`` or ``problem``."""
    if session.output is Output.JSON:
        session.print_json(results)
        return
    rows: list[Json] = []
    for result in results:
        if result.get("problem"):
            rows += fault_rows(session, result)
        else:
            rows.append({"index": result["index"], **_row(session, result["preview"])})
    if session.output is Output.CSV:
        print_csv(_NAMES, rows)
    else:
        print_list(session, rows, _COLUMNS, empty=("nothing tried", "无"))


def _row(session: Session, preview: Json) -> Json:
    row: Json = {"pools": len(_pools(preview))}
    if quote := preview.get("quote"):
        row["would_be"] = quote["state"]
    if hold := preview.get("hold"):
        row["hold_yuan"] = units.yuan(hold["amount"])
        row["is_covered"] = session.say(("yes", "是") if hold["is_covered"] else ("no", "否"))
    return row
