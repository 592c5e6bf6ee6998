"""Routes of participants as the operator and regulators see them: standing, keys, money."""

import asyncio
import secrets
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.api import DepositNew, ParticipantNew, ParticipantView
from schemas.base import ParticipantId
from schemas.direct_logins import DirectAccessSet
from schemas.filter_fields import FIELDS
from schemas.filters import Filter, FilterError, parse
from schemas.funds import CollateralNew, WithdrawalNew
from schemas.identity import KEY_DAYS, KeyNew, Scope
from schemas.standing import StandingNew
from schemas.types import Role
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.context import (
    PageRoute,
    Pages,
    PagesDep,
    Visitor,
    VisitorDep,
    enter,
)
from services.gateway.adapters.pages.office import (
    form_key,
    micro,
    told,
    trace_of,
    until,
    watcher,
    whole,
)
from services.gateway.adapters.pages.rendering import EXPORTED_MAX, list_response
from services.gateway.app.scopes import scopes_of
from services.gateway.errors import not_found
from services.gateway.ports import Principal

router = Routes(include_in_schema=False, route_class=PageRoute)
_SHOWN = 100
_ENTRIES_SHOWN = 30
RoleQuery = Annotated[str, Query(max_length=20)]
IdQuery = Annotated[str, Query(max_length=64)]
_TRADERS = (Role.PROVIDER, Role.ENTERPRISE)


def _where(role: str, status: str, q: str) -> Filter | None:
    terms = {"role": role, "status": status, "participant_id": q}
    text = " ".join(f'{name}="{value}"' for name, value in terms.items() if value)
    try:
        return parse(text, FIELDS["participants"]) if text else None
    except FilterError:
        raise not_found("participant_id", q or role or status) from None


@router.get("/office/participants")
async def show_participants(
    pages: PagesDep,
    visitor: VisitorDep,
    role: RoleQuery = "",
    status: RoleQuery = "",
    q: IdQuery = "",
    after: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """List participants; the operator may admit one."""
    found = await pages.api.reading.participants(
        watcher(visitor), after=after, limit=_SHOWN + 1, where=_where(role, status, q.strip())
    )
    return visitor.page(
        "participants.html",
        people=found[:_SHOWN],
        more=found[_SHOWN - 1].participant_id if len(found) > _SHOWN else None,
        chosen={"role": role, "status": status, "q": q},
        roles=[item.value for item in Role],
    )


@router.get("/office/participants/csv")
async def get_participants(
    pages: PagesDep,
    visitor: VisitorDep,
    role: RoleQuery = "",
    status: RoleQuery = "",
    q: IdQuery = "",
) -> Response:
    """Return participants as a table."""
    found = await pages.api.reading.participants(
        watcher(visitor), after=None, limit=EXPORTED_MAX, where=_where(role, status, q.strip())
    )
    return list_response(found, "participants")


@router.post("/office/participants")
async def admit(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Admit a participant, and show its first key this once."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    form = visitor.form
    new = told(
        ParticipantNew,
        participant_id=form.get("participant_id", "").strip(),
        role=form.get("role", ""),
        name=form.get("name", "").strip(),
        resource_code=form.get("resource_code", "").strip() or None,
        beneficial_owner=form.get("beneficial_owner", "").strip() or None,
    )
    made = await pages.api.exchange.register(principal, new, trace_of(request))
    return await _page(pages, visitor, new.participant_id, api_key=made.api_key)


@router.get("/office/participants/{participant_id}")
async def show_participant(
    participant_id: ParticipantId, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Show a participant: its money, its keys, what may be done about it."""
    return await _page(pages, visitor, participant_id)


async def _page(
    pages: Pages, visitor: Visitor, participant_id: str, api_key: str | None = None
) -> Response:
    principal, reading = watcher(visitor), pages.api.reading
    view = await participant_of(pages, principal, participant_id)
    is_operator = principal.role is Role.OPERATOR
    is_trader = view.role in _TRADERS
    context: dict[str, Any] = {"account": None, "entries": [], "keys": [], "login": None}
    if is_trader:
        context["account"], entries = await asyncio.gather(
            reading.account(principal, participant_id),
            reading.entries(
                principal, participant_id, account="cny", before=None, limit=_ENTRIES_SHOWN
            ),
        )
        context["entries"] = [item for _, item in entries]
    if is_operator:
        context["keys"] = await pages.api.keys.list(principal, participant_id)
        if is_trader:
            context["login"] = await pages.api.direct_logins.show(principal, participant_id)
    return visitor.page(
        "participant.html",
        who=view,
        is_trader=is_trader,
        is_operator=is_operator,
        api_key=api_key,
        scopes=[scope.value for scope in Scope if scope in scopes_of(view.role)],
        key_days=KEY_DAYS,
        now=pages.api.market_data.now(),
        new_key=lambda: secrets.token_hex(16),
        **context,
    )


async def participant_of(
    pages: Pages, principal: Principal, participant_id: str
) -> ParticipantView:
    """Return a participant as the register has it.

    Raises:
        NotFoundError: if there is none of this id.
    """
    found = await pages.api.reading.participants(
        principal, after=None, limit=1, where=_where("", "", participant_id)
    )
    if not found:
        raise not_found("participant_id", participant_id)
    return found[0]


@router.post("/office/participants/{participant_id}/standing")
async def set_standing(
    participant_id: ParticipantId, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Suspend a participant, or let it trade again."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    new = told(
        StandingNew,
        status=visitor.form.get("status", ""),
        reason=visitor.form.get("reason", ""),
    )
    await pages.api.standing.set(principal, participant_id, new, trace_of(request))
    return _back(participant_id)


@router.post("/office/participants/{participant_id}/direct")
async def allow_direct_access(
    participant_id: ParticipantId, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Allow a participant a login at the broker, or take that back."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    wanted = told(DirectAccessSet, access=visitor.form.get("access", ""))
    await pages.api.direct_logins.allow(principal, participant_id, wanted)
    return _back(participant_id)


@router.post("/office/participants/{participant_id}/keys")
async def add_key(
    participant_id: ParticipantId, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Make a key, and show it this once."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    form = visitor.form
    new = told(
        KeyNew,
        label=form.get("label", "").strip() or "api",
        scopes=[text for text in form.get("scopes", "").split(",") if text],
        expires_in_days=whole(form.get("days", "")),
    )
    made = await pages.api.keys.add(principal, participant_id, new)
    return await _page(pages, visitor, participant_id, api_key=made.api_key)


@router.post("/office/participants/{participant_id}/keys/{key_id}/revoke")
async def revoke_key(
    participant_id: ParticipantId,
    key_id: str,
    request: Request,
    pages: PagesDep,
    visitor: VisitorDep,
) -> Response:
    """Revoke a key for good."""
    principal = await enter(request, pages, visitor, Scope.ADMIN)
    await pages.api.keys.revoke(principal, participant_id, key_id)
    return _back(participant_id)


@router.post("/office/participants/{participant_id}/money")
async def move_money(
    participant_id: ParticipantId, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Record a deposit, order a payout, or move collateral."""
    principal = await enter(request, pages, visitor, Scope.MONEY)
    form, api = visitor.form, pages.api
    amount, reference = micro(form.get("amount", "")), form.get("reference", "").strip()
    what, key, trace = form.get("what", ""), form_key(visitor), trace_of(request)
    before = (await api.reading.account(principal, participant_id)).entries
    if what == "deposit":
        deposit = told(DepositNew, amount=amount, reference=reference)
        await api.exchange.deposit(principal, participant_id, deposit, key, trace)
    elif what == "withdrawal":
        withdrawal = told(WithdrawalNew, amount=amount, reference=reference)
        await api.funds.withdraw(principal, participant_id, withdrawal, key, trace)
    else:
        direction = what.removeprefix("collateral-")
        collateral = told(CollateralNew, amount=amount, direction=direction)
        await api.funds.move_collateral(principal, participant_id, collateral, key, trace)

    async def is_shown() -> bool:
        return (await api.reading.account(principal, participant_id)).entries > before

    await until(is_shown)
    return _back(participant_id)


def _back(participant_id: str) -> Response:
    return RedirectResponse(f"/office/participants/{participant_id}", HTTPStatus.SEE_OTHER)
