"""Dry runs: what an order would come to, checked as the real one, with nothing stored of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.api import DemandView
from schemas.events import Reason
from schemas.orders import DemandTerms
from schemas.previews import FitView, HoldPreview, OrderPreview, UnfitView
from schemas.types import Side, pool_key
from services.core.eligibility import max_spend
from services.core.errors import DomainError
from services.core.fitting import fits_of
from services.gateway.app.rights import require_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.market import Market
    from schemas.orders import OfferTerms
    from services.gateway.app.orders import Change, OrderCommands, Submission
    from services.gateway.app.quotes import Quotes
    from services.gateway.ports import Principal, Reports

_PLACED = "placed"


class Previews:
    """Tells what orders would come to.

    Args:
        commands: Checks orders.
        quotes: Says what they would get.
        reports: Balances.
    """

    def __init__(self, commands: OrderCommands, quotes: Quotes, reports: Reports) -> None:
        self._commands = commands
        self._quotes = quotes
        self._reports = reports

    async def submissions(
        self,
        principal: Principal,
        side: Side,
        wanted: Sequence[Submission],
        reserved: int = 0,
    ) -> list[OrderPreview | DomainError]:
        """Return what each new order would come to, or why it would be refused, in order.

        Args:
            principal: Who asks.
            side: The side.
            wanted: The orders.
            reserved: Micro-yuan that orders before these would hold.

        Raises:
            ForbiddenError: if the caller's role has no orders of this side.
        """
        require_side(principal, side)
        free = await self._free(principal, side)
        markets: dict[str, Market] = {}
        quotes = self._quotes.at_once()
        found: list[OrderPreview | DomainError] = []
        for item in wanted:
            try:
                market = await self._commands.try_submit(principal, side, item, markets)
            except DomainError as error:
                found.append(error)
                continue
            hold = _hold(item.terms, 0, free - reserved)
            reserved += 0 if hold is None else hold.amount
            found.append(await self._preview(quotes, principal, market, item.terms, hold))
        return found

    async def change(self, principal: Principal, side: Side, change: Change) -> OrderPreview:
        """Return what an amended order would come to.

        Raises:
            DomainError: why it would be refused.
        """
        assert change.terms is not None
        market, view = await self._commands.try_amend(principal, side, change)
        held = 0
        if isinstance(view, DemandView) and view.hold is not None and view.hold.state == _PLACED:
            held = view.hold.amount
        hold = _hold(change.terms, held, await self._free(principal, side))
        found = await self._preview(
            self._quotes, principal, market, change.terms, hold, change.order_id
        )
        return found.model_copy(update={"order_id": change.order_id})

    async def _free(self, principal: Principal, side: Side) -> int:
        if side is Side.OFFER:
            return 0
        return (await self._reports.account(principal.participant_id)).free

    async def _preview(
        self,
        quotes: Quotes,
        principal: Principal,
        market: Market,
        terms: OfferTerms | DemandTerms,
        hold: HoldPreview | None,
        amended: str | None = None,
    ) -> OrderPreview:
        if isinstance(terms, DemandTerms):
            return OrderPreview(
                side=Side.DEMAND,
                market_id=market.id,
                fits=_fits(terms, market),
                hold=hold,
                quote=await quotes.indicative(market, terms, principal, amended),
            )
        own = FitView(alternative=0, pools=(pool_key(terms.zone, terms.chip),))
        told = await quotes.offer(market.id, terms)
        return OrderPreview(side=Side.OFFER, market_id=market.id, fits=(own,), offer_quote=told)


def _hold(terms: OfferTerms | DemandTerms, held: int, free: int) -> HoldPreview | None:
    if not isinstance(terms, DemandTerms):
        return None
    amount = max_spend(terms)
    return HoldPreview(amount=amount, held=held, free=free, is_covered=amount - held <= free)


def _fits(terms: DemandTerms, market: Market) -> tuple[FitView, ...]:
    return tuple(
        FitView(
            alternative=fit.alternative,
            pools=fit.pools,
            unfit=tuple(
                UnfitView(
                    kind=item.kind,  # type: ignore[arg-type]
                    name=item.name,
                    reason=Reason(code=item.code, en=item.message.en, zh=item.message.zh),
                )
                for item in fit.unfit
            ),
        )
        for fit in fits_of(terms, market)
    )
