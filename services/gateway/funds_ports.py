"""What the gateway's use cases about money need of the world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from schemas.filters import Filter
    from schemas.funds import (
        InvoiceLine,
        InvoiceView,
        MoneyOrderView,
        RefusalView,
        SettlementTermsView,
        SettlementView,
        StatementEntry,
        StatementView,
    )
    from services.gateway.ports import Sent


class Funds(Protocol):
    """Settlements, orders about money, and what can be cut from the journal."""

    async def terms(
        self,
        *,
        market_id: str | None,
        after: tuple[str, int] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[SettlementTermsView]:
        """Return all versions of the terms of settlement, by market and version."""
        ...

    async def terms_version(self, market_id: str) -> int:
        """Return the latest version of a market's terms, 0 if there is none."""
        ...

    async def put_terms(self, sent: Sent) -> None:
        """Show terms that were set."""
        ...

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
        ...

    async def refusals(
        self,
        *,
        participant_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, RefusalView]]:
        """Return (sequence, refused order about money), latest first."""
        ...

    async def money_order(self, order_ref: str) -> tuple[frozenset[str], MoneyOrderView] | None:
        """Return what became of an order, and whom it concerns; ``None`` if nothing did yet."""
        ...

    async def statement(self, participant_id: str, start: int, end: int) -> StatementView:
        """Return a participant's accounts over periods [start, end).

        Raises:
            UnavailableError: if the journal is still being read.
        """
        ...

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
        """Return what was posted on a participant's accounts over periods [start, end)."""
        ...

    async def invoices(
        self, participant_id: str, *, day: int | None, before: int | None, limit: int
    ) -> list[tuple[int, InvoiceView]]:
        """Return (day, invoice), latest first; days count from 1970-01-01."""
        ...

    async def invoice_lines(
        self, participant_id: str, day: int, *, after: tuple[int, str] | None, limit: int
    ) -> list[tuple[tuple[int, str], InvoiceLine]]:
        """Return (place, line) of an invoice in the order of the journal."""
        ...
