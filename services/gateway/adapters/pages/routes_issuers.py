"""Routes of signing in by an issuer: there, and back."""

import base64
import binascii
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.oidc_pages import new_seed
from services.gateway.adapters.pages.context import (
    PageRoute,
    PagesDep,
    Visitor,
    VisitorDep,
    inside,
    keep_session,
)
from services.gateway.adapters.pages.routes_members import joining
from services.gateway.app.door import NO_MEMBER
from services.gateway.errors import ForbiddenError
from services.gateway.member_ports import Holder

router = Routes(include_in_schema=False, route_class=PageRoute)
_COOKIE = "suanli_sign_in"
_PATH = "/sign-in"
# Long enough for a second factor, and too short for a browser that was left alone.
_LIVES_S = 600
_NUMBER_DIGITS_MAX = 3


@router.get("/sign-in/issuer/{number}")
async def begin_sign_in(
    request: Request, number: int, pages: PagesDep, to: str = "/desk"
) -> Response:
    """Send a person to an issuer."""
    seed = new_seed()
    place = await pages.issuers.begin(number, seed, _back(request))
    reply = RedirectResponse(place, HTTPStatus.SEE_OTHER)
    kept = base64.urlsafe_b64encode(inside(to).encode()).decode().rstrip("=")
    reply.set_cookie(
        _COOKIE,
        f"{number}.{seed}.{kept}",
        max_age=_LIVES_S,
        path=_PATH,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return reply


@router.get("/sign-in/callback")
async def finish_sign_in(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Begin a session of a person whom an issuer vouches for."""
    number, seed, to = _kept(request.cookies.get(_COOKIE, ""))
    told = dict(request.query_params)
    holder = await pages.issuers.finish(number, seed, _back(request), told)
    try:
        begun = await pages.sessions.sign_in_member(holder)
    except ForbiddenError as error:
        if error.code != NO_MEMBER:
            raise
        return _stranger(request, visitor, holder)
    reply = RedirectResponse(to, HTTPStatus.SEE_OTHER)
    keep_session(reply, begun.token, secure=request.url.scheme == "https")
    reply.delete_cookie(_COOKIE, path=_PATH, httponly=True, samesite="lax")
    return reply


def _stranger(request: Request, visitor: Visitor, holder: Holder) -> Response:
    """Return what helps a person whom an issuer knows, and no participant."""
    origin = f"{request.url.scheme}://{request.url.netloc}"
    reply = visitor.page(
        "no_member.html",
        HTTPStatus.FORBIDDEN,
        host=urlsplit(holder.issuer).netloc,
        subject=holder.subject,
        link=origin + joining(holder.issuer, holder.subject),
    )
    reply.delete_cookie(_COOKIE, path=_PATH, httponly=True, samesite="lax")
    return reply


def _back(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/sign-in/callback"


def _kept(cookie: str) -> tuple[int, str, str]:
    number, _, rest = cookie.partition(".")
    seed, _, kept = rest.partition(".")
    if not number.isdecimal() or len(number) > _NUMBER_DIGITS_MAX:
        return -1, "", "/"
    try:
        return int(number), seed, inside(base64.urlsafe_b64decode(kept + "==").decode())
    except (ValueError, binascii.Error):
        return -1, "", "/"
