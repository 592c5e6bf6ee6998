"""Charges for links, and premiums of domestic shares, as the log carries them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import events
from schemas.links import LinkCharged, LinkPeriod
from schemas.shares import PremiumAssigned, PremiumPeriod
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    from collections.abc import Sequence


def link_charged(
    seq: int, demand: str, enterprise: str, tariff: int, periods: Sequence[tuple[int, int, int]]
) -> LinkCharged:
    """Return a charge for (hour offset, GB, price) triples; its index is set later."""
    return LinkCharged(
        round_id=f"{w.MARKET}:{seq}",
        market_id=w.MARKET,
        index=0,
        demand_id=w.demand_id(demand),
        enterprise_id=enterprise,
        source=w.ZONE,
        destination="he-1",
        tariff=tariff,
        periods=tuple(
            LinkPeriod(start=w.hour(at), gb=gb, price=price) for at, gb, price in periods
        ),
        payment=sum(gb * price for _, gb, price in periods),
    )


def premium_assigned(body: events.AllocationMade, amounts: Sequence[int]) -> PremiumAssigned:
    """Return what an allocation's provider receives in each of its periods, those of none out."""
    periods = tuple(
        PremiumPeriod(start=item.start, amount=amount)
        for item, amount in zip(body.periods, amounts, strict=True)
        if amount
    )
    return PremiumAssigned(
        round_id=body.round_id,
        market_id=body.market_id,
        index=0,
        allocation_id=body.allocation_id,
        provider_id=body.provider_id,
        periods=periods,
        amount=sum(amounts),
    )
