"""What demands pay for links in a round, and what rounds before have taken of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.book import BookLink
from services.core.routes import Routes, link_key, use_of_links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.market import Market
    from services.core.book import Book, Result

Sent = dict[tuple[str, int], int]
"""(key of a link, absolute period) -> GB that rounds have given away."""


@dataclass(frozen=True, slots=True)
class LinkCharge:
    """What a demand pays for one link.

    Attributes:
        demand: Id of the demand.
        link: The link.
        periods: (absolute period, GB, price per GB), in order.
    """

    demand: str
    link: BookLink
    periods: tuple[tuple[int, int, int], ...]

    @property
    def payment(self) -> int:
        """Return what it pays, micro-yuan."""
        return sum(gb * price for _, gb, price in self.periods)


def links_left(
    market: Market, sent: Mapping[tuple[str, int], int], first: int, periods: int
) -> tuple[BookLink, ...]:
    """Return a market's links with what rounds before have left of them, sorted by key.

    A link of no capacity at all is cut: no route leads over it.
    """
    found = [
        BookLink(
            key=(key := link_key(link.source, link.destination)),
            source=link.source,
            destination=link.destination,
            tariff=link.tariff,
            capacity=tuple(
                max(0, link.capacity_gb_per_period - sent.get((key, t), 0))
                for t in range(first, first + periods)
            ),
        )
        for link in market.links
        if link.capacity_gb_per_period
    ]
    return tuple(sorted(found, key=lambda link: link.key))


def link_charges(book: Book, result: Result) -> list[LinkCharge]:
    """Return what each demand pays for each link at the clearing prices, sorted by both."""
    if not result.links:
        return []
    routes = Routes(book.links)
    zones = {pool.key: pool.zone for pool in book.pools}
    prices = {row.key: row.prices for row in result.links}
    links = {link.key: link for link in book.links}
    demands = {row.id: row for row in book.demands if row.moves is not None}
    chips: dict[str, dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in result.allocations:
        if row.demand in demands:
            at = chips[row.demand][zones[row.pool]]
            for t, count in enumerate(row.chips, row.start):
                at[t] = at.get(t, 0) + count
    found = []
    for demand_id, by_zone in sorted(chips.items()):
        used: Sent = defaultdict(int)
        for zone, taken in by_zone.items():
            some = {t: count for t, count in taken.items() if count}
            for key, t, gb in use_of_links(book, routes, demands[demand_id], zone, some):
                used[key, t] += gb
        for key in sorted({key for key, _ in used}):
            periods = tuple(
                (t, gb, prices[key][t - book.first_period])
                for (one, t), gb in sorted(used.items())
                if one == key and gb
            )
            found.append(LinkCharge(demand_id, links[key], periods))
    return found


def sent_after(sent: Mapping[tuple[str, int], int], book: Book, result: Result) -> Sent:
    """Return what is given away of links after a round; periods that are over are dropped."""
    after = {at: gb for at, gb in sent.items() if at[1] >= book.first_period}
    for row in result.links:
        for t, gb in enumerate(row.used, book.first_period):
            if gb:
                after[row.key, t] = after.get((row.key, t), 0) + gb
    return after
