"""Routes of what every page needs: files, languages, themes, signing in."""

from http import HTTPStatus

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.assets import assets
from services.gateway.adapters.pages.context import (
    LANGUAGE_COOKIE,
    LANGUAGES,
    THEME_COOKIE,
    THEMES,
    PageRoute,
    PagesDep,
    VisitorDep,
    inside,
    keep_choice,
    keep_session,
)
from services.gateway.errors import UnauthenticatedError, not_found

router = Routes(include_in_schema=False, route_class=PageRoute)
files = Routes(include_in_schema=False)
_FOR_EVER = "public, max-age=31536000, immutable"


@files.get("/static/{name:path}")
async def get_asset(name: str, request: Request, v: str = "") -> Response:
    """Return a file of the pages; under an address that changes with it, for good."""
    found = assets().get(name)
    if found is None:
        raise not_found("path", request.url.path)
    # A module that names another one cannot know its version.
    kept = _FOR_EVER if v == found.version else "no-cache"
    headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        packed = headers | {"Content-Encoding": "gzip"}
        return Response(found.packed, 200, packed, found.media_type)
    return Response(found.body, 200, headers, found.media_type)


@router.get("/choose/{kind}/{value}")
async def choose(kind: str, value: str, to: str = "/") -> Response:
    """Keep a choice of language or theme, and go back to where it was made."""
    known = {"language": (LANGUAGE_COOKIE, LANGUAGES), "theme": (THEME_COOKIE, THEMES)}
    cookie, values = known.get(kind, ("", ()))
    if value not in values:
        raise not_found("choice", f"{kind}/{value}")
    reply = RedirectResponse(inside(to), HTTPStatus.SEE_OTHER)
    keep_choice(reply, cookie, value)
    return reply


@router.get("/sign-in")
async def show_sign_in(pages: PagesDep, visitor: VisitorDep, to: str = "/desk") -> Response:
    """Show where to sign in."""
    hosts = pages.issuers.hosts
    return visitor.page("sign_in.html", to=inside(to), error=None, hosts=hosts)


@router.post("/sign-in")
async def sign_in(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Begin a session by a key."""
    to = inside(visitor.form.get("to", "/desk"))
    try:
        begun = await pages.sessions.sign_in(visitor.form.get("key", ""))
    except UnauthenticatedError as error:
        status = HTTPStatus.UNPROCESSABLE_ENTITY.value
        hosts = pages.issuers.hosts
        return visitor.page("sign_in.html", status, to=to, error=error, hosts=hosts)
    reply = RedirectResponse(to, HTTPStatus.SEE_OTHER)
    keep_session(reply, begun.token, secure=request.url.scheme == "https")
    return reply
