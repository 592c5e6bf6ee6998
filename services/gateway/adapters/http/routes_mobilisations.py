"""Routes of urgent mobilisations."""

from typing import Annotated

from fastapi import Body, Path, Response

from schemas.api import Page
from schemas.base import Slug
from schemas.mobilisation import (
    MobilisationEnd,
    MobilisationId,
    MobilisationNew,
    MobilisationView,
)
from schemas.mobilisation_examples import TERMS
from services.gateway.adapters.http.context import (
    ApiDep,
    GovernorDep,
    KeyHeader,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    TraceDep,
    numbered_page,
)
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
MobilisationPath = Annotated[MobilisationId, Path()]
_NEW = Body(examples=[{"market_id": "jingjinji", "terms": TERMS}])
_END = Body(examples=[{"reason": "The river has fallen."}])


@router.post(
    "/v1/mobilisations",
    status_code=201,
    tags=["mobilisations"],
    summary="Propose an urgent mobilisation",
)
async def propose_mobilisation(
    body: Annotated[MobilisationNew, _NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: GovernorDep,
    trace: TraceDep,
) -> MobilisationView:
    """State a need whose demand shall be served before all other (regulator, operator). A second
    regulator or operator confirms it, unless the exchange is set to let one person declare.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.mobilisations.propose(principal, body, key, trace)


@router.post(
    "/v1/mobilisations/{mobilisation_id}/confirm",
    tags=["mobilisations"],
    summary="Confirm a mobilisation that another proposed",
)
async def confirm_mobilisation(
    mobilisation_id: MobilisationPath, api: ApiDep, principal: GovernorDep, trace: TraceDep
) -> MobilisationView:
    """Declare what another regulator or operator proposed (regulator, operator). From the next
    round on its urgent demand is cleared first; it ends by itself with its window.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.mobilisations.confirm(principal, mobilisation_id, trace)


@router.post(
    "/v1/mobilisations/{mobilisation_id}/end",
    tags=["mobilisations"],
    summary="End a mobilisation, or withdraw its proposal",
)
async def end_mobilisation(
    mobilisation_id: MobilisationPath,
    body: Annotated[MobilisationEnd, _END],
    api: ApiDep,
    principal: GovernorDep,
    trace: TraceDep,
) -> MobilisationView:
    """End a mobilisation before its time (regulator, operator). What is allocated stands; urgent
    demand that is still open leaves at the next round.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.mobilisations.end(principal, mobilisation_id, body.reason, trace)


@router.get(
    "/v1/mobilisations",
    tags=["mobilisations"],
    summary="List mobilisations",
    response_model=Page[MobilisationView],
)
async def list_mobilisations(
    api: ApiDep, principal: PrincipalDep, paging: PagingDep, market_id: Slug | None = None
) -> Response:
    """List mobilisations with what they took, latest first (everybody with a key). Whom they name
    is for regulators and the operator; others see whether they are named themselves.
    """  # noqa: D205 - shown as one paragraph on the API's page
    found = await api.mobilisations.listed(
        principal, market_id, before=paging.number(), limit=paging.limit + 1
    )
    return numbered_page(paging, found, "mobilisations")


@router.get(
    "/v1/mobilisations/{mobilisation_id}", tags=["mobilisations"], summary="Show a mobilisation"
)
async def get_mobilisation(
    mobilisation_id: MobilisationPath, api: ApiDep, principal: PrincipalDep
) -> MobilisationView:
    """Return a mobilisation, where it stands and what it took (everybody with a key)."""
    return await api.mobilisations.one(principal, mobilisation_id)
