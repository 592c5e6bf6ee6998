"""`clear`: (book, rules) -> result, a pure function; and its fallback without a solver."""

from __future__ import annotations

from services.core.book import Book, Result, Rules
from services.core.clearing.share_search import Engine
from services.core.clearing.shares import EngineOf, binds, clear_with_shares
from services.core.clearing.size import is_large
from services.core.clearing.small import SmallEngine, clear_small
from services.core.codec import book_digest
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
        return clear_with_shares(book, rules, _stepwise(rules, digest, search=True))
    if is_large(book):
        return _clear_large(book, rules, digest, search=True)
    return clear_small(book, rules, digest, search=True)


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
        return clear_with_shares(book, rules, _stepwise(rules, digest, search=False))
    if is_large(book):
        return _clear_large(book, rules, digest, search=False)
    return clear_small(book, rules, digest, search=False)


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


def _stepwise(rules: Rules, digest: str | None, *, search: bool) -> EngineOf:
    def engine_of(book: Book) -> Engine:
        told = digest or book_digest(book)
        if is_large(book):
            from services.core.clearing.scale.stepwise import LargeEngine  # noqa: PLC0415

            return LargeEngine(book, rules, told, search=search)
        return SmallEngine(book, rules, told, search=search)

    return engine_of
