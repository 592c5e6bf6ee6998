"""What a round takes over from those before it: how fast they were, and where their prices ended.

Both go into the rules of the round, so that clearing stays a function of its input.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.core.book import Book, PriceCurve, Result

_WHOLE_PPM = 1_000_000
_SHARE_MIN_PPM = 10_000
# A single slow round says little (the compiler, a busy machine), so it moves the share by no more.
_FALL_PPM, _RISE_PPM = 500_000, 1_500_000


@dataclass(frozen=True, slots=True)
class Pace:
    """Experience of a market's rounds.

    Attributes:
        share_ppm: Part of the effort for the book's size that this machine has the time for.
        prices: Prices of the last certificate, from ``first_period`` on.
        first_period: First period of ``prices``.
    """

    share_ppm: int = _WHOLE_PPM
    prices: tuple[PriceCurve, ...] = ()
    first_period: int = 0

    def after(self, book: Book, result: Result, solve_ms: int, budget_ms: int) -> Pace:
        """Return the experience with one more round.

        Args:
            book: What was cleared.
            result: Its result.
            solve_ms: Real milliseconds that it took.
            budget_ms: Real milliseconds that it should have taken at most.
        """
        change = budget_ms * _WHOLE_PPM // max(1, solve_ms)
        change = min(_RISE_PPM, max(_FALL_PPM, change))
        share = min(_WHOLE_PPM, max(_SHARE_MIN_PPM, self.share_ppm * change // _WHOLE_PPM))
        return replace(
            self,
            share_ppm=share,
            prices=result.certificate.prices,
            first_period=book.first_period,
        )

    def effort(self, wanted: int) -> int:
        """Return the effort that there is time for, at least 1 if any is wanted."""
        return min(wanted, max(1, wanted * self.share_ppm // _WHOLE_PPM))

    def start_prices(self, book: Book) -> tuple[PriceCurve, ...]:
        """Return the last prices for the periods of a book; the last known goes on to its end."""
        shift = book.first_period - self.first_period
        here = {pool.key for pool in book.pools}
        if shift < 0:
            return ()
        return tuple(
            (key, (curve[shift:] + curve[-1:] * book.periods)[: book.periods])
            for key, curve in self.prices
            if key in here
        )
