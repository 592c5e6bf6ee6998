"""Time as a port: the wall clock, a market clock that runs faster, and one set by hand.

``now`` never goes back, because the order of events is read from it. ``monotonic`` is for
measuring how long something took and is in real seconds, whatever the speed of the clock.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from services.kit.settings import KitSettings

# A sleeper looks at the clock again at least this often, so that a step of the machine's
# clock delays nothing for longer.
_SLEEP_S_MAX = 30.0


class Clock(Protocol):
    """What the services know of time."""

    def now(self) -> datetime:
        """Return the present instant, UTC and aware; never less than the one before."""
        ...

    def monotonic(self) -> float:
        """Return real seconds since an arbitrary start, for durations."""
        ...

    async def sleep_until(self, instant: datetime) -> None:
        """Return once ``now() >= instant``; at once if that is so already."""
        ...


class SystemClock:
    """The machine's clock."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the present instant; stands still while the machine's clock is set back."""
        self._last = max(self._last, datetime.now(UTC))
        return self._last

    def monotonic(self) -> float:
        """Return real seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep_until(self, instant: datetime) -> None:
        """Return once ``now() >= instant``."""
        left_s = (instant - self.now()).total_seconds()
        while left_s > 0:
            await asyncio.sleep(min(left_s, _SLEEP_S_MAX))
            left_s = (instant - self.now()).total_seconds()


class ScaledClock:
    """A market clock: ``market_epoch + (real now - real_epoch) * speed``.

    Every service of a stack is given the same three values, so that they agree on the time.

    Args:
        real_epoch: Real instant at which the market clock showed ``market_epoch``.
        market_epoch: Market instant at ``real_epoch``.
        speed: Market seconds per real second, above 0.
        real: Clock that is scaled, the machine's by default.
    """

    def __init__(
        self,
        real_epoch: datetime,
        market_epoch: datetime,
        speed: float,
        real: Clock | None = None,
    ) -> None:
        assert real_epoch.tzinfo is not None, "real_epoch must be aware"
        assert market_epoch.tzinfo is not None, "market_epoch must be aware"
        assert speed > 0, f"speed must be above 0, was {speed}"
        self._real_epoch = real_epoch
        self._market_epoch = market_epoch
        self._speed = speed
        self._real = real or SystemClock()

    @property
    def speed(self) -> float:
        """Return market seconds per real second."""
        return self._speed

    def now(self) -> datetime:
        """Return the market's present instant."""
        return self.market_instant(self._real.now())

    def monotonic(self) -> float:
        """Return real seconds since an arbitrary start."""
        return self._real.monotonic()

    async def sleep_until(self, instant: datetime) -> None:
        """Return once the market's ``now() >= instant``."""
        await self._real.sleep_until(self.real_instant(instant))
        # Both directions round to whole microseconds; the promise is about now().
        while self.now() < instant:
            await self._real.sleep_until(self._real.now() + timedelta(microseconds=1))

    def market_instant(self, real: datetime) -> datetime:
        """Return what the market clock shows at a real instant."""
        return (self._market_epoch + (real - self._real_epoch) * self._speed).astimezone(UTC)

    def real_instant(self, market: datetime) -> datetime:
        """Return the real instant at which the market clock shows ``market``."""
        return (self._real_epoch + (market - self._market_epoch) / self._speed).astimezone(UTC)


class ManualClock:
    """A clock that a test sets; sleepers wake when it passes their instant.

    Args:
        start: First instant, aware.
    """

    def __init__(self, start: datetime) -> None:
        assert start.tzinfo is not None, "start must be aware"
        self._now = start.astimezone(UTC)
        self._monotonic_s = 0.0
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        """Return the instant that was set."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds by which the clock was advanced."""
        return self._monotonic_s

    def advance(self, delta: timedelta) -> None:
        """Move forward and wake the sleepers."""
        assert delta >= timedelta(0), f"a clock never goes back, was {delta}"
        self._now += delta
        self._monotonic_s += delta.total_seconds()
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def set(self, instant: datetime) -> None:
        """Move forward to an instant."""
        self.advance(instant - self._now)

    async def sleep_until(self, instant: datetime) -> None:
        """Return once the clock was moved to ``instant`` or past it."""
        while self._now < instant:
            await self._moved.wait()


def make_clock(settings: KitSettings) -> Clock:
    """Return the clock that the settings describe: scaled if a market epoch is given."""
    if settings.clock_market_epoch is None:
        return SystemClock()
    assert settings.clock_real_epoch is not None, "checked by KitSettings"
    return ScaledClock(settings.clock_real_epoch, settings.clock_market_epoch, settings.clock_speed)
