"""What many people look at at once, made once and kept for a moment."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# A round lasts seconds; whoever looks twice within one may see the same.
_KEPT_S = 1.0
_KEPT_MAX = 500
# Pages of a market by chip class and language, of some 100 KB each.
_SAME_MAX = 100


class Remembering:
    """Keeps results by name for a second.

    A thousand pages that all hear of a round ask for the same part at once: one of them has it
    made, the others wait for it.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._kept: dict[tuple[object, ...], tuple[float, Any]] = {}
        self._locks: dict[tuple[object, ...], asyncio.Lock] = {}
        self._same: dict[tuple[object, ...], tuple[object, Any]] = {}

    async def get(
        self,
        name: tuple[object, ...],
        make: Callable[[], Awaitable[Any]],
        *,
        kept_s: float = _KEPT_S,
        times: int = 0,
    ) -> Any:  # noqa: ANN401 - whatever is made
        """Return what is kept under a name, or make it.

        Args:
            name: Its name.
            make: Makes it.
            kept_s: Seconds that it is kept at least.
            times: It is also kept so many times as long as it took to make.
        """
        known = self._kept.get(name)
        if known is not None and known[0] > self._now_s():
            return known[1]
        if len(self._kept) >= _KEPT_MAX:
            self._kept.clear()
            self._locks.clear()
        async with self._locks.setdefault(name, asyncio.Lock()):
            known = self._kept.get(name)
            if known is None or known[0] <= self._now_s():
                began_s = self._now_s()
                made = await make()
                now_s = self._now_s()
                known = (now_s + max(kept_s, times * (now_s - began_s)), made)
                self._kept[name] = known
        return known[1]

    async def while_same(
        self, name: tuple[object, ...], mark: object, make: Callable[[], Awaitable[Any]]
    ) -> Any:  # noqa: ANN401 - whatever is made
        """Return what was made under a name with this mark, or make it.

        Args:
            name: Its name.
            mark: Stays the same as long as what would be made does.
            make: Makes it.
        """
        known = self._same.get(name)
        if known is not None and known[0] == mark:
            return known[1]
        async with self._locks.setdefault(("same", *name), asyncio.Lock()):
            known = self._same.get(name)
            if known is None or known[0] != mark:
                known = (mark, await make())
                if len(self._same) >= _SAME_MAX:
                    self._same.clear()
                self._same[name] = known
        return known[1]
