"""Routes of the daily reports."""

from typing import Annotated

from fastapi import Path, Query

from schemas.base import Slug
from schemas.funds import Day
from schemas.reports import ReportKind, ReportView
from services.gateway.adapters.http.context import ApiDep, PrincipalDep, StrictRoute
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)


@router.get("/v1/reports/{kind}", tags=["reports"])
async def get_report(
    kind: Annotated[ReportKind, Path()],
    market_id: Slug,
    day: Annotated[Day, Query()],
    api: ApiDep,
    principal: PrincipalDep,
) -> ReportView:
    """Return a signed report on a market's day (regulator; some for the operator or all)."""
    return await api.reports.report(principal, kind, market_id, day)
