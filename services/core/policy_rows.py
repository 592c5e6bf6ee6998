"""What the policies in a book say, read once and asked by everything that honours them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from services.core.book import BookPolicy, ShareOutcome
from services.core.reading import CHIPS_MAX, PRICE_MAX, Fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from services.core.book import Pool
    from services.core.reading import Json

RuleT = TypeVar("RuleT")

LIMITS = "price_limits"
SHARE = "domestic_share"
LARGEST = "largest_share"
POLICIES_MAX = 256
WHOLE = 10_000
"""Basis points of a whole."""
PREMIUM_MAX = 10_000_000
"""Ten yuan per TFLOPS-hour: a hundred times what a chip-hour costs for each."""
TFLOPS_HOURS_MAX = 2**63 - 1
"""What 64 bits hold; of money, too."""


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


@dataclass(frozen=True, slots=True)
class ShareRule:
    """A domestic share that a book carries.

    Attributes:
        id: Id of the policy.
        region: Region whose pools it rules, ``""`` for all.
        share_bp: Least part of all TFLOPS-hours allocated that domestic chips supply, basis points.
        premium_max: Highest premium, micro-yuan per TFLOPS-hour.
        carried: TFLOPS-hours that earlier rounds missed and none made good since.
    """

    id: str
    region: str
    share_bp: int
    premium_max: int
    carried: int

    def covers(self, pool: Pool) -> bool:
        """Tell whether a pool counts."""
        return self.region in {"", pool.region}


def share_rules(policies: Iterable[BookPolicy]) -> list[ShareRule]:
    """Return the domestic shares among policies, in their order."""
    return _rules_of(policies, SHARE, ShareRule)


@dataclass(frozen=True, slots=True)
class LargestShare:
    """The largest share of a chip class that one participant may get, in every period.

    Attributes:
        id: Id of the policy.
        region: Region whose pools count together, ``""`` for all.
        chip: Chip class, ``""`` for each by itself.
        share_bp: Most of the chips offered, basis points.
        chips_free: Chips that it may get whatever their share is.
    """

    id: str
    region: str
    chip: str
    share_bp: int
    chips_free: int

    def covers(self, pool: Pool) -> bool:
        """Tell whether a pool counts."""
        return self.region in {"", pool.region} and self.chip in {"", pool.chip}


def largest_shares(policies: Iterable[BookPolicy]) -> list[LargestShare]:
    """Return the largest shares among policies, in their order."""
    return _rules_of(policies, LARGEST, LargestShare)


def covered(pools: Iterable[Pool], policies: Iterable[BookPolicy]) -> set[str]:
    """Return the keys of the pools that largest shares among policies rule."""
    rules = largest_shares(policies)
    return {pool.key for pool in pools if any(rule.covers(pool) for rule in rules)}


def _rules_of(policies: Iterable[BookPolicy], kind: str, make: Callable[..., RuleT]) -> list[RuleT]:
    return [make(id=row.id, **dict(row.params)) for row in policies if row.kind == kind]


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
    kind = fields.one_of("kind", tuple(_READERS))
    params = fields.part("params")
    given = _READERS[kind](params)
    params.end()
    row = BookPolicy(
        fields.text("id"), fields.integer("version", 1, 10**9), kind, tuple(sorted(given.items()))
    )
    fields.end()
    return row


def read_share(fields: Fields) -> ShareOutcome:
    """Read what came of a domestic share, of a result's file.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    row = ShareOutcome(
        policy=fields.text("policy"),
        premium=fields.integer("premium", 0, PREMIUM_MAX),
        split_bp=fields.integer("split_bp", 0, WHOLE),
        tflops_hours=fields.integer("tflops_hours", 0, TFLOPS_HOURS_MAX),
        tflops_hours_domestic=fields.integer("tflops_hours_domestic", 0, TFLOPS_HOURS_MAX),
        shortfall=fields.integer("shortfall", 0, TFLOPS_HOURS_MAX),
        account=fields.integer("account", 0, TFLOPS_HOURS_MAX),
        charges=fields.integer("charges", 0, TFLOPS_HOURS_MAX),
        credits=fields.integer("credits", 0, TFLOPS_HOURS_MAX),
    )
    fields.end()
    return row


def read_premiums(fields: Fields) -> tuple[tuple[str, int], ...]:
    """Read the premiums of a certificate, sorted by policy.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    return tuple((name, fields.integer(name, 0, PREMIUM_MAX)) for name in sorted(fields.names()))


def _limits(params: Fields) -> dict[str, int | str]:
    return {
        "cap": params.integer("cap", 0, PRICE_MAX),
        "chip": params.name("chip"),
        "floor": params.integer("floor", 0, PRICE_MAX),
    }


def _share(params: Fields) -> dict[str, int | str]:
    return {
        "carried": params.integer("carried", 0, TFLOPS_HOURS_MAX),
        "premium_max": params.integer("premium_max", 0, PREMIUM_MAX),
        "region": params.name("region"),
        "share_bp": params.integer("share_bp", 0, WHOLE),
    }


def _largest(params: Fields) -> dict[str, int | str]:
    return {
        "chip": params.name("chip"),
        "chips_free": params.integer("chips_free", 0, CHIPS_MAX),
        "region": params.name("region"),
        "share_bp": params.integer("share_bp", 0, WHOLE),
    }


_READERS = {LIMITS: _limits, SHARE: _share, LARGEST: _largest}
