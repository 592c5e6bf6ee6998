"""Calls of rounds; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import Caller
from suanli.operations import Operation, place
from suanli.rows import Rows

if TYPE_CHECKING:
    from typing import Any

    from suanli.models import RoundPricesView, RoundView


class RoundsCalls(Caller):
    """Calls of rounds."""

    def list_rounds(
        self, *, market_id: str | None = None, filter_: str | None = None
    ) -> Rows[RoundView]:
        """List rounds, latest first (public)."""
        return Rows(
            self,
            Operation("GET", "/v1/rounds", params={"market_id": market_id, "filter": filter_}),
            "RoundView",
        )

    def get_round(self, round_id: str) -> RoundView:
        """Return a round in numbers (public)."""
        reply: RoundView = self.send(Operation("GET", f"/v1/rounds/{place(round_id)}"))
        return reply

    def get_round_file(self, round_id: str) -> dict[str, Any]:
        """Return the round's file: book, rules and result, for `suanli verify` (public)."""
        reply: dict[str, Any] = self.send(Operation("GET", f"/v1/rounds/{place(round_id)}/file"))
        return reply

    def get_round_prices(self, round_id: str) -> RoundPricesView:
        """Return the clearing prices of a round (public); its file has those of the certificate."""
        reply: RoundPricesView = self.send(Operation("GET", f"/v1/rounds/{place(round_id)}/prices"))
        return reply
