"""The open orders of markets, kept and brought up to date by what was told of them since.

To read and to parse a book of 100,000 orders takes many seconds, so it is done once; after that
only those orders are read again of which the feed of the streams has told something. From time to
time all are listed nevertheless, since the feed does not tell of everything: of two wishes to
change an order it may show which one counts only after the status was told. Terms that are known by
their event are not read again. What was worked out is kept in the database, so that a gateway that
starts goes on where the last one was.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from services.gateway.app.book_columns import (
    Columns,
    Fresh,
    Kept,
    no_columns,
    packed,
    revised,
    unpacked,
    updated,
)
from services.gateway.app.book_sides import Book

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.market import Market
    from schemas.orders import DemandTerms, OfferTerms

# Many callers look at one book. A large one takes longer to bring up to date, and is kept for four
# times that.
_FRESH_S = 1.0
_KEPT_TIMES = 4
_WHOLE_EVERY_S = 600.0
# Who comes back sooner finds the book up to date.
_WATCHED_S = 900.0
# A book that nobody looks at is brought up to date once so much is new, so that whoever looks first
# waits for no more than this; read together, orders cost a tenth of what they cost one by one.
_BEHIND_MAX = 2_000
# What was told is read in steps, so that nobody who looks waits for more than one that is not his.
_STEP = 4_000
# A gateway that is killed goes on from what was saved last; so many orders are read in an instant.
_SAVED_EVERY_S = 60.0
_SAVED_AFTER = 5_000


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
        ids: The orders; ``None`` if they cannot be told any more.
        is_all: Whether that is all that was told.
    """

    mark: Mark
    ids: frozenset[str] | None
    is_all: bool = True


class OpenBooks(Protocol):
    """The open orders as the gateway has read them."""

    async def changes(self, market_id: str, mark: Mark, limit: int) -> Changes:
        """Return which orders the first ``limit`` events since a mark are about."""
        ...

    async def head(self) -> Mark:
        """Return how far what is told goes."""
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

    async def kept(self, market_id: str) -> bytes | None:
        """Return a book as it was kept last."""
        ...

    async def keep(self, market_id: str, body: bytes) -> None:
        """Keep a book in place of what was kept."""
        ...


@dataclass(slots=True)
class _Known:
    """A book, and what it takes to bring it up to date.

    Attributes:
        book: As callers see it; never changed, only replaced.
        mark: How far it goes.
        waiting: Orders that are open, but whose terms were not read yet.
        until_s: Until when it is fresh, on the steady clock.
        whole_until_s: When all orders are listed again.
        saved: How far it went when it was kept in the database.
        saved_s: When that was.
        unsaved: Orders that were read since.
    """

    book: Book
    mark: Mark
    waiting: frozenset[str]
    until_s: float
    whole_until_s: float
    saved: Mark | None
    saved_s: float
    unsaved: int = 0


class KeptBooks:
    """Books of markets, each brought up to date at most once a second.

    Args:
        books: Where the open orders are.
        fresh_s: Seconds for which a book is kept as it is.
    """

    def __init__(self, books: OpenBooks, fresh_s: float = _FRESH_S) -> None:
        self._books = books
        self._fresh_s = fresh_s
        self._known: dict[str, _Known] = {}
        # Market id -> (the market, when its book was asked for last).
        self._asked: dict[str, tuple[Market, float]] = {}
        self._reading = asyncio.Lock()
        # The market whose orders are all listed at the moment.
        self._listing: str | None = None

    async def book(self, market: Market) -> Book:
        """Return a market's book."""
        self._asked[market.id] = market, time.monotonic()
        known = self._known.get(market.id)
        if known is not None and self._listing == market.id and known.book.market == market:
            # It was brought up to date just before, and to list all takes longer than that is old.
            return known.book
        return (await self._fresh(market)).book

    async def keep(self, markets: Sequence[Market]) -> None:
        """Read books before anybody asks, and keep them in the database.

        Those that somebody asked for of late are brought up to date each time, the others once a
        minute, and whenever much is new.
        """
        now = time.monotonic()
        wanted = {market.id: market for market in markets}
        wanted |= {
            market.id: market
            for market, asked_s in list(self._asked.values())
            if asked_s > now - _WATCHED_S
        }
        for market_id, market in wanted.items():
            _, asked_s = self._asked.get(market_id, (market, -_WATCHED_S))
            known = self._known.get(market_id)
            is_due = known is None or known.saved_s <= now - _SAVED_EVERY_S
            while known is not None and await self._is_behind(known):
                known = await self._fresh(market, one_step=True)
            is_old = known is None or known.book.market != market
            if known is None or is_old or is_due or asked_s > now - _WATCHED_S:
                known = await self._fresh(market)
            is_due |= known.unsaved >= _SAVED_AFTER
            if known.whole_until_s <= time.monotonic():
                await self._list(market, known)
            if is_due:
                await self._save(market_id)

    async def _is_behind(self, known: _Known) -> bool:
        found = await self._books.changes(known.book.market.id, known.mark, _BEHIND_MAX)
        return not found.is_all

    async def _list(self, market: Market, known: _Known) -> None:
        """List all orders again; whoever looks meanwhile sees the book as it is."""
        async with self._reading:
            self._listing = market.id
            try:
                await self._read_whole(market, known)
            finally:
                self._listing = None

    async def save(self) -> None:
        """Keep all books in the database as they are."""
        for market_id in list(self._known):
            await self._save(market_id)

    async def _save(self, market_id: str) -> None:
        known = self._known[market_id]
        known.saved_s, known.unsaved = time.monotonic(), 0
        if known.saved != known.mark:
            mark, book = known.mark, known.book
            kept = Kept(book.columns, mark.feed, mark.seq)
            await self._books.keep(market_id, await asyncio.to_thread(packed, kept, book.market))
            known.saved = mark

    async def _fresh(self, market: Market, *, one_step: bool = False) -> _Known:
        async with self._reading:
            known = self._known.get(market.id)
            is_old = known is None or known.book.market != market
            if known is None or is_old or one_step or known.until_s <= time.monotonic():
                began = time.monotonic()
                known = await self._restored(market) if known is None or is_old else known
                while not await self._step(market, known) and not one_step:
                    pass
                now = time.monotonic()
                known.until_s = now + max(self._fresh_s, _KEPT_TIMES * (now - began))
                self._known[market.id] = known
        return known

    async def _restored(self, market: Market) -> _Known:
        """Return the book as it was kept last, or an empty one that is to be read whole."""
        now = time.monotonic()
        body = await self._books.kept(market.id)
        kept = None if body is None else await asyncio.to_thread(unpacked, body, market)
        if kept is None:
            book, mark = Book(market, no_columns()), Mark("", 0)
            return _Known(book, mark, frozenset(), 0.0, now, None, now - _SAVED_EVERY_S)
        mark = Mark(kept.feed, kept.seq)
        whole_until_s = now + _WHOLE_EVERY_S
        return _Known(Book(market, kept.columns), mark, frozenset(), 0.0, whole_until_s, mark, now)

    async def _step(self, market: Market, known: _Known) -> bool:
        """Bring a book a step nearer to what was told; return whether that is all."""
        # Asked for before anything is read, so that what changes meanwhile is read again.
        changes = await self._books.changes(market.id, known.mark, _STEP)
        # All are listed from time to time beside this; who asks does it only where nobody does.
        is_late = known.whole_until_s + _WHOLE_EVERY_S <= time.monotonic()
        if changes.ids is None or is_late:
            await self._read_whole(market, known)
            return True
        if ids := sorted(changes.ids | known.waiting):
            await self._read(market, known, ids)
        known.mark = changes.mark
        return changes.is_all

    async def _read_whole(self, market: Market, known: _Known) -> None:
        mark = await self._books.head()
        await self._read(market, known, None)
        known.mark, known.whole_until_s = mark, time.monotonic() + _WHOLE_EVERY_S

    async def _read(self, market: Market, known: _Known, ids: Sequence[str] | None) -> None:
        """Read orders by their ids, or all of them, in the place of what was known of them."""
        before = known.book.columns
        found = await self._books.open_book(market.id, ids)
        taken = await self._books.taken(market.id, ids)
        # Not on the loop that all callers share: a large book is many seconds of work at first.
        columns, unknown = await asyncio.to_thread(_sorted_out, before, ids, found, taken)
        terms = await self._books.terms([item.terms_id for item in unknown if item.terms_id])
        fresh, waiting = [], set()
        for order in unknown:
            told = terms.get(order.terms_id or "")
            if told is None:
                waiting.add(order.order_id)
                continue
            left = 0 if order.is_offer else order.chip_hours_left
            terms_id = order.terms_id or ""
            allocated = taken.get(order.order_id, {})
            fresh.append(Fresh(order.order_id, terms_id, told, left, allocated))
        columns = await asyncio.to_thread(updated, columns, (), fresh, market)
        known.book, known.waiting = Book(market, columns), frozenset(waiting)
        known.unsaved += len(found)


def _sorted_out(
    columns: Columns,
    ids: Sequence[str] | None,
    found: Sequence[OpenOrder],
    taken: Mapping[str, Mapping[int, int]],
) -> tuple[Columns, list[OpenOrder]]:
    """Return the book without what is not known of the orders that were read, and those orders.

    Args:
        columns: The book as it was.
        ids: Which orders were read; ``None``: all of them.
        found: Those that are open.
        taken: Chips by period of offers among them.
    """
    terms_of = dict(zip(columns.ids, columns.terms_ids, strict=True))
    left: dict[str, int] = {}
    unknown = []
    for order in found:
        if order.terms_id is not None and terms_of.get(order.order_id) == order.terms_id:
            left[order.order_id] = 0 if order.is_offer else order.chip_hours_left
        else:
            unknown.append(order)
    gone = set(columns.ids if ids is None else ids) - left.keys()
    return revised(columns, gone, left, taken), unknown
