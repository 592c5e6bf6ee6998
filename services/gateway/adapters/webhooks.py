"""Webhooks in the gateway's schema, and the worker's place among the gateways."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

from schemas.webhooks import WebhookDeliveryView, WebhookView
from services.gateway.adapters.queries import SQL
from services.gateway.stream_ports import FeedItem
from services.gateway.webhook_ports import Endpoint, ToTell
from services.kit.postgres import assert_lease

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import asyncpg

    from schemas.webhooks import WebhookChange, WebhookNew
    from services.gateway.adapters.webhook_secrets import WebhookSecrets
    from services.gateway.app.webhook_worker import WebhookWorker
    from services.gateway.webhook_ports import Answer, Outgoing, WebhookQueue
    from services.kit.postgres import LeaseKeeper, Pool

LEASE = "webhooks"


class PostgresWebhooks:
    """Endpoints and what they took.

    Args:
        pool: Pool that sees everything.
        reader: Pool that reads with the caller's eyes.
        secrets: Their secrets.
    """

    def __init__(self, pool: Pool, reader: Pool, secrets: WebhookSecrets) -> None:
        self._pool = pool
        self._reader = reader
        self._secrets = secrets

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
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(SQL.lock_webhooks_of, participant_id)
            row = await conn.fetchrow(
                SQL.put_webhook,
                webhook_id,
                participant_id,
                sees_all,
                *(new.url, [kind.value for kind in new.events], new.market_id, new.description),
                *self._secrets.sealed(webhook_id, secret),
                most,
            )
        return None if row is None else _view(row)

    async def of(self, participant_id: str) -> list[WebhookView]:
        """Return a participant's endpoints, newest first."""
        return [_view(row) for row in await self._reader.fetch(SQL.webhooks_of, participant_id)]

    async def one(self, webhook_id: str) -> WebhookView | None:
        """Return an endpoint."""
        row = await self._reader.fetchrow(SQL.webhook, webhook_id)
        return None if row is None else _view(row)

    async def change(self, webhook_id: str, wanted: WebhookChange) -> WebhookView | None:
        """Change an endpoint."""
        row = await self._pool.fetchrow(
            SQL.change_webhook,
            webhook_id,
            wanted.url,
            [kind.value for kind in wanted.events],
            wanted.market_id,
            wanted.description,
            wanted.state,
        )
        return None if row is None else _view(row)

    async def delete(self, webhook_id: str) -> WebhookView | None:
        """Delete an endpoint with its deliveries; return what it was."""
        row = await self._pool.fetchrow(SQL.delete_webhook, webhook_id)
        return None if row is None else _view(row)

    async def rotate(self, webhook_id: str, secret: bytes, overlap_s: int) -> None:
        """Put a new secret in force; the old one counts for so many seconds more."""
        sealed = self._secrets.sealed(webhook_id, secret)
        async with self._pool.acquire() as conn, conn.transaction():
            # Of two that rotate at once the second waits for the first.
            await conn.execute(SQL.lock_webhooks_of, webhook_id)
            await conn.execute(SQL.retire_webhook_secrets, webhook_id, overlap_s)
            await conn.execute(SQL.add_webhook_secret, webhook_id, *sealed)

    async def secrets(self, webhook_id: str) -> list[bytes]:
        """Return the secrets that count, the newest first."""
        return await self._secrets.of(webhook_id)

    async def event(self, webhook_id: str, seq: int) -> ToTell | None:
        """Return something of the feed, if the endpoint may be told it and it is still kept."""
        row = await self._pool.fetchrow(SQL.webhook_event, webhook_id, seq)
        return None if row is None else _told(row)

    async def record(self, webhook_id: str, message: Outgoing, answer: Answer) -> None:
        """Record an attempt; it moves nothing."""
        await self._pool.execute(SQL.put_delivery, *_delivery(webhook_id, message, answer))

    async def deliveries(
        self, webhook_id: str, *, before: int | None, limit: int, taken: bool | None
    ) -> list[tuple[int, WebhookDeliveryView]]:
        """Return messages, latest first, with their numbers."""
        rows = await self._reader.fetch(SQL.deliveries_of, webhook_id, before, taken, limit)
        return [
            (row["number"], WebhookDeliveryView(**{k: v for k, v in row.items() if k != "number"}))
            for row in rows
        ]


class PostgresWebhookQueue:
    """What there is to tell, for the worker that holds the lease.

    Args:
        pool: Pool that sees everything.
        secrets: Secrets of the endpoints.
        epoch: Epoch of the lease.
    """

    def __init__(self, pool: Pool, secrets: WebhookSecrets, epoch: int) -> None:
        self._pool = pool
        self._secrets = secrets
        self._epoch = epoch

    async def due(self, busy: Sequence[str], limit: int) -> list[Endpoint]:
        """Return endpoints that have something to be told now, without those that are busy."""
        return [
            Endpoint(
                row["webhook_id"],
                row["url"],
                row["feed"],
                row["last_seq"],
                row["kept_from"],
                row["failures"],
            )
            for row in await self._pool.fetch(SQL.webhooks_due, list(busy), limit)
        ]

    async def page(self, webhook_id: str, limit: int) -> list[ToTell]:
        """Return what an endpoint is to be told next, in order."""
        return [_told(row) for row in await self._pool.fetch(SQL.webhook_page, webhook_id, limit)]

    async def secrets(self, webhook_id: str) -> list[bytes]:
        """Return the secrets that count, the newest first."""
        return await self._secrets.of(webhook_id)

    async def took(self, webhook_id: str, message: Outgoing, answer: Answer, seq: int) -> None:
        """Record that it took a message; all of the feed up to ``seq`` is done.

        Raises:
            StaleWriterError: if another worker took over.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, LEASE, self._epoch)
            # What a crash of the database loses is told again, as it may be.
            await conn.execute(SQL.relax)
            await conn.execute(SQL.put_delivery, *_delivery(webhook_id, message, answer))
            await conn.execute(SQL.webhook_took, webhook_id, seq)

    async def failed(
        self, endpoint: Endpoint, message: Outgoing, answer: Answer, wait_s: float, days_max: int
    ) -> str | None:
        """Record a failure; return whose it is if it was disabled with that.

        Raises:
            StaleWriterError: if another worker took over.
        """
        name = endpoint.webhook_id
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, LEASE, self._epoch)
            await conn.execute(SQL.put_delivery, *_delivery(name, message, answer))
            row = await conn.fetchrow(
                SQL.webhook_failed, name, wait_s, days_max, days_max == 0, endpoint.url
            )
        return None if row is None or row["state"] == "active" else str(row["participant_id"])

    async def tidy(self, busy: Sequence[str], days: int) -> None:
        """Move those forward that want nothing of what came; delete some old deliveries."""
        await self._pool.execute(SQL.advance_idle_webhooks, list(busy))
        await self._pool.execute(SQL.prune_deliveries, days)


class LeasedWebhooks:
    """Runs the worker while this gateway holds the lease.

    Args:
        pool: Pool that sees everything.
        secrets: Secrets of the endpoints.
        keeper: Keeper of the lease.
        make: Returns the worker on a queue.
    """

    def __init__(
        self,
        pool: Pool,
        secrets: WebhookSecrets,
        keeper: LeaseKeeper,
        make: Callable[[WebhookQueue], WebhookWorker],
    ) -> None:
        self._pool = pool
        self._secrets = secrets
        self._keeper = keeper
        self._make = make

    async def run(self, stop: asyncio.Event) -> None:
        """Take the lease, then tell until ``stop`` is set.

        Raises:
            StaleWriterError: if another gateway took over; this one must start anew.
        """
        epoch = await self._keeper.acquire(stop)
        if epoch is None:
            return
        worker = self._make(PostgresWebhookQueue(self._pool, self._secrets, epoch))
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keeper.keep(stop))
                await worker.run(stop)
                keeping.cancel()
        finally:
            await self._keeper.release()


def _delivery(webhook_id: str, message: Outgoing, answer: Answer) -> tuple[Any, ...]:
    return (
        *(webhook_id, message.message_id, message.type, message.seq),
        *(answer.is_taken, answer.status, answer.error, answer.duration_ms),
    )


def _told(row: asyncpg.Record) -> ToTell:
    told_at: datetime = row["told_at"]
    item = FeedItem(
        row["seq"],
        row["stream"],
        row["kind"],
        row["market_id"],
        row["participant_id"],
        row["subject"],
        row["body"],
    )
    return ToTell(item, told_at)


def _view(row: asyncpg.Record) -> WebhookView:
    return WebhookView(
        webhook_id=row["webhook_id"],
        participant_id=row["participant_id"],
        url=row["url"],
        events=tuple(row["events"]),
        market_id=row["market_id"],
        description=row["description"],
        state=row["state"],
        disabled_because=row["disabled_because"],
        position=f"{row['feed']}-{row['last_seq']}",
        failures=row["failures"],
        failing_since=row["failing_since"],
        next_attempt_at=row["next_at"] if row["failures"] else None,
        created_at=row["created_at"],
    )
