"""What studies of policies need: a store of what they found, and somebody who clears books."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from schemas.policy_costs import (
        PolicySimulationNew,
        PolicySimulationView,
        RoundPolicyCosts,
        SimulatedRound,
    )


@dataclass(frozen=True, slots=True)
class RoundToStudy:
    """A round whose file is whole.

    Attributes:
        round_id: The round.
        market_time: When it was sealed, on the market's clock.
    """

    round_id: str
    market_time: datetime


@dataclass(frozen=True, slots=True)
class SimulationStep:
    """The next round of a simulation.

    Attributes:
        simulation_id: The simulation.
        market_id: Its market.
        asked: What was asked for, as JSON.
        seq: Number of the round; ``None`` once all are done.
        round: The round; ``None`` if it is not there any more.
    """

    simulation_id: str
    market_id: str
    asked: str
    seq: int | None
    round: RoundToStudy | None


class StudyQueue(Protocol):
    """What there is to do, for the worker that holds the lease."""

    async def begin(self) -> None:
        """Take over from whoever worked before."""
        ...

    async def next_cost(self) -> RoundToStudy | None:
        """Return the latest round whose policies' costs are not known."""
        ...

    async def costed(self, round_id: str, body: bytes) -> None:
        """Keep what policies cost in a round."""
        ...

    async def cost_failed(self, round_id: str, cause: str) -> None:
        """Count a failure."""
        ...

    async def next_step(self) -> SimulationStep | None:
        """Return the next round of the simulation that was asked for first."""
        ...

    async def simulated(self, simulation_id: str, seq: int, body: bytes) -> None:
        """Keep a simulated round."""
        ...

    async def ended(self, simulation_id: str, cause: str) -> None:
        """End a simulation: it is ready, or failed if there is a cause."""
        ...

    async def file(self, round_id: str) -> bytes:
        """Return a round's file, compressed."""
        ...


class Studying(Protocol):
    """Clears books, away from whoever waits for requests."""

    async def costs(self, file: bytes) -> bytes:
        """Return what each policy of a round cost, as JSON.

        Raises:
            StudyFailedError: if it could not be worked out.
        """
        ...

    async def simulated(self, step: SimulationStep, file: bytes) -> bytes:
        """Return a round as it would have been, as JSON.

        Raises:
            StudyFailedError: if it could not be worked out.
        """
        ...

    async def rest(self) -> None:
        """Give back what it holds while there is nothing to do."""
        ...


class StudyFailedError(Exception):
    """A study took too long, or died."""


class Studies(Protocol):
    """What was found."""

    async def costs(
        self,
        *,
        round_id: str | None,
        market_id: str | None,
        before: tuple[int, str] | None,
        limit: int,
    ) -> list[RoundPolicyCosts]:
        """Return what policies cost by round, latest first."""
        ...

    async def rounds_to_simulate(
        self, asked: PolicySimulationNew, start: datetime | None, end: datetime | None, most: int
    ) -> list[int]:
        """Return the numbers of the rounds that are asked for, one more than most if there are."""
        ...

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
        ...

    async def simulations(
        self,
        *,
        simulation_id: str | None,
        market_id: str | None,
        before: int | None,
        limit: int,
    ) -> list[tuple[int, PolicySimulationView]]:
        """Return (number, simulation), latest first."""
        ...

    async def simulated_rounds(
        self, simulation_id: str, *, after: int, limit: int
    ) -> list[SimulatedRound]:
        """Return rounds of a simulation by their numbers."""
        ...
