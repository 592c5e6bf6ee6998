"""The circuit breaker's arithmetic: what is held against what, and when a pause ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.policies import MarketPaused, MarketPolicySet
from services.core.circuit_breaker import TradedPrices, is_paused, paused_after

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


def breaker(first: int = 1, version: int = 1, name: str = "swings", **rule: Any) -> MarketPolicySet:  # noqa: ANN401 - any JSON
    return MarketPolicySet.model_validate(
        {
            "market_id": "m",
            "policy_id": name,
            "version": version,
            "in_force_from_round": first,
            "rule": {"kind": "circuit_breaker", "move_bp": 3000, "pause_s": 900} | rule,
            "reason": "Calm",
            "set_by": "regulator",
        }
    )


def traded(seq: int, **cells: tuple[int, int]) -> TradedPrices:
    """Return a round; ``a_7=(3, 10)`` is 3 chips of pool z1/a in period 7 at 10."""
    found = {}
    for name, cell in cells.items():
        chip, period = name.split("_")
        found[f"z1/{chip}", int(period)] = cell
    return TradedPrices(seq, found)


def after(policies: list[MarketPolicySet], *rounds: TradedPrices) -> MarketPaused | None:
    return paused_after(policies, rounds, market_id="m", round_id=f"m:{rounds[-1].seq}", now=NOW)


@pytest.mark.parametrize(
    ("price", "is_tripped"), [(130, False), (131, True), (70, False), (69, True)]
)
def test_a_move_is_borne_up_to_the_bound_and_not_beyond_it(price: int, is_tripped: bool) -> None:
    pause = after([breaker()], traded(1, a_7=(5, 100)), traded(2, a_7=(2, price)))
    assert (pause is not None) == is_tripped
    if pause is not None:
        assert (pause.chip_hours, pause.value, pause.reference) == (2, 2 * price, 200)
        assert (pause.seq, pause.until) == (2, NOW + timedelta(minutes=15))


def test_dearer_hours_and_chips_that_trade_for_the_first_time_are_no_rise() -> None:
    rounds = traded(1, a_7=(5, 100)), traded(2, a_7=(5, 100), a_8=(50, 900), b_7=(9, 800))
    assert after([breaker()], *rounds) is None


def test_an_hour_is_held_against_its_own_last_price_within_the_rounds_looked_back_on() -> None:
    rounds = (
        traded(1, a_7=(1, 100), a_9=(1, 500)),
        traded(2, a_7=(1, 120)),
        traded(3, a_8=(1, 1)),
        traded(4, a_7=(1, 150), a_9=(1, 900)),
    )
    within = after([breaker(rounds=2)], *rounds)
    assert within is None
    longer = after([breaker(rounds=3)], *rounds)
    assert longer is not None
    assert (longer.value, longer.reference) == (1050, 620)


def test_rounds_before_the_policy_are_no_reference() -> None:
    rounds = traded(3, a_7=(1, 100)), traded(4, a_7=(1, 300))
    assert after([breaker(first=4)], *rounds) is None
    assert after([breaker(first=3)], *rounds) is not None
    assert after([breaker(first=5)], *rounds) is None


def test_a_chip_class_is_looked_at_alone_and_few_hours_are_not() -> None:
    rounds = traded(1, a_7=(1, 100), b_7=(100, 100)), traded(2, a_7=(1, 900), b_7=(100, 100))
    assert after([breaker()], *rounds) is None
    assert after([breaker(chip="b")], *rounds) is None
    assert after([breaker(chip="a", chip_hours_min=2)], *rounds) is None
    pause = after([breaker(chip="a")], *rounds)
    assert pause is not None
    assert pause.chip == "a"


def test_of_two_breakers_the_longer_pause_counts() -> None:
    rounds = traded(1, a_7=(1, 100)), traded(2, a_7=(1, 900))
    longer = breaker(name="z", pause_s=1800, chip="a")
    pause = after([longer, breaker(name="a")], *rounds)
    assert pause is not None
    assert pause.policy_id == "z"


def test_a_pause_ends_with_its_time_or_with_its_policy() -> None:
    policy = breaker()
    pause = after([policy], traded(1, a_7=(1, 100)), traded(2, a_7=(1, 900)))
    assert pause is not None
    assert is_paused(pause, [policy], 3, NOW + timedelta(minutes=14))
    assert not is_paused(pause, [policy], 3, pause.until)
    milder = breaker(first=3, version=2, move_bp=9000)
    assert not is_paused(pause, [policy, milder], 3, NOW + timedelta(minutes=1))
    # A version that is still to come changes nothing yet.
    assert is_paused(pause, [policy, breaker(first=4, version=2)], 3, NOW)
