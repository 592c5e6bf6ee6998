"""Routes of market surveillance, for regulators alone."""

from typing import Annotated, Any

from fastapi import Path, Query, Response

from schemas.api import Page, Receipt
from schemas.base import Slug
from schemas.funds import Day
from schemas.surveillance import CaseId, CaseKindName, CaseState, CaseStateNew, CaseView
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
from services.gateway.adapters.http.filtering import CasesWhere
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
_ACCEPTED: dict[str, Any] = {"status_code": 202, "response_model_exclude_none": True}
CasePath = Annotated[CaseId, Path()]


@router.get("/v1/surveillance/cases", tags=["surveillance"], response_model=Page[CaseView])
async def list_cases(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    market_id: Slug | None = None,
    day: Annotated[Day | None, Query()] = None,
    state: CaseState | None = None,
    kind: CaseKindName | None = None,
    where: CasesWhere = None,
) -> Response:
    """List cases of surveillance, latest first (regulator)."""
    found = await api.cases.cases(
        principal,
        market_id=market_id,
        day=day,
        state=state,
        kind=kind,
        before=paging.number(),
        limit=paging.limit + 1,
        where=where,
    )
    return numbered_page(paging, found, "cases")


@router.get("/v1/surveillance/cases/{case_id}", tags=["surveillance"])
async def get_case(case_id: CasePath, api: ApiDep, principal: PrincipalDep) -> CaseView:
    """Return a case with its evidence and who changed its state (regulator)."""
    return await api.cases.case(principal, case_id)


@router.post("/v1/surveillance/cases/{case_id}/state", tags=["surveillance"], **_ACCEPTED)
async def change_case(
    case_id: CasePath,
    body: Annotated[CaseStateNew, examples.CASE_STATE_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: GovernorDep,
    trace: TraceDep,
) -> Receipt:
    """Take a case up, close it with a reason, or open it again (regulator)."""
    return await api.cases.change(principal, case_id, body, key, trace)
