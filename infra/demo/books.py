"""Turnovers and balances of the ledger, from the rows of its tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from infra.demo.facts import Money

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.demo.facts import Json


def money_of(
    turnover: Iterable[Json],
    balances: Iterable[Json],
    by_round: Iterable[Json],
    *,
    fund_least: int,
    entries: int,
    market_id: str,
) -> Money:
    """Return the ledger's turnovers and balances from its rows.

    Args:
        turnover: purpose, kind, amount, pending of all transfers, grouped.
        balances: name, role, posted, reserved of every account.
        by_round: round_id, captured, links, charges.
        fund_least: Least balance of the policy fund.
        entries: Leaves of the log.
        market_id: The market.
    """
    purposes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    resolved = replaced = 0
    for row in turnover:
        purposes[row["purpose"]] += row["amount"]
        kinds[row["kind"]] += row["amount"]
        resolved += row["pending"]
        if row["purpose"] == "hold_replaced":
            replaced += row["pending"]
    by_role: Counter[str] = Counter()
    for row in balances:
        by_role[row["role"] or ""] += row["posted"]
    named = {row["name"]: row["posted"] for row in balances}
    rounds = list(by_round)
    # A hold that follows another takes its money over: that is neither held nor given back.
    kept = purposes["hold_kept"] + replaced
    return Money(
        deposited=purposes["deposit"],
        held=kinds["hold"] - kept,
        captured=kinds["post"],
        released=resolved - kinds["post"] - kept,
        paid=purposes["delivery_paid"],
        fees=purposes["fee"],
        escrow=named.get(f"escrow:{market_id}", 0),
        enterprises=by_role["enterprise"],
        providers=by_role["provider"],
        reserved=sum(row["reserved"] for row in balances),
        captured_by_round=_told(rounds, "captured"),
        entries=entries,
        refunded=purposes["refund"],
        links_by_round=_told(rounds, "links"),
        charges_by_round=_told(rounds, "charges"),
        charges_due=-named.get(f"premiums:{market_id}", 0),
        credited=purposes["premium_credit"],
        fund=named.get(f"policy:{market_id}", 0),
        fund_least=fund_least,
    )


def _told(rounds: Iterable[Json], name: str) -> dict[str, int]:
    return {row["round_id"]: row[name] for row in rounds if row[name]}
