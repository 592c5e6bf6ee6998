"""`suanli account`: money posted, held and free."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import options, ordering, words
from suanli.cli.render import Column, print_details, print_list, print_titled, ranked
from suanli.cli.session import Output, Session, Text, command, option

Json = dict[str, Any]

_PURPOSES: Final[dict[str, Text]] = {
    "deposit": ("deposit", "存入"),
    "hold_placed": ("held", "冻结"),
    "hold_replaced": ("hold replaced", "替换冻结"),
    "hold_kept": ("still held", "继续冻结"),
    "hold_released": ("released", "解冻"),
    "hold_captured": ("captured into escrow", "划入托管"),
    "delivery_paid": ("paid for delivery", "交付付款"),
    "fee": ("fee", "费用"),
}


def _purpose(item: Json) -> Text:
    name = str(item["purpose"])
    return _PURPOSES.get(name, (name.replace("_", " "), name))


_ENTRIES: Final[tuple[Column, ...]] = (
    words.time_column("recorded_at", ("time", "时间"), "recorded_at", seconds=True),
    Column("purpose", ("purpose", "用途"), _purpose, lambda item: item["purpose"]),
    ranked(
        2,
        Column(
            "layer",
            ("layer", "层"),
            lambda item: (item["layer"], {"posted": "已入账", "pending": "冻结"}[item["layer"]]),
        ),
    ),
    words.money_column("amount", ("amount", "金额"), "amount"),
    ranked(3, words.text_column("round_id", ("round", "轮次"), "round_id")),
    words.text_column("order_id", ("order", "订单"), "order_id"),
    ranked(4, words.count_column("leaf_index", ("leaf of the log", "日志叶序号"), "leaf_index")),
    Column("entry_id", ("", ""), lambda _: "", lambda item: item["entry_id"]),
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "account",
        en="Show your money: posted, held for open demand, free; with --entries, the bookings.",
        zh="查看资金:已入账、冻结、可用;加 --entries 列出分录。",
    )(_account)


def _account(
    session: Session,
    entries: Annotated[
        bool, option("--entries", en="List the bookings, latest first.", zh="列出分录,新者在前。")
    ] = False,
    participant: options.Participant = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    client = session.client
    view = client.send(ops.read("/v1/account", participant_id=participant))
    if not entries or session.output is Output.TABLE:
        print_details(
            session,
            view,
            [
                ("participant_id", ("participant", "参与方"), view["participant_id"]),
                ("posted_yuan", ("posted (yuan)", "已入账(元)"), words.money(view["posted"])),
                ("held_yuan", ("held (yuan)", "冻结(元)"), words.money(view["held"])),
                ("free_yuan", ("free (yuan)", "可用(元)"), words.money(view["free"])),
                ("entries", ("bookings", "分录"), words.count(view["entries"])),
            ],
        )
    if not entries:
        return
    pages = client.pages("/v1/account/entries", participant_id=participant)
    found = ordering.take(session, pages, limit)
    if session.output is Output.TABLE:
        print_titled(session, ("Bookings", "分录"))
    print_list(session, found, _ENTRIES, empty=("none yet", "暂无"))
