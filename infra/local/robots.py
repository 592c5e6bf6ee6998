"""Robots of a sandbox: providers that always offer, enterprises that always ask for a little.

Supply is ample and at four fifths of the list price, so that a lone demand finds chips; each round
has new demand above the list price, so that a lone offer below the robots' is sold.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.demo import world
from infra.demo.robots import Robots
from infra.local.exchange import Exchange
from suanli import operations as ops
from suanli.client import AsyncClient
from suanli.errors import ApiError, UnreachableError

if TYPE_CHECKING:
    from services.kit.clock import Clock

Json = dict[str, Any]
_HOUR = timedelta(hours=1)
_STEP_S = 5.0
_OFFERED_HOURS = 24
_ASKED_HOURS = 6
_LOTS_OFFERED = 32
_LOTS_ASKED = 1
_ASK, _LIMIT = 0.8, 1.1
_PLAY_MONEY = 1_000_000 * world.MICRO
_ROUNDS_SEEN = 20


class Traders:
    """Keep a sandbox's book from being empty.

    Args:
        client: Any client of the sandbox.
        keys: Key of each participant, by its id.
        enterprises: Ids of those that ask; they take turns.
        clock: The market's clock.
    """

    def __init__(
        self, client: AsyncClient, keys: dict[str, str], enterprises: list[str], clock: Clock
    ) -> None:
        self._client = client
        self._providers = {item.id: client.acting_as(keys[item.id]) for item in world.PROVIDERS}
        self._enterprises = itertools.cycle([client.acting_as(keys[name]) for name in enterprises])
        self._clock = clock
        self._prices = world.list_prices()
        self._lots = {row["chip"]: int(row["lot"]) for row in world.read_rows("chips.csv")}
        self._offered_until: dict[tuple[str, str], datetime] = {}
        self._deliveries = Robots(client, keys, clock)
        self._seen: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until ``stop`` is set; a gateway that is away or busy is asked again."""
        while not stop.is_set():
            try:
                await self.step()
            except UnreachableError:
                pass
            except ApiError as error:
                # Whoever reads the robots' log learns why they stand still.
                sys.stderr.write(f"{error}\n")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _STEP_S)

    async def step(self) -> None:
        """Offer where little is on offer, ask for a little of each chip, deliver what is due."""
        now = self._clock.now().replace(minute=0, second=0, microsecond=0)
        for (zone, region, _, _, cloud, *_), chip in itertools.product(world.ZONES, self._prices):
            if self._offered_until.get((zone, chip), now) <= now + _OFFERED_HOURS / 2 * _HOUR:
                code = f"CN.{world.RESOURCE_NODE[region]}.0000.{zone.upper()}-{chip.upper()}"
                await self._offer(zone, cloud, chip, code, now)
        enterprise = next(self._enterprises)
        await enterprise.send(ops.top_up(_PLAY_MONEY, f"robots-{now.date()}"))
        for chip in self._prices:
            await self._ask(enterprise, chip, now)
        page = await self._client.send(ops.read("/v1/rounds", limit=_ROUNDS_SEEN))
        for item in page["items"]:
            if item["state"] == "closed" and item["round_id"] not in self._seen:
                self._seen.add(item["round_id"])
                self._deliveries.rounds.append(item["round_id"])
        await self._deliveries.step()

    async def _offer(self, zone: str, cloud: str, chip: str, code: str, now: datetime) -> None:
        start = max(self._offered_until.get((zone, chip), now), now + _HOUR)
        end = now + _OFFERED_HOURS * _HOUR
        terms = {
            "zone": zone,
            "chip": chip,
            "chips": self._lots[chip] * _LOTS_OFFERED,
            "start": start.isoformat(),
            "end": end.isoformat(),
            "ask": world.on_tick(self._prices[chip] * _ASK),
            "resource_code": code,
        }
        key = f"robots-{zone}-{chip}-{end.isoformat()}"
        provider = next(name for name in self._providers if name == cloud)
        await self._providers[provider].send(ops.submit("offers", world.MARKET_ID, terms, key))
        self._offered_until[zone, chip] = end

    async def _ask(self, enterprise: AsyncClient, chip: str, now: datetime) -> None:
        terms: Json = {
            "shape": {"type": "flow", "chips": self._lots[chip] * _LOTS_ASKED},
            "alternatives": [
                {"chips_any_of": [chip], "limit": world.on_tick(self._prices[chip] * _LIMIT)}
            ],
            "earliest": (now + 2 * _HOUR).isoformat(),
            "deadline": (now + (2 + _ASKED_HOURS) * _HOUR).isoformat(),
            "expires_at": (now + 2 * _HOUR).isoformat(),
        }
        await enterprise.send(ops.submit("demand", world.MARKET_ID, terms))


async def _run(exchange: Exchange) -> None:
    facts = [
        json.loads(file.read_text(encoding="utf-8"))
        for file in sorted((exchange.state_dir / "clients").glob("*.json"))
    ]
    keys = {item["participant_id"]: item["api_key"] for item in facts}
    enterprises = [item["participant_id"] for item in facts if item["role"] == "enterprise"]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # The first is left to people: `enterprise.env` is its key.
    async with AsyncClient(exchange.api_url, keys[enterprises[-1]]) as client:
        await Traders(client, keys, enterprises[1:], exchange.clock).run(stop)


if __name__ == "__main__":
    asyncio.run(_run(Exchange(Path(sys.argv[1]))))
