"""`suanli book`: what is on offer and what is wanted, by pool."""

from __future__ import annotations

from itertools import zip_longest
from typing import Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import book_windows, options, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_list, ranked
from suanli.cli.session import EXIT_REFUSED, Market, Output, Session, command, option

Json = dict[str, Any]
# The exchange reads the market's log from its beginning.
_REPLAY_S_MAX: Final = 600.0

_POOLS: Final[tuple[Column, ...]] = (
    words.text_column("pool", ("pool", "资源池"), "pool"),
    words.count_column("offers", ("offers", "供给报价"), "offers"),
    words.count_column("chips_offered", ("chips offered", "供给芯片"), "offered_chips"),
    words.price_column("ask_min_per_chip_hour", ("lowest ask", "最低报价"), "ask"),
    words.count_column("demands", ("demands", "需求"), "demands"),
    words.price_column("limit_max_per_chip_hour", ("highest limit", "最高限价"), "limit"),
)
_LEVELS: Final[tuple[Column, ...]] = (
    words.count_column("ask_orders", ("offers", "供给报价"), "ask_orders"),
    words.count_column("ask_chips", ("chips", "芯片"), "ask_chips"),
    words.price_column("ask_per_chip_hour", ("ask", "报价"), "ask"),
    words.price_column("limit_per_chip_hour", ("limit", "限价"), "limit"),
    words.count_column("limit_chips", ("chips", "芯片"), "limit_chips"),
    words.count_column("limit_orders", ("demands", "需求"), "limit_orders"),
)
_THEN: Final[tuple[Column, ...]] = (
    words.text_column("order_id", ("order", "订单"), "order_id"),
    ranked(2, words.text_column("participant_id", ("participant", "参与方"), "participant_id")),
    Column(
        "state",
        ("state", "状态"),
        lambda item: words.state(item["state"]),
        lambda item: item["state"],
    ),
    Column(
        "in_book",
        ("in the book", "在簿"),
        lambda item: words.yes(item["in_book"]),
        lambda item: item["in_book"],
    ),
    words.count_column("version", ("version", "版本"), "version"),
    words.price_column("price_per_chip_hour", ("ask or limit", "报价或限价"), "price"),
    words.count_column("chip_hours_allocated", ("allocated", "已分配"), "chip_hours_allocated"),
    words.count_column("chip_hours_left", ("left", "剩余"), "chip_hours_left"),
    ranked(3, words.money_column("held", ("held", "冻结"), "held")),
    ranked(4, words.count_column("rounds_waited", ("rounds waited", "等待轮数"), "rounds_waited")),
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "book",
        en="Show the open orders by pool; with --pool, its depth by price. With --at or --round, "
        "every order as it stood then, rebuilt from the log (regulator, operator).",
        zh="按资源池显示在簿订单;加 --pool 显示价格深度;"
        "加 --at 或 --round 显示由日志重建的当时订单簿(监管方、运营方)。",
    )(_book)


def _book(
    session: Session,
    *,
    market: Market = None,
    pool: Annotated[
        str | None, option("--pool", en="One pool's depth (zone/chip).", zh="单个资源池的深度。")
    ] = None,
    at: Annotated[
        str | None, option("--at", en="At this market time.", zh="在此市场时间。")
    ] = None,
    seq: Annotated[
        int | None, option("--round", en="As this round sealed it.", zh="该轮次所封订单簿。")
    ] = None,
    window: Annotated[
        str | None,
        option(
            "--window",
            en="By delivery window: hour, day, or one window as FROM/TO, such as +1h/+5h; with "
            "--pool its asks and limits.",
            zh="按交付窗口:hour、day,或单个窗口 起/止,如 +1h/+5h;加 --pool 显示其报价与限价。",
        ),
    ] = None,
    where: options.Where = None,
) -> None:
    market_id = session.market(market)
    if window is not None:
        book_windows.show(session, market_id, window, pool, where)
        return
    if at is not None or seq is not None:
        _print_then(session, market_id, None if at is None else session.instant("--at", at), seq)
        return
    view = session.client.send(ops.read("/v1/book", market_id=market_id))
    if pool is not None:
        _print_depth(session, _pool(view, pool))
        return
    rows = [
        {
            **item,
            "ask": item["asks"][0]["price"] if item["asks"] else None,
            "limit": item["limits"][0]["price"] if item["limits"] else None,
        }
        for item in view["pools"]
    ]
    if session.output is Output.JSON:
        session.print_json(view)
        return
    shown = [row for row in rows if row["offers"] or row["demands"]]
    offers, demands = view["offers"], view["demands"]
    title = session.say(
        (
            f"{market_id} (yuan per chip-hour): {offers} offers, {demands} demands in the book",
            f"{market_id}(元/卡时):在簿供给 {offers} 项,需求 {demands} 项",
        )
    )
    print_list(session, shown, _POOLS, empty=("The book is empty.", "订单簿为空。"), title=title)
    waiting = view["demands_waiting"]
    if waiting:
        session.note((f"{waiting} demands wait for their hold.", f"{waiting} 项需求等待资金冻结。"))


def _print_then(session: Session, market_id: str, at: str | None, seq: int | None) -> None:
    asked = {"market_id": market_id, "time": at, "round": seq}
    session.client.be_patient(_REPLAY_S_MAX)
    view = session.client.send(ops.read("/v1/book/at", **asked))
    if session.output is Output.JSON:
        session.print_json(view)
        return
    name, offers, demands = f"{market_id} {view['at']}", view["offers"], view["demands"]
    title = session.say(
        (
            f"{name}, {view['round_id']}: {offers} offers, {demands} demands in the book",
            f"{name},{view['round_id']}:在簿供给 {offers} 项,需求 {demands} 项",
        )
    )
    empty = ("No order was live then.", "当时无有效订单。")
    print_list(session, view["orders"], _THEN, empty=empty, title=title)
    if view["differing"]:
        found = ", ".join(view["differing"])
        session.note((f"The log does not agree with: {found}", f"日志与以下不符:{found}"))
        raise typer.Exit(EXIT_REFUSED)
    if view["sealed_digest"] is not None:
        session.note(("This is the book that was sealed.", "与所封订单簿一致。"))


def _pool(view: Json, pool: str) -> Json:
    for item in view["pools"]:
        if item["pool"] == pool:
            found: Json = item
            return found
    known = ", ".join(item["pool"] for item in view["pools"])
    raise UsageProblem("--pool", pool, (f"one of: {known}", f"以下之一:{known}"))


def _print_depth(session: Session, item: Json) -> None:
    if session.output is Output.JSON:
        session.print_json(item)
        return
    none: Json = {}
    rows = []
    for ask, limit in zip_longest(item["asks"], item["limits"], fillvalue=none):
        rows.append(
            {
                "ask": ask.get("price"),
                "ask_chips": ask.get("chips"),
                "ask_orders": ask.get("orders"),
                "limit": limit.get("price"),
                "limit_chips": limit.get("chips"),
                "limit_orders": limit.get("orders"),
            }
        )
    title = session.say(
        (
            f"{item['pool']}: prices in yuan per chip-hour",
            f"{item['pool']}:价格单位为元/卡时",
        )
    )
    print_list(session, rows, _LEVELS, empty=("Nothing here.", "暂无。"), title=title)
    if session.output is Output.TABLE:
        session.note(
            (
                "A demand counts in every pool that it may use. At most 20 levels a side.",
                "需求计入其可用的每个资源池。每侧至多 20 档。",
            )
        )
