"""The pages as a part of the gateway's app."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import httpx
from starlette.exceptions import HTTPException

from services.gateway.adapters.pages import (
    case_words,
    codes,
    options,
    routes_back_channel,
    routes_cases,
    routes_desk,
    routes_issuers,
    routes_journal,
    routes_keys,
    routes_letters,
    routes_market,
    routes_members,
    routes_mobilisations,
    routes_money,
    routes_office,
    routes_orders,
    routes_past,
    routes_people,
    routes_policies,
    routes_records,
    routes_reports,
    routes_rounds,
    routes_site,
    routes_trade,
    routes_upload,
    words,
)
from services.gateway.adapters.pages.context import LANGUAGES, Pages, failure, stranger
from services.gateway.adapters.pages.remembering import Remembering
from services.gateway.adapters.pages.rendering import ENVIRONMENT
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from services.gateway.adapters.oidc_pages import PageSignIns
    from services.gateway.adapters.pages.context import Surroundings
    from services.gateway.adapters.pages.office import Office
    from services.gateway.app.sessions import Sessions
    from services.gateway.desk_ports import Desks

ENVIRONMENT.filters |= options.FILTERS | words.FILTERS | codes.FILTERS | case_words.FILTERS
# What most people see first.
_FIRST = ("/", "/rounds", "/sign-in")
_MACHINES = ("/v1/", "/livez", "/readyz", "/metrics", "/static/")


def add_pages(
    app: FastAPI,
    sessions: Sessions,
    issuers: PageSignIns,
    around: Surroundings,
    desks: Desks,
    office: Office,
) -> FastAPI:
    """Serve the pages beside the API; return the same app.

    Args:
        app: The gateway's app.
        sessions: Who is signed in.
        issuers: Who vouches for people that sign in.
        around: Where the exchange runs.
        desks: Sums for traders.
        office: What the pages of regulators and the operator alone call.
    """
    app.state.pages = Pages(app.state.api, sessions, issuers, around, Remembering(), desks, office)
    for router in (
        routes_site.files,
        routes_site.router,
        routes_back_channel.router,
        routes_issuers.router,
        routes_market.router,
        routes_rounds.router,
        routes_desk.router,
        routes_office.router,
        routes_journal.router,
        routes_cases.router,
        routes_reports.router,
        routes_past.router,
        routes_people.router,
        routes_letters.router,
        routes_policies.router,
        routes_mobilisations.router,
        routes_records.router,
        routes_trade.router,
        routes_upload.router,
        routes_money.router,
        routes_keys.router,
        routes_members.router,
        routes_orders.router,
    ):
        app.include_router(router)
    told: Any = app.exception_handlers[HTTPException]

    async def missing(request: Request, error: HTTPException) -> Response:
        # A person who strays gets a page, a program its problem.
        wants_page = "text/html" in request.headers.get("accept", "")
        if error.status_code == 404 and wants_page and not request.url.path.startswith(_MACHINES):
            return failure(stranger(request), not_found("path", request.url.path))
        reply: Response = await told(request, error)
        return reply

    app.add_exception_handler(HTTPException, missing)  # type: ignore[arg-type]
    return app


async def warm(app: FastAPI) -> None:
    """Look at the first pages once, so that what is made once is there for the first visitor.

    They are asked for as by anybody: a page that fails then fails for itself.
    """
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        for language, path in product(LANGUAGES, _FIRST):
            asked = {"Accept-Language": language, "Accept-Encoding": "gzip"}
            await http.get(path, headers=asked, follow_redirects=True)
