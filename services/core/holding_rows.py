"""Holdings as rows of books' files: chips that rounds before gave, in hours still to come."""

from __future__ import annotations

from dataclasses import dataclass
from operator import add
from typing import TYPE_CHECKING

from schemas.types import HORIZON_PERIODS_MAX
from services.core.reading import HOURS_MAX, PERIOD_MAX, Fields, refuse

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.core.book import Book
    from services.core.reading import Json


@dataclass(frozen=True, slots=True)
class BookHolding:
    """What rounds before gave of a pool, in periods of the horizon.

    Attributes:
        participant: Who has it, as the book calls it; empty for all that rounds gave and that no
            offer of the book sells on.
        pool: Key of the pool.
        start: First period.
        chips: Chips in each period from it on; first and last are above 0.
    """

    participant: str
    pool: str
    start: int
    chips: tuple[int, ...]

    @property
    def key(self) -> str:
        """Return what it is sorted by; no name has a line break."""
        return f"{self.participant}\n{self.pool}"


def within(book: Book, run: tuple[int, tuple[int, ...]]) -> list[int]:
    """Return the chips of a run, told by its first period, in each period of a book's horizon."""
    row = [0] * book.periods
    shift = run[0] - book.first_period
    low, high = max(0, shift), min(book.periods, shift + len(run[1]))
    if low < high:
        row[low:high] = run[1][low - shift : high - shift]
    return row


class Holdings:
    """What each participant of a book holds.

    Args:
        book: The book.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._rows: dict[str, list[BookHolding]] = {}
        for row in book.held:
            self._rows.setdefault(row.participant, []).append(row)

    def of(self, participant: str, pools: Collection[str]) -> list[int]:
        """Return the chips that one holds of pools together, in each period of the horizon.

        Args:
            participant: As the book calls it; empty for all that counts as given.
            pools: Keys of the pools.
        """
        total = [0] * self._book.periods
        for row in self._rows.get(participant, ()):
            if row.pool in pools:
                total = list(map(add, total, within(self._book, (row.start, row.chips))))
        return total


def holdings_to_dict(rows: tuple[BookHolding, ...]) -> dict[str, Json]:
    """Return the JSON value of a book's holdings: absent where there are none."""
    told: list[Json] = [
        {
            "participant": row.participant,
            "pool": row.pool,
            "start": row.start,
            "chips": list(row.chips),
        }
        for row in sorted(rows, key=lambda row: row.key)
    ]
    return {"held": told} if told else {}


def read_holding(fields: Fields) -> BookHolding:
    """Read a holding of a book's file.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    row = BookHolding(
        participant=fields.name("participant"),
        pool=fields.text("pool"),
        start=fields.integer("start", 0, PERIOD_MAX),
        chips=fields.integers("chips", (1, HORIZON_PERIODS_MAX), (0, HOURS_MAX)),
    )
    fields.end()
    return row


def check_holdings(book: Book) -> None:
    """Check that holdings are of pools and periods of the book.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    pools = {pool.key for pool in book.pools}
    end = book.first_period + book.periods
    for row in book.held:
        path = f"book.held[{row.participant}/{row.pool}]"
        if row.pool not in pools:
            raise refuse("validation.unknown_pool", f"{path}.pool", row.pool, "a pool of the book")
        if row.start < book.first_period or row.start + len(row.chips) > end:
            allowed = f"within {book.first_period}..{end}"
            raise refuse("validation.range", f"{path}.start", str(row.start), allowed)
