"""Routes of signing in by an issuer, there and back, and of signing out there too."""

import base64
import binascii
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.oidc_pages import is_end, new_seed
from services.gateway.adapters.pages.context import (
    SESSION_COOKIE,
    PageRoute,
    PagesDep,
    Visitor,
    VisitorDep,
    inside,
    keep_session,
)
from services.gateway.adapters.pages.routes_members import joining
from services.gateway.app.door import NO_MEMBER
from services.gateway.errors import ForbiddenError, UnavailableError
from services.gateway.member_ports import Holder

router = Routes(include_in_schema=False, route_class=PageRoute)
_COOKIE = "suanli_sign_in"
_PATH = "/sign-in"
# Long enough for a second factor, and too short for a browser that was left alone.
_LIVES_S = 600
_NUMBER_DIGITS_MAX = 3
_OUT = "/sign-out"
_ISSUER_COOKIE, _OUT_COOKIE = "suanli_issuer", "suanli_sign_out"
# What browsers keep is 4,096 bytes with its name; a longer hint is left out.
_HINT_CHARS_MAX = 3_900


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
    vouched = await pages.issuers.finish(number, seed, _back(request), told)
    try:
        begun = await pages.sessions.sign_in_member(vouched.holder, vouched.session)
    except ForbiddenError as error:
        if error.code != NO_MEMBER:
            raise
        return _stranger(request, visitor, vouched.holder)
    reply = RedirectResponse(to, HTTPStatus.SEE_OTHER)
    keep_session(reply, begun.token, secure=request.url.scheme == "https")
    reply.delete_cookie(_COOKIE, path=_PATH, httponly=True, samesite="lax")
    _keep_issuer(request, reply, number, vouched.id_token)
    return reply


def _keep_issuer(request: Request, reply: Response, number: int, id_token: str) -> None:
    """Let the browser keep who vouched, for the sign-out; the database has no use for it."""
    hint = id_token if len(id_token) <= _HINT_CHARS_MAX else ""
    _keep(request, reply, _ISSUER_COOKIE, f"{number}.{hint}", None)


def _keep(request: Request, reply: Response, name: str, text: str, lives_s: int | None) -> None:
    secure = request.url.scheme == "https"
    reply.set_cookie(
        name, text, max_age=lives_s, path=_OUT, httponly=True, samesite="lax", secure=secure
    )


@router.post("/sign-out")
async def sign_out(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """End the session, and the one at the issuer that it began with."""
    await pages.sessions.sign_out(visitor.token)
    number, _, hint = request.cookies.get(_ISSUER_COOKIE, "").partition(".")
    seed, place, is_away = new_seed(), None, False
    if number.isdecimal() and len(number) <= _NUMBER_DIGITS_MAX:
        back = f"{_origin(request)}{_OUT}/done"
        try:
            place = await pages.issuers.end(int(number), hint, seed, back)
        except UnavailableError:
            is_away = True
    visitor.principal = None
    reply: Response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    if place is not None or is_away:
        # A page that leads on, since a form of this site may not be sent on to another one.
        host = pages.issuers.hosts[int(number)]
        reply = visitor.page("signed_out.html", host=host, place=place, is_done=False)
    if place is not None:
        _keep(request, reply, _OUT_COOKIE, seed, _LIVES_S)
    reply.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    reply.delete_cookie(_ISSUER_COOKIE, path=_OUT, httponly=True, samesite="lax")
    return reply


@router.get("/sign-out/done")
async def signed_out(request: Request, visitor: VisitorDep, state: str = "") -> Response:
    """Take a person back whose session at an issuer is over."""
    if not is_end(request.cookies.get(_OUT_COOKIE, ""), state):
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    reply = visitor.page("signed_out.html", host="", place=None, is_done=True)
    reply.delete_cookie(_OUT_COOKIE, path=_OUT, httponly=True, samesite="lax")
    return reply


def _stranger(request: Request, visitor: Visitor, holder: Holder) -> Response:
    """Return what helps a person whom an issuer knows, and no participant."""
    reply = visitor.page(
        "no_member.html",
        HTTPStatus.FORBIDDEN,
        host=urlsplit(holder.issuer).netloc,
        subject=holder.subject,
        link=_origin(request) + joining(holder.issuer, holder.subject),
    )
    reply.delete_cookie(_COOKIE, path=_PATH, httponly=True, samesite="lax")
    return reply


def _back(request: Request) -> str:
    return f"{_origin(request)}/sign-in/callback"


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _kept(cookie: str) -> tuple[int, str, str]:
    number, _, rest = cookie.partition(".")
    seed, _, kept = rest.partition(".")
    if not number.isdecimal() or len(number) > _NUMBER_DIGITS_MAX:
        return -1, "", "/"
    try:
        return int(number), seed, inside(base64.urlsafe_b64decode(kept + "==").decode())
    except (ValueError, binascii.Error):
        return -1, "", "/"
