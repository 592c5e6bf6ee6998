"""Calls of exports, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation, place
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from typing import Literal

    from suanli.models import ExportView


class AsyncExportsCalls(AsyncCaller):
    """Calls of exports."""

    def list_exports(self, *, market_id: str, day: str | None = None) -> AsyncRows[ExportView]:
        """List Exports.

        List the days and tables of a market that can be fetched as files, latest first
        (public).
        """
        return AsyncRows(
            self,
            Operation("GET", "/v1/exports", params={"market_id": market_id, "day": day}),
            "ExportView",
        )

    async def get_export(
        self,
        day: str,
        market_id: str,
        table: Literal["orders", "allocations", "prices", "rounds"],
        format_: Literal["parquet", "csv", "arrow"],
    ) -> str:
        """Get Export.

        Return a table of a market's day as a file: prices and rounds are public, of orders and
        allocations your own rows, to regulator and operator everybody's. Takes `Range`.
        """
        reply: str = await self.send(
            Operation(
                "GET",
                f"/v1/exports/{place(day)}/{place(market_id)}/{place(table)}.{place(format_)}",
            )
        )
        return reply
