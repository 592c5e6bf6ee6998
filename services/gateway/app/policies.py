"""The next version of a policy: checked against its market before it goes to the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.policies import MarketPolicySet, TradingHalt
from services.core.errors import Message
from services.core.policies import check_policy
from services.gateway.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.market import Market
    from schemas.policies import PolicyNew


def next_version(
    new: PolicyNew,
    set_by: str,
    market: Market,
    known: Sequence[MarketPolicySet],
    last_round: int,
) -> MarketPolicySet:
    """Return the version that a request asks for.

    Args:
        new: The request.
        set_by: Who asks.
        market: The market.
        known: All versions of all policies of the market.
        last_round: Number of the last round that was sealed.

    Raises:
        ConflictError: if the version does not follow the latest one.
        ValidationError: if the market cannot honour it.
    """
    versions = [item.version for item in known if item.policy_id == new.policy_id]
    wanted = max(versions, default=0) + 1
    if new.version != wanted:
        raise ConflictError(
            "stale_version",
            Message(
                f"version: must be {wanted}, was {new.version}",
                f"version：须为 {wanted}，实为 {new.version}",
            ),
            field="version",
            value=str(new.version),
            allowed=str(wanted),
        )
    in_force = [item.in_force_from_round for item in known if item.policy_id == new.policy_id]
    next_round = max([last_round + 1, *in_force])
    data = MarketPolicySet(
        market_id=new.market_id,
        policy_id=new.policy_id,
        version=new.version,
        in_force_from_round=new.in_force_from_round or next_round,
        rule=new.rule,
        reason=new.reason,
        set_by=set_by,
    )
    check_policy(data, market, known, last_round)
    return data


def concerns_halt(new: PolicyNew, known: Sequence[MarketPolicySet]) -> bool:
    """Return whether a request halts a market, or lifts a halt.

    Args:
        new: The request.
        known: All versions of all policies of the market.
    """
    versions = [item for item in known if item.policy_id == new.policy_id]
    latest = max(versions, key=lambda item: item.version, default=None)
    was_halt = latest is None or latest.rule is None or isinstance(latest.rule, TradingHalt)
    is_halt = isinstance(new.rule, TradingHalt)
    lifts = new.rule is None and latest is not None and isinstance(latest.rule, TradingHalt)
    return was_halt and (is_halt or lifts)
