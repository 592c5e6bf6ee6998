"""Many orders at once: sent as lines, told line by line, sent again as a whole when it breaks."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Final, Literal

from suanli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from suanli.models import BulkResult

Side = Literal["offers", "demand"]
LINES_MAX: Final = 10_000
"""Orders that the exchange takes at a time."""

RETRY_STATUS: Final = frozenset({429, 502, 503, 504})
"""Answers after which the same may be sent again."""

_BROKE: Final = RETRY_STATUS | {408}
# Far below what the exchange takes, and of ten thousand ordinary orders twice the size.
_BYTES_MAX: Final = 16 * 1024 * 1024
_CHUNK: Final = 64 * 1024


class Part:
    """Orders that go in one request, and how far their verdicts came.

    A verdict is given out once, however often the part is sent.

    Attributes:
        key: Idempotency key of the part.
    """

    def __init__(self, lines: list[bytes], key: str, first: int) -> None:
        """Keep the lines, which begin with order number ``first`` of the whole."""
        self.key = key
        self._lines = lines
        self._first = first
        self._told = 0
        self._read = 0
        self._stop: Mapping[str, Any] | None = None

    def body(self) -> Iterator[bytes]:
        """Yield the body; the verdicts begin anew with it."""
        self._read, self._stop = 0, None
        text = b"".join(self._lines)
        for at in range(0, len(text), _CHUNK):
            yield text[at : at + _CHUNK]

    def length(self) -> int:
        """Return the bytes of the body."""
        return sum(map(len, self._lines))

    def feed(self, line: str) -> BulkResult | None:
        """Take a line of the answer; return its verdict, unless it was told before."""
        found: BulkResult = json.loads(line)
        problem = found.get("problem")
        # What stopped the exchange is told under a number beyond the lines that it judged, or as
        # the next line's with no key, which the line itself would have.
        stopped = found["index"] != self._read or (
            problem is not None and "idempotency_key" not in found and problem["status"] in _BROKE
        )
        if stopped:
            self._stop = problem
            return None
        self._read += 1
        if self._read <= self._told:
            return None
        self._told = self._read
        return {**found, "index": self._first + found["index"]}

    def end(self) -> ApiError | None:
        """Return why the answer ended before every line had its verdict, if it did."""
        if self._told == len(self._lines):
            return None
        if self._stop is None:
            return ApiError(502, "bulk.cut", _cut(self._told, len(self._lines)))
        problem = self._stop
        return ApiError(
            int(problem["status"]), problem["code"], problem["detail"], problem.get("errors")
        )


def parts(items: Iterable[Mapping[str, Any]], key: str, size: int) -> Iterator[Part]:
    """Cut orders into requests, as they come.

    Args:
        items: Orders as `OfferBulkItem` or `DemandBulkItem`.
        key: Idempotency key of the whole; the same orders under it are placed once.
        size: Orders in a request.

    Raises:
        ValueError: if the size is none that the exchange takes.
    """
    if not 1 <= size <= LINES_MAX:
        msg = f"size must be 1 to {LINES_MAX}, was {size}"
        raise ValueError(msg)
    numbers = itertools.count()
    lines: list[bytes] = []
    held = first = 0
    for item in items:
        line = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if lines and (len(lines) == size or held + len(line) > _BYTES_MAX):
            yield Part(lines, f"{key}.{next(numbers)}", first)
            first += len(lines)
            lines, held = [], 0
        lines.append(line)
        held += len(line)
    if lines:
        yield Part(lines, f"{key}.{next(numbers)}", first)


def _cut(told: int, lines: int) -> str:
    return f"bulk: {lines} verdicts must come, the answer ended after {told}"
