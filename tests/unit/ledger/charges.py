"""Charges for links as the log carries them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.links import LinkCharged, LinkPeriod
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
