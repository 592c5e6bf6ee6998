"""The gateway's own schema in Postgres, one small class per port."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, get_args

from schemas.api import AccountView, RoundPricesView
from schemas.audit import AuditView, JournalEntryView, LogHeadView, TermsVersionView
from schemas.funds import AccountKind
from schemas.types import Side, pool_key
from services.gateway.adapters import policies, rows
from services.gateway.adapters.credentials import add_key
from services.gateway.adapters.indications import projected_orders
from services.gateway.adapters.manifests import with_signature
from services.gateway.adapters.mobilisations import declared_in
from services.gateway.adapters.queries import SQL, sql_of
from services.gateway.adapters.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from schemas.api import (
        AllocationView,
        DemandView,
        EntryView,
        FindingView,
        MarketView,
        OfferView,
        OrderEvent,
        ParticipantView,
        PriceView,
        RoundView,
    )
    from schemas.filters import Filter
    from schemas.mobilisation import MobilisationDeclared
    from schemas.orders import DemandTerms, OfferTerms
    from schemas.policies import MarketPaused, MarketPolicySet, PolicyView
    from schemas.shares import RoundShares
    from services.core.holding_rows import Run
    from services.core.orders import Order
    from services.gateway.identity_ports import NewKey
    from services.gateway.ports import Signer
    from services.kit.postgres import Conn, Pool

MONEY_UNIT = "CNY-micro"


ACCOUNT_KINDS: tuple[AccountKind, ...] = get_args(AccountKind)


def account_of(participant_id: str, kind: AccountKind) -> str:
    """Return the name of a participant's account in the journal."""
    return f"{kind}:{participant_id}"


class PostgresOrders:
    """Orders as last seen."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def order(self, order_id: str) -> OfferView | DemandView | None:
        """Return an order."""
        row = await self._pool.fetchrow(SQL.order, order_id)
        return None if row is None else rows.order_view(row)

    async def orders(
        self,
        side: Side,
        *,
        participant_id: str | None,
        market_id: str | None,
        states: Sequence[str] | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, OfferView | DemandView]]:
        """Return (sequence, order), newest first, with sequences below ``before``."""
        wanted = None if states is None else list(states)
        found = await self._pool.fetch(
            SQL.orders, side.value, participant_id, market_id, wanted, before, limit, sql_of(where)
        )
        return [(row["seq"], rows.order_view(row)) for row in found]

    async def history(
        self, order_id: str, *, after: int | None, limit: int, where: Filter | None = None
    ) -> list[tuple[int, OrderEvent]]:
        """Return (sequence, event) of an order, oldest first."""
        found = await self._pool.fetch(SQL.order_history, order_id, after, limit, sql_of(where))
        return [(row["seq"], rows.order_event(row)) for row in found]

    async def open_orders(self, market_id: str) -> list[tuple[str, str]]:
        """Return (id of its terms, state) of every order that is not in a final state."""
        found = await self._pool.fetch(SQL.open_orders, market_id)
        return [(row["terms_id"], row["state"]) for row in found]

    async def terms(self, ids: Sequence[str]) -> dict[str, OfferTerms | DemandTerms]:
        """Return terms by their ids."""
        if not ids:
            return {}
        found = await self._pool.fetch(SQL.terms, list(ids))
        return {row["event_id"]: rows.terms_of(row) for row in found}

    async def versions(self, order_id: str) -> list[TermsVersionView]:
        """Return all terms that were sent for an order, oldest first, at most 1,000."""
        return [
            TermsVersionView(
                version=row["version"], terms=rows.terms_of(row), recorded_at=row["recorded_at"]
            )
            for row in await self._pool.fetch(SQL.versions, order_id)
        ]


class PostgresDirectory:
    """Participants."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def participant(self, participant_id: str) -> ParticipantView | None:
        """Return a participant."""
        row = await self._pool.fetchrow(SQL.participant, participant_id)
        return None if row is None else rows.participant_view(row)

    async def participants(
        self, *, after: str | None, limit: int, where: Filter | None = None
    ) -> list[ParticipantView]:
        """Return participants in the order of their ids."""
        found = await self._pool.fetch(SQL.participants, after, limit, sql_of(where))
        return [rows.participant_view(row) for row in found]

    async def put_participant(self, view: ParticipantView, offset: int, key: NewKey | None) -> None:
        """Show a participant that was admitted at this offset, with its first key."""
        async with self._pool.acquire() as conn, conn.transaction():
            await put_participant(conn, view, offset)
            if key is not None:
                await add_key(conn, view.participant_id, key)


async def put_participant(conn: Conn, view: ParticipantView, offset: int) -> None:
    """Show a participant as told at this offset, unless a later record did already."""
    await conn.execute(
        SQL.put_participant,
        view.participant_id,
        view.role.value,
        view.name,
        view.resource_code,
        view.status,
        view.registered_at,
        offset,
    )
    if view.beneficial_owner is not None:
        await conn.execute(SQL.put_owner, view.participant_id, view.beneficial_owner, offset)


class PostgresMarkets:
    """Markets and policies in force."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # Parsed markets by id and offset: a market of 64 zones takes longer to parse than an
        # order does to check.
        self._parsed: dict[str, tuple[int, MarketView]] = {}
        # An order that was checked against the version before is judged again by matching.
        self._seen: Seen[str, MarketView] = Seen()
        # Market -> what other markets trade in.
        self._elsewhere: Seen[str, dict[str, str]] = Seen()

    async def market(self, market_id: str) -> MarketView | None:
        """Return a market."""
        return await self._seen.of(market_id, partial(self._market, market_id))

    async def _market(self, market_id: str) -> MarketView | None:
        known = self._parsed.get(market_id)
        row = await self._pool.fetchrow(SQL.market, market_id, known[0] if known else None)
        if row is None:
            return None
        if row["body"] is not None:
            self._parsed[market_id] = known = (row["log_offset"], rows.market_view(row))
        assert known is not None
        return known[1]

    async def markets(
        self, *, after: str | None, limit: int, where: Filter | None = None
    ) -> list[MarketView]:
        """Return markets in the order of their ids."""
        found = await self._pool.fetch(SQL.markets, after, limit, sql_of(where))
        return [rows.market_view(row) for row in found]

    async def definitions(
        self, market_id: str, *, before: int | None, limit: int
    ) -> list[tuple[int, MarketView]]:
        """Return what a market was defined as, the latest first, by places on the log."""
        found = await self._pool.fetch(SQL.definitions, market_id, before, limit)
        return [(row["log_offset"], rows.market_view(row)) for row in found]

    async def pools_elsewhere(self, market_id: str) -> dict[str, str]:
        """Return pools that other markets trade in -> the first such market, of a moment ago."""
        found = await self._elsewhere.of(market_id, partial(self._pools_elsewhere, market_id))
        return found or {}

    async def _pools_elsewhere(self, market_id: str) -> dict[str, str]:
        told = await self._pool.fetch(SQL.pools_elsewhere, market_id)
        return {pool_key(row["zone"], row["chip"]): row["market_id"] for row in told}

    async def put_market(self, view: MarketView, offset: int) -> None:
        """Show a market that was defined at this offset."""
        await put_market(self._pool, view, offset)
        self._seen.forget()
        self._elsewhere.forget()

    async def policies(
        self,
        *,
        market_id: str | None,
        after: tuple[str, int] | None,
        limit: int,
        state: str | None = None,
        where: Filter | None = None,
    ) -> list[PolicyView]:
        """Return versions of policies by market, id and version."""
        return await policies.listed(
            self._pool, market_id=market_id, after=after, limit=limit, state=state, where=where
        )

    async def all_policies(self, market_id: str) -> tuple[list[MarketPolicySet], int]:
        """Return all versions of a market's policies, and the number of its last round."""
        return await policies.of_market(self._pool, market_id)

    async def put_policy(self, policy: MarketPolicySet, set_at: datetime) -> None:
        """Show a policy that was set."""
        await policies.put(self._pool, policy, set_at)

    async def shares(
        self, *, market_id: str | None, before: tuple[int, str] | None, limit: int
    ) -> list[RoundShares]:
        """Return what domestic shares asked of rounds, the latest first."""
        return await policies.shares(self._pool, market_id=market_id, before=before, limit=limit)

    async def pauses(
        self, *, market_id: str | None, before: tuple[int, str] | None, limit: int
    ) -> list[MarketPaused]:
        """Return pauses, those of the latest rounds first."""
        return await policies.pauses(self._pool, market_id=market_id, before=before, limit=limit)

    async def mobilised(self, market_id: str, now: datetime) -> list[MobilisationDeclared]:
        """Return the mobilisations that were declared, and are neither over nor withdrawn."""
        return await declared_in(self._pool, market_id, now)


async def put_market(conn: Conn | Pool, view: MarketView, offset: int) -> None:
    """Show a market as told at this offset, unless a later record did already, and note it."""
    body = view.market.model_dump_json()
    for statement in (SQL.put_market, SQL.put_definition):
        await conn.execute(statement, view.market.id, body, view.defined_at, offset)


class PostgresReports:
    """What rounds and bookings led to.

    Args:
        pool: Pool of the gateway's schema.
        signer: Signs the manifests of rounds; ``None`` leaves them unsigned.
    """

    def __init__(self, pool: Pool, signer: Signer | None = None) -> None:
        self._pool = pool
        self._signer = signer

    async def rounds(
        self,
        *,
        market_id: str | None,
        before: tuple[int, str] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[RoundView]:
        """Return rounds, latest first, before (seq, market)."""
        seq, market = before or (None, None)
        found = await self._pool.fetch(SQL.rounds, market_id, seq, market, limit, sql_of(where))
        return [with_signature(rows.round_view(row), self._signer) for row in found]

    async def round(self, round_id: str) -> RoundView | None:
        """Return a round."""
        row = await self._pool.fetchrow(SQL.round, round_id)
        return None if row is None else with_signature(rows.round_view(row), self._signer)

    async def round_prices(self, round_id: str) -> RoundPricesView:
        """Return the curves of a round, none if it has none."""
        found = await self._pool.fetch(SQL.round_curves, round_id)
        return RoundPricesView(round_id=round_id, curves=tuple(map(rows.curve_view, found)))

    async def file_part(self, round_id: str, part: int) -> bytes | None:
        """Return a compressed piece of a round's file."""
        data: bytes | None = await self._pool.fetchval(SQL.file_part, round_id, part)
        return data

    async def prices(
        self,
        market_id: str,
        *,
        pool: str | None,
        first: int,
        end: int,
        after: tuple[str, int] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[PriceView]:
        """Return prices by pool and period in [first, end)."""
        after_pool, after_period = after or (None, None)
        found = await self._pool.fetch(
            SQL.prices, market_id, pool, first, end, after_pool, after_period, limit, sql_of(where)
        )
        return [rows.price_view(row) for row in found]

    async def allocations(
        self,
        *,
        participant_id: str | None,
        market_id: str | None,
        round_id: str | None,
        order_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, AllocationView]]:
        """Return (sequence, allocation) of whole rounds, latest first."""
        found = await self._pool.fetch(
            SQL.allocations,
            participant_id,
            market_id,
            round_id,
            order_id,
            before,
            limit,
            sql_of(where),
        )
        return [(row["seq"], rows.allocation_view(row)) for row in found]

    async def allocation(self, allocation_id: str) -> AllocationView | None:
        """Return an allocation of a whole round."""
        row = await self._pool.fetchrow(SQL.allocation, allocation_id)
        return None if row is None else rows.allocation_view(row)

    async def held(self, market_id: str, participant_id: str, now: datetime) -> Mapping[str, Run]:
        """Return what an account has of each pool, in hours that begin after an instant."""
        found = await self._pool.fetch(SQL.held_by_one, market_id, participant_id, now)
        return {pool: run for (_, pool), run in rows.held(found).items()}

    async def open_demand(self, market_id: str, participant_id: str) -> Sequence[Order]:
        """Return an account's demand that the next round may take, as the gateway has read it."""
        return await projected_orders(self._pool, market_id, participant_id)

    async def is_reported(self, allocation_id: str, delivery_id: str) -> bool:
        """Return whether this report has told periods of an allocation."""
        return bool(await self._pool.fetchval(SQL.is_reported, allocation_id, delivery_id))

    async def account(self, participant_id: str) -> AccountView:
        """Return a participant's money, zeros if nothing was booked yet."""
        names = {kind: account_of(participant_id, kind) for kind in ACCOUNT_KINDS}
        found = {
            row["account"]: row for row in await self._pool.fetch(SQL.account, [*names.values()])
        }
        balances = {
            kind: -int(found[name]["posted"]) if name in found else 0
            for kind, name in names.items()
        }
        row = found.get(names["cny"])
        # Debits are positive on the wire; the exchange owes a participant its credits.
        posted, held = balances["cny"], 0 if row is None else int(row["pending"])
        return AccountView(
            participant_id=participant_id,
            account=names["cny"],
            unit=MONEY_UNIT if row is None else row["unit"],
            posted=posted,
            held=held,
            free=posted - held,
            collateral=balances["collateral"],
            debt=-balances["debt"],
            entries=0 if row is None else row["entries"],
            updated_at=None if row is None else row["updated_at"],
        )

    async def entries(
        self,
        participant_id: str,
        *,
        account: AccountKind,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, EntryView]]:
        """Return (place, posting) of one of a participant's accounts, latest first."""
        name = account_of(participant_id, account)
        found = await self._pool.fetch(SQL.entries, name, before, limit, sql_of(where))
        return [
            (row["place"], rows.entry_view(row, -1 if row["layer"] == "posted" else 1))
            for row in found
        ]

    async def journal(self, *, after: int | None, limit: int) -> list[JournalEntryView]:
        """Return the entries of the journal in the order of the log."""
        found = await self._pool.fetch(SQL.journal, -1 if after is None else after, limit)
        return [JournalEntryView(**row) for row in found]

    async def log_heads(self, *, before: int | None, limit: int) -> list[LogHeadView]:
        """Return the heads of the transparency log, latest first."""
        return [LogHeadView(**row) for row in await self._pool.fetch(SQL.log_heads, before, limit)]

    async def audit(self) -> AuditView | None:
        """Return how far the auditor said last that it is."""
        row = await self._pool.fetchrow(SQL.audit_progress)
        if row is None:
            return None
        return AuditView.model_validate(json.loads(row["told"]) | {"told_at": row["told_at"]})

    async def findings(
        self,
        *,
        market_id: str | None,
        round_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, FindingView]]:
        """Return (sequence, finding), latest first."""
        found = await self._pool.fetch(
            SQL.findings, market_id, round_id, before, limit, sql_of(where)
        )
        return [(row["seq"], rows.finding_view(row)) for row in found]
