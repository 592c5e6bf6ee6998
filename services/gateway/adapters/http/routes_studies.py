"""Routes of what policies cost, and of rules that are tried on past rounds."""

from typing import Annotated

from fastapi import Body, Path, Response

from schemas.api import Page
from schemas.base import RoundId, Slug
from schemas.policy_costs import (
    PolicySimulationNew,
    PolicySimulationView,
    RoundPolicyCosts,
    SimulatedRound,
    SimulationId,
)
from schemas.policy_examples import SIMULATION_NEW
from services.gateway.adapters.http.context import (
    ApiDep,
    GovernorDep,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    numbered_page,
    page,
)
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
SimulationPath = Annotated[SimulationId, Path()]


@router.get("/v1/policy-costs", tags=["policies"], response_model=Page[RoundPolicyCosts])
async def list_policy_costs(
    api: ApiDep, paging: PagingDep, market_id: Slug | None = None
) -> Response:
    """List what policies cost in the rounds that any was in force in, latest first (public)."""
    found = await api.studies.costs(market_id, before=paging.number_text(), limit=paging.limit + 1)
    last: list[str | int] | None = None
    if len(found) > paging.limit:
        last = [found[paging.limit - 1].seq, found[paging.limit - 1].market_id]
    return page(paging, found, last, "policy-costs")


@router.get("/v1/rounds/{round_id}/policy-costs", tags=["policies"])
async def get_policy_costs(round_id: RoundId, api: ApiDep) -> RoundPolicyCosts:
    """Return what each policy in force cost in a round, and who bore it (public). The round was
    cleared again without each; the difference comes with the least and the most that it can be.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.studies.costs_of(round_id)


@router.post("/v1/policy-simulations", status_code=202, tags=["policies"])
async def simulate_policy(
    body: Annotated[PolicySimulationNew, Body(examples=[SIMULATION_NEW])],
    api: ApiDep,
    principal: GovernorDep,
) -> PolicySimulationView:
    """Have a rule tried on the rounds of a day or a range, or a policy left out of them (regulator,
    operator). It is worked out beside the exchange; the same request again gives how far it is.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.studies.simulate(principal, body)


@router.get("/v1/policy-simulations", tags=["policies"], response_model=Page[PolicySimulationView])
async def list_policy_simulations(
    api: ApiDep, principal: PrincipalDep, paging: PagingDep, market_id: Slug | None = None
) -> Response:
    """List simulations, latest first (regulator, operator)."""
    found = await api.studies.simulations(
        principal, market_id, before=paging.number(), limit=paging.limit + 1
    )
    return numbered_page(paging, found, "policy-simulations")


@router.get("/v1/policy-simulations/{simulation_id}", tags=["policies"])
async def get_policy_simulation(
    simulation_id: SimulationPath, api: ApiDep, principal: PrincipalDep
) -> PolicySimulationView:
    """Return how far a simulation is, and what its rounds come to (regulator, operator)."""
    return await api.studies.simulation(principal, simulation_id)


@router.get(
    "/v1/policy-simulations/{simulation_id}/rounds",
    tags=["policies"],
    response_model=Page[SimulatedRound],
)
async def list_simulated_rounds(
    simulation_id: SimulationPath, api: ApiDep, principal: PrincipalDep, paging: PagingDep
) -> Response:
    """List the rounds of a simulation that are done, as they were and as they would have been
    (regulator, operator).
    """  # noqa: D205 - shown as one paragraph on the API's page
    found = await api.studies.rounds(
        principal, simulation_id, after=paging.number() or 0, limit=paging.limit + 1
    )
    return numbered_page(paging, [(one.seq, one) for one in found], "simulated-rounds")
