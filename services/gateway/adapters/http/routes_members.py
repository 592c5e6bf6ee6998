"""Routes of people: members of participants, who is calling, and who vouches."""

from typing import Annotated, Any

from fastapi import Body

from schemas.base import ParticipantId
from schemas.members import CallerView, IssuerView, MemberChange, MemberId, MemberNew, MemberView
from services.gateway.adapters.http.context import AdminDep, ApiDep, PrincipalDep, StrictRoute
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
MEMBER: dict[str, Any] = {
    "issuer": "https://login.example.org/realms/suanli",
    "subject": "4f2a6d0e-9f0b-4b57-8c1d-0c7d6c1f4e11",
    "name": "Li Hua",
    "scopes": ["read", "trade"],
}
_MEMBER_NEW = Body(examples=[MEMBER])
_MEMBER_CHANGE = Body(examples=[{"scopes": ["read"]}, {"status": "suspended"}])


@router.get("/v1/whoami", tags=["participants"], summary="Return who is calling")
async def whoami(api: ApiDep, principal: PrincipalDep) -> CallerView:
    """Return the participant, the key or member, and what it may do."""
    return await api.members.whoami(principal)


@router.get("/v1/issuers", tags=["participants"], summary="List who vouches for members")
async def list_issuers(api: ApiDep) -> list[IssuerView]:
    """List the OpenID Connect issuers whose tokens are taken, and what to ask them for (public).

    `Authorization: Bearer` takes such a token instead of a key.
    """
    return list(api.members.issuers)


@router.get(
    "/v1/participants/{participant_id}/members", tags=["participants"], summary="List members"
)
async def list_members(
    participant_id: ParticipantId, api: ApiDep, principal: PrincipalDep
) -> list[MemberView]:
    """List the people who act for a participant, those that were removed last (operator, or its
    own).
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.members.list(principal, participant_id)


@router.post(
    "/v1/participants/{participant_id}/members",
    status_code=201,
    tags=["participants"],
    summary="Add a member",
)
async def add_member(
    participant_id: ParticipantId,
    body: Annotated[MemberNew, _MEMBER_NEW],
    api: ApiDep,
    principal: AdminDep,
) -> MemberView:
    """Let a person act for a participant with the tokens of an issuer (operator, or its own). He
    may only read unless scopes are given. A person is a member of one participant, and once.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.members.add(principal, participant_id, body)


@router.patch(
    "/v1/participants/{participant_id}/members/{member_id}",
    tags=["participants"],
    summary="Change a member",
)
async def change_member(
    participant_id: ParticipantId,
    member_id: MemberId,
    body: Annotated[MemberChange, _MEMBER_CHANGE],
    api: ApiDep,
    principal: AdminDep,
) -> MemberView:
    """Change what a member may do, suspend it, or let it act again (operator, or its own). Who is
    suspended may do nothing; it counts from the next request on.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.members.change(principal, participant_id, member_id, body)


@router.delete(
    "/v1/participants/{participant_id}/members/{member_id}",
    tags=["participants"],
    summary="Remove a member",
)
async def remove_member(
    participant_id: ParticipantId, member_id: MemberId, api: ApiDep, principal: AdminDep
) -> MemberView:
    """Remove a member for good (operator, or its own); the keys that it made stay."""
    return await api.members.remove(principal, participant_id, member_id)
