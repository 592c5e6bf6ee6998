"""Calls of webhooks; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import Caller
from suanli.operations import Operation, given, place
from suanli.rows import Rows

if TYPE_CHECKING:
    from suanli.models import (
        Told,
        WebhookAttempt,
        WebhookChange,
        WebhookCreated,
        WebhookDeliveryView,
        WebhookView,
    )


class WebhooksCalls(Caller):
    """Calls of webhooks."""

    def list_webhooks(self, *, participant_id: str | None = None) -> list[WebhookView]:
        """List your webhooks, newest first."""
        reply: list[WebhookView] = self.send(
            Operation("GET", "/v1/webhooks", params={"participant_id": participant_id})
        )
        return reply

    def add_webhook(
        self,
        url: str,
        events: list[Told],
        *,
        market_id: str | None = None,
        description: str | None = None,
    ) -> WebhookCreated:
        """Add a webhook.

        Have an address told what happens from now on; its secret is shown this once.
        """
        reply: WebhookCreated = self.send(
            Operation(
                "POST",
                "/v1/webhooks",
                body={
                    "url": url,
                    "events": events,
                    **given({"market_id": market_id, "description": description}),
                },
            )
        )
        return reply

    def get_webhook(self, webhook_id: str) -> WebhookView:
        """Show a webhook.

        Return a webhook: how far it is, and whether it fails.
        """
        reply: WebhookView = self.send(Operation("GET", f"/v1/webhooks/{place(webhook_id)}"))
        return reply

    def change_webhook(self, webhook_id: str, body: WebhookChange) -> WebhookView:
        """Change, disable or enable a webhook.

        Change a webhook (its owner, the operator). One that is active again goes on where it
        stopped, as far as that is kept; a `webhook.gap` tells what is not.
        """
        reply: WebhookView = self.send(
            Operation("PUT", f"/v1/webhooks/{place(webhook_id)}", body=body)
        )
        return reply

    def delete_webhook(self, webhook_id: str) -> WebhookView:
        """Delete a webhook.

        Delete a webhook for good with its deliveries (its owner, the operator).
        """
        reply: WebhookView = self.send(Operation("DELETE", f"/v1/webhooks/{place(webhook_id)}"))
        return reply

    def rotate_webhook_secret(self, webhook_id: str) -> WebhookCreated:
        """Make a new secret for a webhook.

        Put a new secret in force, shown this once; for 24 hours the old one signs too.
        """
        reply: WebhookCreated = self.send(
            Operation("POST", f"/v1/webhooks/{place(webhook_id)}/secret")
        )
        return reply

    def ping_webhook(self, webhook_id: str) -> WebhookAttempt:
        """Try a webhook.

        Send a `webhook.ping` now, once, and tell how it was taken; a disabled one too.
        """
        reply: WebhookAttempt = self.send(
            Operation("POST", f"/v1/webhooks/{place(webhook_id)}/ping")
        )
        return reply

    def list_webhook_deliveries(
        self, webhook_id: str, *, is_taken: bool | None = None
    ) -> Rows[WebhookDeliveryView]:
        """List what was sent to a webhook.

        List messages with their last attempt, latest first.
        """
        return Rows(
            self,
            Operation(
                "GET", f"/v1/webhooks/{place(webhook_id)}/deliveries", params={"is_taken": is_taken}
            ),
            "WebhookDeliveryView",
        )

    def redeliver_message(self, webhook_id: str, message_id: str) -> WebhookAttempt:
        """Send a message again.

        Send a message of the feed again now, once, under the same `webhook-id`.
        """
        reply: WebhookAttempt = self.send(
            Operation(
                "POST", f"/v1/webhooks/{place(webhook_id)}/deliveries/{place(message_id)}/redeliver"
            )
        )
        return reply
