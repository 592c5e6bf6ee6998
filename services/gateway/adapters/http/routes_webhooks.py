"""Routes of webhooks."""

from typing import Annotated

from fastapi import Body, Query, Response

from schemas.api import Page
from schemas.base import ParticipantId
from schemas.webhooks import (
    EXAMPLE,
    MessageId,
    WebhookAttempt,
    WebhookChange,
    WebhookCreated,
    WebhookDeliveryView,
    WebhookId,
    WebhookNew,
    WebhookView,
)
from services.gateway.adapters.http.context import (
    AdminDep,
    ApiDep,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    numbered_page,
)
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute, tags=["webhooks"])
CREATED = 201
_NEW = Body(examples=[EXAMPLE])
_CHANGE = Body(examples=[EXAMPLE | {"state": "disabled"}])


@router.post("/v1/webhooks", status_code=CREATED, summary="Add a webhook")
async def add_webhook(
    body: Annotated[WebhookNew, _NEW], api: ApiDep, principal: AdminDep
) -> WebhookCreated:
    """Have an address told what happens from now on; its secret is shown this once."""
    return await api.webhooks.add(principal, body)


@router.get("/v1/webhooks", summary="List webhooks")
async def list_webhooks(
    api: ApiDep,
    principal: PrincipalDep,
    participant_id: Annotated[
        ParticipantId | None, Query(description="Another one's, for the regulator and the operator")
    ] = None,
) -> list[WebhookView]:
    """List your webhooks, newest first."""
    return await api.webhooks.all_of(principal, participant_id)


@router.get("/v1/webhooks/{webhook_id}", summary="Show a webhook")
async def get_webhook(webhook_id: WebhookId, api: ApiDep, principal: PrincipalDep) -> WebhookView:
    """Return a webhook: how far it is, and whether it fails."""
    return await api.webhooks.get(principal, webhook_id)


@router.put("/v1/webhooks/{webhook_id}", summary="Change, disable or enable a webhook")
async def change_webhook(
    webhook_id: WebhookId,
    body: Annotated[WebhookChange, _CHANGE],
    api: ApiDep,
    principal: AdminDep,
) -> WebhookView:
    """Change a webhook (its owner, the operator). One that is active again goes on where it
    stopped, as far as that is kept; a `webhook.gap` tells what is not.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await api.webhooks.change(principal, webhook_id, body)


@router.delete("/v1/webhooks/{webhook_id}", summary="Delete a webhook")
async def delete_webhook(webhook_id: WebhookId, api: ApiDep, principal: AdminDep) -> WebhookView:
    """Delete a webhook for good with its deliveries (its owner, the operator)."""
    return await api.webhooks.delete(principal, webhook_id)


@router.post("/v1/webhooks/{webhook_id}/secret", summary="Make a new secret for a webhook")
async def rotate_webhook_secret(
    webhook_id: WebhookId, api: ApiDep, principal: AdminDep
) -> WebhookCreated:
    """Put a new secret in force, shown this once; for 24 hours the old one signs too."""
    return await api.webhooks.rotate(principal, webhook_id)


@router.post("/v1/webhooks/{webhook_id}/ping", summary="Try a webhook")
async def ping_webhook(webhook_id: WebhookId, api: ApiDep, principal: AdminDep) -> WebhookAttempt:
    """Send a `webhook.ping` now, once, and tell how it was taken; a disabled one too."""
    return await api.webhooks.ping(principal, webhook_id)


@router.get(
    "/v1/webhooks/{webhook_id}/deliveries",
    summary="List what was sent to a webhook",
    response_model=Page[WebhookDeliveryView],
)
async def list_webhook_deliveries(
    webhook_id: WebhookId,
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    is_taken: Annotated[bool | None, Query(description="Only what was taken, or was not")] = None,
) -> Response:
    """List messages with their last attempt, latest first."""
    found = await api.webhooks.deliveries(
        principal, webhook_id, before=paging.number(), limit=paging.limit + 1, taken=is_taken
    )
    return numbered_page(paging, found, "deliveries")


@router.post(
    "/v1/webhooks/{webhook_id}/deliveries/{message_id}/redeliver", summary="Send a message again"
)
async def redeliver_message(
    webhook_id: WebhookId, message_id: MessageId, api: ApiDep, principal: AdminDep
) -> WebhookAttempt:
    """Send a message of the feed again now, once, under the same `webhook-id`."""
    return await api.webhooks.redeliver(principal, webhook_id, message_id)
