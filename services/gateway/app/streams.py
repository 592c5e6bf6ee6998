"""Live streams: one reader of the feed in each process tells all who listen to it.

The feed is the buffer: what a listener missed it reads there by number, so a listener costs this
process a bounded queue of shared frames and nothing else, however slow or however long away.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING

from schemas.streams import CURSOR_PATTERN, StreamCut
from services.core.errors import Message, ValidationError
from services.gateway.app.recent import BYTES_MAX, Recent, keys_of
from services.gateway.errors import GoneError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

    from services.gateway.stream_ports import Feed, FeedItem, Watch

OLDEST = "oldest"
"""Cursor that asks for all that is kept."""

_PAGE = 500
# One that was away for long reads so much at a time, and holds it until its socket takes it.
_MISSED_PAGE = 100
_RECENT_BYTES = BYTES_MAX
_POLL_S = 0.1
# With nobody listening it only must not fall far behind.
_IDLE_S = 1.0
_FAILED_S = 0.5
_PRUNE_EVERY_S = 30.0
# References to shared frames: 8 KiB for each listener at most. More is read from the feed.
_QUEUE_MAX = 1_000
# What is joined to one write; a listener that reads slowly holds so much beside its socket.
_WRITE_FRAMES = 64
_KEEP_ALIVE_S = 15.0
_CHECK_KEY_EVERY_S = 60.0
# One who cannot catch up within this time reads slower than the exchange tells.
_BEHIND_S_MAX = 60.0
_START_S_MAX = 10.0

_CUTS = {
    "slow": Message(
        "The stream was told faster than it was read; resume with the last id that was seen.",
        "数据流的读取速度低于推送速度；请以最后收到的 id 续传。",
    ),
    "stopping": Message(
        "The gateway is stopping; resume with the last id that was seen.",
        "网关正在停止；请以最后收到的 id 续传。",
    ),
    "key": Message("The key is no longer valid.", "密钥已失效。"),
    "unavailable": Message(
        "The store does not answer; resume with the last id that was seen.",
        "存储暂无响应；请以最后收到的 id 续传。",
    ),
}


class Listener:
    """One who listens: what it is still to be sent, as references to shared frames."""

    __slots__ = ("frames", "is_behind", "key", "position", "wake", "watch")

    def __init__(self, watch: Watch, position: int) -> None:
        self.watch = watch
        self.key = (watch.stream, watch.participant_id)
        self.position = position
        self.frames: deque[tuple[int, bytes]] = deque()
        self.is_behind = False
        self.wake = asyncio.Event()

    def tell(self, seq: int, frame: bytes) -> None:
        """Queue a frame; a listener with too many of them reads the feed itself."""
        if self.is_behind:
            return
        if len(self.frames) >= _QUEUE_MAX:
            self.frames.clear()
            self.is_behind = True
        else:
            self.frames.append((seq, frame))
        self.wake.set()


class Streams:
    """Tells listeners what happens.

    Args:
        feed: What there is to tell.
        encode: Returns (id, kind, data) as it is sent.
        keep_alive: Returns what is sent when there is nothing to tell up to an id.
        store_errors: What a lost store raises.
        listeners_max: Listeners at most, of private and of public streams each.
        kept_days: What is older is deleted.
    """

    def __init__(
        self,
        feed: Feed,
        encode: Callable[[str | None, str, str], bytes],
        *,
        keep_alive: Callable[[str], bytes],
        store_errors: tuple[type[Exception], ...],
        listeners_max: int,
        kept_days: int,
    ) -> None:
        self._feed = feed
        self._encode = encode
        self._keep_alive = keep_alive
        self._store_errors = store_errors
        self._listeners_max = listeners_max
        self._kept_days = kept_days
        self._name = ""
        self._position = 0
        self._recent = Recent(_RECENT_BYTES)
        self._is_closing = False
        self._started = asyncio.Event()
        self._wanted = asyncio.Event()
        self._count = {True: 0, False: 0}
        # By stream and participant, ``None`` for those who hear all of it.
        self._listeners: dict[tuple[str, str | None], set[Listener]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Tell all listeners what the feed has, until ``stop`` is set; then send them away."""
        loop = asyncio.get_running_loop()
        prune_at = loop.time() + _PRUNE_EVERY_S
        while not stop.is_set():
            pause_s = _POLL_S if self._listeners else _IDLE_S
            try:
                if not self._started.is_set():
                    state = await self._feed.state()
                    self._name = state.feed
                    self._position = state.last_seq
                    self._recent.begin(state.last_seq)
                    self._started.set()
                found = await self._feed.after(self._position, _PAGE)
                if loop.time() >= prune_at:
                    prune_at = loop.time() + _PRUNE_EVERY_S
                    await self._feed.prune(self._kept_days)
            except self._store_errors:
                # Nothing is lost: the position stays, and listeners stay too.
                found, pause_s = [], _FAILED_S
            self._tell(found)
            if len(found) == _PAGE:
                # Listeners drain their queues before the next page comes.
                await asyncio.sleep(0)
                continue
            await _first_of(stop, self._wanted, pause_s)
            self._wanted.clear()
        self._is_closing = True
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.wake.set()

    def _tell(self, found: Sequence[FeedItem]) -> None:
        for item in found:
            self._position = item.seq
            frame = self._frame(item)
            self._recent.add(item, frame)
            for key in keys_of(item):
                for listener in self._listeners.get(key, ()):
                    if listener.watch.wants(item):
                        listener.tell(item.seq, frame)

    def _frame(self, item: FeedItem) -> bytes:
        return self._encode(f"{self._name}-{item.seq}", item.kind, item.body)

    @property
    def told(self) -> str:
        """Return the id of the last event that was told, empty before the first look at the feed.

        Whoever reads the store after it and listens from it on misses nothing in between.
        """
        return f"{self._name}-{self._position}" if self._started.is_set() else ""

    async def position(self, after: str | None) -> int:
        """Return the number after which a listener wants to hear.

        Args:
            after: Id of the last event that it saw, ``oldest``, or ``None`` for what is new.

        Raises:
            ValidationError: if it is no id of a stream.
            GoneError: if what follows it is deleted, or it is of another feed.
            UnavailableError: if streams cannot be told now.
        """
        if after not in (None, OLDEST) and re.fullmatch(CURSOR_PATTERN, after or "") is None:
            raise _bad_cursor(str(after))
        try:
            async with asyncio.timeout(_START_S_MAX):
                await self._started.wait()
            known = self._at_hand(after)
            if known is not None:
                return known
            state = await self._feed.state()
        except TimeoutError:
            raise _unavailable() from None
        except self._store_errors:
            raise _unavailable() from None
        if after is None:
            return state.last_seq
        if after == OLDEST:
            return state.kept_from - 1
        feed, _, number = after.partition("-")
        seq = int(number)
        if feed != state.feed or not state.kept_from - 1 <= seq <= state.last_seq:
            raise _gone(after)
        return seq

    def _at_hand(self, after: str | None) -> int | None:
        """Return the number of an id whose followers are all at hand: no need to look it up."""
        feed, _, number = (after or "").partition("-")
        if feed != self._name or not number:
            return None
        seq = int(number)
        return seq if self._recent.has(seq) and seq <= self._position else None

    def admit(self, watch: Watch) -> None:
        """Let one more listen, unless there are too many or the gateway stops.

        Raises:
            UnavailableError: if there are.
        """
        is_private = watch.stream == "orders"
        if self._is_closing or self._count[is_private] >= self._listeners_max:
            raise _full(self._count[is_private], self._listeners_max)
        self._count[is_private] += 1

    def release(self, watch: Watch) -> None:
        """Let another listen in place of one that was admitted."""
        self._count[watch.stream == "orders"] -= 1

    async def follow(
        self, watch: Watch, position: int, is_valid: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[bytes, None]:
        """Yield what an admitted listener is to be sent, for as long as it listens.

        Args:
            watch: What it wants to hear.
            position: From after which number on.
            is_valid: Returns whether it may still listen.
        """
        ready = f'{{"stream":"{watch.stream}"}}'
        yield self._encode(f"{self._name}-{position}", "ready", ready)
        loop = asyncio.get_running_loop()
        check_at = loop.time() + _CHECK_KEY_EVERY_S
        listener = Listener(watch, position)
        try:
            async for chunk in self._told(listener):
                yield chunk
                if loop.time() >= check_at:
                    check_at = loop.time() + _CHECK_KEY_EVERY_S
                    if not await is_valid():
                        yield self._cut("key")
                        return
            yield self._cut("stopping" if self._is_closing else "slow")
        except self._store_errors:
            yield self._cut("unavailable")
        finally:
            self._leave(listener)

    async def _told(self, listener: Listener) -> AsyncIterator[bytes]:
        """Yield frames until the gateway stops, or the listener does not catch up."""
        loop = asyncio.get_running_loop()
        behind_at: float | None = None
        while not self._is_closing:
            async for chunk in self._missed(listener):
                yield chunk
                if behind_at is not None and loop.time() - behind_at > _BEHIND_S_MAX:
                    return
            live_at = loop.time()
            async for chunk in self._live(listener):
                yield chunk
            self._leave(listener)
            if behind_at is None or loop.time() - live_at > _BEHIND_S_MAX:
                behind_at = loop.time()

    async def _missed(self, listener: Listener) -> AsyncIterator[bytes]:
        """Yield what a listener missed, and let it join those who hear what is new.

        What was told of late is at hand; what is older is read from the feed.
        """
        listener.is_behind = False
        while not self._is_closing:
            if self._recent.has(listener.position):
                frames, until = self._recent.page(listener.watch, listener.position, _WRITE_FRAMES)
                listener.position = until
                if not frames:
                    # Nothing can be told between this look and the join.
                    self._join(listener)
                    return
                yield b"".join(frames)
                continue
            # What was told here can be read there.
            until = self._position
            found = await self._feed.page(listener.watch, listener.position, _MISSED_PAGE)
            if len(found) == _MISSED_PAGE:
                until = found[-1].seq
            listener.position = max(until, found[-1].seq) if found else until
            if found:
                yield b"".join(map(self._frame, found))

    async def _live(self, listener: Listener) -> AsyncIterator[bytes]:
        """Yield frames as they come, until the gateway stops or the listener fell behind."""
        while not listener.is_behind and not self._is_closing:
            chunk: list[bytes] = []
            while listener.frames and len(chunk) < _WRITE_FRAMES:
                seq, frame = listener.frames.popleft()
                # What a page had already is not told twice.
                if seq > listener.position:
                    listener.position = seq
                    chunk.append(frame)
            if chunk:
                yield b"".join(chunk)
                continue
            listener.wake.clear()
            try:
                async with asyncio.timeout(_KEEP_ALIVE_S):
                    await listener.wake.wait()
            except TimeoutError:
                if listener.frames or listener.is_behind:
                    # Told after the time was up, and before this came to its turn.
                    continue
                # All up to here is told, so whoever comes back need not read it again.
                listener.position = max(listener.position, self._position)
                yield self._keep_alive(f"{self._name}-{listener.position}")

    def _join(self, listener: Listener) -> None:
        listener.frames.clear()
        self._listeners.setdefault(listener.key, set()).add(listener)
        self._wanted.set()

    def _leave(self, listener: Listener) -> None:
        listeners = self._listeners.get(listener.key)
        if listeners is not None:
            listeners.discard(listener)
            if not listeners:
                del self._listeners[listener.key]

    def _cut(self, reason: str) -> bytes:
        message = _CUTS[reason]
        told = StreamCut.model_validate({"reason": reason, "en": message.en, "zh": message.zh})
        return self._encode(None, "cut", told.model_dump_json())


async def _first_of(stop: asyncio.Event, wanted: asyncio.Event, pause_s: float) -> None:
    waits = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(wanted.wait())}
    try:
        await asyncio.wait(waits, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _bad_cursor(value: str) -> ValidationError:
    return ValidationError(
        "validation.cursor",
        Message(
            f"after: must be the id of an event of a stream, or {OLDEST}, was {value[:200]}",
            f"after：须为数据流事件的 id 或 {OLDEST}，实为 {value[:200]}",
        ),
        field="after",
        value=value,
        allowed=f"the id of an event of a stream, or {OLDEST}",
    )


def _gone(value: str) -> GoneError:
    return GoneError(
        "stream.gone",
        Message(
            f"after: must be the id of an event that is still kept, was {value}; "
            f"read the orders again, then listen from {OLDEST} or without an id",
            f"after：须为仍保留的事件 id，实为 {value}；"
            f"请重新读取订单，再从 {OLDEST} 或不带 id 订阅",
        ),
        field="after",
        value=value,
        allowed=f"the id of an event that is still kept, or {OLDEST}",
    )


def _unavailable() -> UnavailableError:
    return UnavailableError(
        "stream.unavailable",
        Message("stream: must be told, cannot be now; ask again", "数据流暂不可用，请稍后重试"),
        field="stream",
    )


def _full(found: int, limit: int) -> UnavailableError:
    return UnavailableError(
        "stream.full",
        Message(
            f"stream: must have at most {limit} listeners here, was {found}; ask again",
            f"数据流：此网关最多 {limit} 个订阅，现有 {found} 个，请稍后重试",
        ),
        field="stream",
        value=str(found),
        allowed=f"at most {limit} listeners on one gateway",
    )
