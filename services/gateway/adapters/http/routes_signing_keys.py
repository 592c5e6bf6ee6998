"""Routes of the keys that participants sign their own records with."""

from typing import Annotated

from fastapi import Path

from schemas.base import ParticipantId
from schemas.signing_keys import SigningKeyNew, SigningKeyView
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.context import AdminDep, ApiDep, PrincipalDep, StrictRoute
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
KeyId = Annotated[str, Path(pattern=r"^dk_[0-9a-f]{32}$")]


@router.get("/v1/participants/{participant_id}/signing-keys", tags=["participants"])
async def list_signing_keys(
    participant_id: ParticipantId, api: ApiDep, principal: PrincipalDep
) -> list[SigningKeyView]:
    """List the keys of a participant's signed records (operator, or its own)."""
    return await api.signing_keys.list(principal, participant_id)


@router.post(
    "/v1/participants/{participant_id}/signing-keys", status_code=201, tags=["participants"]
)
async def add_signing_key(
    participant_id: ParticipantId,
    body: Annotated[SigningKeyNew, examples.SIGNING_KEY_NEW],
    api: ApiDep,
    principal: AdminDep,
) -> SigningKeyView:
    """Register a public key for signed records, by a signature that proves to have the secret
    (operator, or its own). Again, it is the same key.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.signing_keys.add(principal, participant_id, body)


@router.delete("/v1/participants/{participant_id}/signing-keys/{key_id}", tags=["participants"])
async def revoke_signing_key(
    participant_id: ParticipantId, key_id: KeyId, api: ApiDep, principal: AdminDep
) -> SigningKeyView:
    """Revoke a key for good (operator, or its own); what it signed and was not read yet is
    refused.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.signing_keys.revoke(principal, participant_id, key_id)
