"""A domestic share in the day: the regulator asks for one, raises it, and withdraws it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from infra.demo import words, world
from infra.demo.opening import REGULATOR
from infra.demo.sender import answered
from suanli.errors import ApiError
from suanli.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from infra.demo.facts import Json, Phrase
    from services.kit.clock import Clock
    from suanli.client import AsyncClient

POLICY = "domestic-share"
REGION = None
"""Of the whole market: in one region alone, imported supply would only move to the next."""
PREMIUM_MAX = 30_000
"""Micro-yuan per TFLOPS-hour: an A100 would cost 9.36 yuan an hour more, about its price again."""
_STALE = "stale_version"


@dataclass(frozen=True, slots=True)
class Step:
    """A version of the policy.

    Attributes:
        when: Share of the day after which it is set.
        share_bp: Least domestic share, of 10,000; ``None`` withdraws the policy.
        reason: Why, as everybody reads it.
    """

    when: float
    share_bp: int | None
    reason: str


# Between services that are killed. The day has rounds before it and after it, and of those that
# it is asked of some keep it by themselves.
STEPS = (
    Step(0.25, 6_000, "Domestic chips are to carry most of the load 国产芯片承担主要负荷"),
    Step(0.5, 7_000, "The first step was taken well 首步运行平稳，提高占比"),
    Step(0.75, None, "Trial over, figures are being looked at 试行结束，评估数据"),
)


class DomesticShare:
    """Set, raised and withdrawn by the regulator.

    Args:
        anyone: Client of the exchange.
        keys: API key of every participant.
        clock: The market's clock.
        tell: Called with news of it.
    """

    def __init__(
        self,
        anyone: AsyncClient,
        keys: Mapping[str, str],
        clock: Clock,
        tell: Callable[[Phrase], None],
    ) -> None:
        self._regulator = anyone.acting_as(keys[REGULATOR])
        self._clock = clock
        self._tell = tell

    async def run(self, start: datetime, length: int) -> None:
        """Take every step at its time."""
        for version, step in enumerate(STEPS, 1):
            await self._clock.sleep_until(start + step.when * timedelta(hours=length))
            await self._set(policy_of(version, step))
            self._tell(_news(step))

    async def _set(self, body: Json) -> None:
        try:
            await answered(self._regulator, Operation("POST", "/v1/policies", body=body))
        except ApiError as error:
            # Nobody else sets this policy: a version that is there was set by the try before, whose
            # answer was lost with the gateway.
            if error.code != _STALE:
                raise


def policy_of(version: int, step: Step) -> Json:
    """Return a step as the API takes it; it is in force from the next round on."""
    rule = {
        "kind": "domestic_share",
        "region": REGION,
        "share_bp": step.share_bp,
        "premium_max": PREMIUM_MAX,
    }
    return {
        "market_id": world.MARKET_ID,
        "policy_id": POLICY,
        "version": version,
        "rule": None if step.share_bp is None else rule,
        "reason": step.reason,
    }


def _news(step: Step) -> Phrase:
    region = words.region(REGION)
    if step.share_bp is None:
        return (f"{region[0]}: domestic share no longer asked", f"{region[1]}：不再要求国产占比")
    asked = words.percent(step.share_bp / 10_000, 0)
    return (
        f"{region[0]}: regulator asks for {asked} domestic",
        f"{region[1]}：监管要求国产占比不低于 {asked}",
    )
