"""A link in the day: most of its capacity is lost for some hours, and comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from infra.demo import words
from infra.demo.facts import LinkLoss
from infra.demo.sender import answered
from suanli.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from infra.demo.facts import Json, Phrase
    from services.kit.clock import Clock
    from suanli.client import AsyncClient

ENDS = ("bj-haidian", "bj-yizhuang")
"""But for Zhangjiakou, all ways to Haidian lead over this link: data has no way around it."""
# While most data is on its way, and over before the day's end.
_WHEN, _BACK = 0.12, 0.6
_KEPT_PER_MILLE = 10
"""What a spare fibre carries of it (assumed)."""


@dataclass(slots=True)
class Outage:
    """The operator tells of both by a new definition of the market.

    Args:
        operator: Client with the operator's key.
        market: The market as it is before and after.
        clock: The market's clock.
        tell: Called with news of it.

    Attributes:
        loss: What was lost, ``None`` before.
    """

    operator: AsyncClient
    market: Json
    clock: Clock
    tell: Callable[[Phrase], None]
    loss: LinkLoss | None = None

    async def run(self, start: datetime, length: int) -> None:
        """Take the capacity away and give it back at their times."""
        whole = next(one["capacity_gb_per_period"] for one in self.market["links"] if _is_hit(one))
        left = whole * _KEPT_PER_MILLE // 1000
        zones = words.zone_names(self.market)
        between = [f"{zones[ENDS[0]][i]}–{zones[ENDS[1]][i]}" for i in (0, 1)]
        await self.clock.sleep_until(start + _WHEN * timedelta(hours=length))
        await self._define(weakened(self.market, left))
        since = self.clock.now()
        self.loss = LinkLoss(ENDS, whole, left, since)
        percent = f"{_KEPT_PER_MILLE / 10:g} %"
        self.tell(
            (f"link {between[0]} is down to {percent}", f"链路 {between[1]} 容量降至 {percent}")
        )
        await self.clock.sleep_until(start + _BACK * timedelta(hours=length))
        await self._define(self.market)
        self.loss = LinkLoss(ENDS, whole, left, since, self.clock.now())
        self.tell((f"link {between[0]} is whole again", f"链路 {between[1]} 恢复"))

    async def _define(self, market: Json) -> None:
        await answered(self.operator, Operation("POST", "/v1/markets", body=market))


def weakened(market: Json, capacity_gb: int) -> Json:
    """Return the market with less capacity on the link, both ways."""
    less = {"capacity_gb_per_period": capacity_gb}
    links = [link | less if _is_hit(link) else link for link in market["links"]]
    return market | {"links": links}


def _is_hit(link: Json) -> bool:
    return {link["source"], link["destination"]} == set(ENDS)
