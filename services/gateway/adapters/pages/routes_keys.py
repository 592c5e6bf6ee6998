"""Routes of a participant's keys: those of the API, and those that sign its own records."""

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Request
from pydantic import ValidationError as ModelError
from starlette.responses import RedirectResponse, Response

from schemas.direct_logins import DirectLoginCreated
from schemas.identity import KEY_DAYS, KeyCreated, KeyNew, Scope
from schemas.signing_keys import SigningKeyNew
from services.core.errors import DomainError, Message
from services.gateway.adapters.http.problems import status_of
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.http.translate import faults_of
from services.gateway.adapters.pages.context import (
    PageRoute,
    Pages,
    PagesDep,
    Visitor,
    VisitorDep,
    enter,
)
from services.gateway.adapters.pages.fields import Reader
from services.gateway.adapters.pages.rendering import list_response
from services.gateway.adapters.pages.routes_money import require_role_to_look
from services.gateway.app.direct_snippets import snippets
from services.gateway.app.scopes import scopes_of

router = Routes(include_in_schema=False, route_class=PageRoute)
KeyId = Annotated[str, Path(pattern=r"^key_[a-z2-7]{16}$")]
SigningKeyId = Annotated[str, Path(pattern=r"^dk_[0-9a-f]{32}$")]
_FORM = frozenset({"label", "scopes", "days", "public_key", "proof_of_key"})


async def _page(
    pages: Pages,
    visitor: Visitor,
    *,
    made: KeyCreated | None = None,
    login_made: DirectLoginCreated | None = None,
    error: DomainError | None = None,
    status: int = HTTPStatus.OK.value,
) -> Response:
    require_role_to_look(visitor)
    principal = visitor.known()
    who = principal.participant_id
    keys, signing, login = await asyncio.gather(
        pages.api.keys.list(principal, who),
        pages.api.signing_keys.list(principal, who),
        pages.api.direct_logins.show(principal, who),
    )
    grantable = scopes_of(principal.role) & principal.scopes
    return visitor.page(
        "keys.html",
        status,
        keys=sorted(keys, key=lambda key: (key.revoked_at is not None, key.created_at)),
        signing=signing,
        made=made,
        error=error,
        now=pages.api.market_data.now(),
        own_key=principal.key_id,
        scopes=[scope.value for scope in Scope if scope in grantable],
        days=KEY_DAYS,
        may=Scope.ADMIN in principal.scopes and principal.active,
        form={name: visitor.form.get(name, "") for name in _FORM},
        login=login if login_made is None else login_made.login,
        login_made=login_made,
        texts={} if login_made is None else snippets(login_made),
    )


@router.get("/keys")
async def show_keys(pages: PagesDep, visitor: VisitorDep) -> Response:
    """Show the keys of whoever is signed in."""
    return await _page(pages, visitor)


@router.get("/keys/csv")
async def get_keys(pages: PagesDep, visitor: VisitorDep) -> Response:
    """Return the API keys of whoever is signed in as a table."""
    require_role_to_look(visitor)
    principal = visitor.known()
    found = await pages.api.keys.list(principal, principal.participant_id)
    return list_response(found, "keys")


@router.post("/keys")
async def add_key(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Make a further API key; it is shown on this page and never again."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    reader = Reader(visitor.form, lambda _: Message("Days", "天数"))
    days = reader.whole("days")
    body = {
        "label": reader.text("label") or "api",
        "scopes": reader.names("scopes") or [Scope.READ.value],
        "expires_in_days": KEY_DAYS if days is None else days,
    }
    try:
        made = await pages.api.keys.add(
            principal, principal.participant_id, KeyNew.model_validate(body)
        )
    except ModelError as error:
        return await _refused(pages, visitor, faults_of(error.errors(include_url=False)))
    except DomainError as error:
        return await _refused(pages, visitor, error)
    return await _page(pages, visitor, made=made)


async def _refused(pages: Pages, visitor: Visitor, error: DomainError) -> Response:
    status = status_of(error).value
    return await _page(pages, visitor, error=error, status=status)


@router.post("/keys/{key_id}/revoke")
async def revoke_key(
    request: Request, key_id: KeyId, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Revoke an API key for good."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    await pages.api.keys.revoke(principal, principal.participant_id, key_id)
    return RedirectResponse("/keys", HTTPStatus.SEE_OTHER)


@router.post("/keys/signing")
async def add_signing_key(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Register a key of signed records by its proof."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    body = {
        "public_key": visitor.form.get("public_key", "").strip(),
        "proof": visitor.form.get("proof_of_key", "").strip(),
    }
    try:
        new = SigningKeyNew.model_validate(body)
        await pages.api.signing_keys.add(principal, principal.participant_id, new)
    except ModelError as error:
        return await _refused(pages, visitor, faults_of(error.errors(include_url=False)))
    except DomainError as error:
        return await _refused(pages, visitor, error)
    return RedirectResponse("/keys", HTTPStatus.SEE_OTHER)


@router.post("/keys/signing/{key_id}/revoke")
async def revoke_signing_key(
    request: Request, key_id: SigningKeyId, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Revoke a key of signed records for good."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    await pages.api.signing_keys.revoke(principal, principal.participant_id, key_id)
    return RedirectResponse("/keys", HTTPStatus.SEE_OTHER)


@router.post("/keys/direct")
async def make_direct_login(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Make a login at the broker, or a new password; it is shown on this page and never again."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    try:
        made = await pages.api.direct_logins.make(principal, principal.participant_id)
    except DomainError as error:
        return await _refused(pages, visitor, error)
    return await _page(pages, visitor, login_made=made)


@router.post("/keys/direct/end")
async def end_direct_login(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """End the login at the broker."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    try:
        await pages.api.direct_logins.end(principal, principal.participant_id)
    except DomainError as error:
        return await _refused(pages, visitor, error)
    return RedirectResponse("/keys", HTTPStatus.SEE_OTHER)
