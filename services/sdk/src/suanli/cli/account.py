"""`suanli account`: money posted, held and free; bookings, statements, invoices, collateral."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import typer

from suanli import operations as ops
from suanli.cli import money_orders, options, ordering, statements, units, words
from suanli.cli.render import Column, print_details, print_list, print_titled, ranked
from suanli.cli.session import Output, Session, acting_group, argument, command, option

Json = dict[str, Any]

Direction = Annotated[
    Literal["in", "out"],
    argument(
        "DIRECTION",
        en="in: money becomes collateral; out: it is free again.",
        zh="in 转入保证金;out 转出。",
    ),
]


_ENTRIES: Final[tuple[Column, ...]] = (
    words.time_column("recorded_at", ("time", "时间"), "recorded_at", seconds=True),
    Column("purpose", ("purpose", "用途"), words.purpose, lambda item: item["purpose"]),
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
    ranked(3, words.money_column("balance", ("balance", "余额"), "balance")),
    ranked(4, words.count_column("leaf_index", ("leaf of the log", "日志叶序号"), "leaf_index")),
    Column("entry_id", ("", ""), lambda _: "", lambda item: item["entry_id"]),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = acting_group(
        app,
        "account",
        _account,
        en="Show your money: posted, held for open demand, free; with --entries, the bookings.",
        zh="查看资金:已入账、冻结、可用;加 --entries 列出分录。",
    )
    statements.register(noun)
    command(
        noun,
        "collateral",
        en="Make money collateral, or free it (operator: with --participant).",
        zh="转入或转出保证金(供给方;运营方加 --participant)。",
    )(_collateral)
    command(
        noun,
        "top-up",
        en="Take play money (only where the exchange is a sandbox).",
        zh="领取虚拟资金(仅限沙箱)。",
    )(_top_up)
    command(
        noun,
        "refusals",
        en="List your payouts and moves of collateral that were refused.",
        zh="列出被拒绝的出金与保证金指令。",
    )(_refusals)


def _collateral(
    session: Session,
    direction: Direction,
    amount: Annotated[str, option("--amount", en="Yuan.", zh="元。")],
    participant: options.Participant = None,
    key: options.Key = None,
    wait: options.Wait = True,
) -> None:
    client = session.client
    whose = participant or client.send(ops.read("/v1/participants/me"))["participant_id"]
    micro = units.micro_of_yuan("--amount", amount)
    receipt = client.send(ops.collateral(whose, direction, micro, key))
    facts: list[ordering.Fact] = [
        ("participant_id", ("participant", "参与方"), whose),
        ("direction", ("direction", "方向"), direction),
        ("amount_yuan", ("amount (yuan)", "金额(元)"), units.yuan(micro)),
    ]
    money_orders.tell(session, receipt, receipt["collateral_id"], facts, wait=wait)


def _top_up(
    session: Session,
    amount: Annotated[str, option("--amount", en="Yuan.", zh="元。")],
    key: options.Key = None,
) -> None:
    micro = units.micro_of_yuan("--amount", amount)
    receipt = session.client.send(ops.top_up(micro, key))
    facts = [
        ("deposit_id", ("deposit", "入金"), str(receipt["deposit_id"])),
        ("amount_yuan", ("amount (yuan)", "金额(元)"), units.yuan(micro)),
    ]
    print_details(session, receipt, facts)


def _refusals(
    session: Session, where: options.Where = None, limit: options.Limit = ordering.LIMIT
) -> None:
    found = ordering.take(session, session.client.pages("/v1/refusals", filter=where), limit)
    print_list(session, found, money_orders.COLUMNS, empty=("None.", "暂无。"))


def _account(
    session: Session,
    entries: Annotated[
        bool, option("--entries", en="List the bookings, latest first.", zh="列出分录,新者在前。")
    ] = False,
    of: Annotated[
        Literal["cny", "collateral", "debt"],
        option("--of", en="Account whose bookings to list.", zh="列出哪个账户的分录。"),
    ] = "cny",
    participant: options.Participant = None,
    where: options.Where = None,
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
                (
                    "collateral_yuan",
                    ("collateral (yuan)", "保证金(元)"),
                    words.money(view["collateral"]),
                ),
                ("debt_yuan", ("debt (yuan)", "欠款(元)"), words.money(view["debt"])),
                ("entries", ("bookings", "分录"), words.count(view["entries"])),
            ],
        )
    if not entries:
        return
    pages = client.pages(
        "/v1/account/entries", participant_id=participant, account=of, filter=where
    )
    found = ordering.take(session, pages, limit)
    if session.output is Output.TABLE:
        print_titled(session, ("Bookings", "分录"))
    print_list(session, found, _ENTRIES, empty=("none yet", "暂无"))
