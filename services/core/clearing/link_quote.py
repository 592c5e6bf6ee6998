"""What links have left after a round, for quotes of demand that sends data or traffic over them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from services.core.book import BookDemand, BookLink, LinkOutcome, Moves
from services.core.clearing.presolve import IntArray
from services.core.clearing.why_not import NOT_TO_BE_HAD
from services.core.routes import Routes, crossing


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes over a link in a period.

    Attributes:
        link: Key of the link.
        period: Absolute period.
        gb: GB.
        price: Micro-yuan per GB.
    """

    link: str
    period: int
    gb: int
    price: int


@dataclass(frozen=True, slots=True)
class Way:
    """The links of a demand that one zone serves.

    Attributes:
        data: Keys of the links that its data crosses.
        traffic: Keys of those that its traffic does.
        moves: What it sends.
    """

    data: tuple[str, ...]
    traffic: tuple[str, ...]
    moves: Moves


NO_WAY = Way((), (), Moves())
"""Of a demand that sends nothing."""


class LinksLeft:
    """The links of a book, priced and partly used by a round.

    Args:
        links: The links.
        outcomes: How the round left them; a link that is not among them is free at its tariff.
        first: First period of the book.
        periods: Periods of the book.
    """

    def __init__(
        self, links: Iterable[BookLink], outcomes: Iterable[LinkOutcome], first: int, periods: int
    ) -> None:
        links = tuple(links)
        told = {row.key: row for row in outcomes}
        self._first, self._periods = first, periods
        self._routes = Routes(links)
        self._prices: dict[str, tuple[int, ...]] = {}
        self._left: dict[str, tuple[int, ...]] = {}
        for link in links:
            row = told.get(link.key)
            used = row.used if row else (0,) * periods
            self._prices[link.key] = row.prices if row else (link.tariff,) * periods
            self._left[link.key] = tuple(
                most - gb for most, gb in zip(link.capacity, used, strict=True)
            )

    def way(self, demand: BookDemand, zone: str) -> Way | None:
        """Return the links of a demand if a zone serves it, ``None`` if no route leads there."""
        if demand.moves is None:
            return NO_WAY
        found = self._routes.of(demand, zone)
        return None if found is None else Way(*found, demand.moves)

    def traffic_prices(self, way: Way, chips: int) -> IntArray:
        """Return what traffic adds to the price of each of so many chips, in each period."""
        gb = way.moves.traffic_gb if way.traffic else 0
        prices = [
            NOT_TO_BE_HAD
            if any(self._left[key][t] < gb * chips for key in way.traffic)
            else min(NOT_TO_BE_HAD, gb * sum(self._prices[key][t] for key in way.traffic))
            for t in range(self._periods if gb else 0)
        ]
        return np.array(prices or [0] * self._periods, dtype=np.int64)

    def data_costs(self, way: Way) -> list[int | None]:
        """Return what data pays for each start, ``None`` where it cannot cross in time."""
        costs: list[int | None] = []
        for start in range(self._periods):
            shares = crossing(way.moves.data_gb, start, 0) if way.data else []
            late = bool(way.data and way.moves.data_gb and not start)
            full = any(self._left[key][t] < gb for key in way.data for t, gb in shares)
            cost = sum(gb * self._prices[key][t] for key in way.data for t, gb in shares)
            costs.append(None if late or full else cost)
        return costs

    def room(self, way: Way, t: int, used: dict[tuple[str, int], int]) -> int:
        """Return how many chips' traffic fits in a period, beside what is already used."""
        gb = way.moves.traffic_gb
        return min(
            ((self._left[key][t] - used.get((key, t), 0)) // gb for key in way.traffic if gb),
            default=NOT_TO_BE_HAD,
        )

    def sent(self, way: Way, start: int | None, chips: dict[int, int]) -> list[Sent]:
        """Return what goes over which link.

        Args:
            way: The links.
            start: First period of a run, whose data has to be there; ``None``: no data.
            chips: Chips of each period, relative as the start.
        """
        found = [
            (key, t, gb)
            for key in (way.data if start is not None else ())
            for t, gb in crossing(way.moves.data_gb, start or 0, 0)
        ]
        found += [
            (key, t, way.moves.traffic_gb * count)
            for key in way.traffic
            for t, count in sorted(chips.items())
            if count and way.moves.traffic_gb
        ]
        return [Sent(key, self._first + t, gb, self._prices[key][t]) for key, t, gb in found]
