"""After the last round: wait until everything is booked, then gather what the day left behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from infra.demo.facts import Audit, Facts, ProcessUse
from services.ledger.audit import audit
from suanli import operations as ops

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.demo.board import Board
    from infra.demo.emergency import Emergency
    from infra.demo.facts import Json
    from infra.demo.meter import Memory, Meter
    from infra.demo.outage import Outage
    from infra.demo.robots import Robots
    from infra.demo.sender import Sender
    from infra.demo.trials import Trials
    from infra.local.exchange import Exchange
    from suanli.client import AsyncClient

LEDGER_SCHEMA = "ledger"
_POLL_S = 0.25
_QUIET_S_MAX = 90.0
# In which the ordinary round of a cycle is sealed once the urgent one is closed.
_NEXT_ROUND_S = 2.0
_LAST_ROUND_S_MAX = 120.0
_HOURS = range(24, 11, -1)


@dataclass(frozen=True, slots=True)
class Day:
    """Who did what while the day ran; what is gathered besides the exchange's own records."""

    board: Board
    sender: Sender
    robots: Robots
    trials: Trials
    emergency: Emergency
    outage: Outage
    memory: Memory
    meter: Meter
    killed: tuple[str, ...]
    took_s: Mapping[str, float]


def far_cadence_s(at: datetime) -> int:
    """Return a cadence whose next round is as far from an instant as it can be, seconds.

    Rounds are at multiples of the cadence since 1970, so the longest is not always the best.
    """
    now_s = int(at.timestamp())

    def wait_s(hours: int) -> int:
        return hours * 3600 - now_s % (hours * 3600)

    return max(_HOURS, key=wait_s) * 3600


async def none_under_way(client: AsyncClient, board: Board) -> None:
    """Return once no round is being cleared, or after two minutes.

    A definition that is read while a round is cleared counts from the next one on, which is not
    announced before: there would be none for the rest of the day.
    """
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + _LAST_ROUND_S_MAX
    while loop.time() <= give_up_s:
        if await newest_round(client, str(board.market["id"])) == len(board.closed):
            return
        await asyncio.sleep(_POLL_S)


async def last_round_closed(client: AsyncClient, board: Board, after: datetime) -> None:
    """Return once a round that was sealed after an instant is closed, and no other is under way.

    An urgent round is followed at once by the ordinary one of its cycle, which is the last one.

    Raises:
        TimeoutError: if there is none for two minutes.
    """
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + _LAST_ROUND_S_MAX
    seen = 0
    while loop.time() <= give_up_s:
        times = [datetime.fromisoformat(row["market_time"]) for row in board.closed]
        if not times or max(times) <= after:
            await asyncio.sleep(_POLL_S)
            continue
        newest = await newest_round(client, str(board.market["id"]))
        if newest == seen == len(times):
            return
        seen = newest
        await asyncio.sleep(_NEXT_ROUND_S)
    msg = f"no round was closed within {_LAST_ROUND_S_MAX:.0f} s of the day's end"
    raise TimeoutError(msg)


async def quiet(meter: Meter) -> dict[str, int]:
    """Return the lag once no service has anything to read or to send, or after 90 s.

    Each service commits its position with what follows from it, so when nothing is behind
    twice in a row and the log has not grown, nothing is under way.
    """
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + _QUIET_S_MAX
    size = -1
    while True:
        lag = await meter.lag()
        if not any(lag.values()) and meter.size == size:
            return lag
        if loop.time() > give_up_s:
            return lag
        size = meter.size
        await asyncio.sleep(_POLL_S)


async def gather(
    exchange: Exchange, client: AsyncClient, day: Day, lag: Mapping[str, int]
) -> Facts:
    """Return everything that the end is judged by.

    Args:
        exchange: The running exchange.
        client: Client with the regulator's key, which sees all.
        day: Who did what.
        lag: What `quiet` returned.
    """
    board = day.board
    market_id = board.market["id"]

    async def everything(path: str) -> tuple[Json, ...]:
        return tuple([item async for item in client.pages(path, market_id=market_id)])

    rounds = await everything("/v1/rounds")
    found = await audit(exchange.stack.postgres_dsn, LEDGER_SCHEMA)
    await asyncio.to_thread(day.memory.look)
    return Facts(
        market=board.market,
        start=board.start,
        hours=board.hours,
        speed=board.clock.speed,
        rounds=tuple(reversed(rounds)),
        offers=await everything("/v1/offers"),
        demands=await everything("/v1/demand"),
        allocations=await everything("/v1/allocations"),
        published_at=await day.meter.published_at(),
        findings=await everything("/v1/findings"),
        attempts=tuple(day.sender.attempts),
        trials=tuple(day.trials.done),
        trial_orders=(*day.trials.taken, *day.emergency.orders),
        resent=tuple(day.sender.resent),
        delivered=day.robots.delivered,
        refused_deliveries=tuple(day.robots.refused),
        verdicts=dict(board.verdicts),
        money=await day.meter.money(str(market_id)),
        audit=Audit(
            found.ok,
            tuple(f"{item.en}: {item.problems[0]}" for item in found.checks if item.problems)
            or (f"{len(found.checks)} / {len(found.checks)}, {found.size:,}",),
        ),
        dead_letters=await day.meter.dead_letters(),
        lag=lag,
        processes=_processes(day.memory),
        peak_bytes=day.memory.peak_bytes,
        killed=day.killed,
        took_s=day.took_s,
        emergency=await day.emergency.register(),
        loss=day.outage.loss,
        links=await everything("/v1/links"),
        policies=await everything("/v1/policies"),
        shares=tuple(reversed(await everything("/v1/shares"))),
    )


async def newest_round(client: AsyncClient, market_id: str) -> int:
    """Return the number of the newest round, 0 before the first."""
    page = await client.send(ops.read("/v1/rounds", market_id=market_id, limit=1))
    return int(page["items"][0]["seq"]) if page["items"] else 0


def _processes(memory: Memory) -> tuple[ProcessUse, ...]:
    starts = memory.starts()
    return tuple(
        ProcessUse(
            name=name,
            peak_bytes=peak,
            starts=starts.get(name, 1),
            running=memory.running.get(name, True),
        )
        for name, peak in memory.peaks.items()
    )
