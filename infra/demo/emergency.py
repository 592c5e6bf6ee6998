"""An emergency in the day: a flood forecast calls for chips in Beijing before everybody else."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from infra.demo import world
from infra.demo.opening import FLOOD, REGULATOR
from infra.demo.sender import answered
from suanli import operations as ops
from suanli.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from infra.demo.facts import Json, Phrase
    from services.kit.clock import Clock
    from suanli.client import AsyncClient

# Between two of the services that are killed, so that the day shows one thing at a time.
_WHEN = 0.45
# Before the day's last round, which is to be an ordinary one.
_OVER = 0.8
_HOURS = 3
_CHIPS = 256
# Above the price that providers agreed to for their reserve, which is not called otherwise.
_CAP = 32 * world.MICRO
_PATH = "/v1/mobilisations"
_POLL_S = 0.5
_WAIT_S_MAX = 90.0
_REASON = "Flood forecast for the Yongding river 永定河洪水预报"


class Emergency:
    """Declared by two, served before all other, over by itself.

    Args:
        anyone: Client of the exchange.
        operator: The same with the operator's key, who proposes it.
        keys: API key of every participant.
        clock: The market's clock.
        tell: Called with news of it.

    Attributes:
        orders: Ids of the urgent demand.
        day: Day of it, UTC, ``""`` before.
    """

    def __init__(
        self,
        anyone: AsyncClient,
        operator: AsyncClient,
        keys: Mapping[str, str],
        clock: Clock,
        tell: Callable[[Phrase], None],
    ) -> None:
        self._operator = operator
        self._regulator = anyone.acting_as(keys[REGULATOR])
        self._flood = anyone.acting_as(keys[FLOOD])
        self._clock = clock
        self._tell = tell
        self.orders: list[str] = []
        self.day = ""

    async def run(self, start: datetime, length: int) -> None:
        """Declare it, ask for chips, and end it when most of the day's hours are over."""
        await self._clock.sleep_until(start + _WHEN * timedelta(hours=length))
        now = self._clock.now()
        self.day = f"{now:%Y-%m-%d}"
        first = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        window = {"start": _iso(first), "end": _iso(first + timedelta(hours=_HOURS))}
        terms = {
            "regions": ["beijing"],
            "participants": [FLOOD],
            "price_cap": _CAP,
            "rank": 1,
            "reason": _REASON,
            **window,
        }
        body = {"market_id": world.MARKET_ID, "terms": terms}
        told = await answered(
            self._operator, Operation("POST", _PATH, body=body, idempotency_key="demo-flood")
        )
        path = f"{_PATH}/{told['mobilisation_id']}"
        await answered(self._regulator, Operation("POST", f"{path}/confirm"))
        self._tell(("flood forecast: Beijing is mobilised", "洪水预报：北京紧急动员"))
        receipt = await answered(
            self._flood, ops.submit("demand", world.MARKET_ID, _demand(window), "demo-flood-1")
        )
        self.orders.append(str(receipt["order_id"]))
        given = await self._given(path)
        hours, reserve = f"{given['chip_hours']:,}", f"{given['reserve_chip_hours']:,}"
        en = f"urgent demand has {hours} chip-hours, {reserve} of them reserve"
        self._tell((en, f"紧急需求获得 {hours} 卡时，其中储备 {reserve}"))
        await self._clock.sleep_until(start + _OVER * timedelta(hours=length))
        over = Operation("POST", f"{path}/end", body={"reason": "The river has fallen 水位回落"})
        if (await answered(self._regulator, ops.read(path)))["state"] == "declared":
            await answered(self._regulator, over)
            self._tell(("the river has fallen: mobilisation ended", "水位回落：动员提前结束"))

    async def register(self) -> Json:
        """Return the register of emergency use of its day, empty if there was none."""
        if not self.day:
            return {}
        found: Json = await self._regulator.send(
            ops.read("/v1/reports/emergency-use", market_id=world.MARKET_ID, day=self.day)
        )
        return found

    async def _given(self, path: str) -> Json:
        """Return the mobilisation once an urgent round has served it, or as it is after a while."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + _WAIT_S_MAX
        while True:
            found = await answered(self._regulator, ops.read(path))
            if found["rounds"] or loop.time() > give_up_s:
                return found
            await asyncio.sleep(_POLL_S)


def _demand(window: Mapping[str, str]) -> dict[str, Any]:
    chips = sorted(world.list_prices())
    return {
        "shape": {"type": "flow", "chips": _CHIPS},
        "alternatives": [{"chips_any_of": chips, "regions": ["beijing"], "limit": _CAP}],
        "earliest": window["start"],
        "deadline": window["end"],
        "priority": "urgent",
    }


def _iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
