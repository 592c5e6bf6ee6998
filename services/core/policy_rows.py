"""What the policies in a book say, read once and asked by everything that honours them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.book import BookPolicy
from services.core.reading import PRICE_MAX, Fields, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.core.reading import Json

LIMITS = "price_limits"
POLICIES_MAX = 256


@dataclass(frozen=True, slots=True)
class PriceRange:
    """What may be asked, bid and paid for a chip class, micro-yuan per chip-hour."""

    floor: int
    cap: int


class PriceRanges:
    """The limits of every chip class; those of a class by name replace those of all classes."""

    def __init__(self, policies: Iterable[BookPolicy]) -> None:
        self._by_chip: dict[str, PriceRange] = {}
        for row in policies:
            if row.kind == LIMITS:
                given = dict(row.params)
                chip, floor, cap = str(given["chip"]), int(given["floor"]), int(given["cap"])
                known = self._by_chip.get(chip, PriceRange(0, PRICE_MAX))
                self._by_chip[chip] = PriceRange(max(known.floor, floor), min(known.cap, cap))

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._by_chip)

    def of(self, chip: str) -> PriceRange:
        """Return the limits of a chip class."""
        return self._by_chip.get(chip) or self._by_chip.get("") or PriceRange(0, PRICE_MAX)


def policies_of(book: Json) -> tuple[BookPolicy, ...]:
    """Return the policies of a book's JSON value."""
    assert isinstance(book, dict)
    rows = book.get("policies", [])
    assert isinstance(rows, list)
    return tuple(read_policy(Fields(row, f"book.policies[{i}]")) for i, row in enumerate(rows))


def read_policy(fields: Fields) -> BookPolicy:
    """Read a policy of a book's file.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    kind = fields.one_of("kind", (LIMITS,))
    params = fields.part("params")
    given: dict[str, int | str] = {
        "cap": params.integer("cap", 0, PRICE_MAX),
        "chip": _name(params, "chip"),
        "floor": params.integer("floor", 0, PRICE_MAX),
    }
    params.end()
    row = BookPolicy(
        fields.text("id"), fields.integer("version", 1, 10**9), kind, tuple(sorted(given.items()))
    )
    fields.end()
    return row


def _name(params: Fields, name: str) -> str:
    value = params.scalar(name)
    if not isinstance(value, str):
        raise refuse("validation.type", f"{params.path}.{name}", str(value), "a text")
    return value
