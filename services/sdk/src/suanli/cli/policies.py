"""`suanli policy`: the rules that the regulator sets for a market, and their history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from suanli import operations as ops
from suanli.cli import options, ordering, policy_studies, units, words
from suanli.cli.render import Column, print_details, print_list, ranked
from suanli.cli.session import Market, Session, Text, argument, command, group, option
from suanli.operations import Operation

if TYPE_CHECKING:
    import typer

    from suanli.cli.ordering import Fact

Json = dict[str, Any]
_PATH: Final = "/v1/policies"
_STATES: Final = {"coming": "待生效", "in_force": "生效", "past": "已失效"}

_Id = Annotated[
    str, argument("POLICY", en="Its name, such as caps-h800.", zh="政策名,如 caps-h800。")
]
_Reason = Annotated[str, option("--reason", en="Why; everybody can read it.", zh="原因,公开可见。")]
_Round = Annotated[
    int | None,
    option(
        "--round",
        en="First round it is in force in; else the next.",
        zh="自该轮起生效;默认下一轮。",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(app, "policy", en="Rules that the regulator sets.", zh="监管方设定的政策。")
    command(
        noun,
        "limits",
        en="Set the lowest ask and the highest price of a chip class (regulator).",
        zh="设定某型号芯片的报价下限与价格上限(监管方)。",
    )(_limits)
    command(
        noun,
        "share",
        en="Set the least share of domestic chips, kept by a premium (regulator).",
        zh="设定国产芯片最低占比,由溢价实现(监管方)。",
    )(_share)
    command(
        noun,
        "largest",
        en="Set the largest share of chips that one participant may get (regulator).",
        zh="设定单个参与方可得芯片的最大份额(监管方)。",
    )(_largest)
    command(
        noun,
        "shares",
        en="List what domestic shares asked of rounds, and their premiums.",
        zh="列出各轮国产占比及其溢价。",
    )(_shares)
    command(
        noun,
        "halt",
        en="Halt a market: orders are taken, no round is run (regulator, operator).",
        zh="暂停市场出清:继续接收订单,不再出清(监管方、运营方)。",
    )(_halt)
    command(
        noun,
        "breaker",
        en="Pause a market by itself when its prices move too far (regulator).",
        zh="设定熔断:价格变动过大时市场自动暂停(监管方)。",
    )(_breaker)
    command(
        noun,
        "withdraw",
        en="Withdraw a policy; a halted market is called by its next round (regulator).",
        zh="撤销政策;被暂停的市场由下一轮集中出清(监管方)。",
    )(_withdraw)
    command(noun, "list", en="List policies with their history.", zh="列出政策及其历史。")(_list)
    command(noun, "pauses", en="List what circuit breakers paused.", zh="列出熔断造成的暂停。")(
        _pauses
    )
    command(noun, "show", en="Show a policy's versions.", zh="查看政策的各版本。")(_show)
    policy_studies.register(noun)


def _limits(
    session: Session,
    policy: _Id,
    *,
    market: Market = None,
    cap: Annotated[str, option("--cap", en="Yuan per chip-hour.", zh="上限,元/卡时。")],
    reason: _Reason,
    floor: Annotated[str, option("--floor", en="Yuan per chip-hour.", zh="下限,元/卡时。")] = "0",
    chip: Annotated[
        str | None, option("--chip", en="Chip class; else every one.", zh="芯片型号;默认所有型号。")
    ] = None,
    from_round: _Round = None,
) -> None:
    rule = {
        "kind": "price_limits",
        "chip": chip,
        "floor": units.micro_of_yuan("--floor", floor),
        "cap": units.micro_of_yuan("--cap", cap),
    }
    _set(session, market, policy, rule, reason, from_round)


def _share(
    session: Session,
    policy: _Id,
    *,
    market: Market = None,
    share: Annotated[
        str, option("--share", en="Percent of the TFLOPS-hours.", zh="占 TFLOPS 小时的百分比。")
    ],
    premium_max: Annotated[
        str,
        option(
            "--premium-max",
            en="Highest premium, yuan per TFLOPS-hour, such as 0.02.",
            zh="溢价上限,元/TFLOPS 时,如 0.02。",
        ),
    ],
    reason: _Reason,
    region: Annotated[
        str | None, option("--region", en="Region; else every one.", zh="地区;默认所有地区。")
    ] = None,
    from_round: _Round = None,
) -> None:
    rule = {
        "kind": "domestic_share",
        "region": region,
        "share_bp": units.bp_of_percent("--share", share),
        "premium_max": units.micro_of_yuan("--premium-max", premium_max),
    }
    _set(session, market, policy, rule, reason, from_round)


def _largest(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    policy: _Id,
    *,
    market: Market = None,
    share: Annotated[
        str,
        option(
            "--share",
            en="Percent of the chips that a round's offers have in a period.",
            zh="占该轮每时段供给芯片的百分比。",
        ),
    ],
    reason: _Reason,
    chip: Annotated[
        str | None,
        option("--chip", en="Chip class; else each by itself.", zh="芯片型号;默认各型号分别计算。"),
    ] = None,
    region: Annotated[
        str | None,
        option("--region", en="Region; else all together.", zh="地区;默认所有地区合计。"),
    ] = None,
    free: Annotated[
        int, option("--free", en="Chips allowed in any case.", zh="不受限的芯片数。")
    ] = 0,
    from_round: _Round = None,
) -> None:
    rule = {
        "kind": "largest_share",
        "chip": chip,
        "region": region,
        "share_bp": units.bp_of_percent("--share", share),
        "chips_free": free,
    }
    _set(session, market, policy, rule, reason, from_round)


def _shares(session: Session, market: Market = None, limit: options.Limit = ordering.LIMIT) -> None:
    rounds = ordering.take(session, session.client.pages("/v1/shares", market_id=market), limit)
    found = [
        {"market_id": item["market_id"], "round_id": item["round_id"], "seq": item["seq"]} | share
        for item in rounds
        for share in item["shares"]
    ]
    print_list(session, found, _SHARES, empty=("No domestic shares.", "暂无国产占比。"))


def _halt(
    session: Session,
    policy: _Id,
    *,
    market: Market = None,
    reason: _Reason,
    from_round: _Round = None,
) -> None:
    _set(session, market, policy, {"kind": "trading_halt"}, reason, from_round)


def _breaker(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    policy: _Id,
    *,
    market: Market = None,
    move: Annotated[
        str,
        option(
            "--move",
            en="Percent that prices may rise or fall by, such as 30.",
            zh="可承受的涨跌幅,百分比,如 30。",
        ),
    ],
    pause: Annotated[int, option("--pause", en="Seconds without a round.", zh="暂停秒数。")],
    reason: _Reason,
    rounds: Annotated[
        int, option("--rounds", en="Rounds looked back on, 1 to 24.", zh="回看的轮数,1 至 24。")
    ] = 12,
    chip_hours: Annotated[
        int,
        option(
            "--chip-hours",
            en="Fewer chip-hours traded again are not compared.",
            zh="再次成交的卡时少于此数则不比较。",
        ),
    ] = 1,
    chip: Annotated[
        str | None,
        option("--chip", en="Chip class; else all together.", zh="芯片型号;默认所有型号合计。"),
    ] = None,
    from_round: _Round = None,
) -> None:
    rule = {
        "kind": "circuit_breaker",
        "chip": chip,
        "move_bp": units.bp_of_percent("--move", move),
        "rounds": rounds,
        "pause_s": pause,
        "chip_hours_min": chip_hours,
    }
    _set(session, market, policy, rule, reason, from_round)


def _withdraw(
    session: Session,
    policy: _Id,
    *,
    market: Market = None,
    reason: _Reason,
    from_round: _Round = None,
) -> None:
    _set(session, market, policy, None, reason, from_round)


def _set(
    session: Session,
    market: str | None,
    policy: str,
    rule: Json | None,
    reason: str,
    from_round: int | None,
) -> None:
    market_id = session.market(market)
    versions = _versions(session, market_id, policy)
    body = {
        "market_id": market_id,
        "policy_id": policy,
        "version": 1 + max((item["policy"]["version"] for item in versions), default=0),
        "in_force_from_round": from_round,
        "rule": rule,
        "reason": reason,
    }
    receipt = session.client.send(Operation("POST", _PATH, body=body))
    facts: list[Fact] = [
        ("policy_id", ("policy", "政策"), policy),
        ("version", ("version", "版本"), str(body["version"])),
        ("rule", ("rule", "规则"), _words(rule)),
    ]
    print_details(session, receipt, facts)


def _list(
    session: Session,
    market: Market = None,
    state: Annotated[
        Literal["coming", "in_force", "past"] | None,
        option("--state", en="Only in this state.", zh="仅此状态。"),
    ] = None,
    where: options.Where = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages(_PATH, market_id=market, state=state, filter=where)
    found = ordering.take(session, pages, limit)
    print_list(session, found, _COLUMNS, empty=("No policies.", "暂无政策。"))


def _pauses(session: Session, market: Market = None, limit: options.Limit = ordering.LIMIT) -> None:
    found = ordering.take(session, session.client.pages("/v1/pauses", market_id=market), limit)
    print_list(session, found, _PAUSES, empty=("No pauses.", "暂无熔断。"))


def _show(session: Session, policy: _Id, *, market: Market = None) -> None:
    market_id = session.market(market)
    versions = _versions(session, market_id, policy)
    if not versions:
        # The exchange says what is wrong with the name, as it does everywhere.
        session.client.send(ops.read(f"/v1/markets/{market_id}"))
    print_list(session, versions, _COLUMNS, empty=("No such policy.", "没有此政策。"))


def _versions(session: Session, market: str, policy: str) -> list[Json]:
    pages = session.client.pages(_PATH, market_id=market)
    return [item for item in pages if item["policy"]["policy_id"] == policy]


def _words(rule: Json | None) -> Text:
    if rule is None:
        return ("withdrawn", "已撤销")
    if rule["kind"] == "trading_halt":
        return ("trading halt", "暂停出清")
    if rule["kind"] == "circuit_breaker":
        return _breaker_words(rule)
    if rule["kind"] == "domestic_share":
        return _share_words(rule)
    if rule["kind"] == "largest_share":
        return _largest_words(rule)
    chip, floor, cap = rule["chip"], words.money(rule["floor"]), words.money(rule["cap"])
    return (
        f"{chip or 'every chip class'}: {floor} to {cap} yuan",
        f"{chip or '所有型号'}:{floor} 至 {cap} 元",
    )


def _breaker_words(rule: Json) -> Text:
    chip, pause, back = rule["chip"], rule["pause_s"], rule["rounds"]
    move = f"{rule['move_bp'] / 100:g} %"
    en = f"prices move by over {move} within {back} rounds"
    return (
        f"{chip or 'all chip classes'}: pause of {pause} s when {en}",
        f"{chip or '所有型号'}:{back} 轮内涨跌超过 {move} 时暂停 {pause} 秒",
    )


def _share_words(rule: Json) -> Text:
    region, share = rule.get("region"), f"{rule['share_bp'] / 100:g} %"
    most = words.money(rule["premium_max"])
    en = f"at least {share} domestic, premium up to {most} yuan per TFLOPS-hour"
    return (
        f"{region or 'every region'}: {en}",
        f"{region or '所有地区'}:国产不低于 {share},溢价至多每 TFLOPS 时 {most} 元",
    )


def _largest_words(rule: Json) -> Text:
    chip, region = rule.get("chip"), rule.get("region")
    share, free = f"{rule['share_bp'] / 100:g} %", rule["chips_free"]
    en = f"at most {share} of what is offered for one participant, {free} chips in any case"
    zh = f"单个参与方至多为供给的 {share},{free} 张以内不受限"
    return (
        f"{chip or 'each chip class'}, {region or 'all regions'}: {en}",
        f"{chip or '各型号'}、{region or '所有地区'}:{zh}",
    )


def _achieved(item: Json) -> str:
    everything = item["tflops_hours"]
    return f"{100 * item['tflops_hours_domestic'] / everything:.2f}" if everything else ""


def _moved(item: Json) -> str:
    change, reference = item["value"] - item["reference"], item["reference"]
    return f"{100 * change / reference:+.2f}" if reference else ""


def _state(item: Json) -> Text:
    name = str(item["state"])
    return (name.replace("_", " "), _STATES.get(name, name))


_COLUMNS: Final[tuple[Column, ...]] = (
    Column("policy_id", ("policy", "政策"), lambda item: item["policy"]["policy_id"]),
    Column("version", ("version", "版本"), lambda item: str(item["policy"]["version"])),
    Column("state", ("state", "状态"), _state, lambda item: item["state"]),
    Column(
        "in_force_from_round",
        ("from round", "自轮次"),
        lambda item: str(item["policy"]["in_force_from_round"]),
    ),
    Column("rule", ("rule", "规则"), lambda item: _words(item["policy"]["rule"]), wraps=True),
    Column("reason", ("reason", "原因"), lambda item: item["policy"]["reason"], wraps=True),
    ranked(2, Column("set_by", ("by", "设定人"), lambda item: item["policy"]["set_by"])),
    ranked(3, words.time_column("set_at", ("time", "时间"), "set_at", seconds=True)),
)
_SHARES: Final[tuple[Column, ...]] = (
    Column("round_id", ("round", "轮次"), lambda item: item["round_id"]),
    Column("policy_id", ("policy", "政策"), lambda item: item["policy_id"]),
    Column(
        "region",
        ("region", "地区"),
        lambda item: item["region"] or ("all", "全部"),
        lambda item: item["region"] or "",
    ),
    Column(
        "share_percent",
        ("asked (%)", "要求(%)"),
        lambda item: f"{item['share_bp'] / 100:g}",
        number=True,
    ),
    Column("achieved_percent", ("achieved (%)", "实现(%)"), _achieved, number=True),
    words.money_column("premium", ("premium per TFLOPS-hour", "溢价/TFLOPS 时"), "premium"),
    Column(
        "shortfall",
        ("missed (TFLOPS-hours)", "缺口(TFLOPS 时)"),
        lambda item: str(item["shortfall"]),
        number=True,
    ),
    ranked(
        2,
        Column(
            "account",
            ("missed so far", "累计缺口"),
            lambda item: str(item["account"]),
            number=True,
        ),
    ),
)
_PAUSES: Final[tuple[Column, ...]] = (
    Column("round_id", ("round", "轮次"), lambda item: item["round_id"]),
    Column("policy_id", ("policy", "政策"), lambda item: item["policy_id"]),
    Column(
        "chip",
        ("chip", "型号"),
        lambda item: item["chip"] or ("all", "全部"),
        lambda item: item["chip"] or "",
    ),
    Column(
        "move_percent",
        ("move (%)", "涨跌(%)"),
        _moved,
        number=True,
    ),
    Column(
        "allowed_percent",
        ("borne (%)", "上限(%)"),
        lambda item: f"{item['move_bp'] / 100:g}",
        number=True,
    ),
    ranked(2, Column("chip_hours", ("chip-hours", "卡时"), lambda item: str(item["chip_hours"]))),
    words.time_column("since", ("since", "自"), "since", seconds=True),
    words.time_column("until", ("until", "至"), "until", seconds=True),
)
