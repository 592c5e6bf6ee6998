"""The open orders of a market in numbers: counts, and depth by pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.api import BookView, DepthLevel, PoolDepth
from schemas.orders import OfferTerms
from schemas.types import OrderState, pool_key
from services.core.eligibility import pools_of, resolve_alternatives

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.market import Market
    from schemas.orders import DemandTerms
    from services.gateway.ports import Orders

_LEVELS_MAX = 20


@dataclass(frozen=True, slots=True)
class Share:
    """What one order adds to the depth.

    Attributes:
        is_offer: Which side it stands on.
        levels: (pool, price, chips) in every pool that it is in, or may use.
    """

    is_offer: bool
    levels: tuple[tuple[str, int, int], ...]


class Depth:
    """Sums up books; what was worked out for an order's terms is kept while it is open.

    Args:
        orders: Where the open orders are.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        # Market id -> (the market as it was, shares by the event that brought the terms).
        self._known: dict[str, tuple[Market, dict[str, Share]]] = {}

    async def book(self, market: Market) -> BookView:
        """Return the open orders of a market in numbers."""
        before, known = self._known.get(market.id, (market, {}))
        if before != market:
            known = {}
        found = await self._orders.open_orders(market.id)
        fresh = [terms_id for terms_id, _ in found if terms_id not in known]
        for terms_id, terms in (await self._orders.terms(fresh)).items():
            known[terms_id] = share_of(terms, market)
        # Only what is open is kept, so that the memory is bounded by the book.
        kept = {terms_id: known[terms_id] for terms_id, _ in found if terms_id in known}
        self._known[market.id] = (market, kept)
        return summarise(
            market, [(state, kept[terms_id]) for terms_id, state in found if terms_id in kept]
        )


def share_of(terms: OfferTerms | DemandTerms, market: Market) -> Share:
    """Return what an order adds; a demand counts in each pool at its best limit there."""
    if isinstance(terms, OfferTerms):
        return Share(
            is_offer=True, levels=((pool_key(terms.zone, terms.chip), terms.ask, terms.chips),)
        )
    best: dict[str, tuple[int, int]] = {}
    for alternative in resolve_alternatives(terms, market):
        chips = alternative.chips or max(alternative.chips_by_period)
        for pool in alternative.pools:
            best[pool] = max(best.get(pool, (0, 0)), (alternative.limit, chips))
    return Share(
        is_offer=False, levels=tuple((pool, limit, chips) for pool, (limit, chips) in best.items())
    )


def summarise(market: Market, found: Sequence[tuple[str, Share]]) -> BookView:
    """Return counts and depth by pool of (state, share) pairs."""
    asks: dict[str, dict[int, list[int]]] = {pool.key: {} for pool in pools_of(market)}
    limits: dict[str, dict[int, list[int]]] = {pool: {} for pool in asks}
    for _, share in found:
        side = asks if share.is_offer else limits
        for pool, price, chips in share.levels:
            # A pool that a later version of the market left out shows no more.
            if pool in side:
                side[pool].setdefault(price, []).append(chips)
    demands = [state for state, share in found if not share.is_offer]
    return BookView(
        market_id=market.id,
        offers=len(found) - len(demands),
        demands=len(demands),
        demands_waiting=demands.count(OrderState.ACCEPTED),
        pools=tuple(
            PoolDepth(
                pool=pool,
                offers=sum(len(chips) for chips in asks[pool].values()),
                offered_chips=sum(sum(chips) for chips in asks[pool].values()),
                asks=_levels(asks[pool], dearest_first=False),
                demands=sum(len(chips) for chips in limits[pool].values()),
                limits=_levels(limits[pool], dearest_first=True),
            )
            for pool in sorted(asks)
        ),
    )


def _levels(found: dict[int, list[int]], *, dearest_first: bool) -> tuple[DepthLevel, ...]:
    prices = sorted(found, reverse=dearest_first)[:_LEVELS_MAX]
    return tuple(
        DepthLevel(price=price, chips=sum(found[price]), orders=len(found[price]))
        for price in prices
    )
