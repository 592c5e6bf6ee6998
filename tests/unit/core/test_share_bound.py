"""Where a largest share bound a round, told without names."""

from __future__ import annotations

from dataclasses import replace

from schemas.types import period_start
from services.core.codec import round_from_dict
from services.core.policy_study.bound import bound_of
from services.core.policy_study.cost import policy_costs
from tests.unit.sdk.allowances import as_round

FIRST = 490_100
BOOK, RULES, RESULT = round_from_dict(as_round("jjj:9", FIRST - 100))


def test_a_round_tells_where_a_largest_share_bound_whom_it_left_how_much_and_kept_out() -> None:
    (row,) = bound_of(BOOK, RESULT, "most")
    # Of six chips that are there one may have five; it has one, got four, and wanted one more.
    assert (row.chip, row.region, row.start, row.end) == (
        "910b", None, period_start(FIRST), period_start(FIRST + 1),
    )  # fmt: skip
    assert (row.allowed, row.participants, row.taken) == (5, 1, 4)
    assert (row.price, row.demands_kept_out) == (200, 1)
    (cost,) = policy_costs(BOOK, RULES, RESULT)
    assert cost.bound == (row,)


def test_hours_with_the_same_figures_are_one_row() -> None:
    (offer,), (allowance,), (outcome,) = BOOK.offers, BOOK.allowances, RESULT.allowances
    longer = replace(
        BOOK,
        periods=3,
        offers=(replace(offer, chips=(5, 5, 6)),),
        held=tuple(replace(row, chips=(1, 1, 1)) for row in BOOK.held),
        allowances=(replace(allowance, capacity=(4, 4, 5)),),
    )
    prices = replace(outcome, prices=(200, 200, 200), used=(4, 4, 5))
    rows = bound_of(longer, replace(RESULT, allowances=(prices,)), "most")
    assert [(row.start, row.end, row.allowed, row.demands_kept_out) for row in rows] == [
        (period_start(FIRST), period_start(FIRST + 2), 5, 1),
        (period_start(FIRST + 2), period_start(FIRST + 3), 6, 0),
    ]
