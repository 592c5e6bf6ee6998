"""The store of matching: one schema, one transaction per step, fenced by the lease's epoch."""

from __future__ import annotations

import json
import zlib
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from schemas.events import OffsetRange
from schemas.market import Market
from schemas.mobilisation import MobilisationDeclared, MobilisationEnded
from schemas.policies import BREAKER_ROUNDS_MAX, MarketPaused, MarketPolicySet
from services.core.book_builder import horizon_of
from services.core.circuit_breaker import has_breaker, traded_prices
from services.core.errors import MatchError, Message
from services.core.file_reading import result_from_dict
from services.core.orders import DemandOrder, OfferOrder
from services.core.policy_rows import policies_of, share_rules
from services.core.premiums import accounts_after
from services.core.reasons import Why
from services.core.verdicts import HoldAnswer
from services.kit.errors import StaleWriterError
from services.kit.postgres import (
    Queries,
    advance_all,
    append_outbox,
    assert_lease,
    claim_positions,
    prune_outbox,
)
from services.matching.app.intake import TOPICS
from services.matching.crash import crash_point
from services.matching.ports import Loaded, SealedRound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    import asyncpg

    from services.core.circuit_breaker import TradedPrices
    from services.core.holdings import Run
    from services.core.orders import Order
    from services.kit.postgres import Conn, Pool
    from services.kit.records import Positions
    from services.matching.ports import Changes, ClearedRound, IntakeRow

MIGRATIONS = Path(__file__).parents[3] / "infra" / "postgres" / "migrations" / "matching"

_QUERIES = Queries.load(Path(__file__).parent)
_OFFER = TypeAdapter(OfferOrder)
_DEMAND = TypeAdapter(DemandOrder)
_WHY = TypeAdapter(Why)
_RANGES = TypeAdapter(tuple[OffsetRange, ...])
# Books of a market hardly differ from round to round; the fastest level already packs 10 to 1.
_ZLIB_LEVEL = 1


class PostgresStore:
    """`services.matching.ports.Store` on Postgres.

    Args:
        pool: Pool of the market's schema.
        market_id: The market.
        lease: Name of its lease.
        epoch: Fencing epoch with which this process holds it.
        keep: How long sent records stay in the outbox.
    """

    def __init__(
        self, pool: Pool, *, market_id: str, lease: str, epoch: int, keep: timedelta
    ) -> None:
        self._pool = pool
        self._market_id = market_id
        self._lease = lease
        self._epoch = epoch
        self._keep = keep

    async def load(self) -> Loaded:
        """Claim the positions for this epoch and return all state that a start needs.

        Raises:
            MatchError: if the schema holds another market.
        """
        async with self._transaction() as conn:
            await self._claim_owner(conn)
            positions = await claim_positions(conn, TOPICS, self._epoch)
            orders = await conn.fetch(_QUERIES.working_orders)
            markets = await conn.fetch(_QUERIES.markets)
            holds = await conn.fetch(_QUERIES.early_holds)
            groups = await conn.fetch(_QUERIES.won_groups)
            suspended = await conn.fetch(_QUERIES.suspended)
            mobilised = await conn.fetch(_QUERIES.mobilisations)
            last = await conn.fetchrow(_QUERIES.last_round)
            sent = await conn.fetch(_QUERIES.links_sent)
            held = await conn.fetch(_QUERIES.held)
            found = await conn.fetch(_QUERIES.policies)
            policies = [MarketPolicySet.model_validate_json(row["body"]) for row in found]
            recent = []
            if has_breaker(policies):
                recent = await conn.fetch(_QUERIES.recent_results, BREAKER_ROUNDS_MAX)
        paused = None if last is None else last["paused"]
        return Loaded(
            positions=positions,
            orders=[_order(row["body"]) for row in orders],
            markets=[Market.model_validate_json(row["body"]) for row in markets],
            stash=[_stashed(row) for row in holds],
            groups={row["exclusive_group"]: row["order_id"] for row in groups},
            suspended={row["participant_id"]: row["reason"] for row in suspended},
            last_round=None if last is None else _sealed(last),
            is_sealed=last is not None and last["state"] == "SEALED",
            sent={(row["link"], row["period"]): row["gb"] for row in sent},
            held={
                (row["participant_id"], row["pool"]): (row["first_period"], tuple(row["chips"]))
                for row in held
            },
            accounts={} if last is None else _accounts(last),
            mobilisations=[
                (
                    MobilisationEnded if row["withdrawn"] else MobilisationDeclared
                ).model_validate_json(row["body"])
                for row in mobilised
            ],
            policies=policies,
            paused=None if paused is None else MarketPaused.model_validate_json(paused),
            traded=[_traded(row) for row in reversed(recent)],
        )

    async def orders_by_id(self, ids: Iterable[str]) -> list[Order]:
        """Return the stored orders with these ids, in any order."""
        rows = await self._pool.fetch(_QUERIES.orders_by_id, list(ids))
        return [_order(row["body"]) for row in rows]

    async def commit_intake(self, before: Positions, after: Positions, changes: Changes) -> None:
        """Move the positions and write the verdicts, in one transaction.

        Raises:
            StaleWriterError: if another process has taken over.
        """
        async with self._transaction() as conn:
            await advance_all(conn, before, after, self._epoch)
            await _write(conn, changes)

    async def seal(self, sealed: SealedRound, changes: Changes) -> None:
        """Freeze a round (T1), in one transaction.

        Raises:
            StaleWriterError: if another process has taken over.
        """
        crash_point("before_t1")
        async with self._transaction() as conn:
            await conn.execute(
                _QUERIES.seal_round,
                sealed.seq,
                sealed.round_id,
                self._epoch,
                sealed.market_time,
                _RANGES.dump_json(sealed.manifest).decode(),
                json.dumps([[*key, end] for key, end in sorted(sealed.through.items())]),
                sealed.market.model_dump_json(),
                zlib.compress(sealed.book, _ZLIB_LEVEL),
                sealed.rules,
                sealed.book_digest,
                sealed.rules_digest,
                datetime.now(UTC),
                sealed.mobilisation,
            )
            await _write(conn, changes)
        crash_point("after_t1")

    async def publish(self, sealed: SealedRound, cleared: ClearedRound, changes: Changes) -> None:
        """Give a sealed round its result and all its records (T2), in one transaction.

        Raises:
            StaleWriterError: if another process has taken over or has published it.
        """
        crash_point("before_t2")
        async with self._transaction() as conn:
            done = await conn.execute(
                _QUERIES.publish_round,
                sealed.seq,
                cleared.status,
                cleared.cause,
                zlib.compress(cleared.result_bytes, _ZLIB_LEVEL),
                cleared.result_digest,
                cleared.solve_ms,
                datetime.now(UTC),
                None if changes.paused is None else changes.paused.model_dump_json(),
            )
            if done != "UPDATE 1":
                raise StaleWriterError(f"round {sealed.round_id}", "published", "SEALED")
            await _write(conn, changes)
        crash_point("after_t2")

    async def cycle(self, seq: int) -> list[tuple[bytes, bytes]]:
        """Return book and result of each urgent round right before an ordinary one, then its own.

        Only its own are returned if there was no urgent round.
        """
        found = await self._pool.fetch(_QUERIES.cycle, seq)
        return [(zlib.decompress(row["book"]), zlib.decompress(row["result"])) for row in found]

    async def prune(self) -> int:
        """Delete outbox rows that were sent long ago; return how many."""
        async with self._transaction() as conn:
            return await prune_outbox(conn, self._keep)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Conn]:
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            yield conn

    async def _claim_owner(self, conn: Conn) -> None:
        await conn.execute(_QUERIES.claim_owner, self._market_id)
        owner = await conn.fetchval(_QUERIES.owner)
        if owner != self._market_id:
            raise MatchError(
                "match.schema_taken",
                Message(
                    f"SUANLI_MATCHING_SCHEMA must be a schema of market {self._market_id}, "
                    f"was one of market {owner}",
                    f"SUANLI_MATCHING_SCHEMA 应为市场 {self._market_id} 的模式,"
                    f"实际属于市场 {owner}",
                ),
                field="SUANLI_MATCHING_SCHEMA",
                value=str(owner),
                allowed=self._market_id,
            )


async def _write(conn: Conn, changes: Changes) -> None:
    now = datetime.now(UTC)
    for market in changes.markets.values():
        await conn.execute(_QUERIES.put_market, market.id, market.model_dump_json(), now)
    for participant_id, reason in changes.standings.items():
        if reason is None:
            await conn.execute(_QUERIES.lift_suspension, participant_id)
        else:
            await conn.execute(_QUERIES.put_suspension, participant_id, reason)
    for told in changes.mobilisations:
        body, withdrawn = told.model_dump_json(), isinstance(told, MobilisationEnded)
        await conn.execute(_QUERIES.put_mobilisation, told.mobilisation_id, withdrawn, body)
    for policy in changes.policies:
        body = policy.model_dump_json()
        await conn.execute(_QUERIES.put_policy, policy.policy_id, policy.version, body)
    if changes.intake:
        await conn.execute(_QUERIES.put_intake, *_intake_columns(changes.intake), now)
    if changes.orders:
        await conn.execute(_QUERIES.put_orders, *_order_columns(changes.orders.values()), now)
    for order_id, cause in sorted(changes.drop_holds):
        await conn.execute(_QUERIES.drop_early_hold, order_id, cause)
    for answer in changes.put_holds.values():
        await conn.execute(
            _QUERIES.put_early_hold,
            answer.order_id,
            answer.cause,
            answer.version,
            answer.offset,
            answer.placed,
            answer.amount,
            answer.free,
            answer.booked_through,
            answer.start,
            None if answer.reason is None else _WHY.dump_json(answer.reason).decode(),
        )
    if changes.sent is not None:
        rows = sorted(changes.sent.items())
        await conn.execute(_QUERIES.drop_links_sent)
        await conn.execute(
            _QUERIES.put_links_sent,
            [link for (link, _), _ in rows],
            [period for (_, period), _ in rows],
            [gb for _, gb in rows],
        )
    if changes.held:
        await _write_held(conn, changes.held)
    # Last, because it locks the outbox until the transaction ends.
    await append_outbox(conn, changes.outbox)


async def _write_held(conn: Conn, held: Mapping[tuple[str, str], Run | None]) -> None:
    gone = [key for key, run in held.items() if run is None]
    await conn.execute(_QUERIES.drop_held, [key[0] for key in gone], [key[1] for key in gone])
    rows = [(*key, *run) for key, run in held.items() if run is not None]
    await conn.execute(
        _QUERIES.put_held,
        [participant for participant, _, _, _ in rows],
        [pool for _, pool, _, _ in rows],
        [first for _, _, first, _ in rows],
        # An array of arrays of several lengths is none to the database.
        [f"{{{','.join(map(str, chips))}}}" for _, _, _, chips in rows],
    )


def _intake_columns(rows: Sequence[IntakeRow]) -> tuple[list[object], ...]:
    return (
        [row.topic for row in rows],
        [row.partition for row in rows],
        [row.offset for row in rows],
        [row.verdict.value for row in rows],
        [row.reason for row in rows],
        [row.order_id for row in rows],
    )


def _order_columns(orders: Iterable[Order]) -> tuple[list[object], ...]:
    rows = sorted(orders, key=lambda order: order.id)
    demands = [order if isinstance(order, DemandOrder) else None for order in rows]
    return (
        [order.id for order in rows],
        [order.side.value for order in rows],
        [order.participant_id for order in rows],
        [order.state.value for order in rows],
        [order.version for order in rows],
        [order.sequence for order in rows],
        [None if order is None else order.group for order in demands],
        [order.has_traded for order in rows],
        [0 if order is None else order.hold for order in demands],
        [0 if order is None else order.hold_due for order in demands],
        [order is not None and order.has_hold_news for order in demands],
        [_body(order) for order in rows],
    )


def _body(order: Order) -> str:
    if isinstance(order, OfferOrder):
        return _OFFER.dump_json(order).decode()
    return _DEMAND.dump_json(order).decode()


def _traded(row: asyncpg.Record) -> TradedPrices:
    market = Market.model_validate_json(row["market"])
    first = horizon_of(market, row["seq"], row["market_time"]).first
    result = result_from_dict(json.loads(zlib.decompress(row["result"])))
    return traded_prices(row["seq"], first, result)


def _accounts(last: asyncpg.Record) -> dict[str, int]:
    """Return the rolling accounts of domestic shares after the newest round."""
    policies = policies_of(json.loads(_sealed(last).book))
    if not share_rules(policies):
        return {}
    told = last["result"]
    result = None if told is None else result_from_dict(json.loads(zlib.decompress(told)))
    return accounts_after(policies, result)


def _order(body: str) -> Order:
    # Only demand has a hold; both have terms, whose fields differ throughout.
    if json.loads(body).get("hold") is None:
        return _OFFER.validate_json(body)
    return _DEMAND.validate_json(body)


def _stashed(row: asyncpg.Record) -> HoldAnswer:
    return HoldAnswer(
        order_id=row["order_id"],
        version=row["version"],
        cause=row["cause"],
        offset=row["record_offset"],
        placed=row["placed"],
        amount=row["amount_micro_yuan"],
        free=row["free_micro_yuan"],
        booked_through=row["booked_through"],
        start=row["first_period"],
        reason=None if row["reason"] is None else _WHY.validate_json(row["reason"]),
    )


def _sealed(row: asyncpg.Record) -> SealedRound:
    return SealedRound(
        seq=row["seq"],
        round_id=row["round_id"],
        market_time=row["market_time"],
        manifest=_RANGES.validate_json(row["manifest"]),
        through={(topic, part): end for topic, part, end in json.loads(row["through"])},
        market=Market.model_validate_json(row["market"]),
        book=zlib.decompress(row["book"]),
        rules=row["rules"],
        book_digest=row["book_digest"],
        rules_digest=row["rules_digest"],
        mobilisation=row["mobilisation"],
    )
