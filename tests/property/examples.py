"""How many cases the property tests draw, by profile."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def examples(count: int, *, steps: int = 50, slow: bool = False) -> settings:
    """Return settings that draw a number of cases.

    Args:
        count: Cases in `make test`: all that guards each change within minutes. The profile
            `dev` draws a fifth, `nightly` five times as many (`tests/conftest.py`).
        steps: Steps of a state machine.
        slow: Whether a case may take long to draw.
    """
    return settings(
        max_examples=max(1, count * settings().max_examples // 100),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=([HealthCheck.too_slow, HealthCheck.filter_too_much] if slow else []),
    )
