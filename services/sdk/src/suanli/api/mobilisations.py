"""Calls of mobilisations; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import Caller
from suanli.operations import Operation, new_key, place
from suanli.rows import Rows

if TYPE_CHECKING:
    from suanli.models import MobilisationTerms, MobilisationView


class MobilisationsCalls(Caller):
    """Calls of mobilisations."""

    def list_mobilisations(self, *, market_id: str | None = None) -> Rows[MobilisationView]:
        """List mobilisations with what they took, latest first (everybody with a key).

        Whom they name is for regulators and the operator; others see whether they are named
        themselves.
        """
        return Rows(
            self,
            Operation("GET", "/v1/mobilisations", params={"market_id": market_id}),
            "MobilisationView",
        )

    def propose_mobilisation(
        self, market_id: str, terms: MobilisationTerms, *, key: str | None = None
    ) -> MobilisationView:
        """Propose an urgent mobilisation.

        State a need whose demand shall be served before all other (regulator, operator). A
        second regulator or operator confirms it, unless the exchange is set to let one person
        declare.
        """
        reply: MobilisationView = self.send(
            Operation(
                "POST",
                "/v1/mobilisations",
                body={"market_id": market_id, "terms": terms},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    def confirm_mobilisation(self, mobilisation_id: str) -> MobilisationView:
        """Confirm a mobilisation that another proposed.

        Declare what another regulator or operator proposed (regulator, operator). From the next
        round on its urgent demand is cleared first; it ends by itself with its window.
        """
        reply: MobilisationView = self.send(
            Operation("POST", f"/v1/mobilisations/{place(mobilisation_id)}/confirm")
        )
        return reply

    def end_mobilisation(self, mobilisation_id: str, reason: str) -> MobilisationView:
        """End a mobilisation, or withdraw its proposal.

        End a mobilisation before its time (regulator, operator). What is allocated stands;
        urgent demand that is still open leaves at the next round.
        """
        reply: MobilisationView = self.send(
            Operation(
                "POST", f"/v1/mobilisations/{place(mobilisation_id)}/end", body={"reason": reason}
            )
        )
        return reply

    def get_mobilisation(self, mobilisation_id: str) -> MobilisationView:
        """Show a mobilisation.

        Return a mobilisation, where it stands and what it took (everybody with a key).
        """
        reply: MobilisationView = self.send(
            Operation("GET", f"/v1/mobilisations/{place(mobilisation_id)}")
        )
        return reply
