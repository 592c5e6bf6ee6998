"""Where a market stands between two rounds, from its rules, its policies and its latest round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from schemas.phases import PhaseView
from services.core.circuit_breaker import is_paused
from services.core.phases import last_instant, next_cut, schedule_of
from services.core.policies import halt_of
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from datetime import datetime

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
        schedule = schedule_of(rules, now)
        is_frozen = schedule.is_frozen(now)
        held: Literal["halt", "pause"] | None = None
        cut_at: datetime | None = schedule.cut_at
        if halt_of(policies, last_round + 1) is not None:
            held, cut_at = "halt", None
        elif pauses and is_paused(pauses[0], policies, last_round + 1, now):
            held, cut_at = "pause", next_cut(rules, last_instant(pauses[0].until))
        latest = rounds[0] if rounds else None
        return PhaseView(
            market_id=market_id,
            as_of=now,
            phase="freeze" if is_frozen else "open",
            until=schedule.cut_at if is_frozen else schedule.freezes_at,
            cut_at=cut_at,
            held=held,
            clearing=None if latest is None or latest.state == _CLOSED else latest.round_id,
        )
