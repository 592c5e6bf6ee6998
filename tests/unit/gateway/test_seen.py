"""What the gateway remembers of keys, members and markets for a moment."""

from __future__ import annotations

import asyncio

import pytest

from services.gateway.adapters.seen import Seen


class Steady:
    """A clock that shows what it is told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Book:
    """What is looked up: each time it says how often it was asked, once it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_tell = asyncio.Event()
        self.may_tell.set()

    async def look_up(self) -> int | None:
        """Answer."""
        self.asked += 1
        found = self.asked
        await self.may_tell.wait()
        return found


async def test_what_was_found_holds_for_a_second_from_the_question_on() -> None:
    clock, book = Steady(), Book()
    seen: Seen[str, int] = Seen(clock)
    book.may_tell.clear()
    first = asyncio.ensure_future(seen.of("key", book.look_up))
    await asyncio.sleep(0)
    # The answer took its time; what it tells was true when it was asked.
    clock.now_s += 0.75
    book.may_tell.set()
    assert await first == 1
    assert await seen.of("key", book.look_up) == 1
    clock.now_s += 0.25
    assert await seen.of("key", book.look_up) == 2


async def test_who_asks_while_it_is_looked_up_shares_the_look_up() -> None:
    book = Book()
    seen: Seen[str, int] = Seen(Steady())
    book.may_tell.clear()
    asking = [asyncio.ensure_future(seen.of("key", book.look_up)) for _ in range(5)]
    await asyncio.sleep(0)
    # Who asked first no longer waits; the others do not lose by it.
    asking[0].cancel()
    await asyncio.sleep(0)
    book.may_tell.set()
    assert await asyncio.gather(*asking[1:]) == [1, 1, 1, 1]
    assert book.asked == 1


async def test_a_look_up_that_takes_long_is_not_shared_for_longer_than_it_would_hold() -> None:
    clock, book = Steady(), Book()
    seen: Seen[str, int] = Seen(clock)
    book.may_tell.clear()
    first = asyncio.ensure_future(seen.of("key", book.look_up))
    await asyncio.sleep(0)
    clock.now_s += 1.0
    second = asyncio.ensure_future(seen.of("key", book.look_up))
    await asyncio.sleep(0)
    book.may_tell.set()
    assert list(await asyncio.gather(first, second)) == [1, 2]
    # The older answer does not replace the newer one.
    assert await seen.of("key", book.look_up) == 2


async def test_what_was_asked_before_a_revocation_is_neither_kept_nor_shared_after_it() -> None:
    book = Book()
    seen: Seen[str, int] = Seen(Steady())
    await seen.of("other", book.look_up)
    book.may_tell.clear()
    before = asyncio.ensure_future(seen.of("key", book.look_up))
    await asyncio.sleep(0)
    seen.forget()
    after = asyncio.ensure_future(seen.of("key", book.look_up))
    await asyncio.sleep(0)
    book.may_tell.set()
    assert list(await asyncio.gather(before, after)) == [2, 3]
    assert await seen.of("key", book.look_up) == 3
    assert await seen.of("other", book.look_up) == 4


async def test_who_is_not_there_is_looked_up_each_time() -> None:
    seen: Seen[str, int] = Seen(Steady())
    asked = 0

    async def nobody() -> int | None:
        nonlocal asked
        asked += 1
        return None

    assert [await seen.of("key", nobody) for _ in range(2)] == [None, None]
    assert asked == 2


async def test_a_failure_is_told_to_all_who_share_it_and_is_not_kept() -> None:
    book = Book()
    seen: Seen[str, int] = Seen(Steady())

    async def fail() -> int | None:
        await asyncio.sleep(0)
        raise ConnectionResetError

    asking = [asyncio.ensure_future(seen.of("key", fail)) for _ in range(2)]
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(one) for one in told] == [ConnectionResetError] * 2
    with pytest.raises(ConnectionResetError):
        await seen.of("key", fail)
    assert await seen.of("key", book.look_up) == 1
