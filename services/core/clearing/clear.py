"""`clear`: (book, rules) -> result, a pure function; and its fallback without a solver."""

from __future__ import annotations

from operator import mul

import numpy as np

from services.core.allowance_rows import AllowanceOutcome
from services.core.book import Book, Certificate, LinkOutcome, PriceCurve, Result, Rules
from services.core.clearing.allowance_reasons import Shares
from services.core.clearing.certificate import Ascent, bound, price_ascent
from services.core.clearing.greedy import greedy
from services.core.clearing.outcome import demand_outcomes, offer_outcomes
from services.core.clearing.pairing import offer_use, pair
from services.core.clearing.presolve import IntArray, Problem, presolve
from services.core.clearing.price import Priced, price
from services.core.clearing.price_search import PRICE_MAX
from services.core.clearing.response import Choices, flatten
from services.core.clearing.search import Found, improve
from services.core.clearing.selection import (
    keeps_relations,
    supply,
    unsupported,
    use_of,
    value_of,
)
from services.core.clearing.shares import binds, clear_with_shares
from services.core.clearing.size import is_large
from services.core.clearing.why_not import left_of
from services.core.codec import book_digest, rules_digest
from services.core.premiums import missed_worth

_PPM = 1_000_000


def clear(book: Book, rules: Rules, *, digest: str | None = None) -> Result:
    """Clear a book: best selection found, its prices, the bound, and every order's outcome.

    No clock, no I/O, no randomness beyond the seed: the same book (in any row order) and rules
    give the same result. Effort is counted in the solver's deterministic units.

    Args:
        book: What may trade.
        rules: Tick, seed and effort.
        digest: The book's digest where it is known, which saves writing a large book out.

    Returns:
        A result whose ``status`` is ``optimal`` if no price-supported selection can be better.
    """
    if binds(book):
        return clear_with_shares(book, rules, _clear, digest or book_digest(book))
    return _clear(book, rules, digest)


def _clear(book: Book, rules: Rules, digest: str | None) -> Result:
    if is_large(book):
        return _clear_large(book, rules, digest, search=True)
    choices, ascent = _prepare(book, rules)
    incumbent = greedy(choices, ascent.prices)
    found = improve(choices, incumbent, ascent.prices, float(rules.effort))
    return _publish(choices, found, ascent, digest, by_lp=True)


def clear_greedy(book: Book, rules: Rules, *, digest: str | None = None) -> Result:
    """Clear a book without any solver: a valid result of stated quality, for when one died.

    Args:
        book: What may trade.
        rules: Tick and seed.
        digest: As in `clear`.

    Returns:
        A result with status ``feasible``, or ``optimal`` if its bound proves it.
    """
    if binds(book):
        return clear_with_shares(book, rules, _clear_greedy, digest or book_digest(book))
    return _clear_greedy(book, rules, digest)


def _clear_greedy(book: Book, rules: Rules, digest: str | None) -> Result:
    if is_large(book):
        return _clear_large(book, rules, digest, search=False)
    choices, ascent = _prepare(book, rules)
    selection = greedy(choices, ascent.prices)
    found = Found(selection, proven=False, refused=None)
    return _publish(choices, found, ascent, digest, by_lp=False)


def gap_ppm(book: Book, result: Result) -> int:
    """Return (bound - welfare) / bound in millionths, rounded down; 0 if the bound is 0.

    Of the welfare goes what missed shares are worth (`missed_worth`).
    """
    if result.certificate.bound == 0:
        return 0
    worth = result.welfare - missed_worth(book, result.shares)
    return (result.certificate.bound - worth) * _PPM // result.certificate.bound


def _clear_large(book: Book, rules: Rules, digest: str | None, *, search: bool) -> Result:
    # The compiler takes a second and 100 MB to load, which small books never pay.
    from services.core.clearing.scale.engine import clear_large  # noqa: PLC0415

    return clear_large(book, rules, digest=digest, search=search)


def _prepare(book: Book, rules: Rules) -> tuple[Choices, Ascent]:
    choices = flatten(presolve(book, rules))
    return choices, price_ascent(choices, rules.ascent_steps)


def _publish(
    choices: Choices, found: Found, ascent: Ascent, digest: str | None, *, by_lp: bool
) -> Result:
    problem, selection = choices.problem, found.selection
    supplied = supply(problem, use_of(problem, selection), selection.block_offers)
    assert supplied.feasible
    assert keeps_relations(problem, selection)
    assert not unsupported(problem, selection, supplied.floor)
    offer_chips = offer_use(problem, supplied, selection.block_offers)
    priced = price(choices, selection, supplied, offer_chips, ascent.prices, by_lp=by_lp)
    welfare = value_of(problem, selection) - supplied.cost
    certificate = _certificate(choices, ascent, priced)
    assert certificate.bound >= welfare
    plain, n = problem.plain, len(problem.plain.offers)
    own_prices, own_chips = priced.prices[: problem.pools], offer_chips[:n]
    left = left_of(plain, own_prices, own_chips)
    demands = demand_outcomes(choices, selection, priced, left)
    offers = offer_outcomes(plain, own_chips, own_prices, priced.offer_regret[:n])
    links, allowances = _beyond_pools(problem, priced, offer_chips)
    demands = Shares(plain, problem.capacity, own_prices, allowances).told(demands)
    assert sum(row.payment for row in demands) == sum(row.revenue for row in offers) + sum(
        sum(map(mul, row.prices, row.used)) for row in links
    )
    return Result(
        market=problem.book.market,
        round_id=problem.book.round_id,
        book_digest=digest or book_digest(plain),
        rules_digest=rules_digest(problem.rules),
        status="optimal" if found.proven or certificate.bound == welfare else "feasible",
        welfare=welfare,
        allocations=pair(problem, selection, offer_chips),
        prices=_curves(problem, priced.prices),
        demands=demands,
        offers=offers,
        certificate=certificate,
        total_regret=priced.total,
        support_loss=0 if found.refused is None else max(0, found.refused - welfare),
        links=links,
        allowances=allowances,
    )


def _beyond_pools(
    problem: Problem, priced: Priced, offer_chips: tuple[IntArray, ...]
) -> tuple[tuple[LinkOutcome, ...], tuple[AllowanceOutcome, ...]]:
    plain, first = problem.plain, len(problem.plain.offers)
    rows = [
        (
            key,
            tuple(priced.prices[problem.pools + n].tolist()),
            tuple(offer_chips[first + n].tolist()),
            priced.offer_regret[first + n],
        )
        for n, key in enumerate(_keys_beyond(plain))
    ]
    links = tuple(LinkOutcome(*row) for row in rows[: len(plain.links)])
    return links, tuple(AllowanceOutcome(*row) for row in rows[len(plain.links) :])


def _keys_beyond(book: Book) -> list[str]:
    return [row.key for row in book.links] + [row.key for row in book.allowances]


def _certificate(choices: Choices, ascent: Ascent, priced: Priced) -> Certificate:
    rounded = np.clip(np.rint(ascent.prices), 0, PRICE_MAX).astype(np.int64)
    candidates = [priced.prices, rounded]
    bounds = [bound(choices, prices) for prices in candidates]
    best = min(range(len(candidates)), key=lambda n: bounds[n])
    problem, prices = choices.problem, candidates[best]
    plain = problem.plain
    rows = [
        (key, tuple(prices[problem.pools + n].tolist()))
        for n, key in enumerate(_keys_beyond(plain))
    ]
    return Certificate(
        prices=_curves(problem, prices),
        bound=bounds[best],
        link_prices=tuple(rows[: len(plain.links)]),
        allowance_prices=tuple(rows[len(plain.links) :]),
    )


def _curves(problem: Problem, prices: IntArray) -> tuple[PriceCurve, ...]:
    return tuple(
        (pool.key, tuple(row))
        for pool, row in zip(problem.plain.pools, prices[: problem.pools].tolist(), strict=True)
    )
