"""Where a largest share bound in a round, with what it left and whom it kept out, without names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schemas.policy_costs import BOUND_MAX, ShareBound
from schemas.types import period_start
from services.core.allowances import scopes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.core.allowances import Scope
    from services.core.book import Book, Result


@dataclass(frozen=True, slots=True)
class _Run:
    """Hours of a class with the same figures."""

    chip: str
    start: int
    end: int
    allowed: int
    participants: int
    taken: int
    price: int
    kept_out: int

    def goes_on_in(self, other: _Run) -> bool:
        """Tell whether another run continues this one."""
        same = replace(other, start=self.start, end=self.end, kept_out=self.kept_out)
        return same == self and other.start == self.end and not other.kept_out


def bound_of(book: Book, result: Result, policy_id: str) -> tuple[ShareBound, ...]:
    """Return where a largest share bound, by class and hour; the highest prices if many.

    It bound an hour in which a chip more was worth something to somebody, or that is told as the
    first in which it left an order too little.

    Args:
        book: A round's book.
        result: What was published for it.
        policy_id: The share.
    """
    region = next(dict(row.params)["region"] for row in book.policies if row.id == policy_id)
    runs: list[_Run] = []
    for scope in scopes_of(book):
        for one in _hours(book, result, scope) if scope.policy == policy_id else ():
            if runs and runs[-1].goes_on_in(one):
                runs[-1] = replace(runs[-1], end=one.end)
            else:
                runs.append(one)
    dearest = sorted(runs, key=lambda run: (-run.price, -run.kept_out, run.chip, run.start))
    return tuple(
        ShareBound(
            policy_id=policy_id,
            chip=run.chip,
            region=str(region) or None,
            start=period_start(run.start),
            end=period_start(run.end),
            allowed=run.allowed,
            participants=run.participants,
            taken=run.taken,
            price=run.price,
            demands_kept_out=run.kept_out,
        )
        for run in sorted(dearest[:BOUND_MAX], key=lambda run: (run.chip, run.start))
    )


def _hours(book: Book, result: Result, scope: Scope) -> Iterator[_Run]:
    """Yield each hour of a class that the share bound."""
    told = (dict(row.reason.params) for row in result.demands if row.reason.code == "largest_share")
    out = Counter(
        params["start"]
        for params in told
        if (params["policy"], params["chip"]) == (scope.policy, scope.chip)
    )
    rows = [
        outcome
        for row, outcome in zip(book.allowances, result.allowances, strict=True)
        if (row.policy, row.chip) == (scope.policy, scope.chip)
    ]
    for t in range(book.periods):
        bound = [row for row in rows if row.prices[t]]
        period = book.first_period + t
        if bound or out[period]:
            yield _Run(
                chip=scope.chip,
                start=period,
                end=period + 1,
                allowed=scope.share[t],
                participants=len(bound),
                taken=sum(row.used[t] for row in bound),
                price=max((row.prices[t] for row in bound), default=0),
                kept_out=out[period],
            )
