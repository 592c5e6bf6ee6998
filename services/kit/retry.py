"""One bounded retry, for connecting at start; everything later has its own recovery."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_PAUSE_MS_MAX = 5_000


async def retry(
    fn: Callable[[], Awaitable[T]],
    *,
    on: tuple[type[BaseException], ...],
    attempts: int = 8,
    base_ms: int = 100,
) -> T:
    """Return what ``fn`` returns, trying again on the named exceptions.

    Args:
        fn: What to try; called anew each time.
        on: Exceptions after which trying again may help.
        attempts: How often at most, at least 1.
        base_ms: Pause after the first failure in milliseconds; doubles each time up to
            5,000 ms. 8 attempts of 100 ms take about 12 s.

    Raises:
        BaseException: the last one of ``on``, or at once any other.
    """
    assert attempts >= 1, f"attempts must be at least 1, was {attempts}"
    for attempt in range(attempts - 1):
        try:
            return await fn()
        except on:
            await asyncio.sleep(min(base_ms * 2**attempt, _PAUSE_MS_MAX) / 1000)
    return await fn()
