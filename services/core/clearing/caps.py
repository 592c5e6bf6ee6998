"""The highest clearing price of each pool: the cap of its chip class, if one is in force."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.core.book import Book
from services.core.policy_rows import PriceRanges
from services.core.reading import PRICE_MAX


def price_caps(book: Book, rows: int, tick: int) -> npt.NDArray[np.int64]:
    """Return the highest price of each pool, micro-yuan on the tick, as a column.

    Args:
        book: Its policies have the caps.
        rows: Rows of the prices; those beyond the book's pools are links' and have no cap.
        tick: Micro-yuan.
    """
    caps = np.full((rows, 1), PRICE_MAX // tick * tick, dtype=np.int64)
    ranges = PriceRanges(book.policies)
    if not ranges:
        return caps
    for p, pool in enumerate(book.pools):
        caps[p] = min(int(caps[p, 0]), ranges.of(pool.chip).cap // tick * tick)
    return caps
