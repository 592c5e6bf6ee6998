"""Routes of records: what was asked for under scopes that are recorded, and what was erased."""

import secrets
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.erasures import ErasureNew
from schemas.identity import Scope
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.context import PageRoute, PagesDep, VisitorDep, enter
from services.gateway.adapters.pages.office import form_key, told, trace_of, until, watcher
from services.gateway.adapters.pages.rendering import EXPORTED_MAX, list_response
from services.gateway.errors import NotFoundError

router = Routes(include_in_schema=False, route_class=PageRoute)
_SHOWN = 100
_PLACE_MAX = 2**62
Before = Annotated[int | None, Query(ge=0, le=_PLACE_MAX)]
WhoQuery = Annotated[str, Query(max_length=64)]


@router.get("/office/acts")
async def show_acts(
    pages: PagesDep,
    visitor: VisitorDep,
    participant_id: WhoQuery = "",
    before: Before = None,
) -> Response:
    """List what was asked for under scopes that are recorded, latest first."""
    found = await pages.api.acts.acts(
        watcher(visitor),
        participant_id=participant_id.strip() or None,
        since=None,
        before=before,
        limit=_SHOWN + 1,
    )
    more = found[_SHOWN - 1].act_id if len(found) > _SHOWN else None
    return visitor.page("acts.html", acts=found[:_SHOWN], more=more, who=participant_id)


@router.get("/office/acts/csv")
async def get_acts(pages: PagesDep, visitor: VisitorDep, participant_id: WhoQuery = "") -> Response:
    """Return the record of acts as a table."""
    found = await pages.api.acts.acts(
        watcher(visitor),
        participant_id=participant_id.strip() or None,
        since=None,
        before=None,
        limit=EXPORTED_MAX,
    )
    return list_response(found, "acts")


@router.get("/office/erasures")
async def show_erasures(pages: PagesDep, visitor: VisitorDep, before: Before = None) -> Response:
    """List orders to erase what entries say, and what became of them, latest first."""
    found = await pages.api.erasures.listed(watcher(visitor), before=before, limit=_SHOWN + 1)
    return visitor.page(
        "erasures.html",
        erasures=[view for _, view in found[:_SHOWN]],
        more=found[_SHOWN - 1][0] if len(found) > _SHOWN else None,
        key=secrets.token_hex(16),
    )


@router.get("/office/erasures/csv")
async def get_erasures(pages: PagesDep, visitor: VisitorDep) -> Response:
    """Return orders to erase as a table."""
    found = await pages.api.erasures.listed(watcher(visitor), before=None, limit=EXPORTED_MAX)
    return list_response([view for _, view in found], "erasures")


@router.post("/office/erasures")
async def erase(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Order that what an entry says is erased."""
    principal = await enter(request, pages, visitor, Scope.GOVERN)
    form = visitor.form
    new = told(
        ErasureNew,
        entry_id=form.get("entry_id", "").strip(),
        confirm=form.get("confirm", "").strip(),
        reason=form.get("reason", "").strip(),
    )
    receipt = await pages.api.erasures.order(principal, new, form_key(visitor), trace_of(request))

    async def is_shown() -> bool:
        try:
            found = await pages.api.erasures.one(principal, receipt.erasure_id or "")
        except NotFoundError:
            return False
        return found.state != "ordered"

    await until(is_shown)
    return RedirectResponse("/office/erasures", HTTPStatus.SEE_OTHER)
