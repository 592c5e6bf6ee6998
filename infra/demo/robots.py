"""Robots at the providers: they read what they were allocated and report it as delivered."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from infra.demo import world
from infra.demo.sender import send_patiently
from suanli import operations as ops
from suanli.errors import ApiError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.demo.facts import Json
    from services.kit.clock import Clock
    from suanli.client import AsyncClient

_POLL_S = 0.4
_AT_ONCE = 4
_HOUR = timedelta(hours=1)


class Robots:
    """Reports every allocation as delivered once its last hour has passed.

    Args:
        client: Any client of the exchange.
        keys: API key of every participant.
        clock: The market's clock.

    Attributes:
        delivered: Reports that the exchange took.
        refused: Codes of those that it did not.
        rounds: Ids of closed rounds whose allocations are still to be read; the watcher adds.
    """

    def __init__(self, client: AsyncClient, keys: Mapping[str, str], clock: Clock) -> None:
        self._clients = {item.id: client.acting_as(keys[item.id]) for item in world.PROVIDERS}
        self._clock = clock
        self._waiting: list[tuple[datetime, str, Json]] = []
        self.delivered = 0
        self.refused: list[str] = []
        self.rounds: deque[str] = deque()

    async def run(self, stop: asyncio.Event) -> None:
        """Read and report until ``stop`` is set."""
        while not stop.is_set():
            await self.step()
            await asyncio.sleep(_POLL_S)

    async def step(self) -> None:
        """Read the allocations of new rounds, then report what has passed."""
        while self.rounds:
            try:
                await self._read(self.rounds[0])
            except (ApiError, UnreachableError):
                return  # asked again at the next step; a killed gateway comes back
            self.rounds.popleft()
        now = self._clock.now()
        due = [item for item in self._waiting if item[0] <= now]
        self._waiting = [item for item in self._waiting if item[0] > now]
        gate = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._report(who, body, gate) for _, who, body in due))

    async def _read(self, round_id: str) -> None:
        found: list[tuple[datetime, str, Json]] = []
        for who, client in self._clients.items():
            async for item in client.pages("/v1/allocations", round_id=round_id):
                last = max(datetime.fromisoformat(period["start"]) for period in item["periods"])
                found.append((last + _HOUR, who, item))
        self._waiting += found

    async def _report(self, who: str, allocation: Json, gate: asyncio.Semaphore) -> None:
        periods = [
            {"start": period["start"], "chips": period["chips"]} for period in allocation["periods"]
        ]
        async with gate:
            operation = ops.deliver(allocation["allocation_id"], periods)
            reply = await send_patiently(self._clients[who], operation)
        if reply.outcome == "accepted":
            self.delivered += 1
        else:
            self.refused.append(reply.code)
