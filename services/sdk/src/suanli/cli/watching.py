"""Following orders live, by the exchange's stream: `suanli orders watch`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from suanli.client import AsyncClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from suanli.cli.session import Session
    from suanli.streams import StreamEvent

Json = dict[str, Any]
# How often a countdown moves.
_TICK_S: Final = 0.5


async def follow(
    session: Session,
    *,
    wanted: dict[str, str | None],
    told: Callable[[StreamEvent], bool],
    tick: Callable[[], None],
    timeout_s: float,
) -> bool:
    """Call ``told`` with each event of the stream until it returns ``True``, or the time is up.

    The stream says ``ready`` first and tells all that comes after it, so whoever reads the past
    when it is told that misses nothing.

    Args:
        session: The run.
        wanted: What `stream_orders` is asked for.
        told: Takes an event.
        tick: Called every now and then.
        timeout_s: Longest time in seconds; 0 is for ever.

    Returns:
        Whether ``told`` had enough.

    Raises:
        ApiError: the exchange refused.
        UnreachableError: it did not answer.
    """
    async with AsyncClient(*session.address, language=session.lang) as client:
        events = client.stream_orders(**wanted)
        listening = asyncio.ensure_future(_listen(events, told))
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s if timeout_s > 0 else float("inf")
        try:
            while not listening.done() and loop.time() < end_s:
                tick()
                await asyncio.wait({listening}, timeout=min(_TICK_S, end_s - loop.time()))
            if not listening.done():
                return False
            # What it raised is raised here.
            listening.result()
            return True
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({listening})


async def _listen(events: AsyncIterator[StreamEvent], told: Callable[[StreamEvent], bool]) -> None:
    async for event in events:
        # Asking the exchange something meanwhile must not hold up the stream's own connection.
        if await asyncio.to_thread(told, event):
            return
