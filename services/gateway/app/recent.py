"""What streams told of late, for the thousands that come back at once after a break.

They share the frames, so that one who returns costs no query and holds no page of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.gateway.stream_ports import FeedItem, Watch

    Told = tuple[FeedItem, bytes]
    Key = tuple[str, str | None]

# Of ten thousand events and more. A look through all of them takes some milliseconds, which is
# about what a query would.
BYTES_MAX = 8 * 1024 * 1024
# Beside the frame there is the item, whose body is about as long.
_ITEM_BYTES = 400


class _Line:
    """What was told of one stream to one participant, or to all, oldest first."""

    __slots__ = ("_first", "_seqs", "_told")

    def __init__(self) -> None:
        self._seqs: list[int] = []
        self._told: list[Told] = []
        # How many at the beginning are forgotten and not yet cut off.
        self._first = 0

    def add(self, told: Told) -> None:
        self._seqs.append(told[0].seq)
        self._told.append(told)

    def forget_first(self) -> bool:
        """Forget the oldest; return whether there is any left."""
        self._first += 1
        if self._first > len(self._told) // 2:
            del self._seqs[: self._first], self._told[: self._first]
            self._first = 0
        return bool(self._told)

    def page(self, watch: Watch, after: int, limit: int) -> tuple[list[bytes], int | None]:
        frames: list[bytes] = []
        for at in range(max(self._first, bisect_right(self._seqs, after)), len(self._told)):
            item, frame = self._told[at]
            if watch.wants(item):
                frames.append(frame)
                if len(frames) == limit:
                    return frames, item.seq
        return frames, None


class Recent:
    """Frames in the order of their numbers, the oldest forgotten first.

    Args:
        bytes_max: Memory that they may take.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        # Everything after the one and up to the other is here.
        self._after = self._last = 0
        self._all: deque[Told] = deque()
        self._lines: dict[Key, _Line] = {}

    def begin(self, after: int) -> None:
        """Begin with what follows a number."""
        self._after = self._last = after

    def add(self, item: FeedItem, frame: bytes) -> None:
        """Add what was told just now; forget the oldest, if it is too much."""
        self._last = item.seq
        self._all.append((item, frame))
        self._bytes += _size(frame)
        for key in keys_of(item):
            self._lines.setdefault(key, _Line()).add((item, frame))
        while self._bytes > self._bytes_max:
            old, frame = self._all.popleft()
            self._after = old.seq
            self._bytes -= _size(frame)
            for key in keys_of(old):
                if not self._lines[key].forget_first():
                    del self._lines[key]

    def has(self, after: int) -> bool:
        """Return whether everything after a number is here."""
        return after >= self._after

    def page(self, watch: Watch, after: int, limit: int) -> tuple[list[bytes], int]:
        """Return the next frames that are wanted, and the number up to which that is all.

        Args:
            watch: What is wanted.
            after: From after which number on; all after it must be here.
            limit: Frames at most.
        """
        assert self.has(after), f"after must be at least {self._after}, was {after}"
        line = self._lines.get((watch.stream, watch.participant_id))
        if line is None:
            return [], max(after, self._last)
        frames, until = line.page(watch, after, limit)
        return frames, max(after, self._last) if until is None else until


def keys_of(item: FeedItem) -> set[Key]:
    """Return who may want an item: its stream with its participant, and with all."""
    return {(item.stream, item.participant_id), (item.stream, None)}


def _size(frame: bytes) -> int:
    return 2 * len(frame) + _ITEM_BYTES
