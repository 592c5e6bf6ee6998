"""Calls of orders, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation, new_key, place
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from suanli.models import CancelAllReply, LifeStep, LikelihoodView, OrderEvent, ReceiptKey, Side


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

    async def get_likelihood(self, order_id: str) -> LikelihoodView:
        """Return how likely the next round fills an order, as its book stood; no promise."""
        reply: LikelihoodView = await self.send(
            Operation("GET", f"/v1/orders/{place(order_id)}/likelihood")
        )
        return reply

    async def cancel_all(
        self, *, side: Side | None = None, market_id: str | None = None, key: str | None = None
    ) -> CancelAllReply:
        """Withdraw all your live orders.

        Ask for the withdrawal of every live order of yours; what is allocated stands. The
        answer lists each order with its receipt, or why it was refused. A repeat with the same
        key asks for each order once.
        """
        reply: CancelAllReply = await self.send(
            Operation(
                "POST",
                "/v1/orders:cancel-all",
                params={"side": side, "market_id": market_id},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    async def get_receipt_key(self) -> ReceiptKey:
        """Return the public key that receipts are signed with (public)."""
        reply: ReceiptKey = await self.send(Operation("GET", "/v1/receipt-key"))
        return reply
