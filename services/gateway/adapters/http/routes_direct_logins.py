"""Routes of participants' logins at the broker."""

from typing import Annotated

from schemas.base import ParticipantId
from schemas.direct_logins import DirectAccessSet, DirectLoginCreated, DirectLoginView
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.context import AdminDep, ApiDep, PrincipalDep, StrictRoute
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
_LOGIN = "/v1/participants/{participant_id}/direct-login"


@router.get(_LOGIN, tags=["participants"], summary="Return a login at the broker")
async def get_direct_login(
    participant_id: ParticipantId, api: ApiDep, principal: PrincipalDep
) -> DirectLoginView:
    """Return a participant's login at the broker, and where it leads (operator, or its own)."""
    return await api.direct_logins.show(principal, participant_id)


@router.post(
    _LOGIN, status_code=201, tags=["participants"], summary="Make a login or a new password"
)
async def make_direct_login(
    participant_id: ParticipantId, api: ApiDep, principal: AdminDep
) -> DirectLoginCreated:
    """Make a participant's login at the broker, or a new password for it, which is told this once
    (operator, or its own); the operator allows it first. The old password opens no connection
    more.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.direct_logins.make(principal, participant_id)


@router.delete(_LOGIN, tags=["participants"], summary="End a login at the broker")
async def end_direct_login(
    participant_id: ParticipantId, api: ApiDep, principal: AdminDep
) -> DirectLoginView:
    """End a participant's login at the broker (operator, or its own): its rights end at once, on
    connections that are open too.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.direct_logins.end(principal, participant_id)


@router.put(
    "/v1/participants/{participant_id}/direct-access",
    tags=["participants"],
    summary="Allow a login at the broker",
)
async def allow_direct_access(
    participant_id: ParticipantId,
    body: Annotated[DirectAccessSet, examples.DIRECT_ACCESS_SET],
    api: ApiDep,
    principal: AdminDep,
) -> DirectLoginView:
    """Allow a provider or an enterprise to make a login at the broker for itself, or no longer,
    which ends the one that it has (operator).
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.direct_logins.allow(principal, participant_id, body)
