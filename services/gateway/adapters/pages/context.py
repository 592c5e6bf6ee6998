"""Who visits a page, what a form must prove, and how failures are shown to people."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from schemas.identity import Scope
from services.core.errors import DomainError, Message, ValidationError
from services.gateway.adapters.http.context import Api
from services.gateway.adapters.http.problems import STORE_ERRORS, prefers_chinese, status_of
from services.gateway.adapters.http.translate import faults_of
from services.gateway.adapters.pages.rendering import page_response, render
from services.gateway.adapters.sight import see_as, see_nothing
from services.gateway.app.scopes import require_scope
from services.gateway.app.sessions import Sessions, form_token, is_form_token, new_token
from services.gateway.errors import ForbiddenError, UnauthenticatedError, UnavailableError
from services.kit.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.gateway.adapters.oidc_pages import PageSignIns
    from services.gateway.adapters.pages.office import Office
    from services.gateway.adapters.pages.remembering import Remembering
    from services.gateway.desk_ports import Desks
    from services.gateway.ports import Principal

SESSION_COOKIE = "suanli_session"
LANGUAGE_COOKIE = "suanli_language"
THEME_COOKIE = "suanli_theme"
LANGUAGES = ("zh", "en")
THEMES = ("light", "dark", "auto")
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_FIELDS_MAX = 500
_YEAR_S = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What pages tell of where the exchange runs.

    Attributes:
        clock_speed: Seconds of the market's clock in one second.
    """

    clock_speed: float


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages' routes call.

    Attributes:
        api: The use cases.
        sessions: Who is signed in.
        issuers: Who vouches for people that sign in.
        around: Where the exchange runs.
        shown: Public parts of pages that many people look at at once.
        desks: Sums for traders.
        office: What the pages of regulators and the operator alone call.
    """

    api: Api
    sessions: Sessions
    issuers: PageSignIns
    around: Surroundings
    shown: Remembering
    desks: Desks
    office: Office


@dataclass(slots=True)
class Visitor:
    """Who looks at a page.

    Attributes:
        language: ``zh`` or ``en``.
        theme: ``light``, ``dark`` or ``auto``.
        path: Where he is, with its query.
        token: What his cookie holds; made up if he has none.
        is_new: Whether the cookie is still to be set.
        principal: Who is signed in, if anybody.
        packs: Whether his browser takes packed pages.
        is_part: Whether a script asks for a part of the page that he is on.
        told: Id of the last event of the streams before the page was made; it hears what follows.
        form: What his form says.
    """

    language: str
    theme: str
    path: str
    token: str
    is_new: bool
    principal: Principal | None
    packs: bool
    is_part: bool = False
    told: str = ""
    form: dict[str, str] = field(default_factory=dict)

    @property
    def proof(self) -> str:
        """Return what his forms send along."""
        return form_token(self.token)

    def known(self) -> Principal:
        """Return who is signed in.

        Raises:
            UnauthenticatedError: if nobody is.
        """
        if self.principal is None:
            raise UnauthenticatedError(
                "auth.sign_in", Message("Sign in to see this page", "请先登录后查看此页面")
            )
        return self.principal

    def page(
        self,
        template: str,
        status: int = 200,
        **context: Any,  # noqa: ANN401 - any value
    ) -> Response:
        """Return a page of his."""
        html = render(template, self.language, visitor=self, **context)
        public = self.principal is None and not self.form
        reply = page_response(html, status, packs=self.packs and public)
        if self.is_new:
            keep_session(reply, self.token, secure=False)
        return reply


def inside(to: str) -> str:
    """Return a path of this site, whatever a link says."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"


def keep_session(reply: Response, token: str, *, secure: bool) -> None:
    """Give a token to the browser until it is closed; no script and no form of others gets at it.

    A link from elsewhere carries it, since the page that it leads to would else begin a new session
    in the place of the one that is open. Reading changes nothing, and every form proves its origin.
    """
    reply.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="lax", secure=secure)


def keep_choice(reply: Response, name: str, value: str) -> None:
    """Give a choice of language or theme to the browser for a year."""
    reply.set_cookie(name, value, max_age=_YEAR_S, httponly=True, samesite="lax")


async def get_pages(request: Request) -> Pages:
    """Return what the routes call."""
    pages = request.app.state.pages
    assert isinstance(pages, Pages)
    return pages


async def get_visitor(request: Request) -> Visitor:
    """Return who looks at the page."""
    visitor = request.state.visitor
    assert isinstance(visitor, Visitor)
    return visitor


PagesDep = Annotated[Pages, Depends(get_pages)]
VisitorDep = Annotated[Visitor, Depends(get_visitor)]


class PageRoute(APIRoute):
    """A route that knows its visitor, checks forms, counts requests and fails with a page."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return the handler with what comes before and after it."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            see_nothing()
            state = request.state
            state.act = state.standing = None
            pages = await get_pages(request)
            status = HTTPStatus.INTERNAL_SERVER_ERROR.value
            try:
                reply = await _answer(request, pages, handler)
                status = reply.status_code
            finally:
                if state.act is not None:
                    await pages.api.door.end(state.act, status)
            return reply

        return handle


async def _answer(request: Request, pages: Pages, handler: Callable[[Request], Any]) -> Response:
    visitor = request.state.visitor = stranger(request)
    visitor.told = pages.api.streams.told
    try:
        await _greet(request, pages, visitor)
        reply: Response = await handler(request)
    except RequestValidationError as error:
        return failure(visitor, faults_of(error.errors()))
    except UnauthenticatedError as error:
        safe = request.method in _SAFE_METHODS and not visitor.is_part
        if safe and error.code == "auth.sign_in":
            return RedirectResponse(f"/sign-in?to={quote(visitor.path)}", HTTPStatus.SEE_OTHER)
        return failure(visitor, error)
    except DomainError as error:
        return failure(visitor, error)
    except STORE_ERRORS as error:
        get_logger("gateway.pages").warning("store unavailable", error=repr(error))
        message = Message("The exchange is busy; try again in a moment", "交易所繁忙，请稍后重试")
        return failure(visitor, UnavailableError("store_unavailable", message, field="store"))
    return reply


def stranger(request: Request) -> Visitor:
    """Return what a request says of its visitor, who is not known yet."""
    query = f"?{request.url.query}" if request.url.query else ""
    token = request.cookies.get(SESSION_COOKIE, "")
    theme = request.cookies.get(THEME_COOKIE, "auto")
    return Visitor(
        language=_language(request),
        theme=theme if theme in THEMES else "auto",
        path=request.url.path + query,
        token=token or new_token(),
        is_new=not token,
        principal=None,
        packs="gzip" in request.headers.get("accept-encoding", ""),
        is_part="hx-request" in request.headers,
    )


def _language(request: Request) -> str:
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = request.headers.get("accept-language", "").lower()
    # The market is at home in Chinese; English is for whoever asks for it.
    return "zh" if prefers_chinese(wanted) or "en" not in wanted else "en"


async def _greet(request: Request, pages: Pages, visitor: Visitor) -> None:
    writes = request.method not in _SAFE_METHODS
    found = None if visitor.is_new else await pages.sessions.principal(visitor.token)
    if found is None:
        address = "" if request.client is None else request.client.host
        await pages.api.limits.unknown(address)
    else:
        see_as(found)
        body = await request.body() if writes else b""
        await pages.api.limits.known(found, writes=writes, body_bytes=len(body))
        visitor.principal = found
    if writes:
        _check_origin(request)
        visitor.form = form_of(await request.body())
        if not is_form_token(visitor.token, visitor.form.pop("proof", "")):
            raise _foreign("the page was open for too long", "页面打开时间过长")


def form_of(body: bytes) -> dict[str, str]:
    """Return the fields of a form; of a field given twice the values are joined by commas.

    Raises:
        ValidationError: if it is none, or has too many.
    """
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict"
        )
    except ValueError:
        raise ValidationError(
            "validation.form",
            Message(
                f"form: must be UTF-8 with at most {_FIELDS_MAX} fields, was not",
                f"表单：须为 UTF-8 且不超过 {_FIELDS_MAX} 个字段",
            ),
            field="form",
            allowed=f"UTF-8, at most {_FIELDS_MAX} fields",
        ) from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    return fields


def _check_origin(request: Request) -> None:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site != "same-origin":
            raise _foreign(f"it came from a {site} page", "请求来自其他网站")
        return
    origin = request.headers.get("origin", "")
    if urlsplit(origin).netloc != request.headers.get("host", ""):
        raise _foreign("it did not come from a page of this exchange", "请求并非来自本交易所页面")


def _foreign(why_en: str, why_zh: str) -> ForbiddenError:
    return ForbiddenError(
        "auth.form",
        Message(
            f"form: must come from a fresh page of this exchange; {why_en}; load the page again",
            f"表单：须由本交易所的最新页面提交；{why_zh}，请刷新页面后重试",
        ),
        field="form",
        allowed="from a page of this exchange",
    )


async def enter(request: Request, pages: Pages, visitor: Visitor, needed: Scope) -> Principal:
    """Return who is signed in and may do this, recorded as the API would.

    Raises:
        UnauthenticatedError: if nobody is signed in.
        ForbiddenError: if the scope is missing.
    """
    found = visitor.known()
    body = await request.body()
    act = request.scope["route"].name
    request.state.act = await pages.api.door.begin(
        found, needed, act=act, path=request.url.path, body=body
    )
    require_scope(found, needed)
    return found


def failure(visitor: Visitor, error: DomainError) -> Response:
    """Return a refusal as a page, or as the part that was asked for, that says what to do."""
    status = status_of(error)
    if visitor.is_part:
        return page_response(render("failure_part.html", visitor.language, error=error), status)
    faults = [(fault.field, fault.message) for fault in getattr(error, "faults", ())]
    return visitor.page("failure.html", status.value, code=status.value, error=error, faults=faults)
