"""`suanli settlements`: what delivered and undelivered hours were settled at, and the terms."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import options, ordering, words
from suanli.cli.render import Column, print_details, print_list, ranked
from suanli.cli.session import Market, Output, Session, command, group, option

Json = dict[str, Any]


def _hours(item: Json) -> str:
    told = item["periods"]
    return f"{sum(one['delivered'] for one in told)}/{sum(one['chips'] for one in told)}"


_COLUMNS: Final[tuple[Column, ...]] = (
    words.time_column("settled_at", ("market time", "市场时间"), "settled_at"),
    words.text_column("allocation_id", ("allocation", "分配"), "allocation_id"),
    ranked(3, words.text_column("enterprise_id", ("enterprise", "需求方"), "enterprise_id")),
    ranked(3, words.text_column("provider_id", ("provider", "供给方"), "provider_id")),
    Column("delivered", ("chip-hours delivered", "已交付卡时"), _hours),
    Column("lapsed", ("lapsed", "逾期"), lambda item: words.yes(item["lapsed"])),
    words.money_column("paid", ("paid", "付款"), "paid"),
    words.money_column("provider_fee", ("provider fee", "供给方费用"), "provider_fee"),
    words.money_column("enterprise_fee", ("enterprise fee", "需求方费用"), "enterprise_fee"),
    words.money_column("refund", ("refund", "退款"), "refund"),
    words.money_column("penalty", ("penalty", "违约金"), "penalty"),
    words.money_column("compensation", ("compensation", "补偿"), "compensation"),
    Column("final", ("final", "已定"), lambda item: words.yes(item["final"])),
)
_TERMS: Final[tuple[Column, ...]] = (
    words.text_column("market_id", ("market", "市场"), "market_id"),
    words.count_column("version", ("version", "版本"), "version"),
    words.count_column("in_force_from_round", ("from round", "自轮次"), "in_force_from_round"),
    words.count_column(
        "provider_fee_ppm", ("provider fee (ppm)", "供给方费率"), "provider_fee_ppm"
    ),
    words.count_column(
        "enterprise_fee_ppm", ("enterprise fee (ppm)", "需求方费率"), "enterprise_fee_ppm"
    ),
    words.count_column("penalty_ppm", ("penalty (ppm)", "违约金率"), "penalty_ppm"),
    words.count_column(
        "compensation_ppm", ("of it to the enterprise (ppm)", "补偿比例"), "compensation_ppm"
    ),
    words.count_column(
        "report_within_periods", ("hours to report", "上报时限(小时)"), "report_within_periods"
    ),
    Column("reason", ("reason", "原因"), lambda item: str(item["reason"]), wraps=True),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(
        app,
        "settlements",
        en="What hours were settled at, and the terms of settlement.",
        zh="结算与结算条款。",
    )
    command(noun, "list", en="List settlements, latest first.", zh="列出结算,新者在前。")(_list)
    command(
        noun, "terms", en="List all versions of the terms of settlement.", zh="列出结算条款各版本。"
    )(_terms)
    command(
        noun,
        "set-terms",
        en="Set the next version of a market's terms of settlement (operator).",
        zh="设定市场结算条款的下一版本(运营方)。",
    )(_set_terms)


def _list(
    session: Session,
    market: Market = None,
    allocation: Annotated[
        str | None, option("--allocation", en="Only of this allocation.", zh="仅此分配。")
    ] = None,
    where: options.Where = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages(
        "/v1/settlements", market_id=market, allocation_id=allocation, filter=where
    )
    found = ordering.take(session, pages, limit)
    print_list(session, found, _COLUMNS, empty=("Nothing was settled yet.", "暂无结算。"))


def _terms(session: Session, market: Market = None, where: options.Where = None) -> None:
    pages = session.client.pages("/v1/settlement-terms", market_id=market, filter=where)
    found = list(pages)
    print_list(
        session,
        found,
        _TERMS,
        empty=(
            "None set: the market's fee, no penalty, 72 hours to report.",
            "未设定:按市场费率,无违约金,72 小时内上报。",
        ),
    )


def _ppm(name: str, en: str, zh: str) -> Any:  # noqa: ANN401 - Typer's own types
    return option(name, en=f"{en}, millionths.", zh=f"{zh},百万分率。", min=0, max=1_000_000)


def _set_terms(  # noqa: PLR0913, PLR0917 - Typer reads options from parameters
    session: Session,
    provider_fee: Annotated[
        int, _ppm("--provider-fee-ppm", "Of what a provider is paid", "供给方收款的费率")
    ],
    penalty: Annotated[
        int, _ppm("--penalty-ppm", "Of the price of what was not delivered", "未交付价款的违约金率")
    ],
    reason: Annotated[str, option("--reason", en="Why, for everybody to read.", zh="原因。")],
    enterprise_fee: Annotated[
        int, _ppm("--enterprise-fee-ppm", "On what an enterprise paid", "需求方付款的费率")
    ] = 0,
    compensation: Annotated[
        int,
        _ppm("--compensation-ppm", "Of the penalty, to the enterprise", "违约金中补偿需求方的部分"),
    ] = 0,
    report_within: Annotated[
        int,
        option("--report-within", en="Hours to report a delivery.", zh="交付上报时限(小时)。"),
    ] = 72,
    from_round: Annotated[
        int,
        option(
            "--from-round",
            en="In force from this round; never backwards.",
            zh="自此轮次生效,不溯及既往。",
        ),
    ] = 0,
    market: Market = None,
) -> None:
    client, chosen = session.client, session.market(market)
    known = list(client.pages("/v1/settlement-terms", market_id=chosen))
    terms = {
        "market_id": chosen,
        "version": 1 + (known[-1]["version"] if known else 0),
        "in_force_from_round": from_round,
        "provider_fee_ppm": provider_fee,
        "enterprise_fee_ppm": enterprise_fee,
        "penalty_ppm": penalty,
        "compensation_ppm": compensation,
        "report_within_periods": report_within,
        "reason": reason,
    }
    receipt = client.send(ops.set_terms(terms))
    if session.output is Output.JSON:
        session.print_json({"receipt": receipt, "terms": terms})
        return
    print_details(
        session,
        receipt,
        [
            ("market_id", ("market", "市场"), chosen),
            ("version", ("version", "版本"), str(terms["version"])),
            ("in_force_from_round", ("from round", "自轮次"), str(from_round)),
        ],
    )
