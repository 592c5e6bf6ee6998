"""Calls of surveillance; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import Caller
from suanli.operations import Operation, new_key, place
from suanli.rows import Rows

if TYPE_CHECKING:
    from typing import Literal

    from suanli.models import CaseView, Receipt


class SurveillanceCalls(Caller):
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
    ) -> Rows[CaseView]:
        """List cases of surveillance, latest first (regulator)."""
        return Rows(
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

    def get_case(self, case_id: str) -> CaseView:
        """Return a case with its evidence and who changed its state (regulator)."""
        reply: CaseView = self.send(Operation("GET", f"/v1/surveillance/cases/{place(case_id)}"))
        return reply

    def change_case(
        self,
        case_id: str,
        state: Literal["open", "under-review", "closed"],
        reason: str,
        expected_version: int,
        *,
        key: str | None = None,
    ) -> Receipt:
        """Take a case up, close it with a reason, or open it again (regulator)."""
        reply: Receipt = self.send(
            Operation(
                "POST",
                f"/v1/surveillance/cases/{place(case_id)}/state",
                body={"state": state, "reason": reason, "expected_version": expected_version},
                idempotency_key=key or new_key(),
            )
        )
        return reply
