"""Calls of allocations, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from suanli.models import AllocationView


class AsyncAllocationsCalls(AsyncCaller):
    """Calls of allocations."""

    def list_allocations(
        self,
        *,
        market_id: str | None = None,
        round_id: str | None = None,
        order_id: str | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[AllocationView]:
        """List your allocations, latest first; the regulator and the operator see everybody's."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/allocations",
                params={
                    "market_id": market_id,
                    "round_id": round_id,
                    "order_id": order_id,
                    "filter": filter_,
                },
            ),
            "AllocationView",
        )
