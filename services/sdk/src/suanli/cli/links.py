"""`suanli links`: what a GB between zones costs, hour by hour, and how full the links are."""

from __future__ import annotations

from typing import Any, Final

import typer

from suanli.cli import options, ordering, words
from suanli.cli.render import Column, print_list, ranked
from suanli.cli.session import Market, Session, command

Json = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "links",
        en="Show links between zones by hour: price of a GB, congestion, GB left.",
        zh="逐小时显示区域间链路:每 GB 价格、拥塞与剩余流量。",
    )(_links)


def _links(
    session: Session,
    *,
    market: Market = None,
    start: options.From = None,
    end: options.Until = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    span = {
        "market_id": session.market(market),
        "from": session.instant("--from", start or "+0h"),
        "to": None if end is None else session.instant("--to", end),
    }
    found = ordering.take(session, session.client.pages("/v1/links", **span), limit)
    print_list(session, found, _COLUMNS, empty=("No links were priced.", "暂无链路价格。"))


_COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("source", ("from", "自"), "source"),
    words.text_column("destination", ("to", "至"), "destination"),
    words.time_column("period", ("hour from", "时段始"), "period"),
    words.money_column("price_per_gb", ("price of a GB", "每 GB 价格"), "price"),
    ranked(1, words.money_column("tariff_per_gb", ("its tariff", "其中资费"), "tariff")),
    words.count_column("gb_total", ("GB given away", "已售 GB"), "gb_total"),
    words.count_column("gb_left", ("GB left", "剩余 GB"), "gb_left"),
    ranked(2, words.money_column("rent", ("congestion rent", "拥塞租金"), "rent_total")),
    ranked(3, words.text_column("round_id", ("round", "轮次"), "round_id")),
)
