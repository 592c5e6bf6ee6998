"""Books that are kept at hand: also those that nobody looks at, and while all orders are listed."""

from __future__ import annotations

import asyncio
import copy
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from schemas.market import Market
from schemas.orders import OfferTerms
from services.gateway.adapters.http import examples
from services.gateway.app import open_books
from services.gateway.app.open_books import Changes, KeptBooks, Mark, OpenOrder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.orders import DemandTerms

MARKET = Market.model_validate(examples.MARKET)
TERMS = OfferTerms.model_validate(copy.deepcopy(examples.OFFER_TERMS))


@dataclass
class MemoryBooks:
    """Open orders, each told of once, and what was asked about them."""

    told: list[str] = field(default_factory=list)
    asked: list[Sequence[str] | None] = field(default_factory=list)
    parsed: int = 0
    body: bytes | None = None
    may_list: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, count: int) -> None:
        self.told += [f"off_{len(self.told) + number}" for number in range(count)]

    async def changes(self, market_id: str, mark: Mark, limit: int) -> Changes:
        if not mark.feed:
            return Changes(await self.head(), None, is_all=len(self.told) < limit)
        new = self.told[mark.seq :][:limit]
        is_all = len(new) < limit
        return Changes(Mark("feed", mark.seq + len(new)), frozenset(new), is_all)

    async def head(self) -> Mark:
        return Mark("feed", len(self.told))

    async def open_book(self, market_id: str, ids: Sequence[str] | None = None) -> list[OpenOrder]:
        self.asked.append(ids)
        found = list(self.told if ids is None else ids)
        if ids is None:
            await self.may_list.wait()
        return [OpenOrder(f"t-{order_id}", order_id, True, 0) for order_id in found]

    async def taken(
        self, market_id: str, ids: Sequence[str] | None = None
    ) -> Mapping[str, Mapping[int, int]]:
        return {}

    async def terms(self, ids: Sequence[str]) -> Mapping[str, OfferTerms | DemandTerms]:
        self.parsed += len(ids)
        return dict.fromkeys(ids, TERMS)

    async def kept(self, market_id: str) -> bytes | None:
        return self.body

    async def keep(self, market_id: str, body: bytes) -> None:
        self.body = body


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_books, "_BEHIND_MAX", 5)
    # Each is as old as it is: on a slow machine a book may be kept for longer than the test takes.
    monkeypatch.setattr(open_books, "_KEPT_TIMES", 0)


@pytest.mark.usefixtures("few")
async def test_a_book_that_nobody_looks_at_never_lags_far_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    books = MemoryBooks()
    books.may_list.set()
    kept = KeptBooks(books, fresh_s=0)
    books.tell(20)
    await kept.keep([MARKET])
    assert (books.asked, books.parsed) == ([None], 20)
    # A little that is new waits for somebody to look, or for the minute to be over.
    books.tell(4)
    await kept.keep([MARKET])
    assert books.parsed == 20
    books.tell(2)
    await kept.keep([MARKET])
    assert books.parsed == 26
    books.tell(3)
    assert len((await kept.book(MARKET)).columns.ids) == 29
    assert [len(ids or ()) for ids in books.asked] == [0, 6, 3]
    # Much is read in steps, and whoever looks sees all of it.
    monkeypatch.setattr(open_books, "_STEP", 4)
    books.tell(10)
    assert len((await kept.book(MARKET)).columns.ids) == 39
    assert [len(ids or ()) for ids in books.asked[3:]] == [4, 4, 2]


async def test_whoever_looks_while_all_are_listed_does_not_wait_for_that() -> None:
    books = MemoryBooks()
    books.may_list.set()
    kept = KeptBooks(books, fresh_s=0)
    books.tell(3)
    await kept.keep([MARKET])
    books.may_list.clear()
    kept._known[MARKET.id].whole_until_s = time.monotonic()
    listing = asyncio.create_task(kept.keep([MARKET]))
    while len(books.asked) < 2:  # noqa: ASYNC110 - the fake tells nobody that it was asked
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert len((await kept.book(MARKET)).columns.ids) == 3
    assert not listing.done()
    books.may_list.set()
    await listing
    assert books.asked == [None, None]
    # What is known by its event was not read again.
    assert books.parsed == 3
