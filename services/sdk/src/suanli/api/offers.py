"""Calls of offers; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import Caller
from suanli.operations import Operation, new_key, place
from suanli.rows import Rows

if TYPE_CHECKING:
    from suanli.models import (
        BulkReply,
        OfferBulkItem,
        OfferTerms,
        OfferView,
        OrderPreview,
        OrderState,
        Receipt,
    )


class OffersCalls(Caller):
    """Calls of offers."""

    def list_offers(
        self,
        *,
        market_id: str | None = None,
        state: list[OrderState] | None = None,
        filter_: str | None = None,
    ) -> Rows[OfferView]:
        """List your offers, newest first; the regulator and the operator see everybody's."""
        return Rows(
            self,
            Operation(
                "GET",
                "/v1/offers",
                params={"market_id": market_id, "state": state, "filter": filter_},
            ),
            "OfferView",
        )

    def submit_offer(self, market_id: str, terms: OfferTerms, *, key: str | None = None) -> Receipt:
        """Submit an offer (provider).

        Put an offer on the log; the receipt tells where. Its verdict follows within a second.
        """
        reply: Receipt = self.send(
            Operation(
                "POST",
                "/v1/offers",
                body={"market_id": market_id, "terms": terms},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    def submit_offer_dry_run(
        self, market_id: str, terms: OfferTerms, *, key: str | None = None
    ) -> OrderPreview:
        """Tell what `submit_offer` would come to; nothing is done."""
        reply: OrderPreview = self.send(
            Operation(
                "POST",
                "/v1/offers",
                params={"dry_run": True},
                body={"market_id": market_id, "terms": terms},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    def get_offer(self, order_id: str) -> OfferView:
        """Return one offer; right after its submission already."""
        reply: OfferView = self.send(Operation("GET", f"/v1/offers/{place(order_id)}"))
        return reply

    def amend_offer(
        self, order_id: str, expected_version: int, terms: OfferTerms, *, key: str | None = None
    ) -> Receipt:
        """Amend an offer (its owner).

        Ask for new terms in place of version `expected_version`; what is allocated stands.
        """
        reply: Receipt = self.send(
            Operation(
                "PUT",
                f"/v1/offers/{place(order_id)}",
                body={"expected_version": expected_version, "terms": terms},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    def amend_offer_dry_run(
        self, order_id: str, expected_version: int, terms: OfferTerms, *, key: str | None = None
    ) -> OrderPreview:
        """Tell what `amend_offer` would come to; nothing is done."""
        reply: OrderPreview = self.send(
            Operation(
                "PUT",
                f"/v1/offers/{place(order_id)}",
                params={"dry_run": True},
                body={"expected_version": expected_version, "terms": terms},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    def cancel_offer(self, order_id: str, *, key: str | None = None) -> Receipt:
        """Withdraw an offer; what is allocated stands."""
        reply: Receipt = self.send(
            Operation("DELETE", f"/v1/offers/{place(order_id)}", idempotency_key=key or new_key())
        )
        return reply

    def submit_offers(self, body: list[OfferBulkItem], *, key: str | None = None) -> BulkReply:
        """Submit many offers (provider).

        Submit up to 1,000 offers as a JSON list, or up to 10,000 as NDJSON; each has its own
        verdict. An `Idempotency-Key` stands for the whole: sent again, nothing is done twice.
        """
        reply: BulkReply = self.send(
            Operation("POST", "/v1/offers:bulk", body=body, idempotency_key=key or new_key())
        )
        return reply

    def submit_offers_dry_run(
        self, body: list[OfferBulkItem], *, key: str | None = None
    ) -> BulkReply:
        """Tell what `submit_offers` would come to; nothing is done."""
        reply: BulkReply = self.send(
            Operation(
                "POST",
                "/v1/offers:bulk",
                params={"dry_run": True},
                body=body,
                idempotency_key=key or new_key(),
            )
        )
        return reply
