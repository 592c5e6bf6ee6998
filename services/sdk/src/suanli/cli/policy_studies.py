"""`suanli policy cost` and `suanli policy simulate`: what rules cost, and what one would have."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli import vocabulary
from suanli.cli import options, ordering, tried_rules, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_details, print_list, ranked
from suanli.cli.session import EXIT_REFUSED, Market, Session, argument, command, option
from suanli.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from suanli.cli.ordering import Fact

Json = dict[str, Any]
_PATH: Final = "/v1/policy-simulations"
_POLL_S: Final = 1.0
_RANGE: Final = re.compile(r"([1-9]\d{0,11})-([1-9]\d{0,11})")


def register(noun: typer.Typer) -> None:
    """Add the commands to the group of policies."""
    command(
        noun,
        "cost",
        en="What each rule in force cost in rounds, latest first: welfare without it less with it.",
        zh="各轮中每项生效政策的成本(无该政策时的福利减去有时的福利),新者在前。",
    )(_cost)
    command(
        noun,
        "simulate",
        en="Try a rule on past rounds, or leave a policy out of them (regulator, operator).",
        zh="在过去的轮次上模拟一项规则,或模拟撤销某政策(监管方、运营方)。",
    )(_simulate)
    command(
        noun,
        "simulations",
        en="List simulations, latest first (regulator, operator).",
        zh="列出模拟,新者在前(监管方、运营方)。",
    )(_simulations)
    command(
        noun,
        "simulation",
        en="Show a simulation, round by round (regulator, operator).",
        zh="逐轮查看一次模拟(监管方、运营方)。",
    )(_simulation)


def _cost(
    session: Session,
    market: Market = None,
    *,
    regions: Annotated[
        bool, option("--regions", en="Who bore it, by region.", zh="按地区列出承担者。")
    ] = False,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages("/v1/policy-costs", market_id=market)
    empty = ("No rule that has a cost was in force.", "没有产生成本的政策生效过。")
    if regions:
        rows = ordering.take(session, _region_rows(pages), limit)
        print_list(session, rows, _REGIONS, empty=empty)
        return
    print_list(session, ordering.take(session, _cost_rows(pages), limit), _COSTS, empty=empty)


def _simulate(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    market: Market = None,
    *,
    day: Annotated[
        str | None, option("--day", en="Rounds of this day (UTC).", zh="该日(UTC)的轮次。")
    ] = None,
    rounds: Annotated[
        str | None, option("--rounds", en="By number, such as 100-180.", zh="轮次序号,如 100-180。")
    ] = None,
    cap: tried_rules.Cap = None,
    floor: tried_rules.Floor = "0",
    chip: tried_rules.Chip = None,
    share: tried_rules.Share = None,
    premium_max: tried_rules.PremiumMax = None,
    largest: tried_rules.Largest = None,
    free: tried_rules.Free = 0,
    region: tried_rules.Region = None,
    rule: tried_rules.Rule = None,
    without: Annotated[
        str | None,
        option(
            "--without",
            en="Leave this policy out; with a rule, the rule takes its place.",
            zh="去掉此政策;与规则同用时由规则取代它。",
        ),
    ] = None,
    every: Annotated[
        int, option("--every", en="Each so many-th round alone.", zh="每隔若干轮取一轮。")
    ] = 1,
    wait: Annotated[
        bool, option("--wait/--no-wait", en="Wait for the rounds.", zh="等待结果。")
    ] = True,
) -> None:
    first, last = _range(rounds)
    given = {
        "cap": cap,
        "floor": floor,
        "chip": chip,
        "share": share,
        "premium_max": premium_max,
        "largest": largest,
        "free": free,
        "region": region,
        "rule": rule,
    }
    body = {
        "market_id": session.market(market),
        "rule": tried_rules.rule_of(given),
        "replaces": without,
        "day": day,
        "from_round": first,
        "to_round": last,
        "every": every,
    }
    if body["rule"] is None and without is None:
        said = (
            "--cap, --share, --largest, --rule or --without",
            "--cap、--share、--largest、--rule 或 --without 之一",
        )
        raise UsageProblem("--rule", "", said)
    found = session.client.send(Operation("POST", _PATH, body=body))
    if not wait:
        _print(session, found)
        return
    _show(session, _waited(session, found))


def _waited(session: Session, found: Json) -> Json:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=session.notes, transient=True) as progress:
        task = progress.add_task(str(found["simulation_id"]), total=found["rounds"])
        while found["state"] in {"waiting", "running"}:
            progress.update(task, completed=found["rounds_done"])
            time.sleep(_POLL_S)
            found = session.client.send(ops.read(f"{_PATH}/{found['simulation_id']}"))
    return found


def _simulations(
    session: Session, market: Market = None, limit: options.Limit = ordering.LIMIT
) -> None:
    pages = session.client.pages(_PATH, market_id=market)
    found = ordering.take(session, pages, limit)
    print_list(session, found, _SIMULATIONS, empty=("No simulations.", "暂无模拟。"))


def _simulation(
    session: Session,
    simulation: Annotated[str, argument("SIMULATION", en="Its id, sim_...", zh="模拟编号,sim_...")],
) -> None:
    _show(session, session.client.send(ops.read(f"{_PATH}/{simulation}")))


def _show(session: Session, found: Json) -> None:
    """Print the rounds of a simulation; what they come to goes beside them."""
    if found["state"] == "failed":
        session.note((f"Failed: {found['cause']}", f"失败:{found['cause']}"))
        raise typer.Exit(EXIT_REFUSED)
    pages = session.client.pages(f"{_PATH}/{found['simulation_id']}/rounds")
    rows = [_flat(item["round_id"], item["cost"]) | {"state": item["state"]} for item in pages]
    print_list(session, rows, _ROUNDS, empty=("No round is done yet.", "尚无完成的轮次。"))
    totals = found["totals"]
    cost, done = words.money(totals["cost"]), f"{found['rounds_done']}/{found['rounds']}"
    least, most = words.money(totals["cost_least"]), words.money(totals["cost_most"])
    session.note(
        (
            f"{found['simulation_id']}: {done} rounds, cost {cost} yuan, {least} to {most}",
            f"{found['simulation_id']}:{done} 轮,成本 {cost} 元,介于 {least} 与 {most} 之间",
        )
    )


def _print(session: Session, found: Json) -> None:
    facts: list[Fact] = [
        ("simulation_id", ("simulation", "模拟"), str(found["simulation_id"])),
        ("state", ("state", "状态"), vocabulary.words(found["state"], vocabulary.STUDY_STATES)),
        ("rounds", ("rounds", "轮次"), words.count(found["rounds"])),
        ("rounds_done", ("done", "已完成"), words.count(found["rounds_done"])),
    ]
    print_details(session, found, facts)


def _range(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    found = _RANGE.fullmatch(text)
    if found is None:
        raise UsageProblem("--rounds", text, ("such as 100-180", "如 100-180"))
    return int(found[1]), int(found[2])


def _cost_rows(pages: Iterator[Json]) -> Iterator[Json]:
    for item in pages:
        if item["state"] != "ready":
            yield {"round_id": item["round_id"], "state": item["state"]}
        for cost in item["costs"]:
            yield _flat(item["round_id"], cost) | {"state": item["state"]}


def _flat(round_id: str, cost: Json) -> Json:
    sides = {
        f"{name}_{side}": cost[f"{side}_it"][name]
        for name in ("welfare", "chip_hours", "buyers", "sellers")
        for side in ("without", "with")
    }
    plain = {name: value for name, value in cost.items() if not isinstance(value, dict)}
    change = {
        f"{name}_change": sides[f"{name}_with"] - sides[f"{name}_without"]
        for name in ("buyers", "sellers")
    }
    return {"round_id": round_id} | plain | sides | change


def _region_rows(pages: Iterator[Json]) -> Iterator[Json]:
    for item in pages:
        for cost in item["costs"]:
            without = {row["region"]: row for row in cost["without_it"]["regions"]}
            for row in cost["with_it"]["regions"]:
                before = without[row["region"]]
                yield {
                    "round_id": item["round_id"],
                    "policy_id": cost["policy_id"],
                    "region": row["region"],
                    "chip_hours_without": before["chip_hours"],
                    "chip_hours_with": row["chip_hours"],
                    "buyers_change": row["buyers"] - before["buyers"],
                    "sellers_change": row["sellers"] - before["sellers"],
                }


def _sure(item: Json) -> tuple[str, str]:
    return ("within the gap", "在差距内") if item.get("within_gap") else ("", "")


_ROUND: Final = words.text_column("round_id", ("round", "轮次"), "round_id")
_STATE: Final = words.coded_column("state", ("state", "状态"), "state", vocabulary.STUDY_STATES)
_BORNE: Final[tuple[Column, ...]] = (
    words.money_column("cost", ("cost", "成本"), "cost"),
    Column("within_gap", ("sure?", "是否确定"), _sure, lambda item: item.get("within_gap")),
    words.money_column("buyers", ("buyers", "买方"), "buyers_change"),
    words.money_column("sellers", ("sellers", "卖方"), "sellers_change"),
    ranked(1, words.count_column("demands_kept_out", ("demand out", "需求"), "demands_kept_out")),
    ranked(1, words.count_column("offers_kept_out", ("offers out", "供给"), "offers_kept_out")),
    ranked(2, words.money_column("welfare_without", ("without", "无时"), "welfare_without")),
    ranked(2, words.money_column("welfare_with", ("with", "有时"), "welfare_with")),
    ranked(3, words.money_column("cost_least", ("least", "至少"), "cost_least")),
    ranked(3, words.money_column("cost_most", ("most", "至多"), "cost_most")),
)
_COSTS: Final[tuple[Column, ...]] = (
    _ROUND,
    words.text_column("policy_id", ("policy", "政策"), "policy_id"),
    _STATE,
    *_BORNE,
)
_HOURS: Final[tuple[Column, ...]] = (
    words.count_column(
        "chip_hours_without", ("chip-hours without", "无时卡时"), "chip_hours_without"
    ),
    words.count_column("chip_hours_with", ("with", "有时"), "chip_hours_with"),
)
_ROUNDS: Final[tuple[Column, ...]] = (_ROUND, _STATE, *_BORNE, *_HOURS)
_REGIONS: Final[tuple[Column, ...]] = (
    _ROUND,
    words.text_column("policy_id", ("policy", "政策"), "policy_id"),
    words.text_column("region", ("region", "地区"), "region"),
    *_HOURS,
    words.money_column("buyers", ("buyers", "买方"), "buyers_change"),
    words.money_column("sellers", ("sellers", "卖方"), "sellers_change"),
)
_SIMULATIONS: Final[tuple[Column, ...]] = (
    words.text_column("simulation_id", ("simulation", "模拟"), "simulation_id"),
    Column("market_id", ("market", "市场"), lambda item: item["asked"]["market_id"]),
    _STATE,
    words.count_column("rounds", ("rounds", "轮次"), "rounds"),
    words.count_column("rounds_done", ("done", "已完成"), "rounds_done"),
    Column(
        "cost_yuan",
        ("cost (yuan)", "成本(元)"),
        lambda item: words.money(item["totals"]["cost"]),
        lambda item: words.money_plain(item["totals"]["cost"]),
        number=True,
    ),
    words.time_column("asked_at", ("time", "时间"), "asked_at", seconds=True),
)
