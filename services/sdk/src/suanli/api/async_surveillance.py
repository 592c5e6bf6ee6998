"""Calls of surveillance, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation, new_key, place
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from typing import Literal

    from suanli.models import CaseView, Receipt


class AsyncSurveillanceCalls(AsyncCaller):
    """Calls of surveillance."""

    def list_cases(
        self,
        *,
        market_id: str | None = None,
        day: str | None = None,
        state: Literal["open", "under-review", "closed"] | None = None,
        kind: Literal[
            "self_match",
            "wash",
            "layering",
            "stuffing",
            "marking",
            "withholding",
            "concentration",
            "pivotal",
            "outlier",
            "favouritism",
        ]
        | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[CaseView]:
        """List cases of surveillance, latest first (regulator)."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/surveillance/cases",
                params={
                    "market_id": market_id,
                    "day": day,
                    "state": state,
                    "kind": kind,
                    "filter": filter_,
                },
            ),
            "CaseView",
        )

    async def get_case(self, case_id: str) -> CaseView:
        """Return a case with its evidence and who changed its state (regulator)."""
        reply: CaseView = await self.send(
            Operation("GET", f"/v1/surveillance/cases/{place(case_id)}")
        )
        return reply

    async def change_case(
        self,
        case_id: str,
        state: Literal["open", "under-review", "closed"],
        reason: str,
        expected_version: int,
        *,
        key: str | None = None,
    ) -> Receipt:
        """Take a case up, close it with a reason, or open it again (regulator)."""
        reply: Receipt = await self.send(
            Operation(
                "POST",
                f"/v1/surveillance/cases/{place(case_id)}/state",
                body={"state": state, "reason": reason, "expected_version": expected_version},
                idempotency_key=key or new_key(),
            )
        )
        return reply
