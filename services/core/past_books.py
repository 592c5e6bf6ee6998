"""Books of the past, rebuilt from the log: of a moment, of a round, of every round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.core.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from services.core.market_log import MarketLog
    from services.core.replay import BookThen


def book_at(log: MarketLog, at: datetime) -> BookThen | None:
    """Return the book as a round would have frozen it at an instant of the market's clock.

    ``None`` before the market was defined.
    """
    replaying = Replay(log)
    for one in log.rounds:
        if one.sealed.market_time > at:
            break
        if replaying.seal(one) is not None:
            replaying.settle(one)
    replaying.take_rest(at)
    if replaying.market is None:
        return None
    return replaying.shown(replaying.freeze(replaying.next_round, at), at, None)


def book_of_round(log: MarketLog, seq: int) -> BookThen | None:
    """Return the book that a round sealed, rebuilt; ``None`` if there was no such round."""
    for found in sealed_books(log):
        if found.seq == seq:
            return found
    return None


def sealed_books(log: MarketLog) -> Iterator[BookThen]:
    """Yield the book of each round, rebuilt; its digest is to be compared with the sealed one."""
    replaying = Replay(log)
    for one in log.rounds:
        if (then := replaying.seal(one)) is not None:
            yield then
            replaying.settle(one)
