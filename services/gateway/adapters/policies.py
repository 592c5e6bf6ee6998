"""Policies of markets, and the pauses that they brought about, as the log told them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.policies import MarketPaused, MarketPolicySet, PolicyView
from schemas.shares import RoundShares
from services.gateway.adapters.queries import SQL, sql_of

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.filters import Filter
    from services.gateway.ports import Sent
    from services.kit.postgres import Conn, Pool


async def listed(
    pool: Pool,
    *,
    market_id: str | None,
    after: tuple[str, int] | None,
    limit: int,
    state: str | None,
    where: Filter | None,
) -> list[PolicyView]:
    """Return versions of policies by market, id and version."""
    key, version = after or (None, None)
    found = await pool.fetch(SQL.policies, market_id, key, version, limit, state, sql_of(where))
    return [
        PolicyView(
            policy=MarketPolicySet.model_validate_json(row["body"]),
            state=row["state"],
            set_at=row["set_at"],
        )
        for row in found
    ]


async def of_market(pool: Pool, market_id: str) -> tuple[list[MarketPolicySet], int]:
    """Return all versions of a market's policies, and the number of its last sealed round."""
    found = await pool.fetch(SQL.all_policies, market_id)
    last_round: int = await pool.fetchval(SQL.last_round, market_id)
    return [MarketPolicySet.model_validate_json(row["body"]) for row in found], last_round


async def put(conn: Conn | Pool, policy: MarketPolicySet, set_at: datetime) -> None:
    """Show a version of a policy."""
    await conn.execute(
        SQL.put_policy,
        policy.market_id,
        policy.policy_id,
        policy.version,
        policy.model_dump_json(),
        set_at,
    )


async def put_all(conn: Conn, batch: list[Sent]) -> None:
    """Show the versions that a batch of records tells."""
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, MarketPolicySet)
        await put(conn, data, sent.envelope.occurred_at)


async def pauses(
    pool: Pool, *, market_id: str | None, before: tuple[int, str] | None, limit: int
) -> list[MarketPaused]:
    """Return pauses, those of the latest rounds first."""
    seq, market = before or (None, None)
    found = await pool.fetch(SQL.pauses, market_id, seq, market, limit)
    return [MarketPaused.model_validate_json(row["body"]) for row in found]


async def put_pauses(conn: Conn, batch: list[Sent]) -> None:
    """Show the pauses that a batch of records tells."""
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, MarketPaused)
        await conn.execute(SQL.put_pause, data.market_id, data.seq, data.model_dump_json())


async def shares(
    pool: Pool, *, market_id: str | None, before: tuple[int, str] | None, limit: int
) -> list[RoundShares]:
    """Return what domestic shares asked of rounds, the latest first."""
    seq, market = before or (None, None)
    found = await pool.fetch(SQL.shares, market_id, seq, market, limit)
    return [RoundShares.model_validate_json(row["body"]) for row in found]


async def put_shares(conn: Conn, batch: list[Sent]) -> None:
    """Show what domestic shares asked of the rounds that a batch of records tells of."""
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, RoundShares)
        await conn.execute(SQL.put_share, data.market_id, data.seq, data.model_dump_json())
