"""`suanli allocations`: capacity that a round gave to a demand."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from suanli.cli import options, ordering, units, words
from suanli.cli.render import Column, print_list, ranked
from suanli.cli.session import Market, Session, command, option

Json = dict[str, Any]


def _window(item: Json) -> str:
    periods = item["periods"]
    end = units.parse(periods[-1]["start"]) + units.HOUR
    return units.window(periods[0]["start"], units.iso(end))


def _chips(item: Json) -> str:
    found = [period["chips"] for period in item["periods"]]
    low, high = min(found), max(found)
    return words.count(low) if low == high else f"{low:,}-{high:,}"


def _hours(item: Json) -> int:
    return sum(int(period["chips"]) for period in item["periods"])


def _price(item: Json) -> str:
    prices = [period["price"] for period in item["periods"]]
    low, high = min(prices), max(prices)
    return words.money(low) if low == high else f"{words.money(low)}-{words.money(high)}"


def _delivered(item: Json) -> str:
    done = len(item["delivered"])
    return f"{done}/{len(item['periods'])}" if done else ""


COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("allocation_id", ("allocation", "分配"), "allocation_id"),
    ranked(2, words.text_column("round_id", ("round", "轮次"), "round_id")),
    ranked(1, words.text_column("pool", ("pool", "资源池"), "pool")),
    ranked(1, Column("chips", ("chips", "芯片"), _chips, number=True)),
    ranked(2, Column("window", ("window (UTC)", "窗口(UTC)"), _window)),
    ranked(
        3,
        Column(
            "chip_hours",
            ("chip-hours", "卡时"),
            lambda item: words.count(_hours(item)),
            _hours,
            number=True,
        ),
    ),
    Column("price_yuan_per_chip_hour", ("price (yuan/chip-hour)", "价格(元/卡时)"), _price),
    words.money_column("payment", ("payment", "付款"), "payment"),
    ranked(2, Column("delivered", ("delivered", "已交付"), _delivered)),
    ranked(4, words.text_column("provider_id", ("provider", "供给方"), "provider_id")),
    ranked(
        4,
        words.text_column("enterprise_id", ("enterprise", "需求方"), "enterprise_id"),
        varied=True,
    ),
    ranked(5, words.text_column("demand_id", ("demand", "需求"), "demand_id")),
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "allocations",
        en="List your allocations, latest first, with price and payment.",
        zh="列出分配结果(价格与付款),新者在前。",
    )(_list)


def _list(
    session: Session,
    market: Market = None,
    round_id: Annotated[
        str | None, option("--round", en="Only of this round.", zh="仅此轮次。")
    ] = None,
    order: Annotated[
        str | None, option("--order", en="Only of this order.", zh="仅此订单。")
    ] = None,
    where: options.Where = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages(
        "/v1/allocations", market_id=market, round_id=round_id, order_id=order, filter=where
    )
    found = ordering.take(session, pages, limit)
    print_list(session, found, COLUMNS, empty=("No allocations.", "没有分配。"))
    if found:
        total = sum(item["payment"] for item in found)
        hours = sum(_hours(item) for item in found)
        session.note(
            (
                f"{len(found)} allocations, {hours:,} chip-hours, {units.yuan(total)} yuan",
                f"共 {len(found)} 项,{hours:,} 卡时,{units.yuan(total)} 元",
            )
        )
