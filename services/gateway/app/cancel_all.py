"""Withdrawing all orders of a participant at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.types import TERMINAL_STATES, OrderState, Role, Side
from services.gateway.app.envelopes import derive
from services.gateway.app.orders import Change
from services.gateway.app.rights import ROLES_OF_SIDE, require_role

if TYPE_CHECKING:
    from services.gateway.app.once import Outcome
    from services.gateway.app.orders import OrderCommands
    from services.gateway.ports import Orders, Principal

_LIVE = tuple(state.value for state in OrderState if state not in TERMINAL_STATES)
# One claim, one write to the log and one statement for so many.
_PAGE = 500
# Far more than a participant has; a second call goes on where this one stopped.
_PAGES_MAX = 40


class CancelAll:
    """Withdraws what a participant has in the market.

    Args:
        commands: Withdraws orders.
        orders: Orders as last seen.
    """

    def __init__(self, commands: OrderCommands, orders: Orders) -> None:
        self._commands = commands
        self._orders = orders

    async def run(
        self,
        principal: Principal,
        key: str,
        traceparent: str,
        *,
        side: Side | None,
        market_id: str | None,
    ) -> list[tuple[str, Outcome]]:
        """Withdraw the caller's live orders; return (order, receipt or why not) of each.

        The same key withdraws each order once, so a repeat is safe; it also takes orders that
        came in between.

        Raises:
            ForbiddenError: if the caller's role has no orders, or none of this side.
        """
        require_role(principal, Role.PROVIDER, Role.ENTERPRISE)
        own = [one for one in Side if principal.role in ROLES_OF_SIDE[one]]
        outcomes: list[tuple[str, Outcome]] = []
        for one in own if side is None else (side,):
            outcomes += await self._side(principal, key, traceparent, one, market_id)
        return outcomes

    async def _side(
        self,
        principal: Principal,
        key: str,
        traceparent: str,
        own: Side,
        market_id: str | None,
    ) -> list[tuple[str, Outcome]]:
        outcomes: list[tuple[str, Outcome]] = []
        before: int | None = None
        for _ in range(_PAGES_MAX):
            found = await self._orders.orders(
                own,
                participant_id=principal.participant_id,
                market_id=market_id,
                states=_LIVE,
                before=before,
                limit=_PAGE,
            )
            changes = [
                Change(view.order_id, derive("all-", key, view.order_id)) for _, view in found
            ]
            told = await self._commands.cancel_many(principal, own, changes, traceparent)
            outcomes += zip((change.order_id for change in changes), told, strict=True)
            if len(found) < _PAGE:
                break
            before = found[-1][0]
        return outcomes
