"""What is sold on in a book under a domestic share: no premium moves it, and no share counts it.

Asks of a pool are moved by one wedge, save those of resales. So a clearing that looks at premiums
has to know how much of what a pool sells is sold for the first time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.book import Book

AnyArray = npt.NDArray[Any]


def pools_of_resales(book: Book) -> list[int]:
    """Return the places of the pools in which something is sold on."""
    keys = {offer.pool for offer in book.offers if offer.resale}
    return [p for p, pool in enumerate(book.pools) if pool.key in keys] if keys else []


def take_off_resales(book: Book, given: Iterable[AnyArray], hours: list[int]) -> None:
    """Take what is sold on off the chip-hours that are used of each pool.

    Args:
        book: The book.
        given: Chips of each offer in each period.
        hours: Chip-hours used, by the pools of the book in its order, and what comes after them.
    """
    at = {pool.key: p for p, pool in enumerate(book.pools)}
    for offer, chips in zip(book.offers, given, strict=False):
        if offer.resale:
            hours[at[offer.pool]] -= int(chips.sum())


class Resales:
    """What is sold on, as one answer to prices.

    A relaxation answers to the prices that offers receive: those that demand pays, less the wedge
    of its pool. What is sold on receives what demand pays; this is by how much the answer differs.

    Args:
        book: The book. Its blocks are left out: they steer no premium far, and every bound is
            worked out again offer by offer.
    """

    def __init__(self, book: Book) -> None:
        at = {pool.key: p for p, pool in enumerate(book.pools)}
        cells = [
            (at[offer.pool], offer.start + i - book.first_period, chips, offer.ask)
            for offer in book.offers
            if offer.resale and not offer.block
            for i, chips in enumerate(offer.chips)
            if chips and 0 <= offer.start + i - book.first_period < book.periods
        ]
        table = np.array(cells, dtype=np.int64).reshape(-1, 4)
        self._pool, self._period, self._chips, self._ask = table.T

    def __bool__(self) -> bool:
        """Tell whether anything is sold on."""
        return bool(len(self._chips))

    def differ(self, paid: AnyArray, received: AnyArray, sold: AnyArray) -> tuple[float, AnyArray]:
        """Return by how much more offers gain than at what is received, and what resales sell.

        Args:
            paid: P x T prices that demand pays.
            received: P x T prices that offers receive after premiums.
            sold: P x T chips that offers want to sell at these; put right here.
        """
        at = self._pool, self._period
        own = np.maximum(paid[at] - self._ask, 0)
        counted = np.maximum(received[at] - self._ask, 0)
        mine = np.zeros_like(sold)
        np.add.at(mine, at, np.where(own > 0, self._chips, 0))
        np.add.at(
            sold, at, np.where(own > 0, self._chips, 0) - np.where(counted > 0, self._chips, 0)
        )
        return float(((own - counted) * self._chips).sum()), mine
