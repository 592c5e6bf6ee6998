"""`suanli prices`: what a chip-hour costs, by pool and period."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import typer

from suanli import operations as ops
from suanli.cli import options, statistics, units, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_list, ranked, sparkline
from suanli.cli.session import Market, Output, Session, Text, command, option

Json = dict[str, Any]
_LINE_COLUMNS: Final = 36
_By = Annotated[
    Literal["market", "region", "chip", "chip-region", "pool"] | None,
    option(
        "--by",
        en="Statistics of trades, added up by this: last, lowest, highest, average, volume.",
        zh="按此汇总成交统计:最新、最低、最高、均价、成交量。",
    ),
]
_Index = Annotated[
    bool,
    option(
        "--index",
        en="Index of each chip class and region, with a line.",
        zh="各芯片型号与地区的价格指数及走势。",
    ),
]
_Indicative = Annotated[
    bool,
    option(
        "--indicative",
        en="What the next round would cost if it took the book as it is. It is no promise.",
        zh="按当前订单簿试算的下一轮价格,仅供参考。",
    ),
]
_Window = Annotated[
    Literal["hour", "day"],
    option(
        "--window",
        en="With --by, --index: hours or days.",
        zh="与 --by、--index 合用:小时或日。",
    ),
]


_PERIODS: Final[tuple[Column, ...]] = (
    words.text_column("pool", ("pool", "资源池"), "pool"),
    words.time_column("period", ("hour from", "时段始"), "period"),
    Column(
        "price_yuan_per_chip_hour",
        ("price (yuan/chip-hour)", "价格(元/卡时)"),
        lambda item: words.money(_price(item)),
        lambda item: words.money_plain(_price(item)),
        number=True,
    ),
    ranked(1, words.count_column("chips_offered", ("chips on offer", "在售芯片"), "offered")),
    ranked(1, words.count_column("chips_traded", ("chips traded", "已成交芯片"), "chips_total")),
    words.price_column("average", ("average of trades", "成交均价"), "average"),
    ranked(2, words.price_column("low", ("low", "最低"), "low")),
    ranked(2, words.price_column("high", ("high", "最高"), "high")),
    ranked(3, words.text_column("round_id", ("round", "轮次"), "round_id")),
)
_INDICATIVE: Final[tuple[Column, ...]] = (
    words.text_column("pool", ("pool", "资源池"), "pool"),
    words.time_column("period", ("hour from", "时段始"), "period"),
    words.price_column("price", ("price", "价格"), "price"),
    ranked(1, words.price_column("low", ("low", "最低"), "low")),
    ranked(1, words.price_column("high", ("high", "最高"), "high")),
    ranked(2, words.count_column("round", ("round", "轮次"), "seq")),
    ranked(3, words.time_column("as_of", ("as of", "截至"), "as_of", seconds=True)),
)
_POOLS: Final[tuple[Column, ...]] = (
    words.text_column("pool", ("pool", "资源池"), "pool"),
    words.price_column("price_min_per_chip_hour", ("lowest", "最低"), "min"),
    words.price_column("price_max_per_chip_hour", ("highest", "最高"), "max"),
    ranked(2, words.count_column("chips_offered_max", ("on offer", "在售"), "offered")),
    ranked(
        1, words.count_column("chip_hours_traded", ("traded (chip-hours)", "成交(卡时)"), "traded")
    ),
    ranked(
        1, words.price_column("average_of_trades_per_chip_hour", ("average", "均价"), "average")
    ),
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "prices",
        en="Show latest prices by pool with a line over the coming hours; with --pool, by hour.",
        zh="按资源池显示最新价格及未来各小时走势;加 --pool 逐小时显示。",
    )(_prices)


def _prices(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    *,
    market: Market = None,
    pool: Annotated[
        str | None,
        option("--pool", en="One pool (zone/chip), hour by hour.", zh="单个资源池,逐小时。"),
    ] = None,
    start: options.From = None,
    end: options.Until = None,
    everything: Annotated[
        bool,
        option("--all", en="Pools without any offer too.", zh="包括没有供给的资源池。"),
    ] = False,
    indicative: _Indicative = False,
    by: _By = None,
    index: _Index = False,
    window: _Window = "day",
    where: options.Where = None,
) -> None:
    market_id = session.market(market)
    if indicative:
        _print_indicative(session, market_id, pool)
        return
    if by is not None or index:
        span: dict[str, str | int | None] = {
            "market_id": market_id,
            "window": window,
            "from": None if start is None else session.instant("--from", start),
            "to": None if end is None else session.instant("--to", end),
            "filter": where,
        }
        statistics.show(session, span, by, index=index)
        return
    first = session.instant("--from", start or "+0h")
    until = None if end is None else session.instant("--to", end)
    query: dict[str, str | int | None] = {
        "market_id": market_id,
        "pool": pool,
        "from": first,
        "to": until,
        "filter": where,
    }
    items = list(session.client.pages("/v1/prices", **query))
    empty = ("", "") if items else _why_none(session, market_id, pool)
    if pool is not None or session.output is not Output.TABLE:
        _print_periods(session, items, empty)
        return
    rows = _by_pool(items)
    shown = rows if everything else [row for row in rows if row["offered"] or row["traded"]]
    columns = (*_POOLS, _line_column(items, shown))
    print_list(session, shown, columns, empty=empty, title=_title(session, market_id))
    if hidden := len(rows) - len(shown):
        session.note(
            (
                f"{hidden} pools have nothing on offer (--all lists them).",
                f"{hidden} 个资源池暂无供给(--all 一并列出)。",
            )
        )


def _print_indicative(session: Session, market_id: str, pool: str | None) -> None:
    query = {"market_id": market_id, "pool": pool}
    found = list(session.client.pages("/v1/indicative-prices", **query))
    empty = ("No indication of the next round now.", "暂无下一轮的试算价格。")
    print_list(session, found, _INDICATIVE, empty=empty)


def _why_none(session: Session, market_id: str, pool: str | None) -> Text:
    # An empty list may also come of a market or a pool that does not exist.
    market = session.client.send(ops.read(f"/v1/markets/{market_id}"))["market"]
    zones = [zone["id"] for zone in market["zones"]]
    chips = [chip["id"] for chip in market["chips"]]
    if pool is not None and pool not in {f"{zone}/{chip}" for zone in zones for chip in chips}:
        listed = f"{'|'.join(zones)} / {'|'.join(chips)}"
        raise UsageProblem("--pool", pool, (f"one of {listed}", f"以下之一:{listed}"))
    every_s = market["rules"]["round_every_s"]
    return (
        f"No prices of these hours yet; a round is cleared every {every_s} s.",
        f"这些时段尚无价格;每 {every_s} 秒出清一轮。",
    )


def _title(session: Session, market_id: str) -> str:
    return session.say(
        (f"{market_id}: prices in yuan per chip-hour", f"{market_id}:价格单位为元/卡时")
    )


def _print_periods(session: Session, items: list[Json], empty: Text) -> None:
    if session.output is Output.TABLE and items:
        line = sparkline([_price(item) for item in items])
        session.console.print(line, markup=False, highlight=False)
    # Table only: the pool stands in the command.
    columns = _PERIODS[1:] if session.output is Output.TABLE else _PERIODS
    print_list(session, items, columns, empty=empty)


def _price(item: Json) -> int | None:
    price: int | None = item["price"]
    return price


def _by_pool(items: list[Json]) -> list[Json]:
    pools: dict[str, list[Json]] = {}
    for item in items:
        pools.setdefault(item["pool"], []).append(item)
    rows: list[Json] = []
    for pool, periods in sorted(pools.items()):
        prices = [price for item in periods if (price := _price(item)) is not None]
        traded = sum(item["chips_total"] for item in periods)
        value = sum((item["average"] or 0) * item["chips_total"] for item in periods)
        rows.append(
            {
                "pool": pool,
                "min": min(prices, default=None),
                "max": max(prices, default=None),
                "offered": max(item["offered"] for item in periods),
                "traded": traded,
                # On the grid of prices that people read; averages of averages are no exact sums.
                "average": value // traded // 100 * 100 if traded else None,
                "line": [_price(item) for item in periods],
            }
        )
    return rows


def _line_column(items: list[Json], rows: list[Json]) -> Column:
    # Hours that no pool has a price for would only leave a blank at the end.
    used = max(
        (at + 1 for row in rows for at, price in enumerate(row["line"]) if price is not None),
        default=0,
    )
    times = sorted({item["period"] for item in items})[:used]
    first, last = (units.short_time(times[0]), units.short_time(times[-1])) if times else ("", "")
    head = (f"{first} to {last} UTC", f"{first} 至 {last} UTC") if times else ("", "")
    return Column("line", head, lambda row: sparkline(row["line"][:used], _LINE_COLUMNS))
