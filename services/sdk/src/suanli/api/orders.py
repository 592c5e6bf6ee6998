"""Calls of orders; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import Caller
from suanli.operations import Operation, place
from suanli.rows import Rows

if TYPE_CHECKING:
    from suanli.models import LifeStep, OrderEvent, ReceiptKey


class OrdersCalls(Caller):
    """Calls of orders."""

    def get_history(self, order_id: str, *, filter_: str | None = None) -> Rows[OrderEvent]:
        """Return all that happened to an order, oldest first: intents, states, holds."""
        return Rows(
            self,
            Operation("GET", f"/v1/orders/{place(order_id)}/history", params={"filter": filter_}),
            "OrderEvent",
        )

    def get_life(self, order_id: str) -> Rows[LifeStep]:
        """Return all that happened to an order, oldest first, linked, and where it stood then."""
        return Rows(self, Operation("GET", f"/v1/orders/{place(order_id)}/life"), "LifeStep")

    def get_receipt_key(self) -> ReceiptKey:
        """Return the public key that receipts are signed with (public)."""
        reply: ReceiptKey = self.send(Operation("GET", "/v1/receipt-key"))
        return reply
