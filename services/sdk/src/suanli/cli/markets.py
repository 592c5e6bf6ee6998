"""`suanli markets`: what is traded where, and by which rules."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import options, ordering, units, words
from suanli.cli.render import Column, print_details, print_list, print_titled
from suanli.cli.session import Output, Session, Text, argument, command, option

Json = dict[str, Any]

_DAY_S: Final = 86_400
_COLUMNS: Final[tuple[Column, ...]] = (
    Column("market_id", ("market", "市场"), lambda item: str(item["market"]["id"])),
    Column(
        "name",
        ("name", "名称"),
        lambda item: (item["market"]["name_en"], item["market"]["name_zh"]),
    ),
    Column(
        "zones", ("zones", "区域数"), lambda item: str(len(item["market"]["zones"])), number=True
    ),
    Column(
        "chips",
        ("chip classes", "芯片型号"),
        lambda item: str(len(item["market"]["chips"])),
        number=True,
    ),
    Column(
        "round_every_s",
        ("round every (s)", "轮次间隔(秒)"),
        lambda item: str(item["market"]["rules"]["round_every_s"]),
        number=True,
    ),
    Column(
        "tick_yuan_per_chip_hour",
        ("tick (yuan/chip-hour)", "最小变动价位(元/卡时)"),
        lambda item: words.money(item["market"]["rules"]["tick"]),
        number=True,
    ),
    Column("fee_percent", ("fee (%)", "费率(%)"), lambda item: _fee(item["market"]), number=True),
)
_PHASES: Final[dict[str, Text]] = {
    "open": ("open", "开放"),
    "freeze": ("freeze: orders may only improve", "冻结:订单只能改进"),
    "halt": ("halted", "停牌"),
    "pause": ("paused by the circuit breaker", "熔断暂停"),
}
_ZONES: Final[tuple[Column, ...]] = (
    words.text_column("zone", ("zone", "区域"), "id"),
    words.text_column("region", ("region", "地区"), "region"),
    Column("name", ("name", "名称"), lambda item: (item["name_en"], item["name_zh"])),
    words.text_column("cloud", ("cloud", "云"), "cloud"),
)


def _capacity(item: Json) -> int:
    return sum(one["capacity_gb_per_period"] for one in item["market"].get("links", []))


_PARTS: Final[dict[str, Text]] = {
    "zones": ("zones", "区域"),
    "latencies": ("latencies", "时延"),
    "links": ("links", "链路"),
    "chips": ("chip classes", "芯片型号"),
    "rules": ("rules", "规则"),
    "name_en": ("name", "名称"),
    "name_zh": ("Chinese name", "中文名称"),
}
_DEFINITIONS: Final[tuple[Column, ...]] = (
    Column(
        "defined_at",
        ("defined (UTC)", "定义时间(UTC)"),
        lambda item: units.short_time(item["defined_at"], seconds=True),
        lambda item: item["defined_at"],
    ),
    Column("changed", ("changed", "变化"), lambda item: item["changed"], wraps=True),
    Column(
        "zones", ("zones", "区域数"), lambda item: str(len(item["market"]["zones"])), number=True
    ),
    Column(
        "links",
        ("links", "链路数"),
        lambda item: str(len(item["market"].get("links", []))),
        number=True,
    ),
    Column(
        "links_gb_per_h",
        ("capacity of links (GB/h)", "链路总容量(GB/时)"),
        lambda item: words.count(_capacity(item)),
        _capacity,
        number=True,
    ),
    Column(
        "chips",
        ("chip classes", "芯片型号"),
        lambda item: str(len(item["market"]["chips"])),
        number=True,
    ),
)
_LINKS: Final[tuple[Column, ...]] = (
    words.text_column("source", ("from", "自"), "source"),
    words.text_column("destination", ("to", "至"), "destination"),
    words.count_column(
        "capacity_gb_per_period", ("capacity (GB/h)", "容量(GB/时)"), "capacity_gb_per_period"
    ),
    words.money_column("tariff", ("tariff of a GB", "每 GB 资费"), "tariff"),
    words.count_column("ms", ("latency (ms)", "时延(ms)"), "ms"),
)
_LATENCIES: Final[tuple[Column, ...]] = (
    words.text_column("a", ("between", "区域"), "a"),
    words.text_column("b", ("and", "与"), "b"),
    words.count_column("ms", ("latency (ms)", "时延(ms)"), "ms"),
)
_CHIPS: Final[tuple[Column, ...]] = (
    words.text_column("chip", ("chip", "芯片"), "id"),
    words.text_column("name", ("name", "名称"), "name"),
    words.text_column("vendor", ("vendor", "厂商"), "vendor"),
    Column("domestic", ("domestic", "国产"), lambda item: words.yes(item["domestic"])),
    words.count_column("memory_gb", ("memory (GB)", "显存(GB)"), "memory_gb"),
    words.count_column("tflops", ("TFLOPS", "TFLOPS"), "tflops"),
    words.count_column("lot", ("chips per node", "每节点芯片"), "lot"),
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "markets",
        en="List the markets, or show one: zones, links, chip classes, rules.",
        zh="列出市场,或查看一个市场的区域、链路、芯片与规则。",
    )(_markets)


def _gate(rules: Json) -> str:
    """Return when the round of each day comes, empty if there is more than one a day."""
    if rules["round_every_s"] != _DAY_S:
        return ""
    at_s = rules.get("round_at_s", 0)
    return f"{at_s // 3600:02}:{at_s // 60 % 60:02}:{at_s % 60:02}"


def _phase(phase: Json) -> Text:
    return _PHASES[phase["held"] or phase["phase"]]


def _cut(phase: Json) -> str:
    return units.short_time(phase["cut_at"], seconds=True)


def _fee(market: Json) -> str:
    return units.percent_of_ppm(int(market["rules"]["fee_ppm"]))


def _print_ways(session: Session, market: Json) -> None:
    """Print how the zones are joined: links, and the latency of pairs without one."""
    pairs = {(row["a"], row["b"]): row["ms"] for row in market["latencies"]}
    links = [
        row | {"ms": pairs.get(ends, pairs.get(ends[::-1]))}
        for row in market.get("links", [])
        for ends in ((row["source"], row["destination"]),)
    ]
    if links:
        print_titled(session, ("Links", "链路"))
        print_list(session, links, _LINKS, empty=("", ""))
    joined = {frozenset((row["source"], row["destination"])) for row in links}
    others = [row for row in market["latencies"] if frozenset((row["a"], row["b"])) not in joined]
    if others:
        print_titled(session, ("Without a link of their own", "无直连链路"))
        print_list(session, others, _LATENCIES, empty=("", ""))


def _changed(now: Json, before: Json | None) -> Text:
    """Return which parts of a definition are others than in the one before it."""
    if before is None:
        return ("first known", "已知最早")
    parts = [part for part in _PARTS if now.get(part) != before.get(part)]
    return (", ".join(_PARTS[part][0] for part in parts), "、".join(_PARTS[p][1] for p in parts))


def _print_history(session: Session, market: str, limit: int) -> None:
    """Print what a market was defined as, the latest first."""
    found = list(session.client.pages(f"/v1/markets/{market}/definitions"))
    rows = (
        {**item, "changed": _changed(item["market"], before and before["market"])}
        for item, before in zip(found, [*found[1:], None], strict=True)
    )
    shown = ordering.take(session, rows, limit)
    print_list(session, shown, _DEFINITIONS, empty=("Never defined.", "从未定义。"))


def _markets(
    session: Session,
    market: Annotated[
        str | None, argument("[MARKET]", en="Market to show.", zh="要查看的市场。")
    ] = None,
    where: options.Where = None,
    history: Annotated[
        bool,
        option(
            "--history",
            en="What it was defined as, the latest first, and what changed.",
            zh="历次定义,新者在前,并列出变化。",
        ),
    ] = False,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    if history:
        _print_history(session, session.market(market), limit)
        return
    if market is None:
        found = list(session.client.pages("/v1/markets", filter=where))
        print_list(session, found, _COLUMNS, empty=("No market yet.", "尚无市场。"))
        return
    view = session.client.send(ops.read(f"/v1/markets/{market}"))
    phase = session.client.send(ops.read(f"/v1/markets/{market}/phase"))
    shown, rules = view["market"], view["market"]["rules"]
    lead = rules.get("lead_periods", 0)
    hours = f"{rules['horizon_periods']} h" + (f" (+{lead} h)" if lead else "")
    print_details(
        session,
        view | {"phase": phase},
        [
            ("market_id", ("market", "市场"), shown["id"]),
            ("name", ("name", "名称"), (shown["name_en"], shown["name_zh"])),
            ("round_every_s", ("round every (s)", "轮次间隔(秒)"), str(rules["round_every_s"])),
            ("gate", ("gate (UTC)", "关口(UTC)"), _gate(rules)),
            ("freeze_s", ("freeze before it (s)", "截止前冻结(秒)"), str(rules.get("freeze_s", 0))),
            ("phase", ("phase", "阶段"), _phase(phase)),
            ("until", ("until (UTC)", "至(UTC)"), units.short_time(phase["until"], seconds=True)),
            ("cut_at", ("next round (UTC)", "下一轮(UTC)"), _cut(phase)),
            ("horizon", ("horizon", "交易范围"), hours),
            (
                "tick_yuan_per_chip_hour",
                ("tick (yuan/chip-hour)", "最小变动价位(元/卡时)"),
                words.money(rules["tick"]),
            ),
            (
                "price_max_yuan_per_chip_hour",
                ("highest price (yuan/chip-hour)", "最高价格(元/卡时)"),
                words.money(rules["price_max"]),
            ),
            ("fee_percent", ("provider's fee (%)", "供给方费率(%)"), _fee(shown)),
        ],
    )
    if session.output is not Output.TABLE:
        return
    print_titled(session, ("Zones", "区域"))
    print_list(session, shown["zones"], _ZONES, empty=("", ""))
    _print_ways(session, shown)
    print_titled(session, ("Chip classes", "芯片型号"))
    print_list(session, shown["chips"], _CHIPS, empty=("", ""))
