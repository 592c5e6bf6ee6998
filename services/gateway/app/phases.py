"""Where a market stands between two rounds, from its rules, its policies and its latest round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from schemas.phases import PhaseView
from services.core.phases import schedule_of
from services.core.stops import Stops, resuming
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from services.core.phases import Schedule
    from services.gateway.ports import MarketClock, Markets, Reports

_CLOSED = "closed"


class Phases:
    """Tells the phases of markets.

    Args:
        markets: Markets and policies.
        reports: Rounds.
        clock: The market's clock.
    """

    def __init__(self, markets: Markets, reports: Reports, clock: MarketClock) -> None:
        self._markets = markets
        self._reports = reports
        self._clock = clock

    async def phase(self, market_id: str) -> PhaseView:
        """Return the phase of a market.

        Raises:
            NotFoundError: if there is no such market.
        """
        view = await self._markets.market(market_id)
        if view is None:
            raise not_found("market_id", market_id)
        rules, now = view.market.rules, self._clock.now()
        rounds = await self._reports.rounds(market_id=market_id, before=None, limit=1)
        policies, last_round = await self._markets.all_policies(market_id)
        pauses = await self._markets.pauses(market_id=market_id, before=None, limit=1)
        stops = Stops(last_round + 1, policies, pauses[0] if pauses else None)
        held: Literal["halt", "pause"] | None = None
        schedule: Schedule | None = schedule_of(rules, now)
        if stops.is_halted:
            held, schedule = "halt", None
        elif stops.pause is not None and stops.is_paused(now):
            held, schedule = "pause", resuming(rules, stops.pause)
        is_frozen, until, cut_at = False, None, None
        if schedule is not None:
            is_frozen, cut_at = schedule.is_frozen(now), schedule.cut_at
            until = cut_at if is_frozen else schedule.freezes_at
        latest = rounds[0] if rounds else None
        return PhaseView(
            market_id=market_id,
            as_of=now,
            phase="freeze" if is_frozen else "open",
            until=until,
            cut_at=cut_at,
            held=held,
            clearing=None if latest is None or latest.state == _CLOSED else latest.round_id,
        )
