"""Calls of demand, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation, new_key, place
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from suanli.models import (
        BulkReply,
        DemandBulkItem,
        DemandTerms,
        DemandView,
        OrderPreview,
        OrderState,
        QuoteView,
        Receipt,
    )


class AsyncDemandCalls(AsyncCaller):
    """Calls of demand."""

    def list_demand(
        self,
        *,
        market_id: str | None = None,
        state: list[OrderState] | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[DemandView]:
        """List your demand, newest first; the regulator and the operator see everybody's."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/demand",
                params={"market_id": market_id, "state": state, "filter": filter_},
            ),
            "DemandView",
        )

    async def submit_demand(
        self, market_id: str, terms: DemandTerms, *, key: str | None = None
    ) -> Receipt:
        """Submit demand (enterprise).

        Put demand on the log; it enters the book once the ledger holds its money.
        """
        reply: Receipt = await self.send(
            Operation(
                "POST",
                "/v1/demand",
                body={"market_id": market_id, "terms": terms},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    async def submit_demand_dry_run(
        self, market_id: str, terms: DemandTerms, *, key: str | None = None
    ) -> OrderPreview:
        """Tell what `submit_demand` would come to; nothing is done."""
        reply: OrderPreview = await self.send(
            Operation(
                "POST",
                "/v1/demand",
                params={"dry_run": True},
                body={"market_id": market_id, "terms": terms},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    async def quote_demand(self, market_id: str, terms: DemandTerms) -> QuoteView:
        """Return what a demand would get and cost by the last round; nothing is placed."""
        reply: QuoteView = await self.send(
            Operation("POST", "/v1/demand:quote", body={"market_id": market_id, "terms": terms})
        )
        return reply

    async def get_demand(self, order_id: str) -> DemandView:
        """Return one demand; right after its submission already."""
        reply: DemandView = await self.send(Operation("GET", f"/v1/demand/{place(order_id)}"))
        return reply

    async def amend_demand(
        self, order_id: str, expected_version: int, terms: DemandTerms, *, key: str | None = None
    ) -> Receipt:
        """Amend a demand (its owner).

        Ask for new terms in place of version `expected_version`; they describe what is still
        wanted. They count once the ledger holds enough money for them.
        """
        reply: Receipt = await self.send(
            Operation(
                "PUT",
                f"/v1/demand/{place(order_id)}",
                body={"expected_version": expected_version, "terms": terms},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    async def amend_demand_dry_run(
        self, order_id: str, expected_version: int, terms: DemandTerms, *, key: str | None = None
    ) -> OrderPreview:
        """Tell what `amend_demand` would come to; nothing is done."""
        reply: OrderPreview = await self.send(
            Operation(
                "PUT",
                f"/v1/demand/{place(order_id)}",
                params={"dry_run": True},
                body={"expected_version": expected_version, "terms": terms},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    async def cancel_demand(self, order_id: str, *, key: str | None = None) -> Receipt:
        """Withdraw what a demand still wants; its money is free again after the next round."""
        reply: Receipt = await self.send(
            Operation("DELETE", f"/v1/demand/{place(order_id)}", idempotency_key=key or new_key())
        )
        return reply

    async def submit_demands(
        self, body: list[DemandBulkItem], *, key: str | None = None
    ) -> BulkReply:
        """Submit many demands (enterprise).

        Submit up to 1,000 demands as a JSON list, or up to 10,000 as NDJSON; each has its own
        verdict. An `Idempotency-Key` stands for the whole: sent again, nothing is done twice.
        """
        reply: BulkReply = await self.send(
            Operation("POST", "/v1/demand:bulk", body=body, idempotency_key=key or new_key())
        )
        return reply

    async def submit_demands_dry_run(
        self, body: list[DemandBulkItem], *, key: str | None = None
    ) -> BulkReply:
        """Tell what `submit_demands` would come to; nothing is done."""
        reply: BulkReply = await self.send(
            Operation(
                "POST",
                "/v1/demand:bulk",
                params={"dry_run": True},
                body=body,
                idempotency_key=key or new_key(),
            )
        )
        return reply
