"""`suanli rounds`: clearings in numbers, and their files."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import options, ordering, units, words
from suanli.cli.errors import UsageProblem, writable
from suanli.cli.render import Column, print_details, print_list, print_titled, ranked, sparkline
from suanli.cli.session import (
    EXIT_REFUSED,
    Market,
    Output,
    Session,
    argument,
    command,
    group,
    option,
)

Json = dict[str, Any]
_LIMIT: Final = 20
_Round = Annotated[
    str,
    argument(
        "ROUND",
        en="Round, such as jjj-spot:12; or a number; or latest.",
        zh="轮次,如 jjj-spot:12;或序号;或 latest。",
    ),
]


def _gap(item: Json) -> str:
    ppm = item.get("gap_ppm")
    return "" if ppm is None else units.percent_of_ppm(ppm)


COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("round_id", ("round", "轮次"), "round_id"),
    ranked(4, words.time_column("market_time", ("time", "时间"), "market_time", seconds=True)),
    ranked(6, Column("state", ("state", "状态"), lambda item: words.round_word(item["state"]))),
    ranked(
        5, Column("status", ("clearing", "出清"), lambda item: words.round_word(item["status"]))
    ),
    ranked(5, words.count_column("offers", ("offers", "供给"), "offers")),
    ranked(3, words.count_column("demands", ("demands", "需求"), "demands")),
    words.count_column("demands_filled", ("filled", "成交"), "demands_filled"),
    ranked(2, words.count_column("chip_hours", ("chip-hours", "卡时"), "chip_hours")),
    words.money_column("payment", ("payment", "付款"), "payment"),
    ranked(1, words.money_column("welfare", ("welfare", "福利"), "welfare")),
    ranked(1, Column("gap_percent", ("gap (%)", "差距(%)"), _gap, number=True)),
    Column("verified", ("verified", "核验"), lambda item: words.yes(item["verified"])),
)
_CURVES: Final[tuple[Column, ...]] = (
    words.text_column("pool", ("pool", "资源池"), "pool"),
    words.price_column("price_min_per_chip_hour", ("lowest", "最低"), "min"),
    words.price_column("price_max_per_chip_hour", ("highest", "最高"), "max"),
    words.count_column("chip_hours", ("traded (chip-hours)", "成交(卡时)"), "traded"),
    Column("line", ("by hour", "逐小时"), lambda item: str(item["line"])),
)

_BOUND: Final[tuple[Column, ...]] = (
    words.text_column("policy_id", ("policy", "政策"), "policy_id"),
    words.text_column("chip", ("chip", "芯片"), "chip"),
    words.text_column("region", ("region", "区域"), "region"),
    words.time_column("start", ("from", "起"), "start"),
    words.time_column("end", ("to", "止"), "end"),
    words.count_column("allowed", ("one may have", "一方上限"), "allowed"),
    words.count_column("participants", ("bound", "受限方"), "participants"),
    words.count_column("taken", ("taken", "所得"), "taken"),
    words.price_column("price_per_chip_hour", ("worth", "价值"), "price"),
    words.count_column("demands_kept_out", ("kept out", "未成交"), "demands_kept_out"),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(app, "rounds", en="Rounds: clearings in numbers and files.", zh="竞价轮次。")
    command(noun, "list", en="List rounds, latest first.", zh="列出轮次,新者在前。")(_list)
    command(noun, "show", en="Show a round with its prices.", zh="查看轮次及其价格。")(_show)
    command(
        noun,
        "file",
        en="Fetch a round's file (book, rules, result), and verify it with --verify.",
        zh="下载轮次文件(订单簿、规则、结果);加 --verify 核验。",
    )(_file)


def _list(
    session: Session,
    market: Market = None,
    where: options.Where = None,
    limit: options.Limit = _LIMIT,
) -> None:
    pages = session.client.pages("/v1/rounds", market_id=market, filter=where)
    found = ordering.take(session, pages, limit)
    print_list(session, found, COLUMNS, empty=("No round yet.", "尚无轮次。"))


def round_id_of(session: Session, text: str, market: str | None) -> str:
    """Return the round that is meant by an id, a number, or ``latest`` (the latest with a file).

    Raises:
        UsageProblem: if it is none of them, or there is no round yet.
    """
    if text == "latest":
        market_id = session.market(market)
        for item in session.client.pages("/v1/rounds", market_id=market_id):
            if item["file"]["state"] == "ok":
                return str(item["round_id"])
        raise UsageProblem("ROUND", text, ("used once a round is published", "待首轮公布后使用"))
    if text.isdigit():
        return f"{session.market(market)}:{text}"
    name, colon, number = text.partition(":")
    if not (name and colon and number.isdigit()):
        raise UsageProblem(
            "ROUND",
            text,
            ("such as jjj-spot:12, or a number, or latest", "如 jjj-spot:12,或序号,或 latest"),
        )
    return text


def _show(session: Session, round_name: _Round, market: Market = None) -> None:
    round_id = round_id_of(session, round_name, market)
    view = session.client.send(ops.read(f"/v1/rounds/{round_id}"))
    prices: Json = {"curves": []}
    costs: Json = {"costs": []}
    if view["state"] != "sealed":
        prices = session.client.send(ops.read(f"/v1/rounds/{round_id}/prices"))
        costs = session.client.send(ops.read(f"/v1/rounds/{round_id}/policy-costs"))
    if session.output is Output.JSON:
        session.print_json({"round": view, "prices": prices, "policy_costs": costs})
        return
    print_details(session, view, _facts(view))
    if session.output is Output.CSV:
        return
    rows = [
        {
            "pool": curve["pool"],
            "min": min(known),
            "max": max(known),
            "traded": sum(curve["chips"]),
            "line": sparkline(line, 36),
        }
        for curve in prices["curves"]
        if curve["kind"] == "clearing"
        for line in [_line(curve)]
        if (known := [price for price in line if price is not None])
    ]
    print_titled(
        session,
        ("Clearing prices of hours with trade (yuan/chip-hour)", "成交时段的出清价(元/卡时)"),
    )
    print_list(session, rows, _CURVES, empty=("nothing was traded", "无成交"))
    bound = [row for cost in costs["costs"] for row in cost.get("bound", ())]
    if bound:
        title = (
            "Where a largest share bound, by hour (worth of a chip more: yuan/chip-hour)",
            "最大份额约束之处,按小时(每多一张的价值:元/卡时)",
        )
        print_titled(session, title)
        print_list(session, bound, _BOUND, empty=("nowhere", "无"))


def _facts(view: Json) -> list[ordering.Fact]:
    share = _share(view["tflops_hours_domestic"], view["tflops_hours"])
    return [
        ("round_id", ("round", "轮次"), view["round_id"]),
        ("market_time", ("time (UTC)", "时间(UTC)"), units.short_time(view["market_time"])),
        ("state", ("state", "状态"), words.round_word(view["state"])),
        ("status", ("clearing", "出清"), words.round_word(view["status"])),
        ("verified", ("verified by the auditor", "审计核验"), words.yes(view["verified"])),
        ("offers", ("offers", "供给报价"), words.count(view["offers"])),
        ("demands", ("demands", "需求"), words.count(view["demands"])),
        ("demands_filled", ("  filled", "  全部成交"), words.count(view["demands_filled"])),
        (
            "demands_part_filled",
            ("  part-filled", "  部分成交"),
            words.count(view["demands_part_filled"]),
        ),
        (
            "paradoxically_rejected",
            ("  in the money, yet out", "  价内未成交"),
            words.count(view["paradoxically_rejected"]),
        ),
        ("allocations", ("allocations", "分配"), words.count(view["allocations"])),
        ("chip_hours", ("chip-hours", "卡时"), words.count(view["chip_hours"])),
        ("domestic_percent", ("domestic, of TFLOPS (%)", "国产算力占比(%)"), share),
        ("payment_yuan", ("payment (yuan)", "付款(元)"), words.money(view["payment"])),
        ("welfare_yuan", ("welfare (yuan)", "福利(元)"), words.money(view["welfare"])),
        ("bound_yuan", ("  at most (yuan)", "  上界(元)"), words.money(view["bound"])),
        ("gap_percent", ("  gap (%)", "  差距(%)"), _gap(view)),
        ("regret_yuan", ("regret (yuan)", "遗憾(元)"), words.money(view["total_regret"])),
        ("solve_ms", ("solved in (ms)", "求解用时(毫秒)"), words.count(view["solve_ms"])),
        ("file_sha256", ("file (SHA-256)", "文件 SHA-256"), view["file"]["sha256"] or ""),
    ]


def _line(curve: Json) -> list[int | None]:
    # The price of an hour without trade only says that nobody would have traded at it.
    cells = zip(curve["prices"], curve["chips"], strict=True)
    line = [price if chips else None for price, chips in cells]
    used = max((at + 1 for at, price in enumerate(line) if price is not None), default=0)
    return line[:used]


def _share(part: int | None, whole: int | None) -> str:
    if part is None or not whole:
        return ""
    return units.percent_of_ppm(part * 1_000_000 // whole)[:-3]


def fetch(session: Session, round_id: str) -> bytes:
    """Return a round's file as its bytes.

    Raises:
        ApiError: if the exchange does not have it.
    """
    return session.client.download(f"/v1/rounds/{round_id}/file")


def _file(
    session: Session,
    round_name: _Round,
    market: Market = None,
    out: Annotated[
        Path | None,
        option(
            "--out",
            en="Where to; - is standard output. By default MARKET-NUMBER.round.json here.",
            zh="写到何处;- 为标准输出。默认为当前目录的 市场-序号.round.json。",
        ),
    ] = None,
    verify: Annotated[
        bool, option("--verify", en="Verify it: exact integers, no trust.", zh="用精确整数核验。")
    ] = False,
) -> None:
    round_id = round_id_of(session, round_name, market)
    view = session.client.send(ops.read(f"/v1/rounds/{round_id}"))
    content = fetch(session, round_id)
    if out is not None and str(out) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        target = f"{round_id} (-)"
    else:
        path = out or Path(f"{round_id.replace(':', '-')}.round.json")
        _write(path, content)
        target = str(path)
        session.note((f"{path}: {len(content):,} bytes", f"{path}:{len(content):,} 字节"))
    whole = hashlib.sha256(content).hexdigest() == view["file"]["sha256"]
    if not whole:
        session.note(("Its SHA-256 is not the one on the log.", "其 SHA-256 与日志记载不符。"))
    ok = not verify or _verified(session, target, content)
    if not (whole and ok):
        raise typer.Exit(EXIT_REFUSED)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageProblem(
            "--out",
            str(path),
            writable(error),
        ) from error


def _verified(session: Session, name: str, content: bytes) -> bool:
    from suanli.check_print import table
    from suanli.checker import verify_round_file

    report = verify_round_file(content)
    # With the file itself on standard output, the report must not stand between its lines.
    console = session.notes if name.endswith("(-)") else session.console
    if session.output is Output.JSON and console is session.console:
        session.print_json({"file": name, **report.to_json()})
    else:
        console.print(
            table(name, report, session.lang), markup=False, highlight=False, soft_wrap=True
        )
    return report.ok
