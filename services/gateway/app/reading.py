"""Reading, with the caller's sight checked for every single thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.api import ParticipantView
from schemas.types import Role, Side
from services.gateway.app.rights import require_own, require_role, require_sight
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.api import (
        AccountView,
        AllocationView,
        BookView,
        DemandView,
        EntryView,
        MarketView,
        OfferView,
        OrderEvent,
        RoundPricesView,
        RoundView,
    )
    from schemas.audit import JournalEntryView, TermsVersionView
    from schemas.filters import Filter
    from schemas.funds import AccountKind
    from services.gateway.app.depth import Depth
    from services.gateway.ports import Directory, Markets, Orders, Principal, Reports

_BOOTSTRAP_NAME = "operator's bootstrap key"


class Reading:
    """What callers may see.

    Args:
        orders: Orders as last seen.
        directory: Participants.
        markets: Markets and policies.
        reports: Rounds, prices, allocations, money.
        depth: Sums of the open orders, whosesoever they are.
    """

    def __init__(
        self,
        orders: Orders,
        directory: Directory,
        markets: Markets,
        reports: Reports,
        depth: Depth,
    ) -> None:
        self._orders = orders
        self._depth = depth
        self._directory = directory
        self.markets = markets
        self.reports = reports

    async def order(
        self, principal: Principal, side: Side, order_id: str
    ) -> OfferView | DemandView:
        """Return an order.

        Raises:
            NotFoundError: if there is none, or it is somebody else's.
        """
        view = await self._orders.order(order_id)
        if view is None or view.side is not side:
            raise not_found("order_id", order_id)
        require_sight(principal, view.participant_id, "order_id", order_id)
        return view

    async def orders(
        self,
        principal: Principal,
        side: Side,
        *,
        market_id: str | None,
        states: Sequence[str] | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, OfferView | DemandView]]:
        """Return the caller's orders, or everybody's to those who see all."""
        return await self._orders.orders(
            side,
            participant_id=self._own(principal),
            market_id=market_id,
            states=states,
            before=before,
            limit=limit,
            where=where,
        )

    async def history(
        self,
        principal: Principal,
        order_id: str,
        *,
        after: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, OrderEvent]]:
        """Return what happened to an order.

        Raises:
            NotFoundError: if there is none, or it is somebody else's.
        """
        side = Side.OFFER if order_id.startswith("off_") else Side.DEMAND
        await self.order(principal, side, order_id)
        return await self._orders.history(order_id, after=after, limit=limit, where=where)

    async def versions(self, principal: Principal, order_id: str) -> list[TermsVersionView]:
        """Return all terms that were sent for an order, oldest first.

        Raises:
            NotFoundError: if there is none, or it is somebody else's.
        """
        side = Side.OFFER if order_id.startswith("off_") else Side.DEMAND
        await self.order(principal, side, order_id)
        return await self._orders.versions(order_id)

    async def journal(
        self, principal: Principal, *, after: int | None, limit: int
    ) -> list[JournalEntryView]:
        """Return the journal in the order of the log.

        Raises:
            ForbiddenError: if the caller is neither the operator nor the regulator.
        """
        require_role(principal, Role.OPERATOR, Role.REGULATOR)
        return await self.reports.journal(after=after, limit=limit)

    async def participants(
        self, principal: Principal, *, after: str | None, limit: int, where: Filter | None = None
    ) -> list[ParticipantView]:
        """Return all participants.

        Raises:
            ForbiddenError: if the caller is neither the operator nor the regulator.
        """
        require_role(principal, Role.OPERATOR, Role.REGULATOR)
        return await self._directory.participants(after=after, limit=limit, where=where)

    async def me(self, principal: Principal) -> ParticipantView:
        """Return the caller; the bootstrap key, which nobody registered, is the operator."""
        view = await self._directory.participant(principal.participant_id)
        if view is not None:
            return view
        return ParticipantView(
            participant_id=principal.participant_id,
            role=principal.role,
            name=_BOOTSTRAP_NAME,
            status="active",
            registered_at=None,
        )

    async def market_view(self, market_id: str) -> MarketView:
        """Return a market.

        Raises:
            NotFoundError: if there is none.
        """
        view = await self.markets.market(market_id)
        if view is None:
            raise not_found("market_id", market_id)
        return view

    async def round(self, round_id: str) -> RoundView:
        """Return a round.

        Raises:
            NotFoundError: if there is none.
        """
        view = await self.reports.round(round_id)
        if view is None:
            raise not_found("round_id", round_id)
        return view

    async def round_prices(self, round_id: str) -> RoundPricesView:
        """Return a round's curves.

        Raises:
            NotFoundError: if there is no such round.
        """
        await self.round(round_id)
        return await self.reports.round_prices(round_id)

    async def allocations(
        self,
        principal: Principal,
        *,
        market_id: str | None,
        round_id: str | None,
        order_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, AllocationView]]:
        """Return the caller's allocations, or everybody's to those who see all."""
        return await self.reports.allocations(
            participant_id=self._own(principal),
            market_id=market_id,
            round_id=round_id,
            order_id=order_id,
            before=before,
            limit=limit,
            where=where,
        )

    async def allocation(self, principal: Principal, allocation_id: str) -> AllocationView:
        """Return an allocation that the caller bought.

        Raises:
            NotFoundError: if there is none, or it is somebody else's.
        """
        found = await self.reports.allocation(allocation_id)
        if found is None:
            raise not_found("allocation_id", allocation_id)
        require_own(principal, found.enterprise_id, "allocation_id", allocation_id)
        return found

    async def account(self, principal: Principal, participant_id: str | None) -> AccountView:
        """Return a participant's money; the caller's own if none is named.

        Raises:
            NotFoundError: if it is somebody else's.
        """
        wanted = participant_id or principal.participant_id
        require_sight(principal, wanted, "participant_id", wanted)
        return await self.reports.account(wanted)

    async def entries(
        self,
        principal: Principal,
        participant_id: str | None,
        *,
        account: AccountKind,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, EntryView]]:
        """Return the postings on one of a participant's accounts.

        Raises:
            NotFoundError: if it is somebody else's.
        """
        wanted = participant_id or principal.participant_id
        require_sight(principal, wanted, "participant_id", wanted)
        return await self.reports.entries(
            wanted, account=account, before=before, limit=limit, where=where
        )

    async def book(self, market_id: str) -> BookView:
        """Return the open orders of a market in numbers.

        Raises:
            NotFoundError: if there is no such market.
        """
        return await self._depth.book((await self.market_view(market_id)).market)

    @staticmethod
    def _own(principal: Principal) -> str | None:
        return None if principal.sees_all else principal.participant_id
