"""A running market gives verdicts while a round is cleared, and the log alone tells the same."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from schemas import events
from schemas.types import OrderState
from services.core.past_books import sealed_books
from services.gateway.adapters.market_log import KafkaMarketLogs
from services.kit.clock import ManualClock
from services.kit.kafka import OutRecord
from services.matching.adapters.solver import ChildSolver
from tests.integration.matching.desk import (
    MARKET,
    START,
    Desk,
    demand,
    hold,
    offer,
    open_process,
    settled,
)

pytestmark = pytest.mark.integration


def slow(until: Path) -> ChildSolver:
    """Return a solver that answers once a file is there."""
    worker = "tests.integration.matching.bad_worker"
    command = (sys.executable, "-m", worker, "slow", str(until))
    return ChildSolver(solve_s=60.0, check_s=20.0, memory_mib=6144, command=command)


async def until(desk: Desk, table: str, count: int) -> None:
    """Wait until a table has so many rows."""
    async with asyncio.timeout(20):
        query = f"SELECT 1 FROM {table}"  # noqa: S608 - a name of ours
        while len(await desk.rows(query)) < count:  # noqa: ASYNC110 - a database does it
            await asyncio.sleep(0.02)


async def test_orders_get_their_verdict_while_a_round_is_cleared_and_a_replay_says_the_same(
    desk: Desk, tmp_path: Path
) -> None:
    supply, need = offer("a"), demand("n")
    new, other = offer("b"), demand("m")
    withdrawn = events.DemandCancelled(
        order_id=need.order_id, market_id=MARKET.id, participant_id=need.participant_id
    )
    wider = MARKET.model_copy(update={"name_en": "Wider"})
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await desk.say(supply, need, hold(need))
        await settled(matching, least=3)
        matching._solver = child = slow(tmp_path / "go")
        clearing = asyncio.create_task(matching.run_round())
        await until(desk, "round", 1)
        await desk.say(withdrawn, new, other, hold(other), events.MarketDefined(market=wider))
        poison = f'{{"order_id": "{need.order_id}"}}'.encode()
        await desk.writer.send(OutRecord("demand", MARKET.id.encode(), poison))
        # The market and three before the seal; the new offer, the new demand and its hold.
        await until(desk, "intake", 4 + 3)
        await until(desk, "waiting_record", 3)
        assert [row["state"] for row in await desk.rows("SELECT state FROM round")] == ["SEALED"]
        states = await desk.rows("SELECT order_id, state FROM orders")
        assert {row["order_id"]: row["state"] for row in states} == dict.fromkeys(
            (supply.order_id, need.order_id, new.order_id, other.order_id), "open"
        )
        (tmp_path / "go").touch()
        await clearing
        assert await desk.rows("SELECT 1 FROM waiting_record") == []
        rows = await desk.rows("SELECT topic, count(*) AS n FROM intake GROUP BY topic")
        assert {row["topic"]: row["n"] for row in rows} == {
            "policies": 2, "offers": 2, "demand": 4, "holds": 2,
        }  # fmt: skip
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await child.close()
        await desk.hear(2)
    assert [status.state for status in desk.statuses(need)][-1] == OrderState.FILLED
    assert desk.statuses(other)[-1].state == OrderState.FILLED
    verdicts = await desk.rows("SELECT verdict FROM intake WHERE order_id = $1", need.order_id)
    assert sorted(row["verdict"] for row in verdicts) == [
        "accepted", "closed", "open",
    ]  # fmt: skip
    log = await KafkaMarketLogs(desk.settings, 10_000).read(MARKET.id)
    books = list(sealed_books(log))
    assert [one.digest for one in books] == [one.sealed_digest for one in books]
    assert [one.differing for one in books] == [(), ()]
