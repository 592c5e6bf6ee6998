"""Studies of policies in the gateway's schema, and the child process that clears books for them."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from schemas.policy_costs import (
    COSTED_ROUNDS,
    PolicyCost,
    PolicySimulationNew,
    PolicySimulationView,
    RoundPolicyCosts,
    SimulatedRound,
    SimulationTotals,
)
from services.core.policies import NOT_IN_BOOKS
from services.gateway.adapters.queries import SQL
from services.gateway.study_ports import RoundToStudy, SimulationStep, StudyFailedError
from services.kit.postgres import assert_lease
from services.kit.workers import Worker, WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import asyncpg

    from services.gateway.app.policy_studies import StudyWorker
    from services.gateway.study_ports import StudyQueue
    from services.kit.postgres import LeaseKeeper, Pool

LEASE = "policy-studies"
_CHILD = "services.gateway.adapters.study_child"
_TRIES_MAX = 3
_CAUSE_CHARS_MAX = 500
_FREE = list(NOT_IN_BOOKS)


class PostgresStudies:
    """`services.gateway.study_ports.Studies` on the gateway's schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def costs(
        self,
        *,
        round_id: str | None,
        market_id: str | None,
        before: tuple[int, str] | None,
        limit: int,
    ) -> list[RoundPolicyCosts]:
        """Return what policies cost by round, latest first."""
        rows = await self._pool.fetch(
            SQL.policy_costs,
            *(market_id, *(before or (None, None)), limit, COSTED_ROUNDS, _TRIES_MAX),
            *(_FREE, round_id),
        )
        return [
            RoundPolicyCosts(
                costs=costs_of(row["body"]),
                **{name: row[name] for name in ("round_id", "market_id", "seq", "market_time")},
                state=row["state"],
            )
            for row in rows
        ]

    async def rounds_to_simulate(
        self, asked: PolicySimulationNew, start: datetime | None, end: datetime | None, most: int
    ) -> list[int]:
        """Return the numbers of the rounds that are asked for, one more than most if there are."""
        found = await self._pool.fetchval(
            SQL.rounds_to_simulate,
            *(asked.market_id, start, end, asked.from_round, asked.to_round),
            *(asked.every, most + 1),
        )
        return list(found or ())

    async def put(
        self,
        simulation_id: str,
        asked: PolicySimulationNew,
        asked_by: str,
        asked_at: datetime,
        rounds: Sequence[int],
        *,
        most: int,
    ) -> bool:
        """Keep a simulation that was asked for, once; False if too many are open."""
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(SQL.lock_simulations)
            if await conn.fetchval(SQL.open_simulations, simulation_id) >= most:
                return False
            await conn.execute(
                SQL.put_simulation,
                *(simulation_id, asked.market_id, asked.model_dump_json(), asked_by, asked_at),
                list(rounds),
            )
        return True

    async def simulations(
        self,
        *,
        simulation_id: str | None,
        market_id: str | None,
        before: int | None,
        limit: int,
    ) -> list[tuple[int, PolicySimulationView]]:
        """Return (number, simulation), latest first."""
        rows = await self._pool.fetch(SQL.simulations, simulation_id, market_id, before, limit)
        return [(row["number"], _view(row)) for row in rows]

    async def simulated_rounds(
        self, simulation_id: str, *, after: int, limit: int
    ) -> list[SimulatedRound]:
        """Return rounds of a simulation by their numbers."""
        rows = await self._pool.fetch(SQL.simulation_rounds, simulation_id, after, limit)
        return [SimulatedRound.model_validate_json(row["body"]) for row in rows]


def costs_of(body: str | None) -> tuple[PolicyCost, ...]:
    """Return the costs that a row keeps."""
    return tuple(map(PolicyCost.model_validate, json.loads(body or "[]")))


def _view(row: asyncpg.Record) -> PolicySimulationView:
    return PolicySimulationView(
        simulation_id=row["simulation_id"],
        asked=PolicySimulationNew.model_validate_json(row["asked"]),
        asked_by=row["asked_by"],
        asked_at=row["asked_at"],
        state=row["state"],
        cause=row["cause"],
        rounds=row["wanted"],
        rounds_done=row["done"],
        totals=SimulationTotals(**{name: int(row[name]) for name in SimulationTotals.model_fields}),
    )


class PostgresStudyQueue:
    """`services.gateway.study_ports.StudyQueue` under a lease.

    Args:
        pool: Pool of the gateway's schema.
        epoch: Epoch of the lease.
    """

    def __init__(self, pool: Pool, epoch: int) -> None:
        self._pool = pool
        self._epoch = epoch

    async def begin(self) -> None:
        """Take over from whoever worked before."""
        await self._write(SQL.restart_breakers)

    async def next_cost(self) -> RoundToStudy | None:
        """Return the latest round whose policies' costs are not known."""
        row = await self._pool.fetchrow(SQL.next_policy_cost, _FREE, COSTED_ROUNDS, _TRIES_MAX)
        return None if row is None else RoundToStudy(row["round_id"], row["market_time"])

    async def costed(self, round_id: str, body: bytes) -> None:
        """Keep what policies cost in a round."""
        await self._write(SQL.put_policy_cost, round_id, body.decode())

    async def cost_failed(self, round_id: str, cause: str) -> None:
        """Count a failure."""
        await self._write(SQL.fail_policy_cost, round_id, cause[:_CAUSE_CHARS_MAX])

    async def next_step(self) -> SimulationStep | None:
        """Return the next round of the simulation that was asked for first."""
        row = await self._pool.fetchrow(SQL.next_simulated_round)
        if row is None:
            return None
        there = row["round_id"] is not None
        return SimulationStep(
            simulation_id=row["simulation_id"],
            market_id=row["market_id"],
            asked=row["asked"],
            seq=row["seq"],
            round=RoundToStudy(row["round_id"], row["market_time"]) if there else None,
        )

    async def simulated(self, simulation_id: str, seq: int, body: bytes) -> None:
        """Keep a simulated round."""
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, LEASE, self._epoch)
            await conn.execute(SQL.put_simulated_round, simulation_id, seq, body.decode())
            await conn.execute(SQL.set_simulation_state, simulation_id, "running", "")

    async def ended(self, simulation_id: str, cause: str) -> None:
        """End a simulation: it is ready, or failed if there is a cause."""
        state = "failed" if cause else "ready"
        await self._write(SQL.set_simulation_state, simulation_id, state, cause[:_CAUSE_CHARS_MAX])

    async def file(self, round_id: str) -> bytes:
        """Return a round's file, compressed."""
        pieces = await self._pool.fetch(SQL.file_parts, round_id)
        return b"".join(piece["data"] for piece in pieces)

    async def _write(self, query: str, *values: object) -> None:
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, LEASE, self._epoch)
            await conn.execute(query, *values)


class ChildStudies:
    """`services.gateway.study_ports.Studying` in child processes, which no request waits for.

    One works out costs and one simulates, so that what fails in one leaves the other alone.

    Args:
        study_s: Real seconds that one round may take.
        command: Program and arguments, the child of this package by default.
    """

    def __init__(self, study_s: float, command: Sequence[str] | None = None) -> None:
        self._study_s = study_s
        words = tuple(command or (sys.executable, "-m", _CHILD))
        self._costing, self._simulating = Worker(words), Worker(words)

    async def costs(self, file: bytes) -> bytes:
        """Return what each policy of a round cost, as JSON.

        Raises:
            StudyFailedError: if the child ran over its time or died.
        """
        return await self._ask(self._costing, b"costs", file)

    async def simulated(self, step: SimulationStep, file: bytes) -> bytes:
        """Return a round as it would have been, as JSON.

        Raises:
            StudyFailedError: if the child ran over its time or died.
        """
        assert step.round is not None
        told = {
            "simulation_id": step.simulation_id,
            "market_id": step.market_id,
            "asked": json.loads(step.asked),
            "at": step.round.market_time.isoformat(),
        }
        return await self._ask(self._simulating, b"simulate", file, json.dumps(told).encode())

    async def rest(self) -> None:
        """End the children; they start anew when they are asked."""
        await self._costing.kill()
        await self._simulating.kill()

    async def _ask(self, worker: Worker, *request: bytes) -> bytes:
        try:
            return await worker.ask(request, self._study_s)
        except WorkerError as error:
            raise StudyFailedError(str(error)) from error


class LeasedStudies:
    """Runs the worker while this gateway holds the lease.

    Args:
        pool: Pool of the gateway's schema.
        keeper: Keeper of the lease.
        make: Returns the worker on a queue.
        studying: Ended with it.
    """

    def __init__(
        self,
        pool: Pool,
        keeper: LeaseKeeper,
        make: Callable[[StudyQueue], StudyWorker],
        studying: ChildStudies,
    ) -> None:
        self._pool = pool
        self._keeper = keeper
        self._make = make
        self._studying = studying

    async def run(self, stop: asyncio.Event) -> None:
        """Take the lease, then work until ``stop`` is set.

        Raises:
            StaleWriterError: if another gateway took over; this one must start anew.
        """
        epoch = await self._keeper.acquire(stop)
        if epoch is None:
            return
        worker = self._make(PostgresStudyQueue(self._pool, epoch))
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keeper.keep(stop))
                await worker.run(stop)
                keeping.cancel()
        finally:
            await self._studying.rest()
            await self._keeper.release()
