"""Calls of deliveries, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation, new_key

if TYPE_CHECKING:
    from suanli.models import DeliveredPeriod, Receipt


class AsyncDeliveriesCalls(AsyncCaller):
    """Calls of deliveries."""

    async def report_delivery(
        self, allocation_id: str, periods: list[DeliveredPeriod], *, key: str | None = None
    ) -> Receipt:
        """Tell what was delivered of an allocation (provider); the ledger pays those periods."""
        reply: Receipt = await self.send(
            Operation(
                "POST",
                "/v1/deliveries",
                body={"allocation_id": allocation_id, "periods": periods},
                idempotency_key=key or new_key(),
            )
        )
        return reply
