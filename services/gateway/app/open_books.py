"""The open orders of markets, kept and brought up to date by what was told of them since.

To read and to parse a book of 100,000 orders takes seconds, so it is done once; after that only
those orders are read again of which the feed of the streams has told something. From time to time
the whole is read nevertheless, since the feed does not tell of everything: of two wishes to change
an order it may show which one counts only after the status was told.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from services.gateway.app.book_sides import GroupedBook, groups_of, piece_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.market import Market
    from schemas.orders import DemandTerms, OfferTerms
    from services.gateway.app.book_sides import Piece, Side

# Many callers look at one book. A large one takes longer to bring up to date, and is kept for four
# times that.
_FRESH_S = 1.0
_KEPT_TIMES = 4
_WHOLE_EVERY_S = 600.0
# Who comes back sooner finds the book up to date. Nobody pays for books that nobody looks at.
_WATCHED_S = 900.0
# More changes than this take as long as the whole.
_CHANGES_MAX = 20_000


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order of the book.

    Attributes:
        terms_id: Event that brought its terms; ``None`` if it was not read yet.
        order_id: The order.
        is_offer: Which side it stands on.
        chip_hours_left: What is left of a demand.
    """

    terms_id: str | None
    order_id: str
    is_offer: bool
    chip_hours_left: int


@dataclass(frozen=True, slots=True)
class Mark:
    """How far what is told of orders was followed.

    Attributes:
        feed: Which numbering the number is of.
        seq: Number of the last one.
    """

    feed: str
    seq: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What was told since a mark.

    Attributes:
        mark: How far it goes.
        ids: The orders; ``None`` if they cannot be told any more, or are too many.
    """

    mark: Mark
    ids: frozenset[str] | None


class OpenBooks(Protocol):
    """The open orders as the gateway has read them."""

    async def changes(self, market_id: str, mark: Mark, limit: int) -> Changes:
        """Return which orders were told of since a mark; none if there are ``limit`` or more."""
        ...

    async def open_book(self, market_id: str, ids: Sequence[str] | None = None) -> list[OpenOrder]:
        """Return the orders that the next round would take, all or those of some ids."""
        ...

    async def taken(
        self, market_id: str, ids: Sequence[str] | None = None
    ) -> Mapping[str, Mapping[int, int]]:
        """Return chips by period that rounds allocated of offers that are open, by order."""
        ...

    async def terms(self, ids: Sequence[str]) -> Mapping[str, OfferTerms | DemandTerms]:
        """Return terms by their ids."""
        ...


@dataclass(frozen=True, slots=True)
class Book:
    """A book as it was last.

    Attributes:
        market: The market as it was.
        pieces: Its open orders.
        sides: Offers and demand of each of the market's groups.
    """

    market: Market
    pieces: dict[str, Piece]
    sides: list[tuple[Side, Side]]


@dataclass(slots=True)
class _Kept:
    """A book, and what it takes to bring it up to date.

    Attributes:
        book: As callers see it; never changed, only replaced.
        grouped: Its rows, which change.
        mark: How far it goes.
        waiting: Orders that are open, but whose terms were not read yet.
        until_s: Until when it is fresh, on the steady clock.
        whole_until_s: When it is read whole again.
    """

    book: Book
    grouped: GroupedBook
    mark: Mark
    waiting: frozenset[str]
    until_s: float
    whole_until_s: float


class KeptBooks:
    """Books of markets, each brought up to date at most once a second.

    Args:
        books: Where the open orders are.
        fresh_s: Seconds for which a book is kept as it is.
    """

    def __init__(self, books: OpenBooks, fresh_s: float = _FRESH_S) -> None:
        self._books = books
        self._fresh_s = fresh_s
        self._kept: dict[str, _Kept] = {}
        # Market id -> (the market, when its book was asked for last).
        self._asked: dict[str, tuple[Market, float]] = {}
        self._reading = asyncio.Lock()

    async def book(self, market: Market) -> Book:
        """Return a market's book."""
        self._asked[market.id] = market, time.monotonic()
        return await self._fresh(market)

    async def keep(self, markets: Sequence[Market]) -> None:
        """Read books before anybody asks, and bring up to date those that somebody asked for."""
        latest = time.monotonic() - _WATCHED_S
        for market in markets:
            if market.id not in self._kept:
                await self._fresh(market)
        for market, asked_s in list(self._asked.values()):
            if asked_s > latest:
                await self._fresh(market)

    async def _fresh(self, market: Market) -> Book:
        async with self._reading:
            kept = self._kept.get(market.id)
            if kept is None or kept.book.market != market or kept.until_s <= time.monotonic():
                began = time.monotonic()
                kept = await self._next(market, kept)
                now = time.monotonic()
                kept.until_s = now + max(self._fresh_s, _KEPT_TIMES * (now - began))
                self._kept[market.id] = kept
        return kept.book

    async def _next(self, market: Market, kept: _Kept | None) -> _Kept:
        mark = Mark("", 0) if kept is None else kept.mark
        # Asked for before anything is read, so that what changes meanwhile is read again.
        changes = await self._books.changes(market.id, mark, _CHANGES_MAX)
        if (
            kept is None
            or changes.ids is None
            or kept.book.market != market
            or kept.whole_until_s <= time.monotonic()
        ):
            pieces: dict[str, Piece] = {}
            whole_until_s = time.monotonic() + _WHOLE_EVERY_S
            kept = _Kept(
                Book(market, pieces, []),
                GroupedBook(groups_of(market)),
                changes.mark,
                frozenset(),
                0.0,
                whole_until_s,
            )
            ids = None
        else:
            ids = sorted(changes.ids | kept.waiting)
            kept.mark = changes.mark
            if not ids:
                return kept
        found = await self._books.open_book(market.id, ids)
        taken = await self._books.taken(market.id, ids)
        terms = await self._books.terms([item.terms_id for item in found if item.terms_id])
        # Not on the loop that all callers share: a large book is many seconds of work at first.
        return await asyncio.to_thread(_brought_up, kept, found, taken, terms, ids or ())


def _brought_up(
    kept: _Kept,
    found: Sequence[OpenOrder],
    taken: Mapping[str, Mapping[int, int]],
    terms: Mapping[str, OfferTerms | DemandTerms],
    ids: Sequence[str],
) -> _Kept:
    market, pieces = kept.book.market, dict(kept.book.pieces)
    fresh: dict[str, Piece | None] = dict.fromkeys(ids)
    waiting = set()
    for order in found:
        told = terms.get(order.terms_id or "")
        if told is None:
            waiting.add(order.order_id)
            continue
        left = 0 if order.is_offer else order.chip_hours_left
        fresh[order.order_id] = piece_of(told, market, left, taken.get(order.order_id, {}))
    for order_id, piece in fresh.items():
        kept.grouped.put(order_id, piece)
        if piece is None:
            pieces.pop(order_id, None)
        else:
            pieces[order_id] = piece
    kept.waiting = frozenset(waiting)
    kept.book = Book(market, pieces, kept.grouped.sides())
    return kept
