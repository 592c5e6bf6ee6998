"""Sending orders and telling what became of them; shared by `offers` and `demand`."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import previews, units, words
from suanli.cli.many import FAULT, ROW, fault_rows, print_csv
from suanli.cli.render import Column, print_details, print_list, print_titled, ranked
from suanli.cli.session import EXIT_REFUSED, Output
from suanli.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from suanli.bulk import Side
    from suanli.cli.session import Session, Text

Json = dict[str, Any]
Fact = tuple[str, "Text", "str | Text"]

LIMIT: Final = 50
"""Items that a list shows unless told otherwise."""

VERDICT_S_MAX: Final = 8.0
"""Longest wait for a verdict; the usual one comes within a second."""

_POLL_S: Final = 0.25
# Each request's verdicts come when it has ended, so this is how finely progress is told.
_BULK_ITEMS: Final = 1_000


def take(session: Session, items: Iterator[Json], limit: int) -> list[Json]:
    """Return the first items; tell if there are more. A limit of 0 means all."""
    if limit <= 0:
        return list(items)
    found = list(islice(items, limit + 1))
    if len(found) > limit:
        session.note(
            (f"The first {limit}; --limit 0 shows all.", f"仅前 {limit} 条;--limit 0 显示全部。")
        )
    return found[:limit]


def submit(
    session: Session,
    side: str,
    market_id: str,
    terms: Json,
    *,
    key: str | None,
    wait: bool,
    facts: Callable[[Json], Iterable[Fact]],
) -> None:
    """Submit an order, wait for its verdict, print receipt and order.

    Raises:
        typer.Exit: with 1, if the order was rejected.
    """
    key = key or ops.new_key()
    receipt = _sent(session, ops.submit(side, market_id, terms, key), key)
    order = _settled(session, side, receipt["order_id"], _has_verdict if wait else None)
    _print_outcome(session, receipt, order, facts)
    if order["state"] == "rejected":
        raise typer.Exit(EXIT_REFUSED)
    if wait and order["state"] == "accepted":
        _note_no_verdict(session, order["order_id"])


def place(
    session: Session,
    side: Side,
    market_id: str,
    terms: Json | list[Json],
    *,
    key: str | None,
    wait: bool,
    dry_run: bool,
    facts: Callable[[Json], Iterable[Fact]],
) -> None:
    """Submit an order, or each of a list; or only tell what it would come to.

    Raises:
        typer.Exit: with 1, if one was refused.
    """
    if isinstance(terms, list):
        submit_many(session, side, market_id, terms, key=key, dry_run=dry_run)
    elif dry_run:
        previews.show(session, ops.submit(side, market_id, terms, key))
    else:
        submit(session, side, market_id, terms, key=key, wait=wait, facts=facts)


def amend(
    session: Session,
    side: str,
    order: Json,
    terms: Json,
    *,
    expected_version: int | None,
    wait: bool,
    facts: Callable[[Json], Iterable[Fact]],
) -> None:
    """Replace an order's terms, wait until they count or are refused, print the order.

    Raises:
        typer.Exit: with 1, if they were refused.
    """
    key = ops.new_key()
    version = expected_version or order["version"]
    operation = ops.amend(side, order["order_id"], version, terms, key)
    receipt = _sent(session, operation, key)

    def decided(now: Json) -> bool:
        return now["amendment"] is None and (
            now["version"] != order["version"] or now["updated_at"] != order["updated_at"]
        )

    after = _settled(session, side, order["order_id"], decided if wait else None)
    _print_outcome(session, receipt, after, facts)
    if not wait:
        return
    if not decided(after):
        _note_no_verdict(session, order["order_id"])
    elif after["version"] == order["version"]:
        raise typer.Exit(EXIT_REFUSED)


def cancel(
    session: Session,
    side: str,
    order_id: str,
    *,
    wait: bool,
    facts: Callable[[Json], Iterable[Fact]],
) -> None:
    """Withdraw an order, wait until it has left or has to stay, print it.

    Raises:
        typer.Exit: with 1, if it has to stay until the next round has taken the book.
    """
    receipt = session.client.send(ops.cancel(side, order_id))

    def stays(now: Json) -> bool:
        # Shown as asked for from the receipt on, until it is refused.
        is_refused = (now["reason"] or {}).get("code") == "frozen_cancel"
        return is_refused and now["cancel_requested_at"] is None

    def decided(now: Json) -> bool:
        return now["state"] in words.TERMINAL or stays(now)

    after = _settled(session, side, order_id, decided if wait else None)
    _print_outcome(session, receipt, after, facts)
    if not wait:
        return
    if not decided(after):
        _note_no_verdict(session, order_id)
    elif stays(after):
        raise typer.Exit(EXIT_REFUSED)


def read(session: Session, side: str, order_id: str) -> Json:
    """Return one order."""
    order: Json = session.client.send(ops.read(f"/v1/{side}/{order_id}"))
    return order


def _sent(session: Session, operation: ops.Operation, key: str) -> Json:
    try:
        receipt: Json = session.client.send(operation)
    except UnreachableError:
        _note_repeat(session, key)
        raise
    return receipt


def _note_repeat(session: Session, key: str) -> None:
    session.note(
        (
            f"It may have arrived. The same command with --key {key} cannot place it twice.",
            f"订单可能已送达。用 --key {key} 重复同一命令不会重复下单。",
        )
    )


def _has_verdict(order: Json) -> bool:
    return bool(order["state"] != "accepted")


def _settled(
    session: Session, side: str, order_id: str, done: Callable[[Json], bool] | None
) -> Json:
    order = read(session, side, order_id)
    if done is None:
        return order
    end_s = time.monotonic() + VERDICT_S_MAX
    waiting = session.say(("waiting for the verdict", "等待结果"))
    with session.notes.status(waiting):
        while not done(order) and time.monotonic() < end_s:
            time.sleep(_POLL_S)
            order = read(session, side, order_id)
    return order


def _note_no_verdict(session: Session, order_id: str) -> None:
    session.note(
        (
            f"No verdict yet; follow it with: suanli orders watch {order_id}",
            f"尚无结果;可用以下命令跟踪:suanli orders watch {order_id}",
        )
    )


def _print_outcome(
    session: Session,
    receipt: Json,
    order: Json,
    facts: Callable[[Json], Iterable[Fact]],
) -> None:
    position = f"{receipt['topic']}/{receipt['partition']} @ {receipt['offset']}"
    rows: list[Fact] = [
        *facts(order),
        ("receipt", ("receipt", "回执"), position),
        ("receipt_sha256", ("  of bytes (SHA-256)", "  内容 SHA-256"), receipt["sha256"]),
    ]
    if session.output is Output.JSON:
        session.print_json({"receipt": receipt, "order": order})
        return
    print_details(session, order, rows)


def common_facts(order: Json) -> list[Fact]:
    """Return what is worth knowing of any order."""
    left = words.count(order["chip_hours_left"])
    return [
        ("order_id", ("order", "订单"), order["order_id"]),
        ("market_id", ("market", "市场"), order["market_id"]),
        ("participant_id", ("participant", "参与方"), order["participant_id"]),
        ("state", ("state", "状态"), words.state(order["state"])),
        ("reason", ("", ""), words.reason(order)),
        ("version", ("version", "版本"), str(order["version"])),
        (
            "chip_hours_allocated",
            ("allocated (chip-hours)", "已分配(卡时)"),
            words.count(order["chip_hours_allocated"]),
        ),
        ("chip_hours_left", ("left (chip-hours)", "剩余(卡时)"), left),
    ]


# --- showing one order ----------------------------------------------------------------------

_HISTORY: Final[tuple[Column, ...]] = (
    words.time_column("occurred_at", ("time", "时间"), "occurred_at", seconds=True),
    Column("kind", ("what", "事件"), lambda item: words.event(item["kind"])),
    Column("state", ("state", "状态"), lambda item: words.state(item.get("state"))),
    ranked(3, words.count_column("version", ("version", "版本"), "version")),
    words.money_column("amount", ("amount", "金额"), "amount"),
    ranked(2, words.text_column("round_id", ("round", "轮次"), "round_id")),
    Column("reason", ("reason", "原因"), words.reason, wraps=True),
)


def show(session: Session, order: Json, facts: Iterable[Fact]) -> None:
    """Print an order with its history and its allocations."""
    from suanli.cli.allocations import COLUMNS

    order_id = order["order_id"]
    client = session.client
    history = list(client.pages(f"/v1/orders/{order_id}/history"))
    allocations = list(client.pages("/v1/allocations", order_id=order_id))
    if session.output is Output.JSON:
        session.print_json({"order": order, "history": history, "allocations": allocations})
        return
    paid = sum(item["payment"] for item in allocations)
    payment: Fact = ("payment_yuan", ("payment (yuan)", "付款(元)"), words.money(paid))
    print_details(session, order, [*facts, payment] if allocations else facts)
    if session.output is Output.CSV:
        return
    print_titled(session, ("History", "经过"))
    print_list(session, history, _HISTORY, empty=("nothing yet", "暂无"))
    print_titled(session, ("Allocations", "分配"))
    # Of a demand its allocations name only the other side.
    own = {"demand": "demand_id", "offer": "provider_id"}[order["side"]]
    columns = [column for column in COLUMNS if column.name != own]
    print_list(session, allocations, columns, empty=("none yet", "暂无"))


# --- many at once ---------------------------------------------------------------------------


def submit_many(
    session: Session,
    side: Side,
    market_id: str,
    terms: Sequence[Json],
    *,
    key: str | None,
    dry_run: bool = False,
) -> None:
    """Submit a list of orders, or try them, and print the verdict on each.

    Args:
        session: The run.
        side: ``offers`` or ``demand``.
        market_id: Their market.
        terms: Terms of each.
        key: Idempotency key of the whole.
        dry_run: Whether they are only tried.

    Raises:
        typer.Exit: with 1, if any was refused.
    """
    from rich.progress import track

    key = key or ops.new_key()
    items: list[Any] = [{"market_id": market_id, "terms": one} for one in terms]
    told: Iterable[Any] = session.client.submit_many(
        side, items, key=key, dry_run=dry_run, at_once=_BULK_ITEMS
    )
    try:
        results: list[Json] = list(
            track(
                told,
                description=session.say(("Sending", "发送")),
                total=len(items),
                console=session.notes,
                transient=True,
                disable=len(items) <= _BULK_ITEMS or not session.notes.is_terminal,
            )
        )
    except UnreachableError:
        _note_repeat(session, key)
        raise
    refused = [result for result in results if result.get("problem")]
    if dry_run:
        previews.print_tried(session, results)
    else:
        print_results(session, results)
    session.note(_summary(len(results) - len(refused), len(refused), dry_run=dry_run))
    if refused:
        raise typer.Exit(EXIT_REFUSED)


def _summary(taken: int, refused: int, *, dry_run: bool) -> Text:
    if dry_run:
        en = f"Tried: {taken} would be accepted, {refused} refused; nothing was sent."
        return (en, f"试算:{taken} 项可受理,{refused} 项将被拒绝;未提交任何订单。")
    return (f"{taken} accepted, {refused} refused", f"{taken} 项已受理,{refused} 项被拒绝")


def print_results(session: Session, results: Sequence[Json]) -> None:
    """Print what became of each of many orders: ``index`` with ``receipt`` or ``problem``."""
    if session.output is Output.JSON:
        session.print_json(results)
        return
    rows: list[Json] = []
    for result in results:
        if result.get("problem"):
            rows += fault_rows(session, result)
        else:
            rows.append({"index": result["index"], "order_id": result["receipt"]["order_id"]})
    if session.output is Output.CSV:
        names = ("index", "order_id", "code", "field", "value", "allowed")
        print_csv(names, rows)
        return
    columns = (
        ROW,
        words.text_column("order_id", ("order", "订单"), "order_id"),
        *FAULT,
    )
    print_list(session, rows, columns, empty=("nothing sent", "无"))


def window_fact(label: Text, start: str, end: str) -> Fact:
    """Return a window as a fact."""
    return ("window", (f"{label[0]} (UTC)", f"{label[1]}(UTC)"), units.window(start, end))
