"""Allowances and what came of them, as rows of books' and results' files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.types import HORIZON_PERIODS_MAX
from services.core.reading import HOURS_MAX, PRICE_MAX, Fields, refuse

if TYPE_CHECKING:
    from services.core.book import Book
    from services.core.reading import Json

_LENGTH = (1, HORIZON_PERIODS_MAX)
_POOLS_MAX = 10_000
_MONEY_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class BookAllowance:
    """What one participant may get of a chip class in a round.

    Attributes:
        key: ``policy/chip/participant``.
        policy: Id of the policy.
        chip: The chip class.
        participant: As the book calls it.
        pools: Keys of the pools that count, sorted.
        capacity: Chips that it may get of them together, in each period of the horizon.
    """

    key: str
    policy: str
    chip: str
    participant: str
    pools: tuple[str, ...]
    capacity: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AllowanceOutcome:
    """How an allowance leaves the round.

    Attributes:
        key: Its key.
        prices: What a chip more of it would be worth to its participant in each period, micro-yuan
            per chip-hour; nobody pays them.
        used: Chips that its participant gets in each period.
        regret: What is unused of it, at these prices, micro-yuan.
    """

    key: str
    prices: tuple[int, ...]
    used: tuple[int, ...]
    regret: int


def allowance_key(policy: str, chip: str, participant: str) -> str:
    """Return the key of an allowance."""
    return f"{policy}/{chip}/{participant}"


def allowances_to_dict(rows: tuple[BookAllowance, ...]) -> dict[str, Json]:
    """Return the JSON value of a book's allowances: absent where there are none."""
    told: list[Json] = [
        {
            "key": row.key,
            "policy": row.policy,
            "chip": row.chip,
            "participant": row.participant,
            "pools": list(row.pools),
            "capacity": list(row.capacity),
        }
        for row in sorted(rows, key=lambda row: row.key)
    ]
    return {"allowances": told} if told else {}


def outcomes_to_dict(rows: tuple[AllowanceOutcome, ...]) -> dict[str, Json]:
    """Return the JSON value of what came of them: absent where there are none."""
    told: list[Json] = [
        {
            "key": row.key,
            "prices": list(row.prices),
            "used": list(row.used),
            "regret": row.regret,
        }
        for row in rows
    ]
    return {"allowances": told} if told else {}


def read_allowance(fields: Fields) -> BookAllowance:
    """Read an allowance of a book's file.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    row = BookAllowance(
        key=fields.text("key"),
        policy=fields.text("policy"),
        chip=fields.text("chip"),
        participant=fields.text("participant"),
        pools=tuple(sorted(fields.texts("pools", _POOLS_MAX))),
        capacity=fields.integers("capacity", _LENGTH, (0, HOURS_MAX)),
    )
    fields.end()
    expected = allowance_key(row.policy, row.chip, row.participant)
    if row.key != expected:
        raise refuse("validation.range", f"{fields.path}.key", row.key, expected)
    return row


def read_outcome(fields: Fields) -> AllowanceOutcome:
    """Read what came of an allowance, of a result's file.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    row = AllowanceOutcome(
        key=fields.text("key"),
        prices=fields.integers("prices", _LENGTH, (0, PRICE_MAX)),
        used=fields.integers("used", _LENGTH, (0, HOURS_MAX)),
        regret=fields.integer("regret", 0, _MONEY_MAX),
    )
    fields.end()
    return row


def check_allowances(book: Book) -> None:
    """Check that allowances are of the book's pools and as long as its horizon.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    pools = {pool.key for pool in book.pools}
    for row in book.allowances:
        path = f"book.allowances[{row.key}]"
        if len(row.capacity) != book.periods:
            found = str(len(row.capacity))
            raise refuse("validation.range", f"{path}.capacity", found, str(book.periods))
        for key in row.pools:
            if key not in pools:
                raise refuse("validation.unknown_pool", f"{path}.pools", key, "a pool of the book")
