"""What urgent rounds cost other demand: the ordinary round against itself without them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.mobilisation import DISPLACED_MAX, Displaced, MobilisationDisplaced
from services.core.book import BookOffer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.core.book import Allocation, Book, DemandOutcome, Result


def book_without(ordinary: Book, urgent: Sequence[tuple[Book, Result]]) -> Book:
    """Return the ordinary round's book with the chips given back that urgent rounds took.

    An offer that they took whole, and that is not in the ordinary book any more, comes back at
    the price that it had with them. Room on links is not given back.

    Args:
        ordinary: The book of the ordinary round.
        urgent: Books and results of the urgent rounds of the same cycle.
    """
    offers = {row.id: row for row in ordinary.offers}
    pools = {pool.key for pool in ordinary.pools}
    for book, result in urgent:
        known = {row.id: row for row in book.offers}
        for made in result.allocations:
            if made.pool not in pools:
                continue
            offer = offers.get(made.offer)
            if offer is None:
                offer = replace(known[made.offer], chips=(), block=False)
            offers[made.offer] = _given_back(offer, made, ordinary)
    rows = tuple(offers[key] for key in sorted(offers))
    return replace(ordinary, offers=rows)


def _given_back(offer: BookOffer, made: Allocation, book: Book) -> BookOffer:
    start = min(offer.start, made.start) if offer.chips else made.start
    end = max(offer.start + len(offer.chips), made.start + len(made.chips))
    chips = [0] * (end - start)
    for first, given in ((offer.start, offer.chips), (made.start, made.chips)):
        for period, count in enumerate(given, first):
            chips[period - start] += count
    low = max(start, book.first_period)
    return replace(offer, start=low, chips=tuple(chips[low - start :]))


def displaced_event(
    ordinary: tuple[Book, Result],
    urgent: Sequence[tuple[Book, Result]],
    without: tuple[Result, str, str],
    market_time: datetime,
) -> MobilisationDisplaced:
    """Return who got less by the urgent rounds, and how much.

    Args:
        ordinary: Book and result of the ordinary round.
        urgent: Books and results of the urgent rounds before it.
        without: Result of `book_without`, its status and its digest.
        market_time: Instant of the ordinary round on the market's clock.
    """
    book, result = ordinary
    other, status, digest = without
    lost = [
        found
        for got, would in zip(result.demands, other.demands, strict=True)
        if (found := _lost(got, would)) is not None
    ]
    lost.sort(key=lambda row: (-row.value, row.demand_id))
    served = [item.mobilisation.id for item, _ in urgent if item.mobilisation is not None]
    return MobilisationDisplaced(
        market_id=book.market,
        round_id=book.round_id,
        market_time=market_time,
        urgent_rounds=tuple(item.round_id for item, _ in urgent),
        mobilisations=tuple(served),
        status=status,  # type: ignore[arg-type]
        welfare=result.welfare,
        welfare_without=other.welfare,
        book_digest=other.book_digest,
        result_digest=digest,
        demands=len(lost),
        chip_hours=sum(row.chip_hours for row in lost),
        value=sum(row.value for row in lost),
        displaced=tuple(lost[:DISPLACED_MAX]),
    )


def _lost(got: DemandOutcome, would: DemandOutcome) -> Displaced | None:
    assert got.id == would.id, "both books have the same demand"
    if would.value <= got.value:
        return None
    return Displaced(
        demand_id=got.id,
        chip_hours=max(0, would.chip_hours - got.chip_hours),
        value=would.value - got.value,
    )
