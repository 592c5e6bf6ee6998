"""What was looked up is not looked up again for a moment, unless it was made void meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_LIVES_S = 1.0
_SEEN_MAX = 10_000

WhoT = TypeVar("WhoT")
FoundT = TypeVar("FoundT")


class Seen(Generic[WhoT, FoundT]):
    """What is known of somebody, for a second from the moment at which the database was asked.

    Whoever asks while that is looked up shares the look-up: a busy participant's second ends for
    all of its requests that are under way. What the database told before something was forgotten
    is neither kept nor shared afterwards: it may be what was made void in between.

    Args:
        clock_s: A steady clock, in seconds.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        # Who -> (when he is looked up again, what was found).
        self._seen: dict[WhoT, tuple[float, FoundT]] = {}
        # Who -> (when the database was asked, the look-up).
        self._asked: dict[WhoT, tuple[float, asyncio.Task[FoundT | None]]] = {}

    async def of(self, who: WhoT, look_up: Callable[[], Awaitable[FoundT | None]]) -> FoundT | None:
        """Return what was found a moment ago, else look it up; what is not there is not kept.

        Args:
            who: Who is asked for.
            look_up: Asks the database. What it raises, all who share it raise.
        """
        now_s = self._clock_s()
        seen = self._seen.get(who)
        if seen is not None and seen[0] > now_s:
            return seen[1]
        asked = self._asked.get(who)
        # One that takes long is not shared for longer than what it finds would be kept.
        if asked is None or asked[0] + _LIVES_S <= now_s:
            # A task of its own: others wait for it even if who asked first no longer does.
            task = asyncio.ensure_future(self._look_up(who, now_s, look_up))
            task.add_done_callback(_read_error)
            asked = self._asked[who] = (now_s, task)
        return await asyncio.shield(asked[1])

    def forget(self) -> None:
        """Look everybody up again."""
        self._seen.clear()
        self._asked.clear()

    async def _look_up(
        self,
        who: WhoT,
        at_s: float,
        look_up: Callable[[], Awaitable[FoundT | None]],
    ) -> FoundT | None:
        try:
            found = await look_up()
            if found is not None and self._is_asked(who):
                if len(self._seen) >= _SEEN_MAX:
                    self._seen.clear()
                self._seen[who] = (at_s + _LIVES_S, found)
            return found
        finally:
            if self._is_asked(who):
                del self._asked[who]

    def _is_asked(self, who: WhoT) -> bool:
        """Tell whether this task's look-up is the one that counts."""
        asked = self._asked.get(who)
        return asked is not None and asked[1] is asyncio.current_task()


def _read_error(task: asyncio.Task[FoundT | None]) -> None:
    # Whoever waits is told it; if nobody does any more, nobody need be warned.
    if not task.cancelled():
        task.exception()
