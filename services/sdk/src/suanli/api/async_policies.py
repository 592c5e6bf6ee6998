"""Calls of policies, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation, place
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from suanli.models import (
        PolicySimulationNew,
        PolicySimulationView,
        RoundPolicyCosts,
        SimulatedRound,
    )


class AsyncPoliciesCalls(AsyncCaller):
    """Calls of policies."""

    def list_policy_costs(self, *, market_id: str | None = None) -> AsyncRows[RoundPolicyCosts]:
        """List what policies cost in the rounds that any was in force in, latest first (public)."""
        return AsyncRows(
            self,
            Operation("GET", "/v1/policy-costs", params={"market_id": market_id}),
            "RoundPolicyCosts",
        )

    async def get_policy_costs(self, round_id: str) -> RoundPolicyCosts:
        """Return what each policy in force cost in a round, and who bore it (public).

        The round was cleared again without each; the difference comes with the least and the
        most that it can be.
        """
        reply: RoundPolicyCosts = await self.send(
            Operation("GET", f"/v1/rounds/{place(round_id)}/policy-costs")
        )
        return reply

    def list_policy_simulations(
        self, *, market_id: str | None = None
    ) -> AsyncRows[PolicySimulationView]:
        """List simulations, latest first (regulator, operator)."""
        return AsyncRows(
            self,
            Operation("GET", "/v1/policy-simulations", params={"market_id": market_id}),
            "PolicySimulationView",
        )

    async def simulate_policy(self, body: PolicySimulationNew) -> PolicySimulationView:
        """Simulate Policy.

        Have a rule tried on the rounds of a day or a range, or a policy left out of them
        (regulator, operator). It is worked out beside the exchange; the same request again
        gives how far it is.
        """
        reply: PolicySimulationView = await self.send(
            Operation("POST", "/v1/policy-simulations", body=body)
        )
        return reply

    async def get_policy_simulation(self, simulation_id: str) -> PolicySimulationView:
        """Return how far a simulation is, and what its rounds come to (regulator, operator)."""
        reply: PolicySimulationView = await self.send(
            Operation("GET", f"/v1/policy-simulations/{place(simulation_id)}")
        )
        return reply

    def list_simulated_rounds(self, simulation_id: str) -> AsyncRows[SimulatedRound]:
        """List Simulated Rounds.

        List the rounds of a simulation that are done, as they were and as they would have been
        (regulator, operator).
        """
        return AsyncRows(
            self,
            Operation("GET", f"/v1/policy-simulations/{place(simulation_id)}/rounds"),
            "SimulatedRound",
        )
