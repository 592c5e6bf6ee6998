"""Calls of markets; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import Caller
from suanli.operations import Operation, place
from suanli.rows import Rows

if TYPE_CHECKING:
    from typing import Literal

    from suanli.models import (
        Market,
        MarketPaused,
        MarketView,
        PhaseView,
        PolicyNew,
        PolicyView,
        Receipt,
        RoundShares,
        SettlementTermsNew,
        SettlementTermsView,
    )


class MarketsCalls(Caller):
    """Calls of markets."""

    def get_phase(self, market_id: str) -> PhaseView:
        """Return what orders may do now, and when the next round takes the book (public)."""
        reply: PhaseView = self.send(Operation("GET", f"/v1/markets/{place(market_id)}/phase"))
        return reply

    def list_markets(self, *, filter_: str | None = None) -> Rows[MarketView]:
        """List the markets in force (public)."""
        return Rows(self, Operation("GET", "/v1/markets", params={"filter": filter_}), "MarketView")

    def define_market(self, body: Market) -> Receipt:
        """Put a market in force from its next round (operator)."""
        reply: Receipt = self.send(Operation("POST", "/v1/markets", body=body))
        return reply

    def get_market(self, market_id: str) -> MarketView:
        """Return a market's zones, chip classes and rules (public)."""
        reply: MarketView = self.send(Operation("GET", f"/v1/markets/{place(market_id)}"))
        return reply

    def list_market_definitions(self, market_id: str) -> Rows[MarketView]:
        """List what a market was defined as, the latest first (public)."""
        return Rows(
            self, Operation("GET", f"/v1/markets/{place(market_id)}/definitions"), "MarketView"
        )

    def list_settlement_terms(
        self, *, market_id: str | None = None, filter_: str | None = None
    ) -> Rows[SettlementTermsView]:
        """List every version of the terms of settlement (public)."""
        return Rows(
            self,
            Operation(
                "GET", "/v1/settlement-terms", params={"market_id": market_id, "filter": filter_}
            ),
            "SettlementTermsView",
        )

    def set_settlement_terms(self, body: SettlementTermsNew) -> Receipt:
        """Set the next version of a market's fees, penalty and reporting time (operator)."""
        reply: Receipt = self.send(Operation("POST", "/v1/settlement-terms", body=body))
        return reply

    def list_policies(
        self,
        *,
        market_id: str | None = None,
        state: Literal["coming", "in_force", "past"] | None = None,
        filter_: str | None = None,
    ) -> Rows[PolicyView]:
        """List every version of every policy: coming, in force and past (public)."""
        return Rows(
            self,
            Operation(
                "GET",
                "/v1/policies",
                params={"market_id": market_id, "state": state, "filter": filter_},
            ),
            "PolicyView",
        )

    def set_policy(self, body: PolicyNew) -> Receipt:
        """Set the next version of a policy, or withdraw it (regulator; the operator, a halt)."""
        reply: Receipt = self.send(Operation("POST", "/v1/policies", body=body))
        return reply

    def list_pauses(self, *, market_id: str | None = None) -> Rows[MarketPaused]:
        """List the pauses that circuit breakers brought about, latest rounds first (public)."""
        return Rows(
            self, Operation("GET", "/v1/pauses", params={"market_id": market_id}), "MarketPaused"
        )

    def list_shares(self, *, market_id: str | None = None) -> Rows[RoundShares]:
        """List what domestic shares asked of rounds: premium, share, shortfall (public)."""
        return Rows(
            self, Operation("GET", "/v1/shares", params={"market_id": market_id}), "RoundShares"
        )
