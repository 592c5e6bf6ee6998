"""What a demand's terms say of data and traffic, and where its links can lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.core.book import BookLink, Moves
from services.core.routes import link_key, routes_from

if TYPE_CHECKING:
    from schemas.market import Market
    from schemas.orders import DemandTerms


def moves_of(terms: DemandTerms) -> Moves | None:
    """Return what a demand sends over links, ``None`` if nothing."""
    data_zone = terms.data_zone if terms.data_gb else None
    user_zone = terms.user_zone if terms.traffic_gb_per_chip_hour else None
    if data_zone is None and user_zone is None:
        return None
    return Moves(
        data_zone=data_zone,
        data_gb=terms.data_gb if data_zone else 0,
        user_zone=user_zone,
        traffic_gb=terms.traffic_gb_per_chip_hour if user_zone else 0,
    )


def zones_with_ways(terms: DemandTerms, market: Market) -> frozenset[str] | None:
    """Return the zones that data and traffic of a demand can reach, ``None`` if it sends none.

    A link of no capacity leads nowhere.
    """
    moves = moves_of(terms)
    if moves is None:
        return None
    links = [
        BookLink(link_key(link.source, link.destination), link.source, link.destination, 0, ())
        for link in market.links
        if link.capacity_gb_per_period
    ]
    zones = {zone.id for zone in market.zones}
    if moves.data_zone is not None:
        zones &= set(routes_from(links, moves.data_zone))
    if moves.user_zone is not None:
        zones = {zone for zone in zones if moves.user_zone in routes_from(links, zone)}
    return frozenset(zones)
