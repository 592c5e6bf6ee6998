"""Two clearings of one book: whether they can both be right about what is best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from services.core.premiums import missed_worth

if TYPE_CHECKING:
    from services.core.book import Book, Result

Difference = Literal["same", "within the gap", "beyond the gap"]


def difference(book: Book, one: Result, other: Result) -> Difference:
    """Tell how far apart two valid results of one book and one set of rules are.

    The best clearing is worth at least what either found, and at most what either claims to have
    proven; if the two contradict each other, one of the claims is false. A clearing is worth its
    welfare less what it misses of domestic shares.
    """
    if one == other:
        return "same"
    worths = [row.welfare - missed_worth(book, row.shares) for row in (one, other)]
    claimed = min(
        worth if row.status == "optimal" else row.certificate.bound
        for row, worth in zip((one, other), worths, strict=True)
    )
    return "within the gap" if max(worths) <= claimed else "beyond the gap"
