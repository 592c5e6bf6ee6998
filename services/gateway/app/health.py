"""How the exchange is: what its services say of themselves, and what the log lets one see."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from schemas.types import Role
from services.gateway.app.rights import require_role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from services.gateway.ports import MarketClock, Markets, Principal, Reports

_MARKETS_MAX = 50
# A round that is this many cadences late has not come.
_LATE_CADENCES = 2
# Rounds in a row that may be under way without one of them being behind.
_ROUNDS_READ = 20


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """What a service says of itself.

    Attributes:
        name: The service.
        state: ``ready``; ``not-ready``, some part of it is not; ``silent``, it does not answer.
        checks: Its parts, and whether each is ready.
        facts: What else it shows.
        lags: Records that are not read yet, by topic.
        unsent: Rows of its outbox that are not sent yet, if it has one.
    """

    name: str
    state: Literal["ready", "not-ready", "silent"]
    checks: Mapping[str, bool]
    facts: Mapping[str, str | float | bool]
    lags: Mapping[str, int]
    unsent: int | None = None

    @property
    def lag(self) -> int:
        """Return how many records it has still to read."""
        return sum(self.lags.values())


@dataclass(frozen=True, slots=True)
class RoundsHealth:
    """Whether a market's rounds come in time.

    Attributes:
        market_id: The market.
        round_id: Its latest round, ``None`` before the first.
        state: State of that round.
        cut_at: When it took the book.
        every_s: How often one should.
        late_s: Seconds of the market's clock beyond the moment at which the next one was due.
        unfinished: Rounds of late that are sealed and not closed.
    """

    market_id: str
    round_id: str | None
    state: str | None
    cut_at: datetime | None
    every_s: int
    late_s: int
    unfinished: int

    @property
    def is_late(self) -> bool:
        """Return whether a round is missing."""
        return self.late_s > (_LATE_CADENCES - 1) * self.every_s


@dataclass(frozen=True, slots=True)
class Overview:
    """How the exchange is.

    Attributes:
        services: What its services say; empty if the gateway was not told where they are.
        gateway: Parts of this gateway, and whether each is ready.
        rounds: Its markets' rounds.
        head_size: Entries under the latest head of the log, ``None`` if there is none.
        head_age_s: Its age by the market's clock.
    """

    services: tuple[ServiceHealth, ...]
    gateway: Mapping[str, bool]
    rounds: tuple[RoundsHealth, ...]
    head_size: int | None
    head_age_s: int | None


class Watch(Protocol):
    """Asks services how they are."""

    async def look(self) -> Sequence[ServiceHealth]:
        """Return what each service says; whoever does not answer in time is silent."""
        ...


class HealthReading:
    """What operator and regulator see of the exchange's health.

    Args:
        watch: Asks services.
        readiness: Returns the parts of this gateway and whether each is ready.
        markets: Markets.
        reports: Rounds and heads.
        clock: The market's clock.
    """

    def __init__(
        self,
        watch: Watch,
        readiness: Callable[[], Awaitable[Mapping[str, bool]]],
        markets: Markets,
        reports: Reports,
        clock: MarketClock,
    ) -> None:
        self._watch = watch
        self._readiness = readiness
        self._markets = markets
        self._reports = reports
        self._clock = clock

    async def overview(self, principal: Principal) -> Overview:
        """Return how the exchange is.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
        """
        require_role(principal, Role.OPERATOR, Role.REGULATOR)
        services, gateway, rounds, heads = await asyncio.gather(
            self._watch.look(),
            self._readiness(),
            self._rounds(),
            self._reports.log_heads(before=None, limit=1),
        )
        age = None if not heads else self._clock.now() - heads[0].told_at
        return Overview(
            services=tuple(services),
            gateway=gateway,
            rounds=rounds,
            head_size=heads[0].size if heads else None,
            head_age_s=None if age is None else max(0, int(age.total_seconds())),
        )

    async def _rounds(self) -> tuple[RoundsHealth, ...]:
        now, found = self._clock.now(), []
        for view in await self._markets.markets(after=None, limit=_MARKETS_MAX):
            market, every_s = view.market, view.market.rules.round_every_s
            rounds = await self._reports.rounds(
                market_id=market.id, before=None, limit=_ROUNDS_READ
            )
            latest = rounds[0] if rounds else None
            # Rules that were set since count from then on: their cadence has missed nothing yet.
            since = max(latest.market_time, view.defined_at) if latest else view.defined_at
            pauses = await self._markets.pauses(market_id=market.id, before=None, limit=1)
            if pauses and latest is not None and pauses[0].seq == latest.seq:
                since = max(since, pauses[0].until)
            late_s = int((now - since).total_seconds()) - every_s
            found.append(
                RoundsHealth(
                    market_id=market.id,
                    round_id=latest.round_id if latest else None,
                    state=latest.state if latest else None,
                    cut_at=latest.market_time if latest else None,
                    every_s=every_s,
                    late_s=max(0, late_s),
                    unfinished=sum(item.state != "closed" for item in rounds),
                )
            )
        return tuple(found)
