"""Routes about erasing what journal entries say."""

from typing import Annotated, Any

from fastapi import Path, Response

from schemas.api import Page, Receipt
from schemas.erasures import ErasureId, ErasureNew, ErasureView
from services.gateway.adapters.http import examples
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
_ACCEPTED: dict[str, Any] = {"status_code": 202, "response_model_exclude_none": True}
ErasurePath = Annotated[ErasureId, Path()]


@router.post("/v1/erasures", tags=["audit"], **_ACCEPTED)
async def erase(
    body: Annotated[ErasureNew, examples.ERASURE_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: GovernorDep,
    trace: TraceDep,
) -> Receipt:
    """Erase what an entry says, its leaf and all sums stay (operator); done or refused."""
    return await api.erasures.order(principal, body, key, trace)


@router.get("/v1/erasures", tags=["audit"], response_model=Page[ErasureView])
async def list_erasures(api: ApiDep, principal: PrincipalDep, paging: PagingDep) -> Response:
    """List orders to erase entries and what became of them, latest first (regulator, operator)."""
    found = await api.erasures.listed(principal, before=paging.number(), limit=paging.limit + 1)
    return numbered_page(paging, found, "erasures")


@router.get("/v1/erasures/{erasure_id}", tags=["audit"])
async def get_erasure(erasure_id: ErasurePath, api: ApiDep, principal: PrincipalDep) -> ErasureView:
    """Return an order to erase an entry and what became of it (regulator, operator)."""
    return await api.erasures.one(principal, erasure_id)
