"""Calls of money, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation, new_key, place
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Literal

    from suanli.models import (
        AccountView,
        EntryView,
        InvoiceLine,
        InvoiceView,
        MoneyOrderView,
        Receipt,
        RefusalView,
        SettlementView,
        StatementEntry,
        StatementView,
    )


class AsyncMoneyCalls(AsyncCaller):
    """Calls of money."""

    async def deposit(
        self, participant_id: str, amount: int, reference: str, *, key: str | None = None
    ) -> Receipt:
        """Record money that arrived for a participant (operator)."""
        reply: Receipt = await self.send(
            Operation(
                "POST",
                f"/v1/participants/{place(participant_id)}/deposits",
                body={"amount": amount, "reference": reference},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    async def get_account(self, *, participant_id: str | None = None) -> AccountView:
        """Return your money: posted, held for open demand, free; collateral, debt."""
        reply: AccountView = await self.send(
            Operation("GET", "/v1/account", params={"participant_id": participant_id})
        )
        return reply

    def list_entries(
        self,
        *,
        participant_id: str | None = None,
        account: Literal["cny", "collateral", "debt"] | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[EntryView]:
        """List the bookings on your money, collateral or debt account, latest first."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/account/entries",
                params={"participant_id": participant_id, "account": account, "filter": filter_},
            ),
            "EntryView",
        )

    async def withdraw(
        self, participant_id: str, amount: int, reference: str, *, key: str | None = None
    ) -> Receipt:
        """Pay out money of a participant (operator); the ledger books or refuses it."""
        reply: Receipt = await self.send(
            Operation(
                "POST",
                f"/v1/participants/{place(participant_id)}/withdrawals",
                body={"amount": amount, "reference": reference},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    async def move_collateral(
        self,
        participant_id: str,
        direction: Literal["in", "out"],
        amount: int,
        *,
        key: str | None = None,
    ) -> Receipt:
        """Make money collateral, or free it (its owner; operator); booked or refused."""
        reply: Receipt = await self.send(
            Operation(
                "POST",
                f"/v1/participants/{place(participant_id)}/collateral",
                body={"direction": direction, "amount": amount},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    async def reverse(self, entry_id: str, reason: str, *, key: str | None = None) -> Receipt:
        """Take a booking back by its mirror image (operator); booked or refused."""
        reply: Receipt = await self.send(
            Operation(
                "POST",
                "/v1/reversals",
                body={"entry_id": entry_id, "reason": reason},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    async def get_money_order(self, order_ref: str) -> MoneyOrderView:
        """Return what became of a payout, a move of collateral or a reversal; 404 until it did."""
        reply: MoneyOrderView = await self.send(
            Operation("GET", f"/v1/money-orders/{place(order_ref)}")
        )
        return reply

    def list_refusals(self, *, filter_: str | None = None) -> AsyncRows[RefusalView]:
        """List your orders about money that were refused, latest first."""
        return AsyncRows(
            self, Operation("GET", "/v1/refusals", params={"filter": filter_}), "RefusalView"
        )

    def list_settlements(
        self,
        *,
        market_id: str | None = None,
        allocation_id: str | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[SettlementView]:
        """List what your allocations were settled at, latest first."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/settlements",
                params={"market_id": market_id, "allocation_id": allocation_id, "filter": filter_},
            ),
            "SettlementView",
        )

    async def get_statement(
        self, *, from_: str | datetime, to: str | datetime, participant_id: str | None = None
    ) -> StatementView:
        """Return your accounts over a period: opening and closing balances, totals."""
        reply: StatementView = await self.send(
            Operation(
                "GET",
                "/v1/account/statement",
                params={"from": from_, "to": to, "participant_id": participant_id},
            )
        )
        return reply

    def list_statement_entries(
        self,
        *,
        from_: str | datetime,
        to: str | datetime,
        participant_id: str | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[StatementEntry]:
        """List the bookings of a statement in the order of the journal."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/account/statement/entries",
                params={
                    "from": from_,
                    "to": to,
                    "participant_id": participant_id,
                    "filter": filter_,
                },
            ),
            "StatementEntry",
        )

    def list_invoices(self, *, participant_id: str | None = None) -> AsyncRows[InvoiceView]:
        """List your invoices, one per day with charges, latest first."""
        return AsyncRows(
            self,
            Operation("GET", "/v1/account/invoices", params={"participant_id": participant_id}),
            "InvoiceView",
        )

    async def get_invoice(self, day: str, *, participant_id: str | None = None) -> InvoiceView:
        """Return your invoice of a day."""
        reply: InvoiceView = await self.send(
            Operation(
                "GET",
                f"/v1/account/invoices/{place(day)}",
                params={"participant_id": participant_id},
            )
        )
        return reply

    def list_invoice_lines(
        self, day: str, *, participant_id: str | None = None
    ) -> AsyncRows[InvoiceLine]:
        """List the lines of an invoice, each with the journal entries that it is the sum of."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                f"/v1/account/invoices/{place(day)}/lines",
                params={"participant_id": participant_id},
            ),
            "InvoiceLine",
        )

    async def take_play_money(self, amount: int, *, key: str | None = None) -> Receipt:
        """Take play money (sandbox only).

        Add play money to your account; elsewhere than in a sandbox this is not there.
        """
        reply: Receipt = await self.send(
            Operation(
                "POST",
                "/v1/sandbox/top-up",
                body={"amount": amount},
                idempotency_key=key or new_key(),
            )
        )
        return reply
