"""Which links the data and the traffic of a demand use, and when: rules that all sides share.

Between two zones there is one route: the least sum of tariffs, then the fewest links, then the
least keys in their order. It follows from the links of the book alone, whatever is left on them,
so that a price never moves a route.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.core.book import Book, BookDemand, BookLink

CROSSING_PERIODS_MAX = 4
"""Data crosses in so many periods right before a start, or in all that the horizon has."""

LinkUse = tuple[str, int, int]
"""(key of a link, absolute period, GB)."""


def link_key(source: str, destination: str) -> str:
    """Return the key of a directed link."""
    return f"{source}>{destination}"


def routes_from(links: Iterable[BookLink], source: str) -> dict[str, tuple[str, ...]]:
    """Return the route from a zone to every zone that can be reached, as keys of links.

    The zone itself is reached without a link.
    """
    leaving: dict[str, list[BookLink]] = {}
    for link in links:
        leaving.setdefault(link.source, []).append(link)
    found: dict[str, tuple[str, ...]] = {}
    # Two paths of as many links compare by their keys, and go on comparing so when one link is
    # added to both, so the least label of a zone is final when it comes off the heap (Dijkstra).
    heap: list[tuple[int, int, tuple[str, ...], str]] = [(0, 0, (), source)]
    while heap:
        tariff, hops, path, zone = heapq.heappop(heap)
        if zone in found:
            continue
        found[zone] = path
        for link in leaving.get(zone, ()):
            if link.destination not in found:
                label = (tariff + link.tariff, hops + 1, (*path, link.key), link.destination)
                heapq.heappush(heap, label)
    return found


class Routes:
    """The routes of a book, worked out as they are asked for."""

    def __init__(self, links: Iterable[BookLink]) -> None:
        self._links = tuple(links)
        self._from: dict[str, dict[str, tuple[str, ...]]] = {}

    def between(self, source: str, destination: str) -> tuple[str, ...] | None:
        """Return the links from a zone to another, ``None`` if no way leads there."""
        if source not in self._from:
            self._from[source] = routes_from(self._links, source)
        return self._from[source].get(destination)

    def of(self, demand: BookDemand, zone: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """Return the links of a demand's data and of its traffic if a zone serves it.

        Data goes from where it lies to the zone, traffic from the zone to its callers. ``None``
        if one of them cannot get there.
        """
        moves = demand.moves
        if moves is None:
            return (), ()
        data = self.between(moves.data_zone, zone) if moves.data_zone else ()
        traffic = self.between(zone, moves.user_zone) if moves.user_zone else ()
        return None if data is None or traffic is None else (data, traffic)


def crossing(gb: int, start: int, first: int) -> list[tuple[int, int]]:
    """Return (period, GB) of data that has to be there at a start, spread evenly.

    The first periods carry what does not divide.

    Args:
        gb: Data.
        start: First period of the run.
        first: First period of the horizon; nothing can cross before it.
    """
    periods = range(max(first, start - CROSSING_PERIODS_MAX), start)
    if not periods:
        return []
    each, more = divmod(gb, len(periods))
    shares = [(t, each + (n < more)) for n, t in enumerate(periods)]
    return [(t, share) for t, share in shares if share]


def use_of_links(
    book: Book, routes: Routes, demand: BookDemand, zone: str, chips: dict[int, int]
) -> list[LinkUse]:
    """Return what a demand uses of links if a zone serves it with chips.

    Args:
        book: The book.
        routes: Its routes.
        demand: One of its demands.
        zone: Where the chips are.
        chips: Absolute period -> chips there, each above 0.
    """
    moves = demand.moves
    if moves is None or not chips:
        return []
    found = routes.of(demand, zone)
    assert found is not None, f"{demand.id}: no route to {zone}"
    data, traffic = found
    use = [
        (key, t, gb)
        for key in data
        for t, gb in crossing(moves.data_gb, min(chips), book.first_period)
    ]
    use += [
        (key, t, moves.traffic_gb * n)
        for key in traffic
        for t, n in sorted(chips.items())
        if moves.traffic_gb
    ]
    return use
