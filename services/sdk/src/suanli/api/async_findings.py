"""Calls of findings, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from suanli.models import FindingView


class AsyncFindingsCalls(AsyncCaller):
    """Calls of findings."""

    def list_findings(
        self,
        *,
        market_id: str | None = None,
        round_id: str | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[FindingView]:
        """List findings, latest first (public; whose money it is, regulator and operator)."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/findings",
                params={"market_id": market_id, "round_id": round_id, "filter": filter_},
            ),
            "FindingView",
        )
