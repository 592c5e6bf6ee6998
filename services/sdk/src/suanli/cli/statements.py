"""`suanli account statement` and `suanli account invoice`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from suanli import operations as ops
from suanli.cli import options, ordering, words
from suanli.cli.render import Column, print_details, print_list, print_titled, ranked
from suanli.cli.session import Output, Session, Text, argument, command, option

if TYPE_CHECKING:
    import typer

Json = dict[str, Any]
_BEGINNING: Final = "2020-01-01T00:00:00Z"
_END: Final = "2100-01-01T00:00:00Z"
_ITEMS: Final[dict[str, str]] = {
    "delivered": "已交付",
    "fee": "费用",
    "penalty": "违约金",
    "compensation": "补偿",
    "premium": "溢价",
    "link_tariff": "链路资费",
    "link_rent": "链路拥塞租金",
}


def _link_part(name: str, head: Text) -> Column:
    """Return a column of what a capture pays for links, empty on other bookings."""

    def part(item: Json) -> int | None:
        return item.get(name) or None

    return Column(
        f"{name}_yuan",
        (f"{head[0]} (yuan)", f"{head[1]}(元)"),
        lambda item: words.money(part(item)),
        lambda item: words.money_plain(part(item)),
        number=True,
        rank=5,
        varied=True,
    )


_ENTRIES: Final[tuple[Column, ...]] = (
    words.time_column("occurred_at", ("market time", "市场时间"), "occurred_at"),
    words.text_column("account", ("account", "账户"), "account"),
    Column("purpose", ("purpose", "用途"), words.purpose, lambda item: item["purpose"]),
    words.money_column("amount", ("amount", "金额"), "amount"),
    words.money_column("balance", ("balance", "余额"), "balance"),
    _link_part("link_tariff", ("of it link tariffs", "其中链路资费")),
    _link_part("link_rent", ("of it link rents", "其中链路拥塞租金")),
    ranked(3, words.text_column("round_id", ("round", "轮次"), "round_id")),
    ranked(2, words.text_column("order_id", ("order", "订单"), "order_id")),
    ranked(4, words.count_column("leaf_index", ("leaf of the log", "日志叶序号"), "leaf_index")),
    Column("entry_id", ("", ""), lambda _: "", lambda item: item.get("entry_id")),
)
_TOTALS: Final[tuple[Column, ...]] = (
    words.text_column("account", ("account", "账户"), "account"),
    Column("purpose", ("purpose", "用途"), words.purpose, lambda item: item["purpose"]),
    words.count_column("entries", ("bookings", "分录"), "entries"),
    words.money_column("amount", ("amount", "金额"), "amount"),
)


def _number(item: Json) -> Text:
    number = item["number"]
    return ("draft", "草稿") if number is None else (number, number)


_INVOICES: Final[tuple[Column, ...]] = (
    words.text_column("day", ("day", "日期"), "day"),
    Column("number", ("number", "编号"), _number, lambda item: item["number"]),
    words.count_column("lines", ("lines", "行数"), "lines"),
    words.money_column("delivered", ("delivered", "已交付"), "delivered"),
    words.money_column("fee", ("fee", "费用"), "fee"),
    words.money_column("penalty", ("penalty", "违约金"), "penalty"),
    words.money_column("compensation", ("compensation", "补偿"), "compensation"),
    words.money_column("premium", ("premium", "溢价"), "premium"),
    words.money_column("link_tariff", ("link tariffs", "链路资费"), "link_tariff"),
    words.money_column("link_rent", ("link rents", "链路拥塞租金"), "link_rent"),
    words.money_column("total", ("total", "合计"), "total"),
)
_LINES: Final[tuple[Column, ...]] = (
    Column(
        "item",
        ("item", "项目"),
        lambda item: (item["item"].replace("_", " "), _ITEMS[item["item"]]),
        lambda item: item["item"],
    ),
    words.text_column("allocation_id", ("allocation", "分配"), "allocation_id"),
    ranked(2, words.text_column("order_id", ("order", "订单"), "order_id")),
    ranked(3, words.text_column("round_id", ("round", "轮次"), "round_id")),
    words.count_column("chip_hours", ("chip-hours", "卡时"), "chip_hours"),
    words.money_column("amount", ("amount", "金额"), "amount"),
    ranked(
        4,
        Column(
            "leaf_indexes",
            ("leaves of the log", "日志叶序号"),
            lambda item: " ".join(map(str, item["leaf_indexes"])),
        ),
    ),
)


def register(noun: typer.Typer) -> None:
    """Add the commands below ``account``."""
    command(
        noun,
        "statement",
        en="Show opening and closing balances and every booking of a period of market hours.",
        zh="对账单:某一时段的期初、期末余额与全部分录。",
    )(_statement)
    command(
        noun,
        "invoice",
        en="List your invoices, one per day with charges; with a DAY, its lines.",
        zh="列出账单,每个有费用的日期一张;给出日期则列出明细。",
    )(_invoice)


def _statement(
    session: Session,
    start: Annotated[
        str | None,
        option("--from", en="Full hour; by default the beginning.", zh="整点;默认自开始。"),
    ] = None,
    end: Annotated[
        str | None,
        option("--to", en="Full hour, exclusive; by default now.", zh="整点,不含;默认至今。"),
    ] = None,
    participant: options.Participant = None,
    where: options.Where = None,
) -> None:
    period = {
        "from": _BEGINNING if start is None else session.instant("--from", start),
        "to": _END if end is None else session.instant("--to", end),
    }
    client = session.client
    view = client.send(ops.read("/v1/account/statement", participant_id=participant, **period))
    pages = client.pages(
        "/v1/account/statement/entries", participant_id=participant, filter=where, **period
    )
    found = list(pages)
    if session.output is Output.JSON:
        session.print_json({"statement": view, "entries": found})
        return
    shown = [one for one in view["accounts"] if one["entries"] or one["opening"]]
    edges = [
        [
            {"account": one["account"], "purpose": edge, "balance": one[edge], "occurred_at": at}
            for one in shown
        ]
        # Where no end was given, there is no instant of the market to show.
        for edge, at in (
            ("opening", None if start is None else view["start"]),
            ("closing", None if end is None else view["end"]),
        )
    ]
    rows = [*edges[0], *found, *edges[1]]
    if session.output is Output.TABLE:
        print_details(
            session, view, _facts(view, has_start=start is not None, has_end=end is not None)
        )
        print_titled(session, ("Totals", "合计"))
        print_list(session, view["totals"], _TOTALS, empty=("none", "暂无"))
        print_titled(session, ("Bookings", "分录"))
    print_list(session, rows, _ENTRIES, empty=("none", "暂无"))


def _facts(view: Json, *, has_start: bool, has_end: bool) -> list[ordering.Fact]:
    start = (view["start"], view["start"]) if has_start else ("the beginning", "开始")
    end = (view["end"], view["end"]) if has_end else ("now", "至今")
    return [
        ("participant_id", ("participant", "参与方"), view["participant_id"]),
        ("start", ("from", "自"), start),
        ("end", ("to", "至"), end),
        ("final", ("final", "已定"), words.yes(view["final"])),
        ("held_yuan", ("held at the end (yuan)", "期末冻结(元)"), words.money(view["held"])),
    ]


def _invoice(
    session: Session,
    day: Annotated[
        str | None, argument("[DAY]", en="Such as 2026-11-24.", zh="如 2026-11-24。")
    ] = None,
    participant: options.Participant = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    client = session.client
    if day is None:
        pages = client.pages("/v1/account/invoices", participant_id=participant)
        found = ordering.take(session, pages, limit)
        print_list(session, found, _INVOICES, empty=("No invoices yet.", "暂无账单。"))
        return
    path = f"/v1/account/invoices/{day}"
    view = client.send(ops.read(path, participant_id=participant))
    lines = list(client.pages(f"{path}/lines", participant_id=participant))
    if session.output is Output.JSON:
        session.print_json({"invoice": view, "lines": lines})
        return
    if session.output is Output.TABLE:
        print_details(
            session,
            view,
            [
                ("number", ("number", "编号"), _number(view)),
                ("participant_id", ("participant", "参与方"), view["participant_id"]),
                ("day", ("day", "日期"), view["day"]),
                ("total_yuan", ("total (yuan)", "合计(元)"), words.money(view["total"])),
            ],
        )
        print_titled(session, ("Lines", "明细"))
    print_list(session, lines, _LINES, empty=("none", "暂无"))
