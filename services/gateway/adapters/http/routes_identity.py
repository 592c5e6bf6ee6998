"""Routes of who may do what: standing, API keys, the record of acts."""

from typing import Annotated

from fastapi import Path, Query, Response

from schemas.api import Page, Receipt
from schemas.base import Instant, ParticipantId
from schemas.identity import AdminActView, KeyCreated, KeyNew, KeyView
from schemas.standing import StandingNew
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.context import (
    AdminDep,
    ApiDep,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    TraceDep,
    numbered_page,
)
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
KeyId = Annotated[str, Path(pattern=r"^key_[a-z2-7]{16}$")]


@router.put(
    "/v1/participants/{participant_id}/standing",
    status_code=202,
    response_model_exclude_none=True,
    tags=["participants"],
    summary="Suspend a participant, or let it trade again",
)
async def set_standing(
    participant_id: ParticipantId,
    body: Annotated[StandingNew, examples.STANDING_NEW],
    api: ApiDep,
    principal: AdminDep,
    trace: TraceDep,
) -> Receipt:
    """Suspend a provider or an enterprise, or let it trade again (operator, regulator).

    Who is suspended may read and no more. Its open orders leave the book at the next round, with
    the reason; what is allocated stands.
    """
    return await api.standing.set(principal, participant_id, body, trace)


@router.get("/v1/participants/{participant_id}/keys", tags=["participants"])
async def list_keys(
    participant_id: ParticipantId, api: ApiDep, principal: PrincipalDep
) -> list[KeyView]:
    """List a participant's keys without their secrets (operator, or its own)."""
    return await api.keys.list(principal, participant_id)


@router.post("/v1/participants/{participant_id}/keys", status_code=201, tags=["participants"])
async def add_key(
    participant_id: ParticipantId,
    body: Annotated[KeyNew, examples.KEY_NEW],
    api: ApiDep,
    principal: AdminDep,
) -> KeyCreated:
    """Make a further key (operator, or its own); it is shown this once. It may only read unless
    scopes are given, and expires after a year unless days are.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.keys.add(principal, participant_id, body)


@router.delete("/v1/participants/{participant_id}/keys/{key_id}", tags=["participants"])
async def revoke_key(
    participant_id: ParticipantId, key_id: KeyId, api: ApiDep, principal: AdminDep
) -> KeyView:
    """Revoke a key for good (operator, or its own)."""
    return await api.keys.revoke(principal, participant_id, key_id)


@router.get("/v1/admin-acts", tags=["audit"], response_model=Page[AdminActView])
async def list_admin_acts(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    participant_id: ParticipantId | None = None,
    since: Annotated[Instant | None, Query(description="Wall clock of the exchange")] = None,
) -> Response:
    """List what was asked for under `money`, `govern` or `admin`, latest first: who, with which
    key, what, when, and the outcome (regulator, operator; else your own).
    """  # noqa: D205 - shown as one paragraph on the API's page
    found = await api.acts.acts(
        principal,
        participant_id=participant_id,
        since=since,
        before=paging.number(),
        limit=paging.limit + 1,
    )
    return numbered_page(paging, [(view.act_id, view) for view in found], "admin-acts")
