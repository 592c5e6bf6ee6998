"""The events that tell of domestic shares in a round, and what follows from them for offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.shares import PremiumAssigned, PremiumPeriod, RoundShares, ShareOfRound
from schemas.types import period_start
from services.core.policy_rows import share_rules
from services.core.premiums import premium_amounts
from services.core.round_events import allocation_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.core.orders import Order
    from services.core.round_events import RoundFacts


def shares_event(facts: RoundFacts) -> RoundShares | None:
    """Return what domestic shares asked of a round and what came of it; ``None`` without any."""
    outcomes = {row.policy: row for row in facts.result.shares}
    if not outcomes:
        return None
    versions = {row.id: row.version for row in facts.book.policies}
    certified = dict(facts.result.certificate.premiums)
    return RoundShares(
        round_id=facts.round_id,
        market_id=facts.market.id,
        seq=facts.seq,
        market_time=facts.market_time,
        shares=tuple(
            ShareOfRound(
                policy_id=rule.id,
                version=versions[rule.id],
                region=rule.region or None,
                share_bp=rule.share_bp,
                premium_max=rule.premium_max,
                premium=(row := outcomes[rule.id]).premium,
                premium_certified=certified[rule.id],
                split_bp=row.split_bp,
                tflops_hours=row.tflops_hours,
                tflops_hours_domestic=row.tflops_hours_domestic,
                shortfall=row.shortfall,
                account=row.account,
                charges=row.charges,
                credits=row.credits,
            )
            for rule in share_rules(facts.book.policies)
        ),
    )


def premium_events(
    facts: RoundFacts, orders: Mapping[str, Order], first_index: int
) -> list[PremiumAssigned]:
    """Return what offers receive and pay beside the prices, numbered on; nothing without any.

    Args:
        facts: The round.
        orders: The book's orders as they were when it was sealed, by id.
        first_index: Number of the first.
    """
    made: list[PremiumAssigned] = []
    amounts = premium_amounts(facts.book, facts.result)
    for item, row in zip(facts.result.allocations, amounts, strict=True):
        periods = tuple(
            PremiumPeriod(start=period_start(period), amount=amount)
            for period, amount in enumerate(row, item.start)
            if amount
        )
        if periods:
            made.append(
                PremiumAssigned(
                    round_id=facts.round_id,
                    market_id=facts.market.id,
                    index=first_index + len(made),
                    allocation_id=allocation_id_of(
                        facts.round_id, item.demand, item.offer, item.pool, item.start
                    ),
                    provider_id=orders[item.offer].participant_id,
                    periods=periods,
                    amount=sum(row),
                )
            )
    return made
