"""The record of acts and the shared token buckets, in the gateway's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.identity import AdminActView
from services.gateway.adapters.queries import SQL

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Literal

    from services.gateway.identity_ports import Act
    from services.kit.postgres import Pool

_REFUSED_MIN, _FAILED_MIN = 400, 500


class PostgresActs:
    """The record of acts; the database refuses to change what is in it.

    Args:
        pool: Writes it, and reads it with the eyes of whoever takes a connection.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, act: Act) -> int:
        """Record that an act was asked for, before it is done; return its number."""
        who = act.principal
        number: int = await self._pool.fetchval(
            SQL.begin_act,
            who.participant_id,
            who.role.value,
            who.key_id,
            act.scope.value,
            act.act,
            act.object,
            act.body_sha256,
        )
        return number

    async def end(self, act_id: int, status: int) -> None:
        """Record how it was answered."""
        await self._pool.execute(SQL.end_act, act_id, status)

    async def acts(
        self,
        *,
        participant_id: str | None,
        since: datetime | None,
        before: int | None,
        limit: int,
    ) -> list[AdminActView]:
        """Return acts, latest first, with numbers below ``before``."""
        found = await self._pool.fetch(SQL.admin_acts, participant_id, since, before, limit)
        return [AdminActView(**row, outcome=outcome_of(row["status"])) for row in found]


def outcome_of(status: int | None) -> Literal["done", "refused", "failed", "unknown"]:
    """Return in a word how an act was answered."""
    if status is None:
        return "unknown"
    if status >= _FAILED_MIN:
        return "failed"
    return "refused" if status >= _REFUSED_MIN else "done"


class PostgresShares:
    """Token buckets that all gateways share."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take(
        self, bucket: str, wanted: int, rate_per_s: float, burst: int
    ) -> tuple[int, float]:
        """Take up to ``wanted`` tokens; return (taken, left), 0 taken if not one is there."""
        row = await self._pool.fetchrow(SQL.take_tokens, bucket, wanted, rate_per_s, burst)
        assert row is not None
        return row["taken"], row["tokens"]
