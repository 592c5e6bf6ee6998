"""Past rounds under a rule that was not in force: each by itself, with the orders that it had.

What a round would have left to the next one is not followed: an order that trades more, or less,
in the simulation is in the next round's book as it was. So the rounds are answers to one question
each, and their sum is what the rule does to a day in the first round that it bears on.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from schemas.policies import CircuitBreaker, MarketPolicySet, TradingHalt
from schemas.policy_costs import ChipPrices, Gains, SimulatedRound
from services.core.book_policies import under
from services.core.circuit_breaker import is_paused, watched
from services.core.clearing.clear import clear
from services.core.policies import rows_of
from services.core.policy_study.cost import cost_between
from services.core.policy_study.gains import gains_of

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.policies import MarketPaused, PolicyRule
    from services.core.book import Book, BookPolicy, Result, Rules
    from services.core.circuit_breaker import TradedPrices

SIMULATED = "simulated"
"""Id of a rule that takes no policy's place."""


class Simulation:
    """Takes the rounds of a market in their order.

    Args:
        market_id: The market.
        rule: The rule; ``None`` to withdraw the policy that is named.
        replaces: Id of the policy whose place it takes, empty for none. Whatever else rules the
            same is replaced, too.
    """

    def __init__(self, market_id: str, rule: PolicyRule | None, replaces: str = "") -> None:
        self._market_id, self._rule, self._replaces = market_id, rule, replaces
        self._traded: tuple[TradedPrices, ...] = ()
        self._paused: MarketPaused | None = None
        self._policy: MarketPolicySet | None = None

    def take(self, book: Book, rules: Rules, result: Result, at: datetime) -> SimulatedRound:
        """Return a round as it would have been.

        Args:
            book: Its book.
            rules: Its rules.
            result: What was published.
            at: When it was sealed, on the market's clock.
        """
        seq = int(book.round_id.rpartition(":")[2])
        policy = self._policy_from(seq)
        if isinstance(self._rule, TradingHalt) or is_paused(self._paused, [policy], seq, at):
            return self._round(book, result, None, None)
        if isinstance(self._rule, CircuitBreaker):
            if book.mobilisation is None:
                self._traded, pause = watched(self._traded, [policy], book, result, at)
                self._paused = pause or self._paused
            return self._round(book, result, book, result)
        other = under(book, self._rows(book, policy, seq))
        return self._round(book, result, other, clear(other, rules))

    def _policy_from(self, seq: int) -> MarketPolicySet:
        """Return the rule as a policy that is in force since the first round."""
        if self._policy is None:
            self._policy = MarketPolicySet(
                market_id=self._market_id,
                policy_id=self._replaces or SIMULATED,
                version=1,
                in_force_from_round=max(1, seq),
                rule=self._rule,
                reason="Simulated",
                set_by="regulator",
            )
        return self._policy

    def _rows(self, book: Book, policy: MarketPolicySet, seq: int) -> list[BookPolicy]:
        new = rows_of([policy], seq)
        scopes = {_scope(row) for row in new}
        kept = [
            row for row in book.policies if row.id != policy.policy_id and _scope(row) not in scopes
        ]
        return [*kept, *new]

    def _round(
        self, book: Book, published: Result, other: Book | None, result: Result | None
    ) -> SimulatedRound:
        without_it = gains_of(book, published)
        if other is None or result is None:
            with_it, orders = _nothing(without_it), (len(book.offers), len(book.demands))
        else:
            with_it = gains_of(other, result)
            orders = (
                len(other.kept_out.offers) - len(book.kept_out.offers),
                len(other.kept_out.demands) - len(book.kept_out.demands),
            )
        now = {} if other is None or result is None else _average_prices(other, result)
        was = _average_prices(book, published)
        return SimulatedRound(
            round_id=book.round_id,
            seq=int(book.round_id.rpartition(":")[2]),
            state="not_run" if result is None else "cleared",
            cost=cost_between(
                with_it,
                without_it,
                policy_id=self._replaces or SIMULATED,
                version=1,
                kind="none" if self._rule is None else self._rule.kind,
                offers=orders[0],
                demands=orders[1],
            ),
            prices=tuple(
                ChipPrices(chip=chip, with_it=now.get(chip), without_it=was.get(chip))
                for chip in sorted({pool.chip for pool in book.pools})
            ),
        )


def _scope(row: BookPolicy) -> tuple[str, tuple[tuple[str, int | str], ...]]:
    """Return what a row rules: its kind, and what it names."""
    return row.kind, tuple((name, value) for name, value in row.params if isinstance(value, str))


def _nothing(like: Gains) -> Gains:
    regions = tuple(
        row.model_copy(update={"chip_hours": 0, "buyers": 0, "sellers": 0}) for row in like.regions
    )
    return Gains(
        welfare=0,
        welfare_most=0,
        chip_hours=0,
        payment=0,
        buyers=0,
        sellers=0,
        links=0,
        fund=0,
        regions=regions,
    )


def _average_prices(book: Book, result: Result) -> dict[str, int]:
    chips = {pool.key: pool.chip for pool in book.pools}
    curves = dict(result.prices)
    hours: dict[str, int] = defaultdict(int)
    value: dict[str, int] = defaultdict(int)
    for made in result.allocations:
        chip, curve = chips[made.pool], curves[made.pool]
        for t, n in enumerate(made.chips, made.start - book.first_period):
            if n:
                hours[chip] += n
                value[chip] += n * curve[t]
    return {chip: value[chip] // hours[chip] for chip in hours}
