"""Whose a clearing's welfare is: buyers', sellers', the links', and by region of supply."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from schemas.policy_costs import Gains, RegionGain
from services.core.premiums import missed_worth, premium_amounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.core.book import Book, Result


def gains_of(book: Book, result: Result) -> Gains:
    """Return a clearing's welfare, and how it is spread; sellers with the premiums of shares.

    A buyer's gain is in the regions that serve it. What it pays beside its chips, for links, is
    spread over them by chip-hours; the region that comes last by name bears the remainder.

    Args:
        book: The book.
        result: A valid result for it.
    """
    premiums = _premiums(book, result)
    by_region = _by_region(book, result, premiums)
    buyers = sum(row.value - row.payment for row in result.demands)
    sellers = sum(row.revenue - row.cost for row in result.offers) + sum(premiums.values())
    # A clearing that misses a share has a bound on its welfare less what it missed.
    most = result.certificate.bound + missed_worth(book, result.shares)
    tariffs = {link.key: link.tariff for link in book.links}
    links = sum(
        (price - tariffs[row.key]) * gb
        for row in result.links
        for price, gb in zip(row.prices, row.used, strict=True)
    )
    assert sum(row.buyers for row in by_region) == buyers
    assert sum(row.sellers for row in by_region) == sellers
    return Gains(
        welfare=result.welfare,
        welfare_most=result.welfare if result.status == "optimal" else most,
        chip_hours=sum(row.chip_hours for row in result.demands),
        payment=sum(row.payment for row in result.demands),
        buyers=buyers,
        sellers=sellers,
        links=links,
        fund=result.welfare - buyers - sellers - links,
        regions=by_region,
    )


def _premiums(book: Book, result: Result) -> dict[str, int]:
    """Return offer -> what the policy fund pays it; a charge is negative."""
    paid: dict[str, int] = defaultdict(int)
    for made, amounts in zip(result.allocations, premium_amounts(book, result), strict=True):
        paid[made.offer] += sum(amounts)
    return paid


def _by_region(book: Book, result: Result, premiums: Mapping[str, int]) -> tuple[RegionGain, ...]:
    regions = {pool.key: pool.region for pool in book.pools}
    pools = {offer.id: offer.pool for offer in book.offers}
    hours: dict[str, int] = dict.fromkeys(regions.values(), 0)
    buyers, sellers = dict.fromkeys(hours, 0), dict.fromkeys(hours, 0)
    served: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    paid: dict[str, int] = defaultdict(int)
    curves = dict(result.prices)
    limits = {
        row.id: next(
            (item.limit for item in row.alternatives if item.index == outcome.alternative), 0
        )
        for row, outcome in zip(book.demands, result.demands, strict=True)
    }
    for made in result.allocations:
        region, curve = regions[made.pool], curves[made.pool]
        chips = sum(made.chips)
        at = made.start - book.first_period
        cost = sum(n * curve[t] for t, n in enumerate(made.chips, at) if n)
        hours[region] += chips
        served[made.demand][region] += chips
        paid[made.demand] += cost
        buyers[region] += limits[made.demand] * chips - cost
    for row in result.demands:
        beside = left = row.payment - paid[row.id]
        found = sorted(served[row.id].items())
        for n, (region, chips) in enumerate(found, 1):
            share = left if n == len(found) else beside * chips // row.chip_hours
            buyers[region] -= share
            left -= share
    for offer in result.offers:
        gain = offer.revenue - offer.cost + premiums.get(offer.id, 0)
        sellers[regions[pools[offer.id]]] += gain
    return tuple(
        RegionGain(region=name, chip_hours=hours[name], buyers=buyers[name], sellers=sellers[name])
        for name in sorted(hours)
    )
