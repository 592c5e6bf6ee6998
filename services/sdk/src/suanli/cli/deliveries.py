"""`suanli deliveries report`: a provider tells what it delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import units, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_list
from suanli.cli.session import Output, Session, argument, command, group, option

if TYPE_CHECKING:
    from datetime import datetime

Json = dict[str, Any]

_COLUMNS: Final[tuple[Column, ...]] = (
    words.time_column("start", ("hour from", "时段始"), "start"),
    words.count_column("chips", ("chips", "芯片"), "chips"),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(app, "deliveries", en="Deliveries of allocated capacity.", zh="交付。")
    command(
        noun,
        "report",
        en="Report delivered hours of an allocation; the ledger pays them from escrow.",
        zh="上报某项分配已交付的时段;账本随即自托管账户付款。",
    )(_report)


def _report(
    session: Session,
    allocation: Annotated[str, argument("ALLOCATION", en="al_...", zh="al_...")],
    until: Annotated[
        str | None,
        option(
            "--until",
            en="Hours that end by then; by default those that have ended by now.",
            zh="截至此时已结束的时段;默认截至现在。",
        ),
    ] = None,
    chips: Annotated[
        int | None,
        option(
            "--chips",
            en="Chips delivered in each hour; by default all of them.",
            zh="每小时交付的芯片数;默认全部。",
        ),
    ] = None,
) -> None:
    item = _find(session, allocation)
    end = units.parse(session.instant("--until", until)) if until else session.now
    done = {units.parse(period["start"]) for period in item["delivered"]}
    periods = [
        {"start": period["start"], "chips": period["chips"] if chips is None else chips}
        for period in item["periods"]
        if units.parse(period["start"]) not in done
        and units.parse(period["start"]) + units.HOUR <= end
    ]
    if not periods:
        raise _nothing_to_report(item, done, end)
    receipt = session.client.send(ops.deliver(allocation, periods))
    if session.output is Output.JSON:
        session.print_json({"receipt": receipt, "periods": periods})
        return
    print_list(session, periods, _COLUMNS, empty=("", ""))
    due = sum(
        period["chips"] * price for period in periods for price in [_price(item, period["start"])]
    )
    session.note(
        (
            f"Reported: {units.yuan(due)} yuan before the fee (suanli account --entries).",
            f"已上报:未扣费用 {units.yuan(due)} 元(suanli account --entries)。",
        )
    )


def _nothing_to_report(item: Json, done: set[datetime], end: datetime) -> UsageProblem:
    starts = [units.parse(period["start"]) for period in item["periods"]]
    left = [start for start in starts if start not in done]
    if not left:
        return UsageProblem(
            "ALLOCATION",
            item["allocation_id"],
            ("one with hours to report; all of this one are", "尚有未上报时段;此项已全部上报"),
        )
    first = units.iso(min(left) + units.HOUR)
    return UsageProblem(
        "--until",
        units.iso(end),
        (f"at least {first}, when its next hour ends", f"不早于 {first},即下一时段结束时"),
    )


def _find(session: Session, allocation: str) -> Json:
    for item in session.client.pages("/v1/allocations"):
        if item["allocation_id"] == allocation:
            found: Json = item
            return found
    raise UsageProblem(
        "ALLOCATION",
        allocation,
        ("one of your own (suanli allocations)", "本方的分配(suanli allocations)"),
    )


def _price(item: Json, start: str) -> int:
    return int(next(period["price"] for period in item["periods"] if period["start"] == start))
