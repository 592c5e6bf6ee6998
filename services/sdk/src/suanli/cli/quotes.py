"""What an order would get: `suanli quote`, and `suanli demand create --quote` for any demand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from suanli import operations as ops
from suanli.cli import units, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import print_details
from suanli.cli.session import Market, Session, command, option

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from suanli.cli.session import Text

Json = dict[str, Any]
_RUNS_SHOWN: Final = 6


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "quote",
        en="Tell what chips would cost for all of a delivery window by the last round; nothing is "
        "placed. For any other demand: suanli demand create --quote.",
        zh="按上一轮查询某交付窗口全程所需芯片的费用,不会下单。"
        "其他需求请用 suanli demand create --quote。",
    )(_quote)


def _quote(
    session: Session,
    *,
    chip: Annotated[str, option("--chip", en="Chip class.", zh="芯片类别。")],
    chips: Annotated[int, option("--chips", en="How many.", zh="数量。")],
    start: Annotated[
        str,
        option("--from", en="First hour: ISO 8601, or +3h, +1d.", zh="起:ISO 8601 或 +3h、+1d。"),
    ],
    end: Annotated[str, option("--to", en="End of the last hour.", zh="止:最后一小时结束。")],
    region: Annotated[
        str | None, option("--region", en="Only there; else anywhere.", zh="仅此地区;省略则不限。")
    ] = None,
    market: Market = None,
) -> None:
    asked = ops.read(
        "/v1/book/quote",
        market_id=session.market(market),
        chip=chip,
        chips=chips,
        region=region,
        **{"from": session.instant("--from", start), "to": session.instant("--to", end)},
    )
    _print(session, session.client.send(asked))


def show(session: Session, market_id: str, terms: Json | list[Json]) -> None:
    """Ask for a quote of a demand and print it; nothing is placed."""
    if isinstance(terms, list):
        raise UsageProblem("--file", str(len(terms)), ("one demand", "一项需求"))
    _print(session, session.client.send(ops.quote(market_id, terms)))


def _print(session: Session, found: Json) -> None:
    print_details(session, found, facts(found))
    session.note(
        (
            "A quote by the last round, no promise: the next one clears all orders together.",
            "报价依据上一轮,并非承诺:下一轮将对全部订单统一出清。",
        )
    )


def facts(found: Json) -> Iterator[tuple[str, Text, str | Text]]:
    """Yield what a quote says."""
    hours = int(found["chip_hours"])
    yield "state", ("would be", "预计状态"), words.state(found["state"])
    yield "reason", ("why", "说明"), words.reason(found)
    yield "where", ("where", "位置"), "; ".join(_runs(found["periods"]))
    yield "chip_hours", ("chip-hours", "卡时"), f"{hours:,}" if hours else ""
    if hours:
        cost = int(found["cost"])
        yield "cost_yuan", ("cost (yuan)", "费用(元)"), units.yuan(cost)
        links = found["links"]
        paid = sum(int(row["gb"]) * int(row["price"]) for row in links)
        yield (
            "links_yuan",
            ("of it links (yuan)", "其中链路(元)"),
            units.yuan(paid) if links else "",
        )
        yield "links", ("over", "途经链路"), "; ".join(_ways(links))
        average = units.yuan(-(-cost // hours))
        yield "average_yuan", ("average (yuan/chip-hour)", "均价(元/卡时)"), average
        yield "value_yuan", ("at its limit (yuan)", "按限价(元)"), units.yuan(int(found["value"]))
    yield "hold_yuan", ("would reserve (yuan)", "将冻结(元)"), units.yuan(int(found["hold"]))
    if found.get("free") is not None:
        yield "free_yuan", ("free (yuan)", "可用(元)"), units.yuan(int(found["free"]))
    yield from _share(found.get("largest_share"))
    yield "round_id", ("by round", "依据轮次"), str(found["round_id"])


def _share(share: Json | None) -> Iterator[tuple[str, Text, str | Text]]:
    """Yield what a largest share leaves beside what the account has and wants."""
    if share:
        left, start = int(share["left"]), units.short_time(share["period"])
        en = (
            f"{left:,} of {share['share']:,} chips in {share['pool']} at {start}: holds "
            f"{share['held']:,}, open orders want {share['wanted']:,}, this one {share['asked']:,}"
        )
        zh = (
            f"{share['pool']} 时段 {start}:共 {share['share']:,} 张,剩 {left:,} 张;"
            f"已持有 {share['held']:,},未成交订单需 {share['wanted']:,},本单 {share['asked']:,}"
        )
        yield "largest_share", ("largest share leaves", "最大份额剩余"), (en, zh)


def _ways(links: list[Json]) -> Iterator[str]:
    """Yield GB and average price of each link: ``bj-1 > hb-1 40 GB at 0.01``."""
    taken: dict[str, list[int]] = {}
    for row in links:
        sums = taken.setdefault(f"{row['source']} > {row['destination']}", [0, 0])
        sums[0] += int(row["gb"])
        sums[1] += int(row["gb"]) * int(row["price"])
    for name, (gb, paid) in taken.items():
        yield f"{name} {gb:,} GB at {units.yuan(-(-paid // gb))}"


def _runs(periods: list[Json]) -> Iterator[str]:
    """Yield stretches of the same chips in one pool: ``bj-1/t4 8 x 3 h from 11-24 08:00``."""
    runs: list[tuple[str, int, datetime, int]] = []
    for row in periods:
        pool, chips, period = row["pool"], int(row["chips"]), units.parse(row["period"])
        if runs:
            *same, start, hours = runs[-1]
            if same == [pool, chips] and start + timedelta(hours=hours) == period:
                runs[-1] = (pool, chips, start, hours + 1)
                continue
        runs.append((pool, chips, period, 1))
    for pool, chips, start, hours in runs[:_RUNS_SHOWN]:
        yield f"{pool} {chips} x {hours} h, {units.short_time(units.iso(start))}"
    if len(runs) > _RUNS_SHOWN:
        yield f"+{len(runs) - _RUNS_SHOWN}"
