"""Lines of a body as they arrive: a long one costs only itself.

Only whole lines are given out: what a broken connection cut off was never asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a body.

    Attributes:
        index: Its number among the lines that are not blank, from 0.
        size: Its bytes.
        text: It, empty if it is longer than is taken.
    """

    index: int
    size: int
    text: bytes


class Lines:
    """Cuts a body into lines.

    Args:
        line_bytes_max: Longest line that is kept.
    """

    def __init__(self, line_bytes_max: int) -> None:
        self._max = line_bytes_max
        self._kept = bytearray()
        self._size = 0
        self._next = 0

    @property
    def next_index(self) -> int:
        """Return the number of the next line."""
        return self._next

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Take a piece of the body; yield the lines that it completes."""
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            self._add(part)
            yield from self.end()
        self._add(rest)

    def end(self) -> Iterator[Line]:
        """Yield the line that ends here, unless it is blank."""
        text, size = bytes(self._kept), self._size
        self._kept.clear()
        self._size = 0
        if size > self._max or text.strip():
            yield Line(self._next, size, b"" if size > self._max else text)
            self._next += 1

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._max:
            self._kept += part
        else:
            self._kept.clear()
