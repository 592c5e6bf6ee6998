"""The tape of a market day: what the rules look at, as typed frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.types import OrderState, Side


class ActKind(StrEnum):
    """What a participant did with an order."""

    SUBMIT = "submit"
    AMEND = "amend"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of an order, as far as the rules compare them.

    Attributes:
        pools: Pools that can serve it, or the one that it offers, as ``zone/chip``.
        first: First period.
        end: Period before which all has ended.
        chips: Most chips at once.
        chip_hours: Most chip-hours in all.
        price: Ask or highest limit, micro-yuan per chip-hour.
        alike: Two demands with the same text differ in price alone, so either can stand in the
            other's place; empty if a term makes it incomparable.
        is_block: Whether an offer is taken whole or not at all.
    """

    pools: tuple[str, ...]
    first: int
    end: int
    chips: int
    chip_hours: int
    price: int
    alike: str = ""
    is_block: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """A message about an order.

    Attributes:
        order_id: The order.
        participant_id: Whose it is.
        side: Offer or demand.
        kind: Submission, amendment or withdrawal.
        at_ms: When, milliseconds since 1970 on the market's clock.
        version: Version that it makes; of a withdrawal 0.
        terms: Its terms; ``None`` of a withdrawal.
    """

    order_id: str
    participant_id: str
    side: Side
    kind: ActKind
    at_ms: int
    version: int
    terms: Terms | None


@dataclass(frozen=True, slots=True)
class Status:
    """A state that an order came into; ``round_id`` is empty at intake."""

    order_id: str
    at_ms: int
    state: OrderState
    round_id: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """An allocation; ``periods`` are (period, chips, price)."""

    allocation_id: str
    round_id: str
    demand_id: str
    enterprise_id: str
    offer_id: str
    offer_version: int
    provider_id: str
    pool: str
    periods: tuple[tuple[int, int, int], ...]

    @property
    def chip_hours(self) -> int:
        """Return how much it is."""
        return sum(chips for _, chips, _ in self.periods)


@dataclass(frozen=True, slots=True)
class Round:
    """A round; ``at_ms`` is the instant of its seal."""

    round_id: str
    seq: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Prices and chips traded of one pool in one round, period by period from ``first``."""

    round_id: str
    pool: str
    first: int
    prices: tuple[int, ...]
    chips: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tape:
    """A market day.

    Attributes:
        market_id: The market.
        day: Its day, days since 1970 (UTC).
        acts: Messages about orders, in the order of time.
        statuses: States of orders, in the order of time.
        allocations: What the day's rounds allocated.
        rounds: The day's rounds, in order.
        curves: Their prices.
        earlier: Allocations of earlier days with hours that were still to come.
        owners: Participant -> beneficial owner, of those that told one.
        regions: Zone -> region.
    """

    market_id: str
    day: int
    acts: tuple[Act, ...]
    statuses: tuple[Status, ...]
    allocations: tuple[Allocation, ...]
    rounds: tuple[Round, ...]
    curves: tuple[Curve, ...]
    earlier: tuple[Allocation, ...] = ()
    owners: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    regions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def owner(self, participant_id: str) -> str:
        """Return the beneficial owner of a participant; itself if it told none."""
        return self.owners.get(participant_id, participant_id)

    def area(self, pool: str) -> str:
        """Return region and chip class of a pool, as ``region/chip``."""
        zone, _, chip = pool.partition("/")
        return f"{self.regions.get(zone, zone)}/{chip}"
