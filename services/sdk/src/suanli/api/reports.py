"""Calls of reports; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import Caller
from suanli.operations import Operation, place

if TYPE_CHECKING:
    from typing import Literal

    from suanli.models import ReportView


class ReportsCalls(Caller):
    """Calls of reports."""

    def get_report(
        self,
        kind: Literal[
            "surveillance",
            "concentration",
            "domestic-share",
            "regional-flows",
            "price-convergence",
            "emergency-use",
            "policy-costs",
            "clock",
            "linkage",
            "dead-letters",
        ],
        *,
        market_id: str,
        day: str,
    ) -> ReportView:
        """Return a signed report on a market's day (regulator; some for the operator or all)."""
        reply: ReportView = self.send(
            Operation(
                "GET", f"/v1/reports/{place(kind)}", params={"market_id": market_id, "day": day}
            )
        )
        return reply
