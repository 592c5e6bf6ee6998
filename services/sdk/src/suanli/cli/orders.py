"""`suanli orders`: follow an order to its end, and tell its life."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import ordering, units, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_list, ranked
from suanli.cli.session import (
    EXIT_REFUSED,
    Output,
    Session,
    Text,
    argument,
    command,
    group,
    help_text,
)

if TYPE_CHECKING:
    from rich.status import Status

Json = dict[str, Any]
_POLL_S: Final = 0.5
_LINE: Final = ("occurred_at", "kind", "state", "amount", "round_id", "reason")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(app, "orders", en="Orders of either side.", zh="供给与需求订单。")
    command(
        noun,
        "watch",
        en="Print what happens to an order until it ends.\n\n"
        "Exit code 0: filled; 1: it ended otherwise, or the time was up.",
        zh="持续打印订单经过直至结束。\n\n退出码 0:已成交;1:以其他方式结束或超时。",
    )(_watch)
    command(
        noun,
        "life",
        en="Tell all that happened to an order, each step linked to its cause, with what was left "
        "of it after each.",
        zh="订单全程:每一步及其起因、之后的剩余数量。",
    )(_life)


def _what(item: Json) -> Text:
    booked, purpose = words.event(item["kind"]), item.get("purpose")
    if purpose is None:
        return booked
    of = words.purpose(item)
    return (f"{booked[0]}: {of[0]}", f"{booked[1]}:{of[1]}")


_STEPS: Final[tuple[Column, ...]] = (
    words.count_column("step", ("step", "步骤"), "step"),
    words.time_column("occurred_at", ("market time", "市场时间"), "occurred_at", seconds=True),
    ranked(2, words.time_column("recorded_at", ("recorded", "记录时间"), "recorded_at")),
    Column("kind", ("what", "事项"), _what, lambda item: item["kind"]),
    words.text_column("code", ("code", "代码"), "code"),
    Column(
        "state",
        ("state after", "之后状态"),
        lambda item: words.state(item["state"]),
        lambda item: item["state"],
    ),
    ranked(3, words.text_column("round_id", ("round", "轮次"), "round_id")),
    words.money_column("amount", ("amount", "金额"), "amount"),
    words.money_column("held", ("held after", "之后冻结"), "held"),
    words.count_column("chip_hours", ("chip-hours", "卡时"), "chip_hours"),
    words.count_column("left", ("left after", "之后剩余"), "chip_hours_left"),
    ranked(4, words.count_column("leaf_index", ("leaf of the log", "日志叶序号"), "leaf_index")),
    *(
        Column(name, ("", ""), lambda _: "", itemgetter(name))
        for name in (
            *("event_id", "correlation_id", "causation_id", "allocation_id"),
            *("counter_order_id", "entry_id", "version", "chip_hours_allocated"),
        )
    ),
)


def _life(
    session: Session,
    order: Annotated[str, argument("ORDER", en="off_... or dem_...", zh="off_... 或 dem_...")],
) -> None:
    found = list(session.client.pages(f"/v1/orders/{order}/life"))
    print_list(session, found, _STEPS, empty=("Nothing happened to it.", "暂无记录。"))


def _watch(
    session: Session,
    order: Annotated[str, argument("ORDER", en="off_... or dem_...", zh="off_... 或 dem_...")],
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            help=help_text(("Give up after so many seconds; 0: never.", "超时秒数;0 为不限。")),
        ),
    ] = 0.0,
) -> None:
    from suanli.client import side_of

    try:
        side = side_of(order)
    except ValueError as error:
        raise UsageProblem(
            "ORDER", order, ("an id that begins with off_ or dem_", "以 off_ 或 dem_ 开头的编号")
        ) from error
    end_s = time.monotonic() + timeout if timeout > 0 else None
    found = ordering.read(session, side, order)
    countdown = _Countdown(session, str(found["market_id"]))
    seen: set[str] = set()
    with session.notes.status("") as status:
        while True:
            _print_new(session, order, seen)
            if found["state"] in words.TERMINAL:
                break
            if end_s is not None and time.monotonic() >= end_s:
                session.note(("Time is up; it goes on without us.", "已超时,订单仍在继续。"))
                raise typer.Exit(EXIT_REFUSED)
            countdown.show(status, found)
            time.sleep(_POLL_S)
            found = ordering.read(session, side, order)
    _print_new(session, order, seen)
    if found["state"] != "filled":
        raise typer.Exit(EXIT_REFUSED)


def _print_new(session: Session, order_id: str, seen: set[str]) -> None:
    for item in session.client.pages(f"/v1/orders/{order_id}/history"):
        if item["event_id"] in seen:
            continue
        seen.add(item["event_id"])
        if session.output is Output.JSON:
            sys.stdout.write(json.dumps(item, ensure_ascii=False) + "\n")
        elif session.output is Output.CSV:
            sys.stdout.write(_csv_line(item) + "\n")
        else:
            session.console.print(_line(session, item), markup=False, highlight=False)
        sys.stdout.flush()


def _line(session: Session, item: Json) -> str:
    amount = item.get("amount")
    parts = [
        units.short_time(item["occurred_at"], seconds=True),
        session.say(words.state(item["state"]) if item.get("state") else words.event(item["kind"])),
        session.say((f"{words.money(amount)} yuan", f"{words.money(amount)} 元"))
        if amount is not None
        else "",
        str(item.get("round_id") or ""),
        session.say(words.reason(item)),
    ]
    return "  ".join(part for part in parts if part)


def _csv_line(item: Json) -> str:
    import csv
    import io

    cells = [
        words.money_plain(item.get(name))
        if name == "amount"
        else words.reason(item)[0]
        if name == "reason"
        else item.get(name) or ""
        for name in _LINE
    ]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


class _Countdown:
    """Tells when the next round is due, from the market's cadence and its last round."""

    def __init__(self, session: Session, market_id: str) -> None:
        self._session = session
        self._market_id = market_id
        self._every_s = 0
        self._asked_s = float("-inf")
        self._due: datetime | None = None

    def show(self, status: Status, order: Json) -> None:
        if not self._session.notes.is_terminal:
            return
        if self._due is None or self._due <= datetime.now(UTC):
            self._ask()
        left = (self._due - datetime.now(UTC)).total_seconds() if self._due else 0
        state = self._session.say(words.state(order["state"]))
        when = (
            (f"next round in {left:.0f} s", f"距下一轮 {left:.0f} 秒")
            if left > 0
            else ("a round is due", "即将出清")
        )
        status.update(f"{state}: {self._session.say(when)}")

    def _ask(self) -> None:
        # A late round is asked for once in two seconds, not at every poll.
        if time.monotonic() - self._asked_s < 2:
            return
        self._asked_s = time.monotonic()
        client = self._session.client
        if not self._every_s:
            market = client.send(ops.read(f"/v1/markets/{self._market_id}"))["market"]
            self._every_s = int(market["rules"]["round_every_s"])
        last = client.send(ops.read("/v1/rounds", market_id=self._market_id, limit=1))["items"]
        if last:
            began = units.parse(last[0]["market_time"])
            self._due = datetime.fromtimestamp(began.timestamp() + self._every_s, UTC)
