"""Calls of policies; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import Caller
from suanli.operations import Operation, place
from suanli.rows import Rows

if TYPE_CHECKING:
    from suanli.models import (
        PolicySimulationNew,
        PolicySimulationView,
        RoundPolicyCosts,
        SimulatedRound,
    )


class PoliciesCalls(Caller):
    """Calls of policies."""

    def list_policy_costs(self, *, market_id: str | None = None) -> Rows[RoundPolicyCosts]:
        """List what policies cost in the rounds that any was in force in, latest first (public)."""
        return Rows(
            self,
            Operation("GET", "/v1/policy-costs", params={"market_id": market_id}),
            "RoundPolicyCosts",
        )

    def get_policy_costs(self, round_id: str) -> RoundPolicyCosts:
        """Return what each policy in force cost in a round, and who bore it (public).

        The round was cleared again without each; the difference comes with the least and the
        most that it can be.
        """
        reply: RoundPolicyCosts = self.send(
            Operation("GET", f"/v1/rounds/{place(round_id)}/policy-costs")
        )
        return reply

    def list_policy_simulations(
        self, *, market_id: str | None = None
    ) -> Rows[PolicySimulationView]:
        """List simulations, latest first (regulator, operator)."""
        return Rows(
            self,
            Operation("GET", "/v1/policy-simulations", params={"market_id": market_id}),
            "PolicySimulationView",
        )

    def simulate_policy(self, body: PolicySimulationNew) -> PolicySimulationView:
        """Simulate Policy.

        Have a rule tried on the rounds of a day or a range, or a policy left out of them
        (regulator, operator). It is worked out beside the exchange; the same request again
        gives how far it is.
        """
        reply: PolicySimulationView = self.send(
            Operation("POST", "/v1/policy-simulations", body=body)
        )
        return reply

    def get_policy_simulation(self, simulation_id: str) -> PolicySimulationView:
        """Return how far a simulation is, and what its rounds come to (regulator, operator)."""
        reply: PolicySimulationView = self.send(
            Operation("GET", f"/v1/policy-simulations/{place(simulation_id)}")
        )
        return reply

    def list_simulated_rounds(self, simulation_id: str) -> Rows[SimulatedRound]:
        """List Simulated Rounds.

        List the rounds of a simulation that are done, as they were and as they would have been
        (regulator, operator).
        """
        return Rows(
            self,
            Operation("GET", f"/v1/policy-simulations/{place(simulation_id)}/rounds"),
            "SimulatedRound",
        )
