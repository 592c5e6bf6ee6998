"""What webhooks need of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from schemas.webhooks import (
        AttemptError,
        WebhookChange,
        WebhookDeliveryView,
        WebhookNew,
        WebhookView,
    )
    from services.core.errors import Message
    from services.gateway.stream_ports import FeedItem


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint that has something to be told.

    Attributes:
        webhook_id: Its name.
        url: Where messages go.
        feed: Which numbering `last_seq` is of.
        last_seq: The last number that it took.
        kept_from: The lowest number that is not deleted.
        failures: How often it failed on end.
    """

    webhook_id: str
    url: str
    feed: str
    last_seq: int
    kept_from: int
    failures: int


@dataclass(frozen=True, slots=True)
class ToTell:
    """Something of the feed with the time at which it was told."""

    item: FeedItem
    told_at: datetime


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way.

    Attributes:
        message_id: The same whenever it is sent again.
        type: What it tells.
        seq: Its number in the feed; ``None`` of what is of none.
        body: Its bytes.
    """

    message_id: str
    type: str
    seq: int | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """How an endpoint took a message.

    Attributes:
        is_taken: Whether it answered 2xx in time.
        status: HTTP status, if it answered.
        error: What went wrong, if it was not taken.
        duration_ms: How long it took.
        wait_s: How long it asks to be left alone, 0 if it does not.
    """

    is_taken: bool
    status: int | None
    error: AttemptError | None
    duration_ms: int
    wait_s: int = 0


class Sending(Protocol):
    """A line to one endpoint."""

    async def send(self, message: Outgoing, secrets: Sequence[bytes]) -> Answer:
        """Send a message once; what goes wrong is told, never raised."""
        ...


class Sender(Protocol):
    """Reaches endpoints."""

    def fault_of(self, url: str) -> Message | None:
        """Return what a URL must be instead, ``None`` if messages may go there."""
        ...

    def to(self, url: str) -> AbstractAsyncContextManager[Sending]:
        """Return a line to an endpoint, within the block."""
        ...


class Webhooks(Protocol):
    """Endpoints, what they are to be told, and what they took."""

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
        """Add an endpoint that is told what comes from now on; ``None`` if there are too many."""
        ...

    async def of(self, participant_id: str) -> list[WebhookView]:
        """Return a participant's endpoints, newest first."""
        ...

    async def one(self, webhook_id: str) -> WebhookView | None:
        """Return an endpoint."""
        ...

    async def change(self, webhook_id: str, wanted: WebhookChange) -> WebhookView | None:
        """Change an endpoint."""
        ...

    async def delete(self, webhook_id: str) -> WebhookView | None:
        """Delete an endpoint with its deliveries; return what it was."""
        ...

    async def rotate(self, webhook_id: str, secret: bytes, overlap_s: int) -> None:
        """Put a new secret in force; the old one counts for so many seconds more."""
        ...

    async def secrets(self, webhook_id: str) -> list[bytes]:
        """Return the secrets that count, the newest first."""
        ...

    async def event(self, webhook_id: str, seq: int) -> ToTell | None:
        """Return something of the feed, if the endpoint may be told it and it is still kept."""
        ...

    async def record(self, webhook_id: str, message: Outgoing, answer: Answer) -> None:
        """Record an attempt; it moves nothing."""
        ...

    async def deliveries(
        self, webhook_id: str, *, before: int | None, limit: int, taken: bool | None
    ) -> list[tuple[int, WebhookDeliveryView]]:
        """Return messages, latest first, with their numbers."""
        ...


class WebhookQueue(Protocol):
    """What the worker does, of which there is one at a time."""

    async def due(self, busy: Sequence[str], limit: int) -> list[Endpoint]:
        """Return endpoints that have something to be told now, without those that are busy."""
        ...

    async def page(self, webhook_id: str, limit: int) -> list[ToTell]:
        """Return what an endpoint is to be told next, in order."""
        ...

    async def secrets(self, webhook_id: str) -> list[bytes]:
        """Return the secrets that count, the newest first."""
        ...

    async def took(self, webhook_id: str, message: Outgoing, answer: Answer, seq: int) -> None:
        """Record that it took a message; all of the feed up to ``seq`` is done.

        Raises:
            StaleWriterError: if another worker took over.
        """
        ...

    async def failed(
        self, endpoint: Endpoint, message: Outgoing, answer: Answer, wait_s: float, days_max: int
    ) -> str | None:
        """Record a failure; return whose it is if it was disabled with that.

        Raises:
            StaleWriterError: if another worker took over.
        """
        ...

    async def tidy(self, busy: Sequence[str], days: int) -> None:
        """Move those forward that want nothing of what came; delete some old deliveries."""
        ...
