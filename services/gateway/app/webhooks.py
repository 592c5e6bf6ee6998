"""Webhooks: made, changed, tried and deleted by their owner or the operator."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from schemas.types import Role
from schemas.webhooks import SECRET_OVERLAP, WEBHOOKS_MAX, WebhookAttempt, WebhookCreated
from services.core.errors import Message, ValidationError
from services.gateway.app.keys import random_id
from services.gateway.app.rights import require_own, require_sight
from services.gateway.app.webhook_messages import message_of, ping_of
from services.gateway.errors import ConflictError, must_be, not_found
from services.kit.webhooks import secret_text

if TYPE_CHECKING:
    from schemas.webhooks import WebhookChange, WebhookDeliveryView, WebhookNew, WebhookView
    from services.gateway.ports import Principal
    from services.gateway.webhook_ports import Outgoing, Sender, Webhooks
    from services.kit.clock import Clock

_SECRET_BYTES = 32
_OF_FEED = re.compile(r"msg_(?P<feed>[0-9a-f]{8})-(?P<seq>\d+)")


class WebhookCommands:
    """Endpoints of participants.

    Args:
        store: Endpoints and what they took.
        sender: Reaches them.
        wall: The wall clock.
    """

    def __init__(self, store: Webhooks, sender: Sender, wall: Clock) -> None:
        self._store = store
        self._sender = sender
        self._wall = wall

    async def add(self, principal: Principal, new: WebhookNew) -> WebhookCreated:
        """Add an endpoint of the caller; it is told what comes from now on.

        Raises:
            ValidationError: if messages may not go there.
            ConflictError: if there are too many.
        """
        self._require_reachable(new.url)
        secret = secrets.token_bytes(_SECRET_BYTES)
        view = await self._store.add(
            f"wh_{random_id()}",
            principal.participant_id,
            new,
            secret,
            sees_all=principal.sees_all,
            most=WEBHOOKS_MAX,
        )
        if view is None:
            raise _full()
        return WebhookCreated(webhook=view, secret=secret_text(secret))

    async def all_of(self, principal: Principal, participant_id: str | None) -> list[WebhookView]:
        """Return the caller's endpoints, or another one's, newest first.

        Raises:
            NotFoundError: if they are not the caller's to see.
        """
        whose = participant_id or principal.participant_id
        require_sight(principal, whose, "participant_id", whose)
        return await self._store.of(whose)

    async def get(self, principal: Principal, webhook_id: str) -> WebhookView:
        """Return an endpoint.

        Raises:
            NotFoundError: if there is none, or it is not the caller's to see.
        """
        view = await self._store.one(webhook_id)
        if view is None:
            raise not_found("webhook_id", webhook_id)
        require_sight(principal, view.participant_id, "webhook_id", webhook_id)
        return view

    async def change(
        self, principal: Principal, webhook_id: str, wanted: WebhookChange
    ) -> WebhookView:
        """Change an endpoint; what is active again goes on where it stopped.

        Raises:
            NotFoundError: if there is none, or it is not the caller's.
            ValidationError: if messages may not go there.
        """
        await self._require_mine(principal, webhook_id)
        self._require_reachable(wanted.url)
        return _there(await self._store.change(webhook_id, wanted), webhook_id)

    async def delete(self, principal: Principal, webhook_id: str) -> WebhookView:
        """Delete an endpoint for good; return what it was.

        Raises:
            NotFoundError: if there is none, or it is not the caller's.
        """
        await self._require_mine(principal, webhook_id)
        return _there(await self._store.delete(webhook_id), webhook_id)

    async def rotate(self, principal: Principal, webhook_id: str) -> WebhookCreated:
        """Put a new secret in force; the old one signs too for a while.

        Raises:
            NotFoundError: if there is none, or it is not the caller's.
        """
        await self._require_mine(principal, webhook_id)
        secret = secrets.token_bytes(_SECRET_BYTES)
        await self._store.rotate(webhook_id, secret, int(SECRET_OVERLAP.total_seconds()))
        view = _there(await self._store.one(webhook_id), webhook_id)
        until = self._wall.now() + SECRET_OVERLAP
        return WebhookCreated(webhook=view, secret=secret_text(secret), old_secret_until=until)

    async def ping(self, principal: Principal, webhook_id: str) -> WebhookAttempt:
        """Send an endpoint a message that tells nothing, now and once.

        Raises:
            NotFoundError: if there is none, or it is not the caller's.
        """
        view = await self._require_mine(principal, webhook_id)
        return await self._send(view, ping_of(webhook_id, random_id(), self._wall.now()))

    async def redeliver(
        self, principal: Principal, webhook_id: str, message_id: str
    ) -> WebhookAttempt:
        """Send a message again, now and once, whatever became of it; nothing else waits for it.

        Raises:
            NotFoundError: if there is no such endpoint or message, it is not the caller's, or it
                is not kept any more.
        """
        view = await self._require_mine(principal, webhook_id)
        named = _OF_FEED.fullmatch(message_id)
        if named is None or not view.position.startswith(f"{named['feed']}-"):
            raise not_found("message_id", message_id)
        told = await self._store.event(webhook_id, int(named["seq"]))
        if told is None:
            raise not_found("message_id", message_id)
        return await self._send(view, message_of(named["feed"], told))

    async def deliveries(
        self,
        principal: Principal,
        webhook_id: str,
        *,
        before: int | None,
        limit: int,
        taken: bool | None,
    ) -> list[tuple[int, WebhookDeliveryView]]:
        """Return what was sent to an endpoint, latest first, with numbers.

        Raises:
            NotFoundError: if there is none, or it is not the caller's to see.
        """
        await self.get(principal, webhook_id)
        return await self._store.deliveries(webhook_id, before=before, limit=limit, taken=taken)

    async def _send(self, view: WebhookView, message: Outgoing) -> WebhookAttempt:
        keys = await self._store.secrets(view.webhook_id)
        async with self._sender.to(view.url) as line:
            answer = await line.send(message, keys)
        await self._store.record(view.webhook_id, message, answer)
        return WebhookAttempt(
            message_id=message.message_id,
            is_taken=answer.is_taken,
            status=answer.status,
            error=answer.error,
            duration_ms=answer.duration_ms,
        )

    async def _require_mine(self, principal: Principal, webhook_id: str) -> WebhookView:
        view = await self._store.one(webhook_id)
        if view is None:
            raise not_found("webhook_id", webhook_id)
        if principal.role is not Role.OPERATOR:
            require_own(principal, view.participant_id, "webhook_id", webhook_id)
        return view

    def _require_reachable(self, url: str) -> None:
        allowed = self._sender.fault_of(url)
        if allowed is not None:
            raise ValidationError(
                "webhook.url",
                must_be("url", url, allowed),
                field="url",
                value=url,
                allowed=allowed.en,
            )


def _there(view: WebhookView | None, webhook_id: str) -> WebhookView:
    if view is None:
        raise not_found("webhook_id", webhook_id)
    return view


def _full() -> ConflictError:
    return ConflictError(
        "webhook.full",
        Message(
            f"webhooks: must be at most {WEBHOOKS_MAX}, was one more; delete one first",
            f"Webhook：最多 {WEBHOOKS_MAX} 个，实为再多一个；请先删除一个",
        ),
        field="webhooks",
        value=str(WEBHOOKS_MAX + 1),
        allowed=f"at most {WEBHOOKS_MAX}",
    )
