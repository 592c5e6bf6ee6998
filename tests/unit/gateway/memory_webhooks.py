"""Webhooks in memory; everybody allows one host, and nobody answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from schemas.webhooks import WebhookChange, WebhookDeliveryView, WebhookNew, WebhookView
from services.core.errors import Message
from services.gateway.app.webhooks import WebhookCommands
from services.gateway.webhook_ports import Answer, Outgoing, ToTell
from services.kit.clock import Clock
from services.kit.webhooks import HostPattern, target_of

HOST = HostPattern.parse("*.haidian-lab.example")
NOW = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)


class MemoryWebhooks:
    """Endpoints; the feed is empty."""

    def __init__(self) -> None:
        self._views: dict[str, WebhookView] = {}
        self._secrets: dict[str, list[bytes]] = {}
        self._sent: dict[str, list[tuple[int, WebhookDeliveryView]]] = {}

    async def add(
        self,
        webhook_id: str,
        participant_id: str,
        new: WebhookNew,
        secret: bytes,
        *,
        sees_all: bool,
        most: int,
    ) -> WebhookView | None:
        del sees_all
        if len(await self.of(participant_id)) >= most:
            return None
        self._secrets[webhook_id] = [secret]
        view = WebhookView(
            **new.model_dump(),
            webhook_id=webhook_id,
            participant_id=participant_id,
            state="active",
            position="00000000-0",
            failures=0,
            created_at=NOW,
        )
        self._views[webhook_id] = view
        return view

    async def of(self, participant_id: str) -> list[WebhookView]:
        return [view for view in self._views.values() if view.participant_id == participant_id]

    async def one(self, webhook_id: str) -> WebhookView | None:
        return self._views.get(webhook_id)

    async def change(self, webhook_id: str, wanted: WebhookChange) -> WebhookView | None:
        view = self._views.get(webhook_id)
        if view is None:
            return None
        because = "owner" if wanted.state == "disabled" else None
        changed = view.model_copy(update={**dict(wanted), "disabled_because": because})
        self._views[webhook_id] = changed
        return changed

    async def delete(self, webhook_id: str) -> WebhookView | None:
        return self._views.pop(webhook_id, None)

    async def rotate(self, webhook_id: str, secret: bytes, overlap_s: int) -> None:
        assert overlap_s > 0
        self._secrets[webhook_id] = [secret, *self._secrets[webhook_id][:1]]

    async def secrets(self, webhook_id: str) -> list[bytes]:
        return self._secrets[webhook_id]

    async def event(self, webhook_id: str, seq: int) -> ToTell | None:
        del webhook_id, seq
        return None

    async def record(self, webhook_id: str, message: Outgoing, answer: Answer) -> None:
        sent = self._sent.setdefault(webhook_id, [])
        view = WebhookDeliveryView(
            message_id=message.message_id,
            is_taken=answer.is_taken,
            status=answer.status,
            error=answer.error,
            duration_ms=answer.duration_ms,
            type=message.type,
            attempts=1,
            first_at=NOW,
            last_at=NOW,
        )
        sent.insert(0, (len(sent) + 1, view))

    async def deliveries(
        self, webhook_id: str, *, before: int | None, limit: int, taken: bool | None
    ) -> list[tuple[int, WebhookDeliveryView]]:
        return [
            (number, view)
            for number, view in self._sent.get(webhook_id, [])
            if (before is None or number < before) and taken in (None, view.is_taken)
        ][:limit]


class NoLine:
    """A line on which nobody answers."""

    async def send(self, message: Outgoing, secrets: Sequence[bytes]) -> Answer:
        assert message.body
        assert secrets
        return Answer(is_taken=False, status=None, error="timeout", duration_ms=1)


class NoSender:
    """Allows one host."""

    def fault_of(self, url: str) -> Message | None:
        target = target_of(url)
        if target is not None and HOST.allows(target):
            return None
        return Message("of a host that is allowed", "允许的主机")

    @asynccontextmanager
    async def to(self, url: str) -> AsyncIterator[NoLine]:
        assert url
        yield NoLine()


def webhooks_of(clock: Clock) -> WebhookCommands:
    """Return the use cases of webhooks over an empty memory."""
    return WebhookCommands(MemoryWebhooks(), NoSender(), clock)
