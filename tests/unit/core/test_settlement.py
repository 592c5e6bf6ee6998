"""Where the money of settled hours goes, to the last micro-yuan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.settlement import Levy, Settled, Terms, levy, part, split

periods = st.lists(
    st.builds(
        lambda chips, price, short: Settled(0, chips, price, max(0, chips - short)),
        st.integers(1, 100_000),
        st.integers(0, 10**10),
        st.integers(0, 100_000),
    ),
    max_size=8,
)
ppm = st.integers(0, 1_000_000)


@given(periods, ppm, ppm, ppm)
def test_what_is_paid_and_refunded_is_what_the_hours_had_cost(
    settled: list[Settled], fee: int, charge: int, penalty: int
) -> None:
    found = split(settled, Terms(fee, charge, penalty))
    assert found.paid + found.refund == sum(item.chips * item.price for item in settled)
    assert 0 <= found.provider_fee <= found.paid
    assert 0 <= found.penalty <= found.refund


def test_a_partly_delivered_hour_is_split_and_shares_are_rounded_down() -> None:
    found = split([Settled(7, 10, 333, 7)], Terms(10_000, 2_000, 200_000))
    assert (found.paid, found.refund) == (2331, 999)
    assert (found.provider_fee, found.enterprise_fee, found.penalty) == (23, 4, 199)


@pytest.mark.parametrize(
    ("amount", "free", "taken"), [(5, 9, 5), (5, 5, 5), (5, 3, 3), (5, 0, 0), (5, -2, 0)]
)
def test_a_charge_takes_what_is_there_and_owes_the_rest(amount: int, free: int, taken: int) -> None:
    assert levy(amount, free) == Levy(taken, amount - taken)


def test_a_period_is_due_as_many_hours_after_its_end_as_the_terms_say() -> None:
    assert Terms(0, report_periods=24).due(100) == 125
    assert part(999_999, 1) == 0
