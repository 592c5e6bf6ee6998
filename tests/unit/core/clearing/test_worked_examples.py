"""The rules of the market, each in a book small enough to follow by hand."""

from __future__ import annotations

import json
import pickle

import pytest

from schemas.types import Shape
from services.core.book import Alternative, Book, Result, Rules
from services.core.clearing.clear import clear, clear_greedy, gap_ppm
from services.core.clearing.reasons import SENTENCES, sentence
from services.core.codec import canonical_json, result_to_dict, round_to_dict
from suanli.checker import verify
from tests.unit.core.clearing.builders import (
    FIRST,
    book,
    cells,
    codes,
    demand,
    hours,
    offer,
    prices,
    run,
)

RULES = Rules()


def cleared(of: Book, rules: Rules = RULES) -> Result:
    result = clear(of, rules)
    parts = json.loads(canonical_json(round_to_dict(of, rules, result)))
    report = verify(parts["book"], parts["rules"], parts["result"])
    assert report.ok, [str(problem) for problem in report.problems]
    return result


def test_an_empty_book_clears_to_nothing() -> None:
    result = cleared(book([], []))
    assert result.status == "optimal"
    assert result.welfare == 0
    assert gap_ppm(book([], []), result) == 0
    assert prices(result) == (0, 0, 0, 0)


def test_one_offer_meets_one_demand_at_the_middle_of_limit_and_ask() -> None:
    of = book([offer("a", (8,) * 4, 1000)], [demand("d", run(8, 4, 3000))])
    result = cleared(of)
    # Any sum of prices from 4 x 1000 to 4 x 3000 has no regret. The least-sum end is 1000 in
    # every period; the greatest-sum end is some 12000 in all, and the middle of the sums 8000.
    assert sum(prices(result)) == 8000
    assert result.welfare == 8 * 4 * 2000
    assert result.total_regret == 0
    assert codes(result) == {"d": "filled", "a": "filled"}


def test_the_dearest_accepted_ask_sets_the_price_when_supply_is_left() -> None:
    of = book(
        [offer("a", (4,) * 4, 1000), offer("b", (8,) * 4, 2000)],
        [demand("d", cells(6, 5000), shape=Shape.FLOW)],
    )
    result = cleared(of)
    assert prices(result) == (2000,) * 4
    assert hours(result) == {"d": 24, "a": 16, "b": 8}


def test_a_gang_is_placed_in_one_pool_and_one_stretch_although_pieces_were_cheaper() -> None:
    of = book(
        [offer("a", (8, 8, 0, 8), 1000), offer("b", (8, 8, 8, 8), 1500, zone="tj")],
        [demand("d", run(8, 3, 2000, zones=("bj", "tj")))],
        zones=("bj", "tj"),
    )
    result = cleared(of)
    (row,) = result.allocations
    assert (row.pool, len(row.chips)) == ("tj/a910b", 3)


def test_a_curtailable_gang_takes_what_there_is() -> None:
    of = book([offer("a", (6,) * 4, 1000)], [demand("d", run(8, 4, 2000, least=4))])
    result = cleared(of)
    assert hours(result)["d"] == 24
    assert codes(result)["d"] == "curtailed"
    assert result.demands[0].state == "filled"


def test_work_runs_in_the_cheapest_periods() -> None:
    of = book(
        [offer("a", (4, 4), 1000), offer("b", (4, 4), 3000, start=2)],
        [demand("d", cells(4, 5000, hours=8), shape=Shape.WORK)],
    )
    result = cleared(of)
    assert hours(result) == {"d": 8, "a": 8, "b": 0}
    assert codes(result)["b"] == "no_demand" or prices(result)[2] < 3000


def test_only_the_best_member_of_an_exclusive_group_is_accepted() -> None:
    of = book(
        [offer("a", (8,) * 4, 1000)],
        [
            demand("big", run(4, 4, 3000), group="either"),
            demand("small", run(2, 4, 3000), group="either"),
        ],
    )
    result = cleared(of)
    assert hours(result) == {"big": 16, "small": 0, "a": 16}
    assert codes(result)["small"] == "exclusive_group"
    # The group counts once in the bound, which is therefore tight.
    assert result.certificate.bound - result.welfare < 100 * 32


def test_a_linked_order_stays_out_with_its_parent() -> None:
    of = book(
        [offer("a", (8,) * 4, 1000)],
        [demand("child", run(2, 4, 9000), linked_to="parent"), demand("parent", run(2, 4, 900))],
    )
    result = cleared(of)
    # The parent's loss of 8 x 100 would be worth the child's gain, but nobody trades at a loss.
    assert hours(result) == {"child": 0, "parent": 0, "a": 0}
    assert codes(result)["child"] == "linked_order_out"
    assert codes(result)["parent"] == "asks_above_limit"


def test_a_linked_order_comes_in_with_its_parent() -> None:
    of = book(
        [offer("a", (8,) * 4, 1000)],
        [demand("child", run(2, 4, 2000), linked_to="parent"), demand("parent", run(2, 4, 1500))],
    )
    assert hours(cleared(of)) == {"child": 8, "parent": 8, "a": 16}


def test_a_gang_that_would_have_to_pay_the_dear_chip_for_all_stays_out() -> None:
    # Value 2 x 2000 against cost 0 + 3000 adds welfare, but one price for both chips would be
    # 3000 and above the limit: no supporting price exists, so the selection is cut off.
    of = book(
        [offer("a", (1,), 0), offer("b", (1,), 3000)],
        [demand("d", run(2, 1, 2000, window=(0, 1)))],
        periods=1,
    )
    result = cleared(of)
    assert result.status == "optimal"
    assert result.welfare == 0
    assert codes(result)["d"] == "asks_above_limit"
    assert dict(result.demands[0].reason.params)["price"] == 3000


def test_support_is_judged_over_the_whole_run_and_not_period_by_period() -> None:
    # Each period alone could bear the dear chip (2500 + 1000 <= 2 x 2000), both could not.
    offers = [offer("a", (2, 2), 1000), offer("b", (2, 2), 2500)]
    gang = demand("gang", run(2, 2, 2000, window=(0, 2)))
    first = demand("first", cells(2, 9000, window=(0, 1)), shape=Shape.FLOW)
    second = demand("second", cells(2, 9000, window=(1, 2)), shape=Shape.FLOW)
    result = cleared(book(offers, [gang, first], periods=2))
    assert hours(result)["gang"] == 4
    assert sum(prices(result)) <= 4000
    result = cleared(book(offers, [gang, first, second], periods=2))
    assert result.status == "optimal"
    assert hours(result)["gang"] == 0


def test_a_block_offer_is_taken_whole_or_not_at_all() -> None:
    whole = offer("whole", (4,) * 4, 500, block=True)
    wants = demand("d", run(4, 3, 3000))
    assert hours(cleared(book([whole], [wants]))) == {"d": 0, "whole": 0}
    rest = demand("rest", cells(4, 600, window=(3, 4)), shape=Shape.FLOW)
    filled = hours(cleared(book([whole], [wants, rest])))
    assert filled == {"d": 12, "rest": 4, "whole": 16}


def test_a_block_offer_beyond_the_horizon_is_left_alone() -> None:
    beyond = offer("a", (4,) * 5, 500, block=True)
    result = cleared(book([beyond], [demand("d", run(4, 4, 3000))]))
    assert result.welfare == 0
    assert result.status == "optimal"


def test_of_equal_asks_the_offer_that_waited_longer_sells_first() -> None:
    of = book(
        [offer("a", (4,) * 4, 1000), offer("b", (4,) * 4, 1000, waited=3)],
        [demand("d", run(4, 4, 3000))],
    )
    assert hours(cleared(of)) == {"d": 16, "a": 0, "b": 16}


def test_an_idle_pool_is_priced_at_its_lowest_ask() -> None:
    of = book([offer("a", (4, 4), 1000), offer("b", (4,) * 4, 2000)], [])
    result = cleared(of)
    assert prices(result) == (1000, 1000, 2000, 2000)
    assert codes(result) == {"a": "no_demand", "b": "no_demand"}


def test_a_demand_keeps_its_provider_over_the_periods() -> None:
    of = book(
        [offer("a", (4,) * 4, 1000), offer("b", (4,) * 4, 1000), offer("c", (4,) * 4, 1000)],
        [
            demand("w", cells(4, 5000, window=(0, 2)), shape=Shape.FLOW),
            demand("x", run(4, 4, 5000)),
            demand("y", run(4, 4, 5000)),
        ],
    )
    assert len(cleared(of).allocations) == 3


@pytest.mark.parametrize(
    ("wanted", "code", "params"),
    [
        (run(16, 2, 9000), "gang_does_not_fit", {"chips_min": 16, "largest": 8}),
        (run(2, 2, 9000, window=(9, 12)), "outside_horizon", {"periods": 0}),
        (run(2, 2, 9000, zones=("tj",)), "no_capacity", {}),
        (run(2, 2, 800), "asks_above_limit", {"limit": 800, "price": 1000, "start": FIRST}),
        (run(2, 4, 1200), "price_below_clearing", {"limit": 1200, "start": FIRST}),
    ],
)
def test_every_order_that_stays_out_says_why(
    wanted: Alternative, code: str, params: dict[str, int]
) -> None:
    of = book(
        [offer("a", (8,) * 4, 1000)],
        [demand("d", wanted), demand("other", cells(8, 2000), shape=Shape.FLOW)],
        zones=("bj", "tj"),
    )
    reason = cleared(of).demands[0].reason
    assert reason.code == code
    assert params.items() <= dict(reason.params).items()


def test_every_reason_code_has_a_sentence_in_both_languages() -> None:
    of = book(
        [offer("a", (8,) * 4, 1000), offer("b", (8,) * 4, 9000)],
        [
            demand("d", run(8, 4, 3000)),
            demand("e", run(8, 4, 2000)),
            demand("f", run(99, 4, 2000)),
        ],
    )
    result = cleared(of)
    for reason in [row.reason for row in result.demands] + [row.reason for row in result.offers]:
        text = sentence(reason)
        assert "{" not in text.en + text.zh
        assert text.en != text.zh
    for code, template in SENTENCES.items():
        assert code.isidentifier()
        assert template.en.count("{") == template.zh.count("{"), code


def test_same_book_twice_gives_the_same_bytes_and_survives_pickling() -> None:
    of = book(
        [offer("a", (8,) * 4, 1000), offer("b", (4,) * 4, 1700)],
        [demand(f"d{n}", run(1 + n, 1 + n % 3, 1500 + 100 * n)) for n in range(8)],
    )
    first, second = clear(of, RULES), clear(of, RULES)
    assert canonical_json(result_to_dict(first)) == canonical_json(result_to_dict(second))
    assert pickle.loads(pickle.dumps(first)) == first  # noqa: S301 - our own value
    assert pickle.loads(pickle.dumps((of, RULES))) == (of, RULES)  # noqa: S301


def test_the_fallback_is_valid_and_states_its_bound() -> None:
    of = book(
        [offer("a", (8,) * 4, 1000), offer("b", (4,) * 4, 1700)],
        [demand(f"d{n}", run(1 + n, 1 + n % 3, 1500 + 100 * n)) for n in range(8)],
    )
    result = clear_greedy(of, RULES)
    parts = json.loads(canonical_json(round_to_dict(of, RULES, result)))
    assert verify(parts["book"], parts["rules"], parts["result"]).ok
    assert 0 < result.welfare <= clear(of, RULES).welfare <= result.certificate.bound


def test_amounts_at_the_limits_of_the_formats_stay_exact() -> None:
    top = 10_000_000_000
    of = book(
        [offer(f"a{n}", (100_000,) * 4, top - 200 + 100 * (n % 3)) for n in range(5)],
        [
            demand("d", run(300_000, 4, top)),
            demand("e", cells(250_000, top - 100), shape=Shape.FLOW),
            demand("f", run(200_000, 2, top, least=1)),
        ],
    )
    result = cleared(of)
    assert 0 < result.welfare <= result.certificate.bound
