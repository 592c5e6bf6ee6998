"""Kills every service once, as a crash would, and lets the keeper start it again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from infra.local.exchange import Exchange
    from services.kit.clock import Clock

# Shares of the day: apart from one another, and the last early enough to see it recover.
_WHEN = (("matching", 0.18), ("gateway", 0.36), ("ledger", 0.54), ("auditor", 0.72))


class Chaos:
    """Kills services at fixed shares of the day.

    Attributes:
        killed: Services killed so far.
    """

    def __init__(self) -> None:
        self.killed: list[str] = []

    async def run(
        self,
        exchange: Exchange,
        clock: Clock,
        *,
        start: datetime,
        hours: int,
        tell: Callable[[str, int], None],
    ) -> None:
        """Kill each service once.

        Args:
            exchange: Where they run.
            clock: The market's clock.
            start: First instant of the day.
            hours: Its length.
            tell: Called with the name and the process number of what was killed.
        """
        for name, share in _WHEN:
            await clock.sleep_until(start + share * timedelta(hours=hours))
            pid = await asyncio.to_thread(exchange.kill, name)
            if pid is not None:
                self.killed.append(name)
                tell(name, pid)
