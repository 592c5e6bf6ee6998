"""Who is told what, how often, and what becomes of those who listen too slowly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.core.errors import ValidationError
from services.gateway.app import streams
from services.gateway.app.recent import Recent
from services.gateway.app.streams import Listener, Streams
from services.gateway.errors import GoneError, UnavailableError
from services.gateway.stream_ports import FeedItem, Watch
from tests.unit.gateway.memory_streams import FEED, MemoryFeed, streams_of

MINE = Watch("orders", "p1")


async def valid() -> bool:
    return True


@asynccontextmanager
async def running(feed: MemoryFeed) -> AsyncIterator[tuple[Streams, asyncio.Event]]:
    told, stop = streams_of(feed), asyncio.Event()
    task = asyncio.create_task(told.run(stop))
    try:
        yield told, stop
    finally:
        stop.set()
        await task


async def ids(frames: AsyncIterator[bytes], count: int) -> list[int]:
    """Return the numbers of the next events, ``ready`` left out."""
    found: list[int] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += [
                int(block.splitlines()[0].rpartition("-")[2])
                for block in (await anext(frames)).decode().split("\n\n")
                if block.startswith("id: ") and "event: ready" not in block
            ]
    return found


async def joined(told: Streams) -> Listener:
    async with asyncio.timeout(20):
        while not told._listeners:  # noqa: ASYNC110 - joined by another task
            await asyncio.sleep(0.01)
    (listener,) = next(iter(told._listeners.values()))
    return listener


async def test_a_listener_hears_its_own_events_once_and_in_order() -> None:
    feed = MemoryFeed()
    feed.add("p1")
    async with running(feed) as (told, _):
        frames = told.follow(MINE, await told.position("oldest"), valid)
        everybody = told.follow(Watch("orders"), await told.position(None), valid)
        assert await ids(frames, 1) == [1]
        first = await anext(everybody)
        assert first.startswith(f"id: {FEED}-1\nevent: ready\n".encode())
        for whose in ("p2", "p1", None, "p1"):
            feed.add(whose, "orders" if whose else "rounds")
        assert await ids(frames, 2) == [3, 5]
        assert await ids(everybody, 3) == [2, 3, 5]


async def test_one_who_falls_behind_reads_the_rest_from_the_feed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "_QUEUE_MAX", 3)
    feed = MemoryFeed()
    async with running(feed) as (told, _):
        frames = told.follow(MINE, 0, valid)
        await anext(frames)
        waiting = asyncio.ensure_future(ids(frames, 1))
        listener = await joined(told)
        feed.add("p1")
        assert await waiting == [1]
        for _ in range(50):
            feed.add("p1")
        # While nobody pulls, the queue overflows; nothing of it is lost or told twice.
        async with asyncio.timeout(20):
            while not listener.is_behind:  # noqa: ASYNC110 - set by another task
                await asyncio.sleep(0.01)
        assert len(listener.frames) == 0
        assert await ids(frames, 50) == list(range(2, 52))
        feed.add("p1")
        assert await ids(frames, 1) == [52]


async def test_one_who_never_catches_up_is_cut_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "_QUEUE_MAX", 1)
    monkeypatch.setattr(streams, "_BEHIND_S_MAX", 0.0)
    feed = MemoryFeed()
    async with running(feed) as (told, _):
        frames = told.follow(MINE, 0, valid)
        seen = b""
        async with asyncio.timeout(20):
            async for chunk in frames:
                seen += chunk
                for _ in range(5):
                    feed.add("p1")
                # Slower than the feed is told.
                await asyncio.sleep(0.25)
    last = seen.decode().strip().split("\n\n")[-1]
    assert last.startswith("event: cut\n")
    assert '"reason":"slow"' in last
    assert "续传" in last


async def test_a_stop_sends_everybody_away_with_the_reason() -> None:
    async with running(MemoryFeed()) as (told, stop):
        frames = told.follow(MINE, await told.position(None), valid)
        await anext(frames)
        waiting = asyncio.ensure_future(anext(frames))
        await asyncio.sleep(0)
        stop.set()
        async with asyncio.timeout(20):
            assert b'"reason":"stopping"' in await waiting
            with pytest.raises(StopAsyncIteration):
                await anext(frames)


async def test_a_listener_whose_key_was_revoked_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_CHECK_KEY_EVERY_S", 0.0)

    async def revoked() -> bool:
        return False

    feed = MemoryFeed()
    async with running(feed) as (told, _):
        frames = told.follow(MINE, await told.position(None), revoked)
        await anext(frames)
        # The first pull after joining is a live one.
        waiting = asyncio.ensure_future(anext(frames))
        async with asyncio.timeout(20):
            await joined(told)
            feed.add("p1")
            await waiting
            assert b'"reason":"key"' in await anext(frames)


async def test_a_cursor_must_be_one_of_this_feed_that_is_still_kept() -> None:
    feed = MemoryFeed(kept_from=3)
    for _ in range(5):
        feed.add("p1")
    async with running(feed) as (told, _):
        assert await told.position(None) == 5
        assert await told.position("oldest") == 2
        assert await told.position(f"{FEED}-2") == 2
        for gone in (f"{FEED}-1", f"{FEED}-6", "ffffffff-4"):
            with pytest.raises(GoneError):
                await told.position(gone)
        for wrong in ("", "4", f"{FEED}-04", f"{FEED}-4\n", f"{FEED}-4-4", "x" * 200):
            with pytest.raises(ValidationError) as error:
                await told.position(wrong)
            assert error.value.field == "after"


async def test_there_are_no_more_listeners_than_the_settings_say() -> None:
    told = streams_of(MemoryFeed())
    told.admit(MINE)
    told.admit(MINE)
    told.admit(Watch("prices"))
    with pytest.raises(UnavailableError):
        told.admit(MINE)
    told.release(MINE)
    told.admit(MINE)


async def test_one_who_comes_back_soon_reads_nothing_from_the_feed_and_misses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As much as four of these events take.
    monkeypatch.setattr(streams, "_RECENT_BYTES", 2_000)
    feed, pages = MemoryFeed(), 0
    read = feed.page

    async def page(watch: Watch, seq: int, limit: int) -> list[FeedItem]:
        nonlocal pages
        pages += 1
        return await read(watch, seq, limit)

    monkeypatch.setattr(feed, "page", page)
    async with running(feed) as (told, _):
        steady = told.follow(MINE, await told.position(None), valid)
        heard = asyncio.create_task(ids(steady, 6))
        await joined(told)
        for _ in range(3):
            feed.add("p1")
            feed.add("p2")
            feed.add("p1")
        assert await heard == [1, 3, 4, 6, 7, 9]
        before = pages
        # Of the nine the last four are at hand.
        back = told.follow(MINE, await told.position(f"{FEED}-5"), valid)
        assert await ids(back, 3) == [6, 7, 9]
        assert pages == before
        late = told.follow(MINE, await told.position(f"{FEED}-2"), valid)
        assert await ids(late, 5) == [3, 4, 6, 7, 9]
        assert pages > before


async def test_those_who_come_back_at_once_while_much_is_told_miss_nothing_and_hear_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "_RECENT_BYTES", 20_000)
    monkeypatch.setattr(streams, "_MISSED_PAGE", 3)
    feed = MemoryFeed()
    for number in range(300):
        feed.add(f"p{number % 3}")
    watches = [Watch("orders"), *(Watch("orders", f"p{one}") for one in range(3))]
    wanted = {
        watch: [n for n in range(1, 601) if watch.participant_id in (None, f"p{(n - 1) % 3}")]
        for watch in watches
    }
    async with running(feed) as (told, _):
        heard = []
        for number in range(100):
            watch, after = watches[number % 4], 3 * number
            frames = told.follow(watch, await told.position(f"{FEED}-{after}"), valid)
            rest = [seq for seq in wanted[watch] if seq > after]
            heard.append((rest, asyncio.create_task(ids(frames, len(rest)))))
        for number in range(300, 600):
            feed.add(f"p{number % 3}")
            if number % 50 == 0:
                await asyncio.sleep(0)
        for rest, task in heard:
            assert await task == rest


def test_what_was_told_of_late_is_forgotten_oldest_first_and_only_then() -> None:
    feed, recent = MemoryFeed(), Recent(5 * 500)
    recent.begin(0)
    for number in range(10):
        feed.add(f"p{number % 2}", body="x" * 10)
    for item in feed.items:
        recent.add(item, b"f%d" % item.seq * 10)
    kept = next(seq for seq in range(11) if recent.has(seq))
    assert 3 <= kept <= 6
    everybody, one = Watch("orders"), Watch("orders", "p1")
    frames, until = recent.page(everybody, kept, 2)
    assert ([frame[:3].rstrip(b"f") for frame in frames], until) == (
        [b"f%d" % (kept + 1), b"f%d" % (kept + 2)],
        kept + 2,
    )
    assert recent.page(everybody, until, 100)[1] == 10
    assert len(recent.page(one, kept, 100)[0]) == sum(seq % 2 == 0 for seq in range(kept + 1, 11))
    # Of somebody of whom nothing was told all of it is at hand, too.
    assert recent.page(Watch("orders", "p9"), kept, 100) == ([], 10)
    assert recent.page(Watch("rounds"), 10, 100) == ([], 10)


async def test_what_is_told_as_a_keep_alive_falls_due_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "_KEEP_ALIVE_S", 0.05)
    news = MemoryFeed()
    news.add("p1")
    async with running(MemoryFeed()) as (told, _):
        frames = told.follow(MINE, await told.position(None), valid)
        await anext(frames)
        waiting = asyncio.create_task(anext(frames))
        await joined(told)
        # The time is up first, and the event is told before anybody was woken for that.
        asyncio.get_running_loop().call_later(0.06, told._tell, news.items)
        time.sleep(0.1)  # noqa: ASYNC251 - so that the loop is
        assert b"event: status" in await waiting
