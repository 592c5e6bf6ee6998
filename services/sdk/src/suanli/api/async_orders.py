"""Calls of orders, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation, place
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from suanli.models import LifeStep, OrderEvent, ReceiptKey


class AsyncOrdersCalls(AsyncCaller):
    """Calls of orders."""

    def get_history(self, order_id: str, *, filter_: str | None = None) -> AsyncRows[OrderEvent]:
        """Return all that happened to an order, oldest first: intents, states, holds."""
        return AsyncRows(
            self,
            Operation("GET", f"/v1/orders/{place(order_id)}/history", params={"filter": filter_}),
            "OrderEvent",
        )

    def get_life(self, order_id: str) -> AsyncRows[LifeStep]:
        """Return all that happened to an order, oldest first, linked, and where it stood then."""
        return AsyncRows(self, Operation("GET", f"/v1/orders/{place(order_id)}/life"), "LifeStep")

    async def get_receipt_key(self) -> ReceiptKey:
        """Return the public key that receipts are signed with (public)."""
        reply: ReceiptKey = await self.send(Operation("GET", "/v1/receipt-key"))
        return reply
