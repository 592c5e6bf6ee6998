"""The circuit breaker: whether a round's prices moved so far that the market pauses.

Like is held against like: what a round traded of a pool and hour that an earlier round had traded
too, at this round's price and at the price it last had (a Paasche index over the hours traded
again). So neither dear hours nor dear chips that trade for the first time look like a rise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from schemas.policies import BREAKER_ROUNDS_MAX, CircuitBreaker, MarketPaused
from services.core.policies import in_force
from services.core.round_outcome import periods_of, prices_by_pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from schemas.policies import MarketPolicySet
    from services.core.book import Book, Result

_WHOLE_BP = 10_000


@dataclass(frozen=True, slots=True)
class TradedPrices:
    """What a round traded, hour by hour.

    Attributes:
        seq: Number of the round.
        cells: Pool and period -> chips, and micro-yuan per chip-hour.
    """

    seq: int
    cells: Mapping[tuple[str, int], tuple[int, int]]


def traded_prices(seq: int, first_period: int, result: Result) -> TradedPrices:
    """Return what a round traded, at its clearing prices."""
    prices = prices_by_pool(result)
    cells: dict[tuple[str, int], tuple[int, int]] = {}
    for allocation in result.allocations:
        for period, chips, price in periods_of(allocation, prices, first_period):
            known, _ = cells.get((allocation.pool, period), (0, price))
            cells[allocation.pool, period] = known + chips, price
    return TradedPrices(seq, cells)


def has_breaker(policies: Iterable[MarketPolicySet]) -> bool:
    """Tell whether any version of any policy is a circuit breaker."""
    return any(isinstance(policy.rule, CircuitBreaker) for policy in policies)


def paused_after(
    policies: Iterable[MarketPolicySet],
    rounds: Sequence[TradedPrices],
    *,
    market_id: str,
    round_id: str,
    now: datetime,
) -> MarketPaused | None:
    """Return the pause that the latest round brings about, the longest one; else ``None``.

    Args:
        policies: All versions of all policies of the market.
        rounds: The latest ordinary rounds, oldest first; the last one is asked about.
        market_id: The market.
        round_id: The latest round.
        now: Instant at which it was sealed, on the market's clock.
    """
    latest = rounds[-1]
    found = []
    for policy in in_force(policies, latest.seq):
        rule = policy.rule
        if not isinstance(rule, CircuitBreaker):
            continue
        # Rounds before the policy are no reference: whoever restarts need not know them.
        first = max(policy.in_force_from_round, latest.seq - rule.rounds)
        before = [past for past in rounds[:-1] if past.seq >= first]
        hours, value, reference = _compared(latest, before, rule.chip)
        moved = abs(value - reference) * _WHOLE_BP
        if hours < rule.chip_hours_min or moved <= rule.move_bp * reference:
            continue
        found.append(
            MarketPaused(
                market_id=market_id,
                round_id=round_id,
                seq=latest.seq,
                policy_id=policy.policy_id,
                version=policy.version,
                chip=rule.chip,
                chip_hours=hours,
                value=value,
                reference=reference,
                move_bp=rule.move_bp,
                since=now,
                until=now + timedelta(seconds=rule.pause_s),
            )
        )
    return max(found, key=lambda pause: pause.until, default=None)


def is_paused(
    pause: MarketPaused | None, policies: Iterable[MarketPolicySet], seq: int, now: datetime
) -> bool:
    """Tell whether a pause still keeps a round from being run.

    It ends with its time, or once its policy is withdrawn or replaced.

    Args:
        pause: The latest pause, if there was one.
        policies: All versions of all policies of the market.
        seq: Number of the round.
        now: Instant on the market's clock.
    """
    if pause is None or now >= pause.until:
        return False
    standing = {(policy.policy_id, policy.version) for policy in in_force(policies, seq)}
    return (pause.policy_id, pause.version) in standing


def watched(
    traded: Sequence[TradedPrices],
    policies: Sequence[MarketPolicySet],
    book: Book,
    result: Result,
    now: datetime,
) -> tuple[tuple[TradedPrices, ...], MarketPaused | None]:
    """Return what the latest rounds traded with one more, and the pause that it brings about.

    Args:
        traded: What ordinary rounds before traded, oldest first.
        policies: All versions of all policies of the market.
        book: Book of an ordinary round.
        result: Its result.
        now: Instant at which it was sealed, on the market's clock.
    """
    if not has_breaker(policies):
        return tuple(traded), None
    market_id, _, seq = book.round_id.rpartition(":")
    latest = traded_prices(int(seq), book.first_period, result)
    traded = (*traded, latest)[-BREAKER_ROUNDS_MAX - 1 :]
    pause = paused_after(policies, traded, market_id=market_id, round_id=book.round_id, now=now)
    return traded, pause


def _compared(
    latest: TradedPrices, before: Sequence[TradedPrices], chip: str | None
) -> tuple[int, int, int]:
    """Return chip-hours traded again, their value now, and at the prices they last had."""
    assert len(before) <= BREAKER_ROUNDS_MAX, "more rounds than a breaker looks back on"
    last: dict[tuple[str, int], int] = {}
    for past in before:
        last |= {cell: price for cell, (_, price) in past.cells.items()}
    hours = value = reference = 0
    for cell, (chips, price) in latest.cells.items():
        known = last.get(cell)
        if known is None or (chip is not None and cell[0].partition("/")[2] != chip):
            continue
        hours += chips
        value += chips * price
        reference += chips * known
    return hours, value, reference
