"""What participants asked for, in the gateway's own schema: claims, replies, orders as sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from schemas import events
from schemas.codec import body_of
from schemas.types import Side
from services.gateway.adapters.queries import SQL
from services.gateway.ports import Claim
from services.kit.batching import Batcher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from services.gateway.ports import Done, Intent, Sent
    from services.kit.postgres import Conn, Pool

# Longer than a send may take (8 s) after one that it waited for (8 s), so that a claim is not taken
# over while it is alive.
CLAIM_STALE = timedelta(seconds=20)

# What one caller's rows can bring upon those who share a statement with it.
_OF_ONE: tuple[type[Exception], ...] = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.DeadlockDetectedError,
)

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

Submitted = events.OfferSubmitted | events.DemandSubmitted
Amended = events.OfferAmended | events.DemandAmended


async def put_intents(
    conn: Conn, sent: Sequence[Sent], replies: Sequence[tuple[str, str, str]] = ()
) -> None:
    """Show what participants asked for; a repeat changes nothing.

    Called on publishing, so that a submitter reads its own writes, and when the log is read
    back, so that the schema can be rebuilt from the log alone.

    Args:
        conn: Connection.
        sent: Events about orders; others are passed over.
        replies: (participant, idempotency key, reply JSON) to keep in the same commit.
    """
    # One statement cannot touch a row twice; of copies of an event the first one counts.
    first: dict[str, Sent] = {}
    amended, cancelled = [], []
    asked_for: list[tuple[Any, ...]] = []
    # In the log's order, so that what a caller wrote and what is read back lock rows alike.
    for item in sorted(sent, key=_place):
        data = item.envelope.data
        if isinstance(data, Submitted):
            first.setdefault(data.order_id, item)
        elif isinstance(data, Amended):
            amended.append(item)
        elif isinstance(data, events.OrderCancelled):
            cancelled.append(item)
            asked_for.append((data.order_id, item.envelope.occurred_at, item.envelope.id))
    found = [*first.values(), *amended, *cancelled]
    if found or replies:
        await conn.execute(
            SQL.put_intents,
            *_columns(replies, 3),
            *_columns(_first([_asked(item) for item in found]), 15),
        )
    if cancelled:
        await conn.execute(SQL.put_cancellations, *_columns(asked_for, 3))


def _place(item: Sent) -> tuple[str, int, int]:
    place = item.position
    return place.topic, place.partition, place.offset


async def put_events(conn: Conn, found: Sequence[tuple[Any, ...]]) -> None:
    """Add rows to the histories of orders.

    Args:
        conn: Connection.
        found: (event_id, order_id, kind, version, state, reason, round_id, amount, held,
            chip_hours_allocated, chip_hours_left, cause, then its `origin`).
    """
    if found:
        await conn.execute(SQL.put_events, *_columns(_first(found), 18))


def _first(found: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    # One statement cannot touch a row twice; copies of an event have one id, the first column.
    rows: dict[str, tuple[Any, ...]] = {}
    for row in found:
        rows.setdefault(row[0], row)
    return list(rows.values())


def _columns(found: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*found, strict=True)] or [[] for _ in range(width)]


def _asked(item: Sent) -> tuple[Any, ...]:
    """Return what an order's history tells of an event, then what only some events have."""
    envelope, data = item.envelope, item.envelope.data
    assert isinstance(data, Submitted | Amended | events.OrderCancelled)
    version: int | None = None
    side = market_id = participant_id = body = None
    kind = "cancel_requested"
    if isinstance(data, Submitted):
        kind, version = "submitted", 1
        is_offer = isinstance(data, events.OfferSubmitted)
        side = (Side.OFFER if is_offer else Side.DEMAND).value
        market_id, participant_id = data.market_id, data.participant_id
    elif isinstance(data, Amended):
        kind, version = "amended", data.expected_version + 1
    if version is not None:
        body = body_of(envelope).decode()
    return (
        *(envelope.id, data.order_id, kind, version, envelope.causation_id),
        *origin(item),
        *(side, market_id, participant_id, body),
    )


def origin(item: Sent) -> tuple[Any, ...]:
    """Return when an event happened and was written, its story, and its place in the log."""
    envelope, place = item.envelope, item.position
    return (
        envelope.occurred_at,
        envelope.recorded_at,
        envelope.correlation_id,
        place.topic,
        place.partition,
        place.offset,
    )


@dataclass(frozen=True, slots=True)
class _Claiming:
    """What one caller claims."""

    participant_id: str
    token: str
    intents: Sequence[Intent]

    def parts(self) -> list[tuple[str, str]]:
        return [(self.participant_id, intent.key) for intent in self.intents]

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (self.participant_id, self.token, one.key, one.sha256, one.body) for one in self.intents
        ]


class PostgresIntents:
    """Idempotency keys: callers at the same time share the statement of their claims.

    Args:
        pool: Pool of the gateway's schema.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._claims: Batcher[_Claiming, list[Claim]] = Batcher(self._claim, _Claiming.parts)

    async def claim(
        self, participant_id: str, token: str, intents: Sequence[Intent]
    ) -> list[Claim]:
        """Take every intent that is new or abandoned; keys must differ."""
        if not intents:
            return []
        return await self._claims.ask(_Claiming(participant_id, token, intents))

    async def release(self, participant_id: str, token: str, keys: Sequence[str]) -> None:
        """Forget claims of which nothing was done."""
        await self._pool.execute(SQL.release, participant_id, token, list(keys))

    async def expire(self, claims: Sequence[tuple[str, str, str]]) -> None:
        """Let the next try take over (participant, token, key) whose outcome is not known."""
        await self._pool.execute(SQL.expire, *_columns(claims, 3))

    async def complete(self, done: Sequence[Done]) -> list[Exception | None]:
        """Keep the replies of what was done, and show its orders, in one commit.

        Returns why each one's could not be kept, ``None`` for those that were.
        """
        replies = [(one.participant_id, *reply) for one in done for reply in one.replies]
        sent = [item for one in done for item in one.sent]
        cancels = any(isinstance(item.envelope.data, events.OrderCancelled) for item in sent)
        try:
            async with self._pool.acquire() as conn:
                if cancels:
                    async with conn.transaction():
                        await put_intents(conn, sent, replies)
                else:
                    await put_intents(conn, sent, replies)
        except _OF_ONE as error:
            return await _alone(self.complete, done, error)
        return [None] * len(done)

    async def _claim(self, asked: list[_Claiming]) -> list[list[Claim] | Exception]:
        rows = [row for one in asked for row in one.rows()]
        try:
            found = await self._pool.fetch(SQL.claim, *_columns(rows, 5), CLAIM_STALE)
        except _OF_ONE as error:
            return await _alone(self._claim, asked, error)
        claims = iter([Claim(row["mine"], row["request"], row["reply"]) for row in found])
        return [list(islice(claims, len(one.intents))) for one in asked]


async def _alone(
    serve: Callable[[list[ItemT]], Awaitable[list[ResultT | Exception]]],
    asked: Sequence[ItemT],
    error: Exception,
) -> list[ResultT | Exception]:
    """Serve each alone after a batch failed, so that one cannot fail the others.

    Claims and completions may be repeated: the token says whose a claim is, and a reply or an
    event that is there already stays as it is.
    """
    if len(asked) == 1:
        return [error]
    return [result for one in asked for result in await serve([one])]
