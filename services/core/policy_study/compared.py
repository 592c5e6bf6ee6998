"""Two clearings of one book: whether they can both be right about what is best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from services.core.book import Result

Difference = Literal["same", "within the gap", "beyond the gap"]


def difference(one: Result, other: Result) -> Difference:
    """Tell how far apart two valid results of one book and one set of rules are.

    The best clearing has at least the welfare that either found, and at most what either claims to
    have proven; if the two contradict each other, one of the claims is false.
    """
    if one == other:
        return "same"
    claimed = min(map(_most, (one, other)))
    return "within the gap" if max(one.welfare, other.welfare) <= claimed else "beyond the gap"


def _most(result: Result) -> int:
    return result.welfare if result.status == "optimal" else result.certificate.bound
