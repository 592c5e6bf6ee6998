"""Routes of cases of surveillance and of the auditor's findings."""

import secrets
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Path, Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.filter_fields import FIELDS
from schemas.filters import parse
from schemas.identity import Scope
from schemas.surveillance import CaseId, CaseKindName, CaseState, CaseStateNew
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.case_words import KINDS, measured
from services.gateway.adapters.pages.context import PageRoute, PagesDep, VisitorDep, enter
from services.gateway.adapters.pages.names import names_of
from services.gateway.adapters.pages.office import (
    form_key,
    told,
    trace_of,
    until,
    watcher,
    whole,
)
from services.gateway.adapters.pages.rendering import EXPORTED_MAX, list_response
from services.gateway.app.findings import shown

router = Routes(include_in_schema=False, route_class=PageRoute)
_SHOWN = 50
_PLACE_MAX = 2**62
CasePath = Annotated[CaseId, Path()]
Before = Annotated[int | None, Query(ge=0, le=_PLACE_MAX)]
Only = Annotated[Literal["problems"] | None, Query()]
DayQuery = Annotated[str, Query(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]
_WRONG = parse("ok=false", FIELDS["findings"])


@router.get("/office/cases")
async def show_cases(
    pages: PagesDep,
    visitor: VisitorDep,
    state: CaseState | str = "",
    kind: CaseKindName | str = "",
    day: DayQuery = "",
    before: Before = None,
) -> Response:
    """List cases, latest first."""
    found = await pages.api.cases.cases(
        visitor.known(),
        market_id=None,
        day=day or None,
        state=state or None,
        kind=kind or None,
        before=before,
        limit=_SHOWN + 1,
    )
    more = found[_SHOWN - 1][0] if len(found) > _SHOWN else None
    return visitor.page(
        "cases.html",
        cases=[view for _, view in found[:_SHOWN]],
        more=more,
        kinds=KINDS,
        state=state,
        kind=kind,
        day=day,
    )


@router.get("/office/cases/csv")
async def get_cases(
    pages: PagesDep,
    visitor: VisitorDep,
    state: CaseState | str = "",
    kind: CaseKindName | str = "",
    day: DayQuery = "",
) -> Response:
    """Return cases as a table."""
    found = await pages.api.cases.cases(
        visitor.known(),
        market_id=None,
        day=day or None,
        state=state or None,
        kind=kind or None,
        before=None,
        limit=EXPORTED_MAX,
    )
    return list_response([view for _, view in found], "cases")


@router.get("/office/cases/{case_id}")
async def show_case(case_id: CasePath, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Show a case with its evidence and what was decided."""
    found = await pages.api.cases.case(visitor.known(), case_id)
    return visitor.page(
        "case.html",
        case=found,
        kinds=KINDS,
        names=await names_of(pages, visitor),
        figures=measured(found.figures),
        key=secrets.token_hex(16),
    )


@router.post("/office/cases/{case_id}")
async def change_case(
    case_id: CasePath, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Take a case up, close it with a reason, or open it again."""
    principal = await enter(request, pages, visitor, Scope.GOVERN)
    form = visitor.form
    new = told(
        CaseStateNew,
        state=form.get("state", ""),
        reason=form.get("reason", ""),
        expected_version=whole(form.get("version", "")),
    )
    await pages.api.cases.change(principal, case_id, new, form_key(visitor), trace_of(request))

    async def is_shown() -> bool:
        return (await pages.api.cases.case(principal, case_id)).version > new.expected_version

    await until(is_shown)
    return RedirectResponse(f"/office/cases/{case_id}", HTTPStatus.SEE_OTHER)


@router.get("/office/findings")
async def show_findings(
    pages: PagesDep, visitor: VisitorDep, only: Only = None, before: Before = None
) -> Response:
    """List what the auditor found, latest first."""
    principal = watcher(visitor)
    reports = pages.api.reading.reports
    found = await reports.findings(
        market_id=None,
        round_id=None,
        before=before,
        limit=_SHOWN + 1,
        where=_WRONG if only else None,
    )
    return visitor.page(
        "findings.html",
        findings=[shown(item, principal) for _, item in found[:_SHOWN]],
        more=found[_SHOWN - 1][0] if len(found) > _SHOWN else None,
        problems=only is not None,
        audit=await reports.audit(),
    )


@router.get("/office/findings/csv")
async def get_findings(pages: PagesDep, visitor: VisitorDep, only: Only = None) -> Response:
    """Return what the auditor found as a table."""
    principal = watcher(visitor)
    found = await pages.api.reading.reports.findings(
        market_id=None,
        round_id=None,
        before=None,
        limit=EXPORTED_MAX,
        where=_WRONG if only else None,
    )
    return list_response([shown(item, principal) for _, item in found], "findings")
