"""How long the reader of the log waits for company."""

from __future__ import annotations

import pytest

from services.gateway.adapters.projection import linger_s


@pytest.mark.parametrize(
    ("records", "waits_s"), [(0, 0.0), (1, 0.05), (99, 0.05), (100, 0.15), (999, 0.15), (1000, 0.0)]
)
def test_a_batch_waits_for_the_next_longer_the_more_comes_unless_it_is_full_or_all_is_silent(
    records: int, waits_s: float
) -> None:
    assert linger_s(records) == waits_s
