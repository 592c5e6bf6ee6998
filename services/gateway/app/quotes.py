"""Quotes: what a demand would get by the file of the market's latest round."""

from __future__ import annotations

import asyncio
import json
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.events import Reason
from schemas.previews import OfferQuote, SoldPeriod
from schemas.quotes import QuotedLink, QuotedPeriod, QuotedShare, QuoteView
from schemas.types import Role, Shape, period_of, period_start, pool_key
from services.core.allowances import WantedTogether
from services.core.book import BookDemand
from services.core.book_builder import Horizon, build_book
from services.core.clearing.allowance_quote import Own
from services.core.clearing.quote import Standing
from services.core.clearing.reasons import allowed, quoted
from services.core.codec import round_from_dict
from services.core.eligibility import max_spend, resolve_alternatives
from services.core.link_charges import links_left
from services.core.link_terms import moves_of
from services.core.policy_rows import covered
from services.gateway.app.orders import check_terms
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from schemas.market import Market
    from schemas.orders import DemandTerms, OfferTerms
    from services.core.clearing.quote import Quote
    from services.core.holding_rows import Run
    from services.core.orders import Order
    from services.gateway.ports import Markets, Principal, Reports
    from services.kit.clock import Clock

# The latest rounds are often still being cleared; some round before them has its file.
_ROUNDS_MAX = 10


@dataclass(slots=True)
class _Account:
    """What an account has and wants of a market that a largest share rules.

    Attributes:
        held: Pool -> what it has there.
        orders: Its open demand.
        wanted: That, and what was asked about before in one go; ``None`` before it is counted.
    """

    held: Mapping[str, Run]
    orders: Sequence[Order]
    wanted: WantedTogether | None = None


class Quotes:
    """Answers from the last round's file, which is read once and kept until the next one.

    Args:
        markets: Markets.
        reports: Rounds.
        read_file: Yields a round's file, piece by piece.
        clock: The market's clock.
    """

    def __init__(
        self,
        markets: Markets,
        reports: Reports,
        read_file: Callable[[str], AsyncIterator[bytes]],
        clock: Clock,
    ) -> None:
        self._markets = markets
        self._reports = reports
        self._read_file = read_file
        self._clock = clock
        # Market id -> (round id, what its file leaves): one file for each market.
        self._known: dict[str, tuple[str, Standing]] = {}
        self._reading = asyncio.Lock()
        # What the last rounds left, asked for once; ``None``: asked for each time.
        self._fixed: dict[str, tuple[str, Standing] | None] | None = None
        # The same of what the account that asks has, by market.
        self._accounts: dict[str, _Account] = {}

    def at_once(self) -> Quotes:
        """Return quotes for many demands of one account, each beside those asked about before it.

        What does not depend on the demand is asked for once.
        """
        fixed = copy(self)
        fixed._fixed, fixed._accounts = {}, {}  # noqa: SLF001 - a copy of this very object
        return fixed

    async def quote(self, market_id: str, terms: DemandTerms, principal: Principal) -> QuoteView:
        """Return what a demand of the caller's would get; nothing is placed.

        Raises:
            NotFoundError: if there is no such market, or no round of it has been cleared yet.
            ValidationError: if the market would not take the demand.
        """
        view = await self._markets.market(market_id)
        if view is None:
            raise not_found("market_id", market_id)
        check_terms(terms, view.market, period_of(self._clock.now()))
        told = await self.indicative(view.market, terms, principal)
        if told is None:
            raise not_found(
                "market_id",
                f"{market_id}, which has cleared no round yet",
                f"{market_id}，其尚未出清任何一轮",
            )
        if principal.role is not Role.ENTERPRISE:
            return told
        account = await self._reports.account(principal.participant_id)
        return told.model_copy(update={"free": account.free})

    async def indicative(
        self,
        market: Market,
        terms: DemandTerms,
        principal: Principal,
        amended: str | None = None,
    ) -> QuoteView | None:
        """Return what a demand that the market takes would get; ``None`` before any round.

        Args:
            market: The market.
            terms: The demand.
            principal: Whose it is.
            amended: Order that would have these terms, if it is not a new one.
        """
        known = await self._standing(market.id)
        if known is None:
            return None
        round_id, standing = known
        account = None
        if covered(standing.book.pools, standing.book.policies):
            account = await self._account(market.id, principal)
        # Some milliseconds of arrays: not on the loop that all callers share.
        found = await asyncio.to_thread(_ask, standing, terms, market, account, amended)
        return _view(market.id, round_id, found, terms, market.rules.tick)

    async def offer(self, market_id: str, terms: OfferTerms) -> OfferQuote | None:
        """Return what an offer would have earned in the last round; ``None`` before any."""
        known = await self._standing(market_id)
        if known is None:
            return None
        round_id, standing = known
        pool = pool_key(terms.zone, terms.chip)
        window = range(period_of(terms.start), period_of(terms.end))
        prices = standing.prices_in(pool, window)
        paid = [price for price in prices.values() if price >= terms.ask and price > 0]
        return OfferQuote(
            round_id=round_id,
            chip_hours=terms.chips * len(paid),
            revenue=terms.chips * sum(paid),
            periods=tuple(
                SoldPeriod(
                    period=period_start(period),
                    price=price,
                    is_in_the_money=price >= terms.ask and price > 0,
                )
                for period, price in prices.items()
            ),
        )

    async def _account(self, market_id: str, principal: Principal) -> _Account:
        found = None if self._fixed is None else self._accounts.get(market_id)
        if found is None:
            whose = principal.participant_id
            held = await self._reports.held(market_id, whose, self._clock.now())
            found = _Account(held, await self._reports.open_demand(market_id, whose))
            if self._fixed is not None:
                self._accounts[market_id] = found
        return found

    async def _standing(self, market_id: str) -> tuple[str, Standing] | None:
        if self._fixed is None:
            return await self._last(market_id)
        if market_id not in self._fixed:
            self._fixed[market_id] = await self._last(market_id)
        return self._fixed[market_id]

    async def _last(self, market_id: str) -> tuple[str, Standing] | None:
        rounds = await self._reports.rounds(market_id=market_id, before=None, limit=_ROUNDS_MAX)
        round_id = next((item.round_id for item in rounds if item.file.state == "ok"), None)
        if round_id is None:
            return None
        # One file at a time: a large one takes hundreds of megabytes while it is read.
        async with self._reading:
            known = self._known.get(market_id)
            if known is None or known[0] != round_id:
                file = b"".join([piece async for piece in self._read_file(round_id)])
                known = (round_id, await asyncio.to_thread(_read, file))
                self._known[market_id] = known
        return known


def _read(file: bytes) -> Standing:
    book, _, result = round_from_dict(json.loads(file))
    return Standing(book, result)


def _ask(
    standing: Standing,
    terms: DemandTerms,
    market: Market,
    account: _Account | None,
    amended: str | None,
) -> Quote:
    book = standing.book
    demand = BookDemand(
        id="dem_quote",
        participant="p",
        version=1,
        shape=Shape(terms.shape.type),
        alternatives=resolve_alternatives(terms, market),
        moves=moves_of(terms),
    )
    links = links_left(market, {}, book.first_period, book.periods)
    if account is None:
        return standing.quote(demand, links)
    if account.wanted is None:
        others = {order.id: order for order in account.orders if order.id != amended}
        horizon = Horizon(0, book.first_period, book.periods)
        wanted = build_book(market, list(others.values()), others, horizon).demands
        account.wanted = WantedTogether(book, wanted)
    found = standing.quote(demand, links, Own(account.held, account.wanted))
    account.wanted.count(demand)
    return found


def _share(found: Quote) -> QuotedShare | None:
    place = found.beside
    if place is None:
        return None
    return QuotedShare(
        policy=place.policy,
        chip=place.chip,
        pool=place.pool,
        period=period_start(place.start),
        share=place.share,
        held=place.held,
        wanted=place.wanted,
        asked=place.asked,
        left=place.left,
    )


def _view(market_id: str, round_id: str, found: Quote, terms: DemandTerms, tick: int) -> QuoteView:
    hint = found.hint.params(tick)
    told = quoted(found.state, found.firm, hint)
    code = f"quote_{found.state.replace('-', '_')}"
    if found.limited is not None:
        hint = found.limited.params()
        told = allowed(told, hint)
        code = code if found.chip_hours else "largest_share"
    return QuoteView(
        market_id=market_id,
        round_id=round_id,
        state=found.state,  # type: ignore[arg-type]
        alternative=found.alternative,
        periods=tuple(
            QuotedPeriod(pool=taken.pool, period=period_start(period), chips=chips, price=price)
            for taken in found.taken
            for period, (chips, price) in enumerate(
                zip(taken.chips, taken.prices, strict=True), start=taken.start
            )
            if chips
        ),
        links=tuple(
            QuotedLink(
                source=source,
                destination=destination,
                period=period_start(sent.period),
                gb=sent.gb,
                price=sent.price,
            )
            for sent in found.sent
            for source, _, destination in [sent.link.partition(">")]
        ),
        chip_hours=found.chip_hours,
        cost=found.cost,
        value=found.value,
        hold=max_spend(terms),
        largest_share=_share(found),
        estimate=not found.firm,
        reason=Reason(code=code, en=told.en, zh=told.zh, params=hint),
    )
