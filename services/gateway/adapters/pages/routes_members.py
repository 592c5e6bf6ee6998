"""Routes of members: people who act for a participant when an issuer vouches for them."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Path, Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.base import ParticipantId
from schemas.identity import Scope
from schemas.members import MemberChange, MemberId, MemberNew, MemberStatus
from schemas.types import Role
from services.core.errors import DomainError, Message
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages import fields
from services.gateway.adapters.pages.context import (
    PageRoute,
    Pages,
    PagesDep,
    Visitor,
    VisitorDep,
    enter,
)
from services.gateway.adapters.pages.office import told
from services.gateway.adapters.pages.rendering import list_response
from services.gateway.adapters.pages.routes_people import participant_of
from services.gateway.app.scopes import scopes_of
from services.gateway.errors import NotFoundError

router = Routes(include_in_schema=False, route_class=PageRoute)
MemberPath = Annotated[MemberId, Path()]
OfQuery = Annotated[ParticipantId | None, Query()]
_LABELS = {
    "": Message("The member", "成员"),
    "issuer": Message("Who vouches", "签发方"),
    "subject": Message("Account at the issuer", "在签发方的账号标识"),
    "name": Message("Name", "姓名"),
    "scopes": Message("May", "权限"),
}
_SCOPES = {
    Scope.READ: Message("look, and ask for quotes", "查询与询价"),
    Scope.TRADE: Message("orders and deliveries", "订单与交付"),
    Scope.MONEY: Message("money", "资金"),
    Scope.GOVERN: Message("govern: policies, urgent needs, cases", "治理：政策、紧急动员、案件"),
    Scope.ADMIN: Message("admin: keys and members", "管理：密钥与成员"),
}
_SHORT = {
    Scope.READ: Message("look", "查询"),
    Scope.TRADE: Message("trade", "交易"),
    Scope.MONEY: Message("money", "资金"),
    Scope.GOVERN: Message("govern", "治理"),
    Scope.ADMIN: Message("admin", "管理"),
}


@router.get("/members")
async def show_members(
    pages: PagesDep,
    visitor: VisitorDep,
    of: OfQuery = None,
    issuer: Annotated[str, Query(max_length=300)] = "",
    subject: Annotated[str, Query(max_length=255)] = "",
) -> Response:
    """List the members of a participant; a link of who wants to be one fills in the form."""
    filled = {"issuer": issuer, "subject": subject, "scopes": Scope.READ.value}
    try:
        return await _page(pages, visitor, of, filled)
    except NotFoundError:
        # Nobody registered the operator's bootstrap key; it manages the members of others.
        if of is not None or visitor.known().role is not Role.OPERATOR:
            raise
        return RedirectResponse("/office/participants", HTTPStatus.SEE_OTHER)


@router.get("/members/csv")
async def get_members(pages: PagesDep, visitor: VisitorDep, of: OfQuery = None) -> Response:
    """Return the members of a participant as a table."""
    principal = visitor.known()
    found = await pages.api.members.list(principal, of or principal.participant_id)
    return list_response(found, "members")


@router.post("/members")
async def add_member(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Let a person act for a participant."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    form = visitor.form
    of = form.get("of") or principal.participant_id
    try:
        new = told(
            MemberNew,
            issuer=form.get("issuer", "").strip(),
            subject=form.get("subject", "").strip(),
            name=form.get("name", "").strip(),
            scopes=_ticked(form),
        )
        await pages.api.members.add(principal, of, new)
    except DomainError as error:
        beside = fields.told(error, _field_of, _label_of, lambda _: False)
        return await _page(pages, visitor, of, form, beside)
    return _back(visitor, of)


@router.post("/members/{member_id}")
async def change_member(
    member_id: MemberPath, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Change what a member may do, suspend it, or let it act again."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    form = visitor.form
    of = form.get("of") or principal.participant_id
    status = form.get("status")
    change = {"status": status} if status else {"scopes": _ticked(form)}
    await pages.api.members.change(principal, of, member_id, told(MemberChange, **change))
    return _back(visitor, of)


@router.post("/members/{member_id}/remove")
async def remove_member(
    member_id: MemberPath, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Remove a member for good."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    of = visitor.form.get("of") or principal.participant_id
    await pages.api.members.remove(principal, of, member_id)
    return _back(visitor, of)


async def _page(
    pages: Pages,
    visitor: Visitor,
    of: str | None,
    filled: fields.Fields,
    beside: dict[str, Message] | None = None,
) -> Response:
    principal = visitor.known()
    is_operator = principal.role is Role.OPERATOR
    who = of or principal.participant_id
    members = await pages.api.members.list(principal, who)
    role = (await participant_of(pages, principal, who)).role if is_operator else principal.role
    grantable = scopes_of(role) if is_operator else scopes_of(role) & principal.scopes
    may = Scope.ADMIN in principal.scopes and principal.active
    issuers = [item.issuer for item in pages.api.members.issuers]
    return visitor.page(
        "members.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if beside else HTTPStatus.OK,
        who=who,
        is_other=who != principal.participant_id,
        members=[(item, item.status is not MemberStatus.REMOVED) for item in members],
        issuers=issuers,
        asks_to_join=filled.get("subject") and not beside,
        scopes=[(scope, _SCOPES[scope]) for scope in Scope if scope in grantable],
        short=_SHORT,
        own=principal.key_id,
        may=may,
        fields=filled,
        beside=beside or {},
        label=_label_of,
    )


def joining(issuer: str, subject: str) -> str:
    """Return where an admin adds a person: the form with what the issuer says filled in."""
    return f"/members?{urlencode({'issuer': issuer, 'subject': subject})}"


def _ticked(form: fields.Fields) -> list[str]:
    return [text for text in form.get("scopes", "").split(",") if text]


def _label_of(name: str) -> Message:
    return _LABELS.get(name, _LABELS[""])


def _field_of(path: str) -> str:
    first = path.partition(".")[0]
    return first if first in _LABELS else ""


def _back(visitor: Visitor, of: str) -> Response:
    own = of == visitor.known().participant_id
    return RedirectResponse("/members" if own else f"/members?of={of}", HTTPStatus.SEE_OTHER)
