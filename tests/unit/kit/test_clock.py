from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.kit.clock import ManualClock, ScaledClock, SystemClock, make_clock
from services.kit.settings import KitSettings

REAL = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MARKET = datetime(2026, 1, 1, tzinfo=UTC)


def scaled(speed: float) -> tuple[ScaledClock, ManualClock]:
    real = ManualClock(REAL)
    return ScaledClock(REAL, MARKET, speed, real), real


def test_scaled_clock_shows_the_market_epoch_at_the_real_epoch() -> None:
    clock, _ = scaled(60)
    assert clock.now() == MARKET


@pytest.mark.parametrize(
    ("speed", "passed", "shown"),
    [
        (60, timedelta(seconds=1), timedelta(minutes=1)),
        (3600, timedelta(milliseconds=500), timedelta(minutes=30)),
        (0.5, timedelta(hours=2), timedelta(hours=1)),
        (1, timedelta(days=3), timedelta(days=3)),
    ],
)
def test_scaled_clock_multiplies_the_time_that_passed(
    speed: float, passed: timedelta, shown: timedelta
) -> None:
    clock, real = scaled(speed)
    real.advance(passed)
    assert clock.now() == MARKET + shown
    assert clock.real_instant(clock.now()) == real.now()


def test_scaled_clock_shows_a_time_before_the_market_epoch_before_the_real_epoch() -> None:
    clock = ScaledClock(REAL, MARKET, 60, ManualClock(REAL - timedelta(seconds=10)))
    assert clock.now() == MARKET - timedelta(minutes=10)


def test_two_scaled_clocks_with_the_same_settings_agree_wherever_they_were_started() -> None:
    east = timezone(timedelta(hours=8))
    one = ScaledClock(REAL, MARKET, 7.5, ManualClock(REAL + timedelta(hours=5)))
    other = ScaledClock(
        REAL.astimezone(east), MARKET.astimezone(east), 7.5, ManualClock(REAL + timedelta(hours=5))
    )
    assert one.now() == other.now()
    assert other.now().tzinfo is UTC


async def test_scaled_clock_sleeps_until_the_real_instant_of_a_market_instant() -> None:
    clock, real = scaled(3600)
    sleeper = asyncio.create_task(clock.sleep_until(MARKET + timedelta(hours=2)))
    await asyncio.sleep(0)
    real.advance(timedelta(seconds=1.9))
    await asyncio.sleep(0)
    assert not sleeper.done()
    real.advance(timedelta(seconds=0.1))
    await sleeper
    assert clock.now() == MARKET + timedelta(hours=2)


async def test_scaled_clock_never_wakes_before_the_market_instant_despite_rounding() -> None:
    real = ManualClock(REAL)
    clock = ScaledClock(REAL, MARKET, 7.0, real)
    target = MARKET + timedelta(microseconds=10)
    sleeper = asyncio.create_task(clock.sleep_until(target))
    # 10 us of the market are 1.43 us of real time, which rounds down to 1.
    real.advance(timedelta(microseconds=1))
    await asyncio.sleep(0)
    assert not sleeper.done()
    real.advance(timedelta(microseconds=1))
    await sleeper
    assert clock.now() >= target


async def test_system_clock_sleeps_until_an_instant_and_not_for_a_past_one() -> None:
    clock = SystemClock()
    started_s = clock.monotonic()
    target = clock.now() + timedelta(milliseconds=30)
    await clock.sleep_until(target)
    assert clock.now() >= target
    await clock.sleep_until(target - timedelta(days=1))
    assert clock.monotonic() - started_s < 5


def test_system_clock_stands_still_while_the_machine_s_clock_is_set_back() -> None:
    clock = SystemClock()
    ahead = datetime.now(UTC) + timedelta(hours=1)
    clock._last = ahead
    assert clock.now() == ahead


def test_manual_clock_refuses_to_go_back() -> None:
    clock = ManualClock(REAL)
    with pytest.raises(AssertionError, match="never goes back"):
        clock.set(REAL - timedelta(seconds=1))


async def test_manual_clock_wakes_only_the_sleepers_whose_instant_has_come() -> None:
    clock = ManualClock(REAL)
    soon = asyncio.create_task(clock.sleep_until(REAL + timedelta(hours=1)))
    late = asyncio.create_task(clock.sleep_until(REAL + timedelta(hours=3)))
    await asyncio.sleep(0)
    clock.advance(timedelta(hours=2))
    await soon
    await asyncio.sleep(0)
    assert not late.done()
    assert clock.monotonic() == 7200
    clock.set(REAL + timedelta(hours=3))
    await late


def test_make_clock_is_scaled_exactly_if_a_market_epoch_is_set() -> None:
    plain = KitSettings(_env_file=None)
    faster = KitSettings(
        clock_market_epoch=MARKET, clock_real_epoch=REAL, clock_speed=120, _env_file=None
    )
    assert isinstance(make_clock(plain), SystemClock)
    made = make_clock(faster)
    assert isinstance(made, ScaledClock)
    assert made.speed == 120
    assert made.market_instant(REAL + timedelta(seconds=1)) == MARKET + timedelta(minutes=2)
