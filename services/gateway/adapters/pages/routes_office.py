"""The first page of regulators and of the operator: how the exchange is, what waits for them."""

import asyncio
from typing import Any

from fastapi import Request
from starlette.responses import Response

from schemas.types import Role
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.case_words import KINDS
from services.gateway.adapters.pages.context import PageRoute, Pages, PagesDep, Visitor, VisitorDep
from services.gateway.adapters.pages.names import names_of
from services.gateway.adapters.pages.office import watcher
from services.gateway.adapters.pages.rendering import page_response, render

router = Routes(include_in_schema=False, route_class=PageRoute)
_CASES_SHOWN = 8
_FINDINGS_SHOWN = 6


async def _context(pages: Pages, visitor: Visitor) -> dict[str, Any]:
    principal, reading = watcher(visitor), pages.api.reading
    overview, audit, findings = await asyncio.gather(
        pages.office.health.overview(principal),
        reading.reports.audit(),
        reading.reports.findings(
            market_id=None, round_id=None, before=None, limit=_FINDINGS_SHOWN, where=None
        ),
    )
    cases = []
    if principal.role is Role.REGULATOR:
        found = await pages.api.cases.cases(
            principal,
            market_id=None,
            day=None,
            state="open",
            kind=None,
            before=None,
            limit=_CASES_SHOWN,
        )
        cases = [view for _, view in found]
    return {
        "case_kinds": KINDS,
        "overview": overview,
        "audit": audit,
        "names": await names_of(pages, visitor),
        "findings": [item for _, item in findings],
        "cases": cases,
        "sees_cases": principal.role is Role.REGULATOR,
    }


@router.get("/office")
async def show_office(pages: PagesDep, visitor: VisitorDep) -> Response:
    """Show how the exchange is."""
    return visitor.page("overview.html", **await _context(pages, visitor))


@router.get("/office/parts")
async def show_office_parts(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Show it anew, for a page that hears of a round."""
    _ = request
    context = await _context(pages, visitor)
    return page_response(
        render("overview_parts.html", visitor.language, visitor=visitor, **context)
    )
