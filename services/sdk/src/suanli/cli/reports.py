"""`suanli reports`: daily reports on a market, as tables and as signed files."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli import report_page, vocabulary
from suanli.cli.errors import UsageProblem, readable, writable
from suanli.cli.render import Column, print_details, print_list
from suanli.cli.session import (
    EXIT_REFUSED,
    Market,
    Output,
    Session,
    Text,
    argument,
    command,
    group,
    option,
)
from suanli.report_files import SUFFIXES, ReportError, content, verify_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Json = dict[str, Any]

_TEXTS: Final = frozenset({"text", "instant"})
# What these are of has to stand beside them.
_FIGURES_FIRST: Final = 6

KINDS: Final[dict[str, tuple[str, str]]] = {
    "surveillance": ("Cases of surveillance (regulator).", "市场监察案件(监管方)。"),
    "concentration": ("Concentration by region, chip class, hour (regulator).", "集中度(监管方)。"),
    "domestic-share": ("Share of domestic chips by region.", "各地区国产芯片占比。"),
    "price-convergence": ("Spreads and links between regions.", "地区间价差与链路。"),
    "regional-flows": ("Capacity against demand by region.", "地区间算力流动。"),
    "emergency-use": ("Urgent demand (regulator, operator).", "应急用算登记。"),
    "policy-costs": ("What policies cost, and who bore it.", "政策成本及其承担者。"),
    "clock": ("Clock compliance by source (regulator, operator).", "时钟合规。"),
    "linkage": ("Linkage errors; must be empty (regulator, operator).", "订单链路错误,应为空。"),
    "dead-letters": ("Records nobody could take (regulator, operator).", "死信登记。"),
}
_Day = Annotated[
    str | None,
    option(
        "--day", en="UTC, such as 2026-11-24; by default the latest.", zh="UTC 日期;默认最近一日。"
    ),
]
_Out = Annotated[
    Path | None,
    option(
        "--out",
        en="Write FILE.json, .csv, .parquet or .html (a page) instead.",
        zh="写入文件:.json、.csv、.parquet 或 .html(网页)。",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(
        app, "reports", en="Daily reports, signed by the exchange.", zh="每日报告(已签名)。"
    )
    for kind, (en, zh) in KINDS.items():
        command(noun, kind, en=en, zh=zh)(_reporter(kind))
    command(
        noun,
        "verify",
        en="Check the signature of a report's file (.json, .parquet, .html), and that a page or a "
        "table shows what was signed.",
        zh="核验报告文件(.json、.parquet、.html)的签名,以及网页或表格与已签名内容一致。",
    )(_verify)


def _reporter(kind: str) -> Callable[..., None]:
    def run(session: Session, market: Market = None, day: _Day = None, out: _Out = None) -> None:
        _report(session, kind, (market, day), out)

    return run


def _report(
    session: Session, kind: str, of: tuple[str | None, str | None], out: Path | None
) -> None:
    if out is not None and out.suffix.lower() not in SUFFIXES:
        listed = ", ".join(SUFFIXES)
        raise UsageProblem("--out", str(out), (f"a file ending in {listed}", f"以 {listed} 结尾"))
    market = session.market(of[0])
    day = of[1] or _latest_day(session, market)
    report = session.client.send(ops.read(f"/v1/reports/{kind}", market_id=market, day=day))
    if out is not None:
        try:
            out.write_bytes(content(report, out.suffix.lower(), session.lang))
        except ReportError as error:
            raise UsageProblem("--out", str(out), (error.en, error.zh)) from error
        except OSError as error:
            raise UsageProblem("--out", str(out), writable(error)) from error
        session.note((f"Written: {out}", f"已写入:{out}"))
        return
    if session.output is Output.JSON:
        session.print_json(report)
        return
    rows = [
        {column["name"]: value for column, value in zip(report["columns"], row, strict=True)}
        for row in report["rows"]
    ]
    if session.output is Output.TABLE:
        facts = [
            (one["name"], (one["en"], one["zh"]), report_page.cell(one["value"], one["unit"]))
            for one in report["figures"]
        ]
        title = (f"{report['title_en']}, {day}", f"{report['title_zh']},{day}")
        print_details(session, report, [("title", ("report", "报告"), title), *facts])
    parts = _parts(rows, report["columns"]) if session.output is Output.TABLE else [rows]
    for place, part in enumerate(parts or [[]]):
        if place:
            session.console.print()
        columns = _columns(part, report["columns"])
        print_list(session, part, columns, empty=("Nothing to report.", "无记录。"))


def _parts(rows: Sequence[Json], columns: Sequence[Json]) -> list[list[Json]]:
    """Return rows by their kind, which the texts show that they have: a table for each fits better.

    Some reports have rows of two kinds, such as what was allocated and what rounds were asked.
    """
    texts = [one["name"] for one in columns if one["unit"] in _TEXTS]
    kinds = itertools.groupby(rows, lambda row: [row[name] is not None for name in texts])
    return [list(part) for _, part in kinds]


def _columns(rows: Sequence[Json], told: Sequence[Json]) -> list[Column]:
    """Return the columns; in a narrow terminal the first figures stay longest, then texts."""
    figures = [
        one["name"]
        for one in told
        if one["unit"] not in _TEXTS and any(row[one["name"]] is not None for row in rows)
    ]
    last = set(figures[_FIGURES_FIRST:])
    return [_column(one, 2 if one["name"] in last else int(one["unit"] in _TEXTS)) for one in told]


def _column(told: Json, rank: int) -> Column:
    name, unit = told["name"], told["unit"]
    is_text = unit in _TEXTS

    def shown(item: Json) -> str | Text:
        value = item[name]
        if isinstance(value, str) and unit == "text":
            return vocabulary.reported(name, value)
        return "" if value is None else report_page.cell(value, unit)

    return Column(
        name,
        (told["en"], told["zh"]),
        shown,
        lambda item: item[name],
        number=not is_text,
        wraps=unit == "text",
        rank=rank,
    )


def _latest_day(session: Session, market: str) -> str:
    page = session.client.send(ops.read("/v1/rounds", market_id=market, limit=1))
    if not page["items"]:
        raise UsageProblem(
            "--day",
            session.say(("absent", "缺失")),
            ("given: no round has run yet", "给出:尚无轮次"),
        )
    return str(page["items"][0]["market_time"])[:10]


def _verify(
    session: Session,
    file: Annotated[Path, argument("FILE", en="The report's file.", zh="报告文件。")],
    key: Annotated[
        str | None,
        option(
            "--key",
            en="The exchange's public key, Base64; by default asked for at the exchange.",
            zh="交易所公钥(Base64);默认向交易所查询。",
            envvar="SUANLI_RECEIPT_KEY",
        ),
    ] = None,
) -> None:
    if file.suffix.lower() == ".csv":
        raise UsageProblem(
            "FILE", str(file), ("JSON, Parquet or a page: CSV has no signature", "CSV 不含签名")
        )
    if key is None:
        key = str(session.client.send(ops.read("/v1/receipt-key"))["public_key"])
        session.note(
            (
                "The key is the exchange's own word; keep it with --key or SUANLI_RECEIPT_KEY.",
                "公钥由交易所当场提供;请自行保存并用 --key 或 SUANLI_RECEIPT_KEY 给出。",
            )
        )
    try:
        report = verify_file(file, key)
    except OSError as error:
        raise UsageProblem("FILE", str(file), readable(error)) from error
    except ReportError as error:
        if session.output is Output.JSON:
            session.print_json({"ok": False, "problem": {"en": error.en, "zh": error.zh}})
        else:
            said = session.say((f"NOT GENUINE: {error.en}", f"未通过:{error.zh}"))
            session.console.print(said, markup=False)
        raise typer.Exit(EXIT_REFUSED) from error
    facts = {
        "ok": True,
        "kind": report["kind"],
        "market_id": report["market_id"],
        "day": report["day"],
        "key_id": report["signature"]["key_id"],
    }
    print_details(
        session,
        facts,
        [
            ("ok", ("result", "结果"), ("genuine", "真实")),
            ("kind", ("report", "报告"), (report["title_en"], report["title_zh"])),
            ("market_id", ("market", "市场"), report["market_id"]),
            ("day", ("day", "日期"), report["day"]),
            ("key_id", ("key", "密钥"), facts["key_id"]),
        ],
    )
