"""``suanli-exchange policy``: set policies without a gateway; what they cost, on round files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli_participants import AsJson, checked, print_rows, run_administration
from services.cli_rounds import Output, in_order, recorded, show_rows

if TYPE_CHECKING:
    from schemas.policies import PolicyRule

policy = typer.Typer(
    help="Rules of markets: set, withdraw, cost, simulate. 市场政策:设定、撤销、成本、模拟。",
    no_args_is_help=True,
)

_Files = Annotated[
    list[Path], typer.Argument(metavar="FILES", help="Round files, or folders of them. 轮次文件。")
]
_Market = Annotated[str, typer.Option("--market", help="Market. 市场。")]
_Name = Annotated[str, typer.Argument(metavar="POLICY", help="Its name. 政策名。")]
_Rule = Annotated[
    str,
    typer.Option(
        "--rule",
        help='JSON such as {"kind": "price_limits", "cap": 20000000}, or @FILE. 规则。',
    ),
]
_Regulator = Annotated[
    str, typer.Option("--regulator", help="Whose order it is. 由哪个监管方下令。")
]
_Reason = Annotated[str, typer.Option("--reason", help="Why; public. 原因,公开可见。")]
_Round = Annotated[
    int | None, typer.Option("--round", help="First round in force; the next. 自该轮起生效。")
]


@policy.command(
    "list",
    help="List every version of every policy. 列出各项政策的全部版本。",
)
def list_policies(
    market: Annotated[str | None, typer.Option("--market", help="Market. 市场。")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List every version of every policy."""
    found = run_administration(lambda desk: desk.policies(market))
    if as_json:
        print_rows([view.model_dump(mode="json") for view in found], (), as_json=True)
        return
    rows = [
        view.policy.model_dump(mode="json")
        | {"state": view.state}
        | {"kind": "withdrawn" if view.policy.rule is None else view.policy.rule.kind}
        for view in found
    ]
    names = ("market_id", "policy_id", "version", "state", "in_force_from_round", "kind")
    print_rows(rows, names, as_json=False)


@policy.command(
    "set",
    help="Set the next version of a policy on a regulator's order. "
    "依监管方指令设定政策的下一版本。",
)
def set_policy(
    name: _Name,
    market: _Market,
    rule: _Rule,
    regulator: _Regulator,
    reason: _Reason,
    from_round: _Round = None,
) -> None:
    """Set the next version of a policy on a regulator's order."""
    _set(name, market, _rule(rule), regulator, reason, from_round)


@policy.command(
    "withdraw",
    help="Withdraw a policy on a regulator's order. 依监管方指令撤销政策。",
)
def withdraw_policy(
    name: _Name,
    market: _Market,
    regulator: _Regulator,
    reason: _Reason,
    from_round: _Round = None,
) -> None:
    """Withdraw a policy on a regulator's order."""
    _set(name, market, None, regulator, reason, from_round)


@policy.command(
    "cost",
    help="Tell what each policy in force cost in recorded rounds: each is cleared again "
    "without it. 计算各项生效政策在已记录轮次中的成本：去掉该政策重新出清。",
)
def cost(
    files: _Files,
    *,
    regions: Annotated[
        bool, typer.Option("--regions", help="Who bore it, by region. 按区域列出承担者。")
    ] = False,
    output: Output = "table",
) -> None:
    """Tell what each policy in force cost in recorded rounds: each is cleared again without it."""
    from services.core.policy_study.cost import policy_costs
    from services.core.policy_study.tables import cost_row, region_rows

    rows = []
    for one in recorded(files):
        for found in policy_costs(one.book, one.rules, one.result):
            round_id = one.book.round_id
            rows += region_rows(round_id, found) if regions else [cost_row(round_id, found)]
    show_rows(rows, output, _REGION_COLUMNS if regions else _COST_COLUMNS)


@policy.command(
    "simulate",
    help="Tell what recorded rounds would have been under a rule, or without the policy that it "
    "names. 试算某规则（或去掉某政策）下的已记录轮次。",
)
def simulate(
    files: _Files,
    rule: Annotated[
        str | None,
        typer.Option(
            "--rule",
            help='JSON such as {"kind": "price_limits", "cap": 20000000}, or @FILE. 规则。',
        ),
    ] = None,
    replaces: Annotated[
        str, typer.Option("--replaces", help="Policy whose place it takes. 取代的政策。")
    ] = "",
    every: Annotated[
        int | None,
        typer.Option(
            "--every", help="Seconds between rounds, for a circuit breaker. 两轮间隔秒数(熔断)。"
        ),
    ] = None,
    *,
    output: Output = "table",
) -> None:
    """Tell what recorded rounds would have been under a rule, or without the policy that it names.

    Each round is taken by itself: orders that trade otherwise are in the next one as they were.
    """
    from services.core.policy_study.simulation import Simulation
    from services.core.policy_study.tables import round_rows

    parsed = None if rule is None else _rule(rule)
    if parsed is None and not replaces:
        raise typer.BadParameter("--rule or --replaces must be given, was neither")
    if parsed is not None and parsed.kind == "circuit_breaker" and every is None:
        raise typer.BadParameter("--every must be given with a circuit breaker, was left out")
    runs: dict[str, Simulation] = {}
    found = []
    for one in recorded(in_order(files)):
        run = runs.setdefault(one.book.market, Simulation(one.book.market, parsed, replaces))
        at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=one.seq * (every or 1))
        found.append(run.take(one.book, one.rules, one.result, at))
    show_rows(round_rows(found), output, _SIMULATED_COLUMNS)


_COST_COLUMNS = {
    "round_id": "round",
    "policy_id": "policy",
    "welfare_without": "without it yuan",
    "welfare_with": "with it yuan",
    "cost": "cost yuan",
    "cost_least": "least yuan",
    "cost_most": "most yuan",
    "within_gap": "within the gap",
    "offers_kept_out": "offers out",
    "demands_kept_out": "demands out",
}
_REGION_COLUMNS = {
    "round_id": "round",
    "policy_id": "policy",
    "region": "region",
    "chip_hours_without": "chip-hours without it",
    "chip_hours_with": "with it",
    "buyers_change": "buyers yuan",
    "sellers_change": "sellers yuan",
}
_SIMULATED_COLUMNS = {
    "round_id": "round",
    "state": "state",
    "welfare_without": "as it was yuan",
    "welfare_with": "simulated yuan",
    "cost": "cost yuan",
    "within_gap": "within the gap",
    "chip_hours_without": "chip-hours as it was",
    "chip_hours_with": "simulated",
    "offers_kept_out": "offers out",
    "demands_kept_out": "demands out",
}


def _rule(text: str) -> PolicyRule:
    from pydantic import TypeAdapter

    from schemas.policies import PolicyRule

    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise typer.BadParameter(f"{text[1:]} cannot be read: {error.strerror}") from error
    reader: TypeAdapter[PolicyRule] = TypeAdapter(PolicyRule)
    return checked(lambda: reader.validate_json(text))


def _set(
    name: str,
    market: str,
    rule: PolicyRule | None,
    regulator: str,
    reason: str,
    from_round: int | None,
) -> None:
    told = run_administration(
        lambda desk: desk.set_policy(
            regulator, market, name, rule=rule, reason=reason, from_round=from_round
        )
    )
    typer.echo(
        f"{name}: version {told.version}, in force from round {told.in_force_from_round} "
        f"已设定,自第 {told.in_force_from_round} 轮生效"
    )
