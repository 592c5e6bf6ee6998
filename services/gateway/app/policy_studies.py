"""What policies cost and would cost: who may ask, and the worker that finds it out."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from schemas.policies import CircuitBreaker
from schemas.policy_costs import SIMULATED_ROUNDS_MAX, RoundPolicyCosts
from schemas.types import Role
from services.core.errors import Message, ValidationError
from services.core.policies import check_rule
from services.gateway.app.envelopes import canonical, derive
from services.gateway.app.rights import require_role
from services.gateway.app.surveillance import day_of
from services.gateway.errors import BusyError, not_found
from services.gateway.study_ports import StudyFailedError
from services.kit.logging import get_logger

if TYPE_CHECKING:
    from schemas.api import RoundView
    from schemas.policy_costs import (
        PolicySimulationNew,
        PolicySimulationView,
        SimulatedRound,
    )
    from services.gateway.ports import MarketClock, Markets, Principal, Reports
    from services.gateway.study_ports import Studies, Studying, StudyQueue

_MAY = (Role.REGULATOR, Role.OPERATOR)
OPEN_MAX = 20
"""Simulations that wait or run, of everybody together."""
_POLL_S = 2.0
# Rounds of a day that are counted to spread a sample over them: one a second.
_SAMPLED_MAX = 86_400
# A child with a solver in it holds some 200 MB.
_REST_AFTER_S = 60.0


class PolicyStudies:
    """Answers of the API about the costs of policies.

    Args:
        studies: What was found.
        markets: Markets.
        reports: Rounds.
        clock: The market's clock.
    """

    def __init__(
        self, studies: Studies, markets: Markets, reports: Reports, clock: MarketClock
    ) -> None:
        self._studies = studies
        self._markets = markets
        self._reports = reports
        self._clock = clock

    async def costs_of(self, round_id: str) -> RoundPolicyCosts:
        """Return what policies cost in a round.

        Raises:
            NotFoundError: if there is no such round.
        """
        found = await self._studies.costs(round_id=round_id, market_id=None, before=None, limit=1)
        if found:
            return found[0]
        view = await self._reports.round(round_id)
        if view is None:
            raise not_found("round_id", round_id)
        return _free(view)

    async def costs(
        self, market_id: str | None, *, before: tuple[int, str] | None, limit: int
    ) -> list[RoundPolicyCosts]:
        """Return what policies cost in rounds that any were in force in, latest first."""
        return await self._studies.costs(
            round_id=None, market_id=market_id, before=before, limit=limit
        )

    async def simulate(
        self, principal: Principal, new: PolicySimulationNew
    ) -> PolicySimulationView:
        """Have a rule tried on past rounds; the same again is the same simulation.

        Raises:
            ForbiddenError: if the caller is neither a regulator nor the operator.
            NotFoundError: if there is no such market.
            ValidationError: if the market cannot honour the rule, or it has no such rounds, or
                more than are taken at once.
            BusyError: if too many are waiting.
        """
        require_role(principal, *_MAY)
        view = await self._markets.market(new.market_id)
        if view is None:
            raise not_found("market_id", new.market_id)
        if new.rule is not None:
            check_rule(new.rule, view.market)
        if isinstance(new.rule, CircuitBreaker) and new.every != 1:
            raise _wrong("every", str(new.every), "1 for a circuit breaker", "1(熔断)")
        rounds = await self._rounds(new)
        numbers = ",".join(map(str, rounds))
        simulation_id = derive(
            "sim_", principal.participant_id, canonical(new.model_dump(mode="json")), numbers
        )
        kept = await self._studies.put(
            simulation_id,
            new,
            principal.participant_id,
            self._clock.now(),
            rounds,
            most=OPEN_MAX,
        )
        if not kept:
            raise _busy()
        return await self.simulation(principal, simulation_id)

    async def sampled(self, new: PolicySimulationNew, most: int) -> PolicySimulationNew:
        """Return a request for so many rounds at most, evenly spread over those it asks for.

        Raises:
            ValidationError: if the calendar has no such day.
        """
        if isinstance(new.rule, CircuitBreaker):
            return new
        start, end = _ends(new)
        found = await self._studies.rounds_to_simulate(new, start, end, _SAMPLED_MAX)
        return new.model_copy(update={"every": max(1, -(-len(found) // most))})

    async def _rounds(self, new: PolicySimulationNew) -> list[int]:
        start, end = _ends(new)
        rounds = await self._studies.rounds_to_simulate(new, start, end, SIMULATED_ROUNDS_MAX)
        field = "from_round" if new.day is None else "day"
        asked = f"{new.from_round} to {new.to_round}" if new.day is None else new.day
        if not rounds:
            raise _wrong(field, asked, "one with rounds", "有轮次的范围")
        if len(rounds) > SIMULATED_ROUNDS_MAX:
            most = SIMULATED_ROUNDS_MAX
            en = f"at most {most} rounds; every takes each so many-th alone"
            raise _wrong(field, asked, en, f"至多 {most} 轮;可用 every 隔轮选取")
        return rounds

    async def simulation(self, principal: Principal, simulation_id: str) -> PolicySimulationView:
        """Return a simulation.

        Raises:
            ForbiddenError: if the caller is neither a regulator nor the operator.
            NotFoundError: if there is none of this id.
        """
        require_role(principal, *_MAY)
        found = await self._studies.simulations(
            simulation_id=simulation_id, market_id=None, before=None, limit=1
        )
        if not found:
            raise not_found("simulation_id", simulation_id)
        return found[0][1]

    async def simulations(
        self, principal: Principal, market_id: str | None, *, before: int | None, limit: int
    ) -> list[tuple[int, PolicySimulationView]]:
        """Return (number, simulation), latest first.

        Raises:
            ForbiddenError: if the caller is neither a regulator nor the operator.
        """
        require_role(principal, *_MAY)
        return await self._studies.simulations(
            simulation_id=None, market_id=market_id, before=before, limit=limit
        )

    async def rounds(
        self, principal: Principal, simulation_id: str, *, after: int, limit: int
    ) -> list[SimulatedRound]:
        """Return rounds of a simulation that are done, by their numbers.

        Raises:
            ForbiddenError: if the caller is neither a regulator nor the operator.
            NotFoundError: if there is none of this id.
        """
        await self.simulation(principal, simulation_id)
        return await self._studies.simulated_rounds(simulation_id, after=after, limit=limit)


class StudyWorker:
    """Works out, one round at a time, what is not known yet.

    Costs of the latest rounds and simulations take turns. What a crash interrupts was not kept, and
    is worked out again: it follows from the round's file alone, so twice gives the same.

    Args:
        queue: What there is to do.
        studying: Who does it.
        store_errors: What a store that is away raises.
    """

    def __init__(
        self, queue: StudyQueue, studying: Studying, store_errors: tuple[type[Exception], ...]
    ) -> None:
        self._queue = queue
        self._studying = studying
        self._store_errors = store_errors
        self._log = get_logger("gateway.studies")

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set."""
        await self._queue.begin()
        idle_s = 0.0
        while not stop.is_set():
            try:
                worked = await self._cost()
                worked |= await self._step()
            except self._store_errors as error:
                self._log.warning("studies wait for the store", error=repr(error))
                worked = False
            idle_s = 0.0 if worked else idle_s + _POLL_S
            if worked:
                continue
            if idle_s >= _REST_AFTER_S:
                await self._studying.rest()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await stop.wait()

    async def _cost(self) -> bool:
        found = await self._queue.next_cost()
        if found is None:
            return False
        file = await self._queue.file(found.round_id)
        try:
            body = await self._studying.costs(file)
        except StudyFailedError as error:
            self._log.warning("no cost of policies", round_id=found.round_id, cause=str(error))
            await self._queue.cost_failed(found.round_id, str(error))
        else:
            await self._queue.costed(found.round_id, body)
        return True

    async def _step(self) -> bool:
        step = await self._queue.next_step()
        if step is None:
            return False
        if step.seq is None:
            await self._queue.ended(step.simulation_id, "")
            return True
        assert step.round is not None, f"{step.simulation_id}: round {step.seq} was there"
        file = await self._queue.file(step.round.round_id)
        try:
            body = await self._studying.simulated(step, file)
        except StudyFailedError as error:
            cause = f"{step.round.round_id}: {error}"
            self._log.warning("simulation failed", simulation=step.simulation_id, cause=cause)
            await self._queue.ended(step.simulation_id, cause)
        else:
            await self._queue.simulated(step.simulation_id, step.seq, body)
        return True


def _ends(new: PolicySimulationNew) -> tuple[datetime | None, datetime | None]:
    """Return the first instant of the day that is asked for, and the one after its last."""
    if new.day is None:
        return None, None
    start = datetime.combine(day_of(new.day), datetime.min.time(), UTC)
    return start, start + timedelta(days=1)


def _free(view: RoundView) -> RoundPolicyCosts:
    """Return that nothing cost anything, once the file tells that no rule was in the round.

    Rules may be known later than rounds that they were in.
    """
    is_known = view.file.state not in {"none", "partial"}
    return RoundPolicyCosts(
        round_id=view.round_id,
        market_id=view.market_id,
        seq=view.seq,
        market_time=view.market_time,
        state="ready" if is_known else "pending",
    )


def _wrong(field: str, value: str, en: str, zh: str) -> ValidationError:
    return ValidationError(
        "validation.range",
        Message(f"{field}: must be {en}, was {value}", f"{field}:应为{zh},实为 {value}"),
        field=field,
        value=value,
        allowed=en,
    )


def _busy() -> BusyError:
    return BusyError(
        "busy.simulations",
        Message(
            f"simulations: must be fewer than {OPEN_MAX} at once, was {OPEN_MAX}",
            f"模拟:同时进行的应少于 {OPEN_MAX} 个,实为 {OPEN_MAX} 个",
        ),
        field="simulations",
        value=str(OPEN_MAX),
        allowed=f"fewer than {OPEN_MAX}",
    )
