"""Orders that are wrong on purpose, to show that each is refused with its reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from infra.demo import world
from infra.demo.facts import Trial
from infra.demo.opening import TRIAL
from infra.demo.sender import answered
from suanli import operations as ops
from suanli.client import side_of
from suanli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from infra.demo.facts import Json, Phrase
    from services.kit.clock import Clock
    from suanli.client import AsyncClient
    from suanli.operations import Operation

_PROVIDER = world.PROVIDERS[0].id
_TOO_LONG = "x" * 70_000
"""More than the 64 KiB that a message may have."""
_PAUSE_S = 0.5
# A round under way is finished before an order is judged, and on a busy machine that can take long.
_ANSWER_S_MAX = 150.0


@dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong call.

    Attributes:
        name: What is wrong with it.
        who: Whose key it is sent with; ``""`` for a key that nobody has.
        operation: The call.
        first: A call to send before it, which is right.
    """

    name: Phrase
    who: str
    operation: Operation
    first: Operation | None = None


def wrong_orders(now: datetime, foreign_order: str) -> list[Wrong]:
    """Return the wrong calls of the day.

    Args:
        now: The market's time; windows are a few hours after it.
        foreign_order: Id of a demand that belongs to another enterprise.
    """
    offer = _offer_terms(now)
    demand = _demand_terms(now)
    choice = demand["alternatives"][0]

    def offered(name: Phrase, **change: object) -> Wrong:
        return Wrong(name, _PROVIDER, _submit("offers", offer | change, f"wrong-{name[0]}"))

    def demanded(name: Phrase, **change: object) -> Wrong:
        return Wrong(name, TRIAL, _submit("demand", demand | change, f"wrong-{name[0]}"))

    past = (now - timedelta(hours=9), now - timedelta(hours=5))
    same_key = "trial-same-key"
    return [
        offered(("price off the tick", "价格不在最小变动价位上"), ask=offer["ask"] + 50),
        offered(("unknown chip class", "未知芯片类别"), chip="h900"),
        offered(("absurd price", "荒谬的价格"), ask=world.TICK * 10**7),
        demanded(
            ("window in the past", "交付窗口已过"), earliest=_iso(past[0]), deadline=_iso(past[1])
        ),
        demanded(("a field that does not exist", "不存在的字段"), colour="red"),
        demanded(
            ("text where a number belongs", "数字处填了文字"),
            shape={"type": "block", "chips": "eight", "duration": 2},
        ),
        demanded(
            ("budget pays for nothing", "预算不足以购买任何数量"),
            budget=1_000,
        ),
        demanded(("urgent without a mobilisation", "未经动员的紧急需求"), priority="urgent"),
        demanded(("more than 64 KiB", "超过 64 KiB"), resource_code=_TOO_LONG),
        Wrong(
            ("an offer by an enterprise", "需求方提交供给"),
            TRIAL,
            _submit("offers", offer, "trial-role"),
        ),
        Wrong(
            ("an idempotency key used again", "重复使用幂等键"),
            _PROVIDER,
            _submit("offers", offer | {"chips": 9}, same_key),
            first=_submit("offers", offer, same_key),
        ),
        Wrong(
            ("withdrawing someone else's order", "撤回他人订单"),
            TRIAL,
            ops.cancel("demand", foreign_order),
        ),
        Wrong(("a key that nobody has", "无效密钥"), "", _submit("demand", demand, "trial-key")),
        Wrong(
            ("too little money", "资金不足"),
            TRIAL,
            _submit(
                "demand",
                demand | {"alternatives": [choice | {"limit": 20 * world.MICRO}]},
                "trial-money",
            ),
        ),
    ]


class Trials:
    """Sends the wrong calls, spread over the day, and notes what became of each.

    Args:
        client: Any client of the exchange.
        keys: API key of every participant.
        clock: The market's clock.
        start: First instant of the day.
        hours: Its length.
        tell: Called with a piece of news.

    Attributes:
        done: What was tried so far.
        taken: Ids of the orders that were taken onto the log on the way.
    """

    def __init__(
        self,
        client: AsyncClient,
        keys: Mapping[str, str],
        clock: Clock,
        *,
        start: datetime,
        hours: int,
        tell: Callable[[Phrase], None],
    ) -> None:
        self._tell = tell
        self._clients = {who: client.acting_as(key) for who, key in keys.items()}
        self._clients[""] = client.acting_as("sk_" + "0" * 52)
        self._clock = clock
        self._start = start
        self._hours = hours
        self.done: list[Trial] = []
        self.taken: list[str] = []

    async def run(self, foreign_order: Callable[[], str | None]) -> None:
        """Send them all, the last with a fifth of the day to go.

        Args:
            foreign_order: Returns the id of a demand of another enterprise, once there is one.
        """
        count = len(wrong_orders(self._start, ""))
        for index in range(count):
            share = (index + 1) / count * 0.8
            await self._clock.sleep_until(self._start + share * timedelta(hours=self._hours))
            wrong = wrong_orders(self._clock.now(), foreign_order() or "dem_" + "a" * 26)[index]
            trial = await self._try(wrong)
            self.done.append(trial)
            if trial.refused:
                self._tell((f"refused: {trial.name[0]}", f"已拒绝：{trial.name[1]}"))

    async def _try(self, wrong: Wrong) -> Trial:
        client = self._clients[wrong.who]
        try:
            if wrong.first is not None:
                right = await answered(client, wrong.first)
                self.taken.append(str(right["order_id"]))
            receipt = await answered(client, wrong.operation)
        except ApiError as error:
            where = error.errors[0] if error.errors else {}
            said = (str(where.get("en", error.detail)), str(where.get("zh", error.detail)))
            return Trial(wrong.name, error.status < 500, "gateway", error.code, said)
        order_id = str(receipt["order_id"])
        self.taken.append(order_id)
        return await self._settled(client, wrong, order_id)

    async def _settled(self, client: AsyncClient, wrong: Wrong, order_id: str) -> Trial:
        """Wait until the order that the gateway took has left the waiting state."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + _ANSWER_S_MAX
        path = f"/v1/{side_of(order_id)}/{order_id}"
        while True:
            order = await answered(client, ops.read(path))
            if order["state"] != "accepted" or loop.time() > give_up_s:
                reason = order["reason"]
                said = (reason["en"], reason["zh"])
                return Trial(wrong.name, order["state"] == "rejected", "book", reason["code"], said)
            await asyncio.sleep(_PAUSE_S)


def _submit(side: str, terms: Json, key: str) -> Operation:
    return ops.submit(side, world.MARKET_ID, terms, key.replace(" ", "-"))


def _offer_terms(now: datetime) -> Json:
    zone = next(zone[0] for zone in world.ZONES if zone[4] == _PROVIDER)
    return {
        "zone": zone,
        "chip": "a10",
        "chips": 8,
        "start": _iso(now + timedelta(hours=3)),
        "end": _iso(now + timedelta(hours=7)),
        "ask": 9 * world.MICRO,
        "resource_code": "CN.11.0000.TRIAL-A10",
    }


def _demand_terms(now: datetime) -> dict[str, Any]:
    return {
        "shape": {"type": "block", "chips": 8, "duration": 2},
        "alternatives": [{"chips_any_of": ["ascend-910b"], "limit": 5 * world.MICRO}],
        "earliest": _iso(now + timedelta(hours=3)),
        "deadline": _iso(now + timedelta(hours=7)),
    }


def _iso(instant: datetime) -> str:
    return instant.replace(minute=0, second=0, microsecond=0).isoformat().replace("+00:00", "Z")
