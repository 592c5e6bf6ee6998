"""Daily reports on a market: what regulators ask for, cut from what the gateway has read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from schemas.reports import REPORT_ROWS_MAX, ReportSignature, ReportView
from schemas.types import Role
from services.gateway.app import report_tables
from services.gateway.app.convergence_report import price_convergence
from services.gateway.app.emergency_report import emergency_use
from services.gateway.app.envelopes import canonical
from services.gateway.app.policy_cost_report import policy_costs
from services.gateway.app.report_words import ABOUT, TITLES
from services.gateway.app.rights import require_role
from services.gateway.app.share_report import domestic_share
from services.gateway.app.surveillance import day_of
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import date

    from schemas.market import Market
    from schemas.reports import ReportKind
    from schemas.shares import RoundShares
    from services.gateway.app.convergence_report import LinkDay, PeriodPrice
    from services.gateway.app.emergency_report import DisplacedRow, DisplacementRow, EmergencyRow
    from services.gateway.app.policy_cost_report import CostRow
    from services.gateway.app.report_tables import (
        CaseRow,
        ClockRow,
        Content,
        FlowRow,
        LetterRow,
        LinkageRow,
        TradeRow,
    )
    from services.gateway.ports import MarketClock, Markets, Principal, Signer


@dataclass(frozen=True, slots=True)
class DayOf:
    """A market's day.

    Attributes:
        market_id: The market.
        day: Its day, UTC.
        start: Its first instant.
        end: The instant after its last.
    """

    market_id: str
    day: date
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """How the market's clock runs: it shows ``market`` at ``real``, and ``speed`` seconds a second.

    With the real clock both are the same instant and the speed is 1.
    """

    market: datetime
    real: datetime
    speed: float

    def real_instant(self, market: datetime) -> datetime:
        """Return the real instant at which the market's clock shows this."""
        return self.real + (market - self.market) / self.speed


class Days(Protocol):
    """What happened on a day, as the gateway has read it."""

    async def rounds(self, day: DayOf) -> tuple[int, datetime | None]:
        """Return how many rounds closed on a day, and the market's latest closed round."""
        ...

    async def trades(self, day: DayOf) -> list[TradeRow]:
        """Return what was allocated, by pool, hour and owners."""
        ...

    async def flows(self, day: DayOf) -> list[FlowRow]:
        """Return what was allocated, by pool and where the demand is."""
        ...

    async def period_prices(self, day: DayOf) -> list[PeriodPrice]:
        """Return the prices of the day's hours of delivery, by pool."""
        ...

    async def links(self, day: DayOf) -> list[LinkDay]:
        """Return what was given away of links in the day's hours of delivery."""
        ...

    async def emergencies(self, day: DayOf, limit: int) -> list[EmergencyRow]:
        """Return the urgent rounds."""
        ...

    async def displacements(self, day: DayOf, limit: int) -> list[DisplacementRow]:
        """Return what urgent rounds cost other demand, by cycle."""
        ...

    async def displaced(self, day: DayOf, limit: int) -> list[DisplacedRow]:
        """Return the demand that got less by urgent rounds."""
        ...

    async def policy_costs(self, day: DayOf, limit: int) -> list[CostRow]:
        """Return what policies cost, by round, of so many rounds at most."""
        ...

    async def shares(self, day: DayOf, limit: int) -> list[RoundShares]:
        """Return what domestic shares asked of so many rounds at most, the earliest first."""
        ...

    async def clock(self, day: DayOf, timeline: Timeline, bound_us: int) -> list[ClockRow]:
        """Return how far stamps were from the market's clock, by source."""
        ...

    async def linkage(self, day: DayOf, limit: int) -> tuple[int, list[LinkageRow]]:
        """Return how many events were looked at, and those that lead nowhere."""
        ...

    async def dead_letters(self, start: datetime, end: datetime, limit: int) -> list[LetterRow]:
        """Return the records that nobody could take, by real instants."""
        ...

    async def cases(self, day: DayOf, limit: int) -> list[CaseRow]:
        """Return the cases of surveillance."""
        ...


# A gateway stamps an event and records it in one step, so the divergence that RTS 25 allows for
# gateways of over 1 ms latency (Regulation (EU) 2017/574) is the bound.
CLOCK_BOUND_US = 1_000
_ALL_ROWS = REPORT_ROWS_MAX + 1
_WATCHERS = (Role.REGULATOR, Role.OPERATOR)
_READERS: dict[ReportKind, tuple[Role, ...]] = {
    "surveillance": (Role.REGULATOR,),
    "concentration": (Role.REGULATOR,),
    "domestic-share": tuple(Role),
    "regional-flows": tuple(Role),
    "price-convergence": tuple(Role),
    "emergency-use": _WATCHERS,
    "policy-costs": tuple(Role),
    "clock": _WATCHERS,
    "linkage": _WATCHERS,
    "dead-letters": _WATCHERS,
}


class DayReports:
    """Makes reports and signs them.

    Args:
        days: What happened.
        markets: Markets.
        clock: The market's clock.
        timeline: How that clock runs.
        signer: Signs reports; ``None`` leaves them unsigned.
    """

    def __init__(
        self,
        days: Days,
        markets: Markets,
        clock: MarketClock,
        timeline: Timeline,
        signer: Signer | None,
    ) -> None:
        self._days = days
        self._markets = markets
        self._clock = clock
        self._timeline = timeline
        self._signer = signer

    async def report(
        self, principal: Principal, kind: ReportKind, market_id: str, day: str
    ) -> ReportView:
        """Return a report.

        Args:
            principal: Who asks.
            kind: Which one.
            market_id: Of which market.
            day: Of which day, UTC, such as 2026-11-24.

        Raises:
            ForbiddenError: if the caller's role may not read it.
            NotFoundError: if there is no such market.
            ValidationError: if the calendar has no such day.
        """
        require_role(principal, *_READERS[kind])
        found = await self._markets.market(market_id)
        if found is None:
            raise not_found("market_id", market_id)
        start = datetime.combine(day_of(day), datetime.min.time(), UTC)
        asked = DayOf(market_id, start.date(), start, start + timedelta(days=1))
        rounds, latest = await self._days.rounds(asked)
        make: dict[ReportKind, Callable[[DayOf, Market], Awaitable[Content]]] = {
            "surveillance": self._surveillance,
            "concentration": self._concentration,
            "domestic-share": self._domestic_share,
            "regional-flows": self._regional_flows,
            "price-convergence": self._price_convergence,
            "emergency-use": self._emergency_use,
            "policy-costs": self._policy_costs,
            "clock": self._clock_report,
            "linkage": self._linkage,
            "dead-letters": self._dead_letters,
        }
        content = await make[kind](asked, found.market)
        title, about = TITLES[kind], ABOUT[kind]
        view = ReportView(
            kind=kind,
            market_id=market_id,
            day=day,
            title_en=title[0],
            title_zh=title[1],
            about_en=about[0],
            about_zh=about[1],
            made_at=self._clock.now(),
            is_final=latest is not None and latest >= asked.end,
            rounds=rounds,
            figures=content.figures,
            columns=content.columns,
            rows=content.rows[:REPORT_ROWS_MAX],
            is_whole=len(content.rows) <= REPORT_ROWS_MAX,
        )
        return self._signed(view)

    def _signed(self, view: ReportView) -> ReportView:
        if self._signer is None:
            return view
        message = canonical(view.model_dump(mode="json", exclude={"signature"})).encode()
        signature = ReportSignature(key_id=self._signer.key_id, value=self._signer.sign(message))
        return view.model_copy(update={"signature": signature})

    async def _surveillance(self, day: DayOf, _market: Market) -> Content:
        return report_tables.surveillance(await self._days.cases(day, _ALL_ROWS))

    async def _concentration(self, day: DayOf, market: Market) -> Content:
        return report_tables.concentration(await self._days.trades(day), market)

    async def _domestic_share(self, day: DayOf, market: Market) -> Content:
        trades, asked = await self._days.trades(day), await self._days.shares(day, _ALL_ROWS)
        return domestic_share(trades, asked, market)

    async def _regional_flows(self, day: DayOf, market: Market) -> Content:
        return report_tables.regional_flows(await self._days.flows(day), market)

    async def _price_convergence(self, day: DayOf, market: Market) -> Content:
        prices, links = await self._days.period_prices(day), await self._days.links(day)
        return price_convergence(prices, links, market)

    async def _emergency_use(self, day: DayOf, _market: Market) -> Content:
        return emergency_use(
            await self._days.emergencies(day, _ALL_ROWS),
            await self._days.displacements(day, _ALL_ROWS),
            await self._days.displaced(day, _ALL_ROWS),
        )

    async def _policy_costs(self, day: DayOf, _market: Market) -> Content:
        return policy_costs(await self._days.policy_costs(day, _ALL_ROWS))

    async def _clock_report(self, day: DayOf, _market: Market) -> Content:
        rows = await self._days.clock(day, self._timeline, CLOCK_BOUND_US)
        return report_tables.clock(rows, CLOCK_BOUND_US)

    async def _linkage(self, day: DayOf, _market: Market) -> Content:
        looked_at, rows = await self._days.linkage(day, _ALL_ROWS)
        return report_tables.linkage(looked_at, rows)

    async def _dead_letters(self, day: DayOf, _market: Market) -> Content:
        start, end = (self._timeline.real_instant(one) for one in (day.start, day.end))
        return report_tables.dead_letters(await self._days.dead_letters(start, end, _ALL_ROWS))
