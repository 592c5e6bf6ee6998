"""Where an issuer says that a session of its own is over (OpenID Connect Back-Channel Logout 1.0).

It calls from machine to machine: there is no browser, no cookie and no form of ours. What it may do
hangs on the signature of its token alone.
"""

from http import HTTPStatus

from fastapi import Request
from starlette.responses import JSONResponse, Response

from services.core.errors import DomainError
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.context import PagesDep, form_of
from services.gateway.adapters.sight import see_nothing
from services.gateway.errors import UnavailableError
from services.kit.logging import get_logger

router = Routes(include_in_schema=False)
_NO_STORE = {"Cache-Control": "no-store"}


@router.post("/sign-out/back-channel")
async def end_at_issuer(request: Request, pages: PagesDep) -> Response:
    """End the sessions that began with one at an issuer that is over."""
    see_nothing()
    log = get_logger("gateway.pages")
    try:
        await pages.api.limits.unknown("" if request.client is None else request.client.host)
        told = await pages.issuers.signed_out(form_of(await request.body()).get("logout_token", ""))
        ended = await pages.sessions.end_at_issuer(told)
    except UnavailableError:
        # Whether the token is good cannot be told now: the issuer may say it again.
        raise
    except DomainError as error:
        log.warning("logout token refused", code=error.code)
        wrong = {"error": "invalid_request", "error_description": error.message.en}
        return JSONResponse(wrong, HTTPStatus.BAD_REQUEST, _NO_STORE)
    log.info("signed out at the issuer", issuer=told.issuer, ended=ended)
    return Response(status_code=HTTPStatus.OK, headers=_NO_STORE)
