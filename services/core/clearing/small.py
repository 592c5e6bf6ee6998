"""Clear a book of a solver's size: ascent, greedy selection, CP-SAT, prices, outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

import numpy as np

from services.core.allowance_rows import AllowanceOutcome
from services.core.book import Book, Certificate, LinkOutcome, PriceCurve, Result, Rules
from services.core.clearing.allowance_reasons import Shares
from services.core.clearing.certificate import Ascent, Asks, bound, demand_side, price_ascent
from services.core.clearing.greedy import greedy
from services.core.clearing.outcome import demand_outcomes, offer_outcomes
from services.core.clearing.pairing import offer_use, pair
from services.core.clearing.presolve import FloatArray, IntArray, Problem, presolve
from services.core.clearing.price import Priced, price
from services.core.clearing.price_search import PRICE_MAX
from services.core.clearing.resold import take_off_resales
from services.core.clearing.response import Choices, flatten
from services.core.clearing.search import Found, improve, repair
from services.core.clearing.selection import (
    Selection,
    keeps_relations,
    supply,
    unsupported,
    use_of,
    value_of,
)
from services.core.clearing.share_aim import Aim, Try, is_covered, judged
from services.core.clearing.share_ascent import Answer
from services.core.clearing.why_not import left_of
from services.core.codec import book_digest, rules_digest

# Parts of the effort between which premiums of a domestic share may move, and the part of it that
# each attempt beyond them takes.
_PARTS = 4
_MORE = 8


def clear_small(book: Book, rules: Rules, digest: str | None, *, search: bool) -> Result:
    """Clear a book of a solver's size.

    Args:
        book: What may trade.
        rules: Tick, seed and effort.
        digest: The book's digest where it is known.
        search: Whether the solver may be asked; else the first selection stands.
    """
    choices = flatten(presolve(book, rules))
    ascent = price_ascent(choices, rules.ascent_steps)
    found = _found(choices, ascent.prices, float(rules.effort) if search else None)
    return _publish(choices, found, ascent, digest, by_lp=search)


def _found(choices: Choices, prices: FloatArray, effort: float | None) -> Found:
    first = greedy(choices, prices)
    if effort is None:
        return Found(first, proven=False, refused=None)
    return improve(choices, first, prices, effort)


class SmallEngine:
    """Clears one book at asks that move; see `services.core.clearing.share_search.Engine`.

    Args:
        book: What may trade, in the order of a result.
        rules: Tick, seed and effort.
        digest: The book's digest.
        search: Whether the solver may be asked; else first selections stand.
    """

    def __init__(self, book: Book, rules: Rules, digest: str, *, search: bool) -> None:
        self._rules, self._digest, self._searches = rules, digest, search
        self._choices = self._own = flatten(presolve(book, rules))
        problem = self._own.problem
        self._asks = Asks(problem)
        self.capacity, self.lowest = problem.capacity, problem.lowest
        self.tops = np.full((problem.shape[0], 1), PRICE_MAX, dtype=np.int64)
        self.parts = _PARTS if search else 0
        self._ascent = Ascent(np.zeros(problem.shape), float("inf"))
        self._found: Found | None = None

    def start(self) -> FloatArray:
        """Return P x T prices of a small D at the book's own asks."""
        self._ascent = price_ascent(self._own, self._rules.ascent_steps)
        return self._ascent.prices

    def answer(self, paid: IntArray, received: IntArray) -> Answer:
        """Answer to whole prices that demand pays and offers receive."""
        gained, wanted = demand_side(self._own, paid.astype(np.float64))
        offered = received.astype(np.float64)
        return Answer(gained + self._asks.surplus(offered), wanted, self._asks.supplied(offered))

    def certified(self, prices: IntArray) -> Certificate:
        """Return the bound at whole prices and the book's own asks."""
        return _certificate(self._own.problem, prices, bound(self._own, prices))

    def plain(self) -> None:
        """Search at the book's own asks, with all the effort."""
        effort = float(self._rules.effort) if self._searches else None
        self._found = _found(self._choices, self._ascent.prices, effort)

    def move(self, book: Book, prices: IntArray) -> None:
        """Go on at other asks, from the selection that there is.

        Args:
            book: The book with its asks moved.
            prices: P x T whole prices that steer.
        """
        self._move(book, prices, None)

    def _move(self, book: Book, prices: IntArray, aim: Aim | None) -> None:
        chips = [offer.chips for offer in self._choices.problem.plain.offers]
        same = chips == [offer.chips for offer in book.offers]
        self._ascent = Ascent(prices.astype(np.float64), float("inf"))
        self._choices = flatten(presolve(book, self._rules))
        first = greedy(self._choices, self._ascent.prices)
        if self._searches and self._found is not None and same:
            # What an order can choose depends on the chips that are offered, and not on asks.
            kept = repair(self._choices, self._found.selection, self._ascent.prices)
            worth = judged(self._choices.problem, kept, aim)
            least = judged(self._choices.problem, first, aim)
            first = kept if worth is not None and (least is None or worth > least) else first
        self._found = Found(first, proven=False, refused=None)

    def improve(self, part: int) -> None:
        """Spend a part of the effort."""
        effort = self._rules.effort / (_PARTS if part < _PARTS else _MORE)
        if self._searches:
            selection = self._held().selection
            self._found = improve(self._choices, selection, self._ascent.prices, effort)

    def trim(self, tries: Sequence[Try]) -> int:
        """Hold the best selection found that keeps every share; return at which premiums.

        Args:
            tries: Premiums; those of the selection that there is come first, and it keeps them.
        """
        if not self._searches:
            return 0
        best, held = self._aimed(tries[0]), 0
        kept = self._choices, self._ascent, self._found
        for n, one in enumerate(tries[1:], 1):
            self._move(one.book, one.prices, one.aim)
            worth = self._aimed(one)
            if worth is not None and (best is None or worth > best):
                best, held = worth, n
                kept = self._choices, self._ascent, self._found
        self._choices, self._ascent, self._found = kept
        return held

    def _aimed(self, one: Try) -> int | None:
        """Improve a selection by what is aimed at; return its welfare at own asks if it does."""
        choices, prices, aim = self._choices, self._ascent.prices, one.aim
        selection, effort = self._held().selection, self._rules.effort / _MORE
        keeps = judged(choices.problem, selection, aim) is not None
        if not keeps:
            # What is best at moved asks may keep shares that what was carried over does not.
            selection = improve(choices, selection, prices, effort).selection
            keeps = judged(choices.problem, selection, aim) is not None
        if keeps:
            better = improve(choices, selection, prices, effort, aim).selection
            # An aim counts an ask that stays at 0 as if it had been moved below.
            if self._at_own_asks(better) >= self._at_own_asks(selection):
                selection = better
        # The best that keeps a share need not be the best at moved asks, so nothing is proven.
        self._found = Found(selection, proven=False, refused=None)
        is_whole = keeps and is_covered(choices.problem, selection, aim)
        return self._at_own_asks(selection) if is_whole else None

    def _at_own_asks(self, selection: Selection) -> int:
        """Return the welfare of a selection at the asks that the book came with."""
        problem, blocks = self._choices.problem, selection.block_offers
        supplied = supply(problem, use_of(problem, selection), blocks)
        own = self._own.problem.plain.offers
        back = sum(
            (moved.ask - offer.ask) * int(chips.sum())
            for moved, offer, chips in zip(
                problem.plain.offers, own, offer_use(problem, supplied, blocks)[: len(own)],
                strict=True,
            )
        )  # fmt: skip
        return value_of(problem, selection) - supplied.cost + back

    def hours(self) -> list[int]:
        """Return the chip-hours used of each pool, what is sold on aside."""
        problem, selection = self._choices.problem, self._held().selection
        used = use_of(problem, selection)
        hours: list[int] = used.sum(axis=1).tolist()
        if any(offer.resale for offer in problem.plain.offers):
            blocks = selection.block_offers
            given = offer_use(problem, supply(problem, used, blocks), blocks)
            take_off_resales(problem.plain, given, hours)
        return hours[: problem.pools]

    def told(self) -> Result:
        """Return the selection as a result, at the asks that it was found at."""
        return _publish(
            self._choices, self._held(), self._ascent, self._digest, by_lp=self._searches
        )

    def _held(self) -> Found:
        assert self._found is not None, "asks are moved before anything is asked"
        return self._found


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
    certificate = _best_certificate(choices, ascent, priced)
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


def _best_certificate(choices: Choices, ascent: Ascent, priced: Priced) -> Certificate:
    candidates = [priced.prices, _rounded(ascent.prices)]
    bounds = [bound(choices, prices) for prices in candidates]
    best = min(range(len(candidates)), key=lambda n: bounds[n])
    return _certificate(choices.problem, candidates[best], bounds[best])


def _rounded(prices: FloatArray) -> IntArray:
    return np.clip(np.rint(prices), 0, PRICE_MAX).astype(np.int64)


def _certificate(problem: Problem, prices: IntArray, bounded: int) -> Certificate:
    plain = problem.plain
    rows = [
        (key, tuple(prices[problem.pools + n].tolist()))
        for n, key in enumerate(_keys_beyond(plain))
    ]
    return Certificate(
        prices=_curves(problem, prices),
        bound=bounded,
        link_prices=tuple(rows[: len(plain.links)]),
        allowance_prices=tuple(rows[len(plain.links) :]),
    )


def _curves(problem: Problem, prices: IntArray) -> tuple[PriceCurve, ...]:
    return tuple(
        (pool.key, tuple(row))
        for pool, row in zip(problem.plain.pools, prices[: problem.pools].tolist(), strict=True)
    )
