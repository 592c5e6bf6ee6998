"""`suanli findings`: what the exchange's own auditor found."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from suanli import vocabulary
from suanli.check_chinese import finding_in_chinese
from suanli.cli import options, ordering, words
from suanli.cli.render import Column, print_list
from suanli.cli.session import Market, Session, command, option

Json = dict[str, Any]


def _summary(item: Json) -> tuple[str, str]:
    return words.reason({"reason": item["summary"]})


def _problems(item: Json) -> tuple[str, str]:
    told, summary = item["problems"], item["summary"]
    chinese = [finding_in_chinese(text, summary["en"], summary["zh"]) for text in told]
    return "; ".join(told), "；".join(chinese)


_COLUMNS: Final[tuple[Column, ...]] = (
    words.time_column("raised_at", ("time", "时间"), "raised_at", seconds=True),
    words.text_column("round_id", ("round", "轮次"), "round_id"),
    Column("ok", ("in order", "无误"), lambda item: words.yes(item["ok"])),
    words.coded_column("kind", ("kind", "类别"), "kind", vocabulary.FINDINGS),
    Column("summary", ("finding", "结论"), _summary, wraps=True),
    Column("problems", ("problems", "问题"), _problems, wraps=True),
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "findings",
        en="List the verdicts of the exchange's auditor, latest first.",
        zh="列出交易所审计服务的结论,新者在前。",
    )(_list)


def _list(
    session: Session,
    market: Market = None,
    round_id: Annotated[
        str | None, option("--round", en="Only of this round.", zh="仅此轮次。")
    ] = None,
    bad: Annotated[
        bool, option("--problems", en="Only what is not in order.", zh="仅有问题者。")
    ] = False,
    where: options.Where = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages("/v1/findings", market_id=market, round_id=round_id, filter=where)
    found = ordering.take(session, (item for item in pages if not (bad and item["ok"])), limit)
    print_list(session, found, _COLUMNS, empty=("No findings.", "暂无结论。"))
