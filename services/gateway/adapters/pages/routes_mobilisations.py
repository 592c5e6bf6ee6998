"""Routes of urgent needs: proposing one, confirming another's, ending one, what each took."""

import secrets
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.base import Slug
from schemas.identity import Scope
from schemas.mobilisation import MobilisationEnd, MobilisationId
from services.core.errors import DomainError, Message
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages import mobilisation_form
from services.gateway.adapters.pages.context import (
    PageRoute,
    Pages,
    PagesDep,
    Visitor,
    VisitorDep,
    enter,
)
from services.gateway.adapters.pages.fields import Fields
from services.gateway.adapters.pages.names import names_of
from services.gateway.adapters.pages.office import form_key, told, trace_of, watcher
from services.gateway.adapters.pages.rendering import EXPORTED_MAX, list_response
from services.gateway.adapters.pages.routes_trade import market_of

router = Routes(include_in_schema=False, route_class=PageRoute)
MobilisationPath = Annotated[MobilisationId, Path()]
MarketQuery = Annotated[Slug | None, Query()]
_PLACE_MAX = 2**62
Before = Annotated[int | None, Query(ge=0, le=_PLACE_MAX)]
_SHOWN = 50


@router.get("/office/mobilisations")
async def show_mobilisations(
    pages: PagesDep, visitor: VisitorDep, market_id: MarketQuery = None, before: Before = None
) -> Response:
    """List urgent needs, latest first, and show the form of a new one."""
    fields = mobilisation_form.blank(pages.api.market_data.now())
    return await _page(pages, visitor, market_id, fields, before=before)


@router.get("/office/mobilisations/csv")
async def get_mobilisations(
    pages: PagesDep, visitor: VisitorDep, market_id: MarketQuery = None
) -> Response:
    """Return urgent needs as a table."""
    found = await pages.api.mobilisations.listed(
        watcher(visitor), market_id, before=None, limit=EXPORTED_MAX
    )
    return list_response([view for _, view in found], "mobilisations")


@router.post("/office/mobilisations")
async def propose(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Propose an urgent need; a second person confirms it."""
    principal = await enter(request, pages, visitor, Scope.GOVERN)
    form, market_id = visitor.form, visitor.form.get("market_id", "")
    new, faults = mobilisation_form.read(form, market_id)
    if new is not None:
        try:
            made = await pages.api.mobilisations.propose(
                principal, new, form_key(visitor), trace_of(request)
            )
        except DomainError as error:
            faults = mobilisation_form.faults(error)
        else:
            return _to(made.mobilisation_id)
    return await _page(pages, visitor, market_id, form, faults)


@router.get("/office/mobilisations/{mobilisation_id}")
async def show_mobilisation(
    mobilisation_id: MobilisationPath, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Show an urgent need, what it took, and what may be done about it."""
    principal = watcher(visitor)
    found = await pages.api.mobilisations.one(principal, mobilisation_id)
    day = found.declared_at or found.proposed_at
    return visitor.page(
        "mobilisation.html",
        need=found,
        me=principal.participant_id,
        names=await names_of(pages, visitor),
        day=day.date().isoformat(),
    )


@router.post("/office/mobilisations/{mobilisation_id}/confirm")
async def confirm(
    mobilisation_id: MobilisationPath, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Declare what another proposed."""
    principal = await enter(request, pages, visitor, Scope.GOVERN)
    await pages.api.mobilisations.confirm(principal, mobilisation_id, trace_of(request))
    return _to(mobilisation_id)


@router.post("/office/mobilisations/{mobilisation_id}/end")
async def end(
    mobilisation_id: MobilisationPath, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """End an urgent need before its time, or withdraw its proposal."""
    principal = await enter(request, pages, visitor, Scope.GOVERN)
    why = told(MobilisationEnd, reason=visitor.form.get("reason", ""))
    await pages.api.mobilisations.end(principal, mobilisation_id, why.reason, trace_of(request))
    return _to(mobilisation_id)


async def _page(
    pages: Pages,
    visitor: Visitor,
    market_id: str | None,
    fields: Fields,
    faults: dict[str, Message] | None = None,
    *,
    before: int | None = None,
) -> Response:
    principal = watcher(visitor)
    market = await market_of(pages, market_id)
    if market is None:
        return visitor.page("no_market.html")
    found = await pages.api.mobilisations.listed(
        principal, market.id, before=before, limit=_SHOWN + 1
    )
    markets = await pages.api.reading.markets.markets(after=None, limit=_SHOWN)
    return visitor.page(
        "mobilisations.html",
        HTTPStatus.UNPROCESSABLE_ENTITY.value if faults else HTTPStatus.OK.value,
        market=market,
        markets=[item.market for item in markets],
        needs=[view for _, view in found[:_SHOWN]],
        more=found[_SHOWN - 1][0] if len(found) > _SHOWN else None,
        fields=fields,
        beside=faults or {},
        label=mobilisation_form.label_of,
        key=secrets.token_hex(16),
    )


def _to(mobilisation_id: str) -> Response:
    return RedirectResponse(f"/office/mobilisations/{mobilisation_id}", HTTPStatus.SEE_OTHER)
