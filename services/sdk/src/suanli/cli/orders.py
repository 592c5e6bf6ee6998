"""`suanli orders`: follow an order to its end, and tell its life."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import options, ordering, units, watching, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_details, print_list, ranked
from suanli.cli.session import (
    EXIT_REFUSED,
    Output,
    Session,
    Text,
    argument,
    command,
    group,
    help_text,
    option,
)
from suanli.errors import ApiError

if TYPE_CHECKING:
    from rich.status import Status

    from suanli.streams import StreamEvent

Json = dict[str, Any]
_ASK_AGAIN_S: Final = 2.0
_LINE: Final = ("occurred_at", "kind", "state", "amount", "round_id", "reason")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(app, "orders", en="Orders of either side.", zh="供给与需求订单。")
    command(
        noun,
        "watch",
        en="Print what happens to an order, as it happens, until it ends; or to all of yours.\n\n"
        "Exit code 0: filled; 1: it ended otherwise, or the time was up.",
        zh="实时打印订单经过直至结束,或本方全部订单的经过。\n\n"
        "退出码 0:已成交;1:以其他方式结束或超时。",
    )(_watch)
    command(
        noun,
        "cancel",
        en="Withdraw orders, or all that are live; what is allocated stands.\n\n"
        "Exit code 1: some were refused.",
        zh="撤销若干订单或全部有效订单;已分配部分有效。\n\n退出码 1:有被拒绝的。",
    )(_cancel)
    command(
        noun,
        "likelihood",
        en="Tell how likely the next round fills an order, as its book stands. It is no promise.",
        zh="按当前订单簿估计下一轮成交该订单的可能性。仅供参考。",
    )(_likelihood)
    command(
        noun,
        "life",
        en="Tell all that happened to an order, each step linked to its cause, with what was left "
        "of it after each.",
        zh="订单全程:每一步及其起因、之后的剩余数量。",
    )(_life)


def _likelihood(
    session: Session,
    order: Annotated[str, argument("ORDER", en="off_... or dem_...", zh="off_... 或 dem_...")],
) -> None:
    told = session.client.send(ops.read(f"/v1/orders/{order}/likelihood"))
    print_details(
        session,
        told,
        [
            ("order_id", ("order", "订单"), told["order_id"]),
            ("round", ("round", "轮次"), f"{told['market_id']}:{told['seq']}"),
            ("as_of", ("as of (UTC)", "截至(UTC)"), units.short_time(told["as_of"], seconds=True)),
            (
                "filled_percent",
                ("filled whole (%)", "全部成交(%)"),
                units.percent_of_ppm(told["filled_ppm"]),
            ),
            (
                "share_percent",
                ("expected share (%)", "预期成交比例(%)"),
                units.percent_of_ppm(told["share_ppm"]),
            ),
            ("books", ("books cleared", "试算次数"), str(told["books"])),
        ],
    )


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
    ranked(
        5,
        words.text_column("resale_order_id", ("resale", "转售对应订单"), "resale_order_id"),
        varied=True,
    ),
    ranked(4, words.count_column("leaf_index", ("leaf of the log", "日志叶序号"), "leaf_index")),
    *(
        Column(name, ("", ""), lambda _: "", itemgetter(name))
        for name in (
            *("event_id", "correlation_id", "causation_id", "allocation_id"),
            *("counter_order_id", "resale_of"),
            *("entry_id", "version", "chip_hours_allocated"),
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
    order: Annotated[
        str | None,
        argument(
            "ORDER",
            en="off_... or dem_...; without it all of yours, until you stop it.",
            zh="off_... 或 dem_...;省略则为本方全部订单,直至手动停止。",
        ),
    ] = None,
    market: Annotated[
        str | None, option("--market", en="Only this market.", zh="仅此市场。")
    ] = None,
    after: Annotated[
        str | None,
        option(
            "--after",
            en="Of all: what came after this id, as -o json shows it; oldest: all that is kept.",
            zh="全部订单时:自此 id 之后(见 -o json);oldest 为全部保留的记录。",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            help=help_text(("Give up after so many seconds; 0: never.", "超时秒数;0 为不限。")),
        ),
    ] = 0.0,
) -> None:
    if order is None:
        _watch_all(session, market, after, timeout)
        return
    if after is not None:
        raise UsageProblem("--after", after, ("left out with an ORDER", "指定订单时须省略"))
    side = _side_of(order)
    found = ordering.read(session, side, order)
    countdown = _Countdown(session, str(found["market_id"]))
    seen: set[str] = set()
    _print_head(session)

    def told(_event: StreamEvent) -> bool:
        nonlocal found
        # The state first: what led to it is there by then.
        found = ordering.read(session, side, order)
        _print_new(session, order, seen)
        return found["state"] in words.TERMINAL

    with session.notes.status("") as status:
        ended = asyncio.run(
            watching.follow(
                session,
                wanted={"order_id": order},
                told=told,
                tick=lambda: countdown.show(status, found),
                timeout_s=timeout,
            )
        )
    if not ended:
        session.note(("Time is up; it goes on without us.", "已超时,订单仍在继续。"))
    if found["state"] != "filled":
        raise typer.Exit(EXIT_REFUSED)


def _side_of(order: str) -> str:
    from suanli.client import side_of

    try:
        return side_of(order)
    except ValueError as error:
        raise UsageProblem(
            "ORDER", order, ("an id that begins with off_ or dem_", "以 off_ 或 dem_ 开头的编号")
        ) from error


def _watch_all(
    session: Session, market_id: str | None, after: str | None, timeout_s: float
) -> None:
    def told(event: StreamEvent) -> bool:
        if event.event in {"status", "fill"}:
            _print_one(session, _as_step(event), of=event.data["order_id"])
        return False

    _print_head(session, "order_id")
    asyncio.run(
        watching.follow(
            session,
            wanted={"market_id": market_id, "after": after},
            told=told,
            tick=lambda: None,
            timeout_s=timeout_s,
        )
    )


def _as_step(event: StreamEvent) -> Json:
    step = {"id": event.id, **event.data}
    if event.event == "fill":
        return step | {"kind": "allocated", "amount": step["payment"]}
    return step | {"kind": "status"}


# --- withdrawing all ------------------------------------------------------------------------

_CANCELLED: Final[tuple[Column, ...]] = (
    words.text_column("order_id", ("order", "订单"), "order_id"),
    words.text_column("code", ("refused", "拒绝原因"), "code"),
    Column("detail", ("why", "说明"), lambda row: str(row.get("detail", "")), wraps=True),
)


def _cancel(
    session: Session,
    order: Annotated[
        list[str] | None,
        argument("ORDER", en="Orders to withdraw.", zh="要撤销的订单。"),
    ] = None,
    *,
    everything: Annotated[
        bool, option("--all", en="All your live orders.", zh="本方全部有效订单。")
    ] = False,
    market: Annotated[
        str | None, option("--market", en="Only in this market.", zh="仅此市场。")
    ] = None,
    yes: Annotated[bool, option("--yes", "-y", en="Do not ask.", zh="不再询问。")] = False,
    key: options.Key = None,
) -> None:
    if bool(order) == everything:
        raise UsageProblem(
            "ORDER",
            session.say(("both", "两者") if everything else ("absent", "缺失")),
            ("orders, or --all", "给出订单编号,或 --all"),
        )
    if order:
        if market:
            raise UsageProblem("--market", market, ("left out without --all", "无 --all 时须省略"))
        sides = [_side_of(one) for one in order]
        results = [_withdrawn(session, side, one) for side, one in zip(sides, order, strict=True)]
    else:
        _confirm(session, market, yes=yes)
        reply = session.client.cancel_all(market_id=market, key=key)
        results = [dict(result) for result in reply["results"]]
    refused = sum(bool(result.get("problem")) for result in results)
    if session.output is Output.JSON:
        session.print_json(results)
    else:
        rows = [
            {"order_id": result["order_id"], **(result.get("problem") or {})} for result in results
        ]
        print_list(session, rows, _CANCELLED, empty=("No live orders.", "没有有效订单。"))
    session.note(
        (
            f"{len(results) - refused} asked to leave, {refused} refused; what is allocated stands",
            f"{len(results) - refused} 项已申请撤销,{refused} 项被拒绝;已分配部分有效",
        )
    )
    if refused:
        raise typer.Exit(EXIT_REFUSED)


def _confirm(session: Session, market: str | None, *, yes: bool) -> None:
    """Ask before everything is withdrawn.

    Raises:
        UsageProblem: if nobody is there to be asked.
        typer.Exit: with 1, if the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageProblem(
            "--yes", session.say(("absent", "缺失")), ("given in a script", "在脚本中须给出")
        )
    where = market or session.say(("every market", "所有市场"))
    question = (f"Withdraw all your live orders in {where}?", f"撤销本方在 {where} 的全部有效订单?")
    if not typer.confirm(session.say(question), err=True):
        raise typer.Exit(EXIT_REFUSED)


def _withdrawn(session: Session, side: str, order_id: str) -> Json:
    try:
        receipt = session.client.send(ops.cancel(side, order_id))
    except ApiError as error:
        problem = {"code": error.code, "detail": error.detail, "errors": error.errors}
        return {"order_id": order_id, "problem": problem}
    return {"order_id": order_id, "receipt": receipt}


# --- printing as it comes -------------------------------------------------------------------


def _print_new(session: Session, order_id: str, seen: set[str]) -> None:
    for item in session.client.pages(f"/v1/orders/{order_id}/history"):
        if item["event_id"] in seen:
            continue
        seen.add(item["event_id"])
        _print_one(session, item)


def _print_one(session: Session, item: Json, of: str = "") -> None:
    """Print what happened, of one of several orders with its id."""
    if session.output is Output.JSON:
        sys.stdout.write(json.dumps(item, ensure_ascii=False) + "\n")
    elif session.output is Output.CSV:
        sys.stdout.write(_csv_line(item, [of] if of else []) + "\n")
    else:
        session.console.print(_line(session, item, of), markup=False, highlight=False)
    sys.stdout.flush()


def _line(session: Session, item: Json, of: str) -> str:
    amount = item.get("amount")
    parts = [
        units.short_time(item["occurred_at"], seconds=True),
        of,
        session.say(words.state(item["state"]) if item.get("state") else words.event(item["kind"])),
        session.say((f"{words.money(amount)} yuan", f"{words.money(amount)} 元"))
        if amount is not None
        else "",
        str(item.get("round_id") or ""),
        session.say(words.reason(item)),
    ]
    return "  ".join(part for part in parts if part)


def _print_head(session: Session, *first: str) -> None:
    """Print the names of the columns of what follows, in CSV."""
    if session.output is Output.CSV:
        names = ("amount_yuan" if name == "amount" else name for name in _LINE)
        sys.stdout.write(",".join([*first, *names]) + "\n")


def _csv_line(item: Json, first: list[str]) -> str:
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
    csv.writer(line, lineterminator="").writerow([*first, *cells])
    return line.getvalue()


class _Countdown:
    """Tells when the next round is due by the market's clock, as the market tells it."""

    def __init__(self, session: Session, market_id: str) -> None:
        self._session = session
        self._market_id = market_id
        self._asked_s = float("-inf")
        self._left_s: float | None = None

    def show(self, status: Status, order: Json) -> None:
        if not self._session.notes.is_terminal:
            return
        # The market's clock may run at another pace, so it is asked now and then, not counted.
        if time.monotonic() - self._asked_s >= _ASK_AGAIN_S:
            self._ask()
        left = 0.0 if self._left_s is None else self._left_s - (time.monotonic() - self._asked_s)
        state = self._session.say(words.state(order["state"]))
        when = (
            (f"next round in {left:.0f} s", f"距下一轮 {left:.0f} 秒")
            if left > 0
            else ("a round is due", "即将出清")
        )
        status.update(f"{state}: {self._session.say(when)}")

    def _ask(self) -> None:
        self._asked_s = time.monotonic()
        phase = self._session.client.send(ops.read(f"/v1/markets/{self._market_id}/phase"))
        self._left_s = None
        if phase["cut_at"]:
            left = units.parse(phase["cut_at"]) - units.parse(phase["as_of"])
            self._left_s = left.total_seconds()
