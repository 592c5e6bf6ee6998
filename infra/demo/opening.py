"""Before the day: the market is defined, participants are admitted and given play money."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.demo import world
from infra.demo.figures import chip_hours_wanted
from suanli import operations as ops
from suanli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.demo.day import Day
    from infra.demo.facts import Json
    from suanli.client import AsyncClient

REGULATOR = "jjj-regulator"
TRIAL = "trial-lab"
"""An enterprise that sends wrong orders; it has money for none."""
TRIAL_DEPOSIT = 100 * world.MICRO
FLOOD = "flood-control"
"""An enterprise that asks for chips in the day's emergency alone."""
FLOOD_DEPOSIT = 30_000 * world.MICRO

_THOUSAND_YUAN = 1_000 * world.MICRO
# Every eighth enterprise has money for a small part of what it asks for, so that holds are
# refused too; the others could pay for all of it at their limits.
_SHORT_EVERY = 8
_SHORT_SHARE = 0.1
_ROOM = 1.15  # some bid higher later
_KNOWN_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Opening:
    """What the day starts with.

    Attributes:
        keys: API key of every participant.
        deposits: Play money of every enterprise, micro-yuan.
    """

    keys: Mapping[str, str]
    deposits: Mapping[str, int]


def deposits_of(day: Day) -> dict[str, int]:
    """Return the play money of each enterprise, by what it will ask for, micro-yuan."""
    wanted = dict.fromkeys((name for name, _ in day.enterprises), 0.0)
    for action in day.actions:
        if action.kind == "demand":
            dearest = max(choice["limit"] for choice in action.body["alternatives"])
            wanted[action.participant_id] += chip_hours_wanted(action.body) * dearest
    deposits = {}
    for index, (name, most) in enumerate(sorted(wanted.items())):
        share = _SHORT_SHARE if index % _SHORT_EVERY == _SHORT_EVERY // 2 else _ROOM
        deposits[name] = _THOUSAND_YUAN * (1 + int(most * share / _THOUSAND_YUAN))
    return deposits


async def admit(operator: AsyncClient, day: Day) -> Opening:
    """Admit everybody and record their money; return the keys that the exchange gave out.

    Args:
        operator: Client with the operator's key.
        day: The day to come.
    """
    people = [(item.id, "provider", item.name, item.resource_code) for item in world.PROVIDERS]
    people += [
        (name, "enterprise", title, f"CN.11.0108.{name.upper()}") for name, title in day.enterprises
    ]
    people += [
        (TRIAL, "enterprise", "试错实验室 Trial Lab", "CN.11.0108.TRIAL-LAB"),
        (FLOOD, "enterprise", "防汛指挥部 Flood Control", "CN.11.0108.FLOOD-CONTROL"),
        (REGULATOR, "regulator", "京津冀算力监管 Regulator", "CN.11.0000.JJJ-REG"),
    ]
    replies = await asyncio.gather(
        *(operator.send(ops.register(who, role, name, code)) for who, role, name, code in people)
    )
    deposits = {**deposits_of(day), TRIAL: TRIAL_DEPOSIT, FLOOD: FLOOD_DEPOSIT}
    await asyncio.gather(
        *(
            operator.send(ops.deposit(who, amount, "play money of the demo"))
            for who, amount in deposits.items()
        )
    )
    keys = {who: str(reply["api_key"]) for (who, *_), reply in zip(people, replies, strict=True)}
    return Opening(keys=keys, deposits=deposits)


async def open_market(operator: AsyncClient, market: Json) -> None:
    """Define the market; rounds begin with the next instant of its cadence."""
    await operator.send(ops.Operation("POST", "/v1/markets", body=market))
    await _until_known(operator, str(market["id"]))


async def close_market(operator: AsyncClient, market: Json, round_every_s: int) -> None:
    """Put the next round off: the same market with a longer cadence."""
    rules = {**market["rules"], "round_every_s": round_every_s}
    body = {**market, "rules": rules}
    await operator.send(ops.Operation("POST", "/v1/markets", body=body))


async def _until_known(operator: AsyncClient, market_id: str) -> None:
    async with asyncio.timeout(_KNOWN_S_MAX):
        while True:
            try:
                await operator.send(ops.read(f"/v1/markets/{market_id}"))
            except ApiError:
                await asyncio.sleep(0.1)
            else:
                return
