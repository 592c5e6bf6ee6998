"""Settlements, orders about money, statements and invoices in the gateway's schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

from schemas.events import Reason
from schemas.funds import (
    InvoiceItem,
    InvoiceLine,
    InvoiceView,
    MoneyOrderView,
    RefusalView,
    SettlementTermsView,
    SettlementView,
    StatementAccount,
    StatementEntry,
    StatementTotal,
    StatementView,
)
from schemas.money import AllocationSettled, MoneyRefused, SettlementTermsSet
from schemas.types import period_start
from services.core.errors import Message
from services.core.postings import money_order_uuid
from services.gateway.adapters import bookings
from services.gateway.adapters.postgres import ACCOUNT_KINDS, MONEY_UNIT, account_of
from services.gateway.adapters.queries import SQL, sql_of
from services.gateway.errors import UnavailableError

if TYPE_CHECKING:
    import asyncpg

    from schemas.filters import Filter
    from services.gateway.ports import Sent
    from services.kit.postgres import Conn, Pool

_DAY_PERIODS = 24


class PostgresFunds:
    """Settlements, orders about money, and what can be cut from the journal."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def terms(
        self,
        *,
        market_id: str | None,
        after: tuple[str, int] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[SettlementTermsView]:
        """Return all versions of the terms of settlement, by market and version."""
        market, version = after or (None, None)
        found = await self._pool.fetch(
            SQL.settlement_terms, market_id, market, version, limit, sql_of(where)
        )
        return [
            SettlementTermsView(
                **dict(SettlementTermsSet.model_validate_json(row["body"])), set_at=row["set_at"]
            )
            for row in found
        ]

    async def terms_version(self, market_id: str) -> int:
        """Return the latest version of a market's terms, 0 if there is none."""
        return await self._pool.fetchval(SQL.settlement_terms_version, market_id) or 0

    async def put_terms(self, sent: Sent) -> None:
        """Show terms that were set."""
        await bookings.put_terms(self._pool, [sent])

    async def settlements(
        self,
        *,
        participant_id: str | None,
        market_id: str | None,
        allocation_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, SettlementView]]:
        """Return (sequence, settlement), latest first."""
        found = await self._pool.fetch(
            SQL.settlements, participant_id, market_id, allocation_id, before, limit, sql_of(where)
        )
        return [
            (
                row["seq"],
                SettlementView(
                    **dict(AllocationSettled.model_validate_json(row["body"])),
                    settled_at=row["settled_at"],
                    end_leaf=row["end_leaf"],
                    final=row["is_logged"],
                ),
            )
            for row in found
        ]

    async def refusals(
        self,
        *,
        participant_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, RefusalView]]:
        """Return (sequence, refused order about money), latest first."""
        found = await self._pool.fetch(SQL.refusals, participant_id, before, limit, sql_of(where))
        return [
            (
                row["seq"],
                RefusalView(
                    **dict(MoneyRefused.model_validate_json(row["body"])),
                    refused_at=row["refused_at"],
                ),
            )
            for row in found
        ]

    async def money_order(self, order_ref: str) -> tuple[frozenset[str], MoneyOrderView] | None:
        """Return what became of an order, and whom it concerns; ``None`` if nothing did yet."""
        row = await self._pool.fetchrow(SQL.refusal, order_ref)
        if row is not None:
            reason: Reason = MoneyRefused.model_validate_json(row["body"]).reason
            refused = MoneyOrderView(order_ref=order_ref, state="refused", reason=reason)
            return frozenset({row["participant_id"]}), refused
        entry_id = str(money_order_uuid(order_ref))
        accounts = await self._pool.fetch(SQL.accounts_of_entry, entry_id)
        if not accounts:
            return None
        places = [row["account"].partition(":") for row in accounts]
        owners = frozenset(owner for kind, _, owner in places if kind in ACCOUNT_KINDS)
        return owners, MoneyOrderView(order_ref=order_ref, state="booked", entry_id=entry_id)

    async def statement(self, participant_id: str, start: int, end: int) -> StatementView:
        """Return a participant's accounts over periods [start, end).

        Raises:
            UnavailableError: if the journal is still being read.
        """
        names = [account_of(participant_id, kind) for kind in ACCOUNT_KINDS]
        async with self._pool.acquire() as conn, _one_view(conn):
            cut = await _cut(conn, start, end)
            leaves = (cut["first_leaf"], cut["end_leaf"])
            accounts = await conn.fetch(SQL.statement_accounts, names, *leaves)
            totals = await conn.fetch(SQL.statement_totals, names, *leaves)
        return StatementView(
            participant_id=participant_id,
            unit=MONEY_UNIT,
            start=period_start(start),
            end=period_start(end),
            final=cut["is_over"],
            first_leaf=cut["first_leaf"],
            end_leaf=cut["end_leaf"],
            accounts=tuple(_account(row, totals) for row in accounts),
            held=next(row["held"] for row in accounts if row["account"] == names[0]),
            totals=tuple(
                StatementTotal(
                    account=row["account"],
                    purpose=row["purpose"],
                    entries=row["entries"],
                    amount=row["credits"] - row["debits"],
                )
                for row in totals
            ),
        )

    async def statement_entries(
        self,
        participant_id: str,
        start: int,
        end: int,
        *,
        after: tuple[int, str] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[StatementEntry]:
        """Return what was posted on a participant's accounts over periods [start, end).

        Raises:
            UnavailableError: if the journal is still being read.
        """
        names = [account_of(participant_id, kind) for kind in ACCOUNT_KINDS]
        async with self._pool.acquire() as conn, _one_view(conn):
            cut = await _cut(conn, start, end)
            found = await conn.fetch(
                SQL.statement_entries,
                names,
                cut["first_leaf"],
                cut["end_leaf"],
                *(after or (None, None)),
                limit,
                sql_of(where),
            )
        return [StatementEntry(**row) for row in found]

    async def invoices(
        self, participant_id: str, *, day: int | None, before: int | None, limit: int
    ) -> list[tuple[int, InvoiceView]]:
        """Return (day, invoice), latest first; days count from 1970-01-01.

        Raises:
            UnavailableError: if the journal is still being read.
        """
        async with self._pool.acquire() as conn, _one_view(conn):
            await _cut(conn, 0, 0)
            days = await conn.fetch(SQL.invoice_days, participant_id, before, day, limit)
            return [(row["day"], await _invoice(conn, participant_id, row)) for row in days]

    async def invoice_lines(
        self, participant_id: str, day: int, *, after: tuple[int, str] | None, limit: int
    ) -> list[tuple[tuple[int, str], InvoiceLine]]:
        """Return (place, line) of an invoice in the order of the journal.

        Raises:
            UnavailableError: if the journal is still being read.
        """
        async with self._pool.acquire() as conn, _one_view(conn):
            cut = await _cut(conn, day * _DAY_PERIODS, (day + 1) * _DAY_PERIODS)
            leaves = (cut["first_leaf"], cut["end_leaf"])
            place = after or (None, None)
            found = await conn.fetch(SQL.invoice_lines, participant_id, *leaves, *place, limit)
        return [(_place(row), _line(row)) for row in found]


def _one_view(conn: Conn) -> asyncpg.transaction.Transaction:
    # All queries of a statement must see the same journal.
    return conn.transaction(isolation="repeatable_read", readonly=True)


async def _cut(conn: Conn, start: int, end: int) -> asyncpg.Record:
    cut = await conn.fetchrow(SQL.journal_cut, start, end)
    assert cut is not None
    if not cut["is_whole"]:
        raise UnavailableError(
            "journal_incomplete",
            Message(
                "the journal must be read without a gap, was with one: it is being read; ask again",
                "账本须完整读取，实有缺口：正在读取，请稍后重试",
            ),
            field="journal",
            value="with a gap",
            allowed="without a gap",
        )
    return cut


def _account(row: asyncpg.Record, totals: list[asyncpg.Record]) -> StatementAccount:
    own = [total for total in totals if total["account"] == row["account"]]
    came = sum(total["credits"] for total in own)
    went = sum(total["debits"] for total in own)
    opening, closing = -row["opening"], -row["closing"]
    assert opening + came - went == closing, "a whole journal has no other balance"
    return StatementAccount(
        account=row["account"],
        opening=opening,
        credits=came,
        debits=went,
        closing=closing,
        entries=sum(total["postings"] for total in own),
    )


async def _invoice(conn: Conn, participant_id: str, row: asyncpg.Record) -> InvoiceView:
    leaves = (row["first_leaf"], row["end_leaf"])
    # The number counts earlier invoices, so those must be complete as well.
    alone = await conn.fetchval(SQL.has_alone_entries, 0, row["end_leaf"])
    final = row["is_over"] and not alone
    totals = {
        total["item"]: (total["lines"], total["amount"])
        for total in await conn.fetch(SQL.invoice_totals, participant_id, *leaves)
    }
    amounts = {item: totals.get(item, (0, 0))[1] for item in get_args(InvoiceItem)}
    return InvoiceView(
        number=f"{participant_id}-{row['place']:06d}" if final else None,
        participant_id=participant_id,
        unit=MONEY_UNIT,
        day=datetime.fromtimestamp(row["day"] * _DAY_PERIODS * 3600, UTC).date().isoformat(),
        final=final,
        first_leaf=row["first_leaf"],
        end_leaf=row["end_leaf"],
        lines=sum(lines for lines, _ in totals.values()),
        **amounts,
        total=sum(amounts.values()),
    )


def _place(row: asyncpg.Record) -> tuple[int, str]:
    return row["leaf"], row["place"]


def _line(row: asyncpg.Record) -> InvoiceLine:
    return InvoiceLine(
        settlement_id=row["settlement_id"],
        allocation_id=row["allocation_id"],
        market_id=row["market_id"],
        round_id=row["round_id"],
        order_id=row["order_id"],
        item=row["item"],
        chip_hours=row["chip_hours"],
        amount=row["amount"],
        leaf_indexes=tuple(row["leaf_indexes"]),
    )
