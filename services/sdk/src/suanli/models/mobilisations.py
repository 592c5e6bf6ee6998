"""Models of mobilisations; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypedDict


class MobilisationScope(TypedDict):
    """MobilisationScope of the contract.

    What is needed urgently, where, when, at what price at most, and for whom if you may
    know.
    """

    zones: NotRequired[list[str]]
    """Zones that it may use; empty = all."""

    regions: NotRequired[list[str]]
    """Zones and regions are united; both empty = everywhere."""

    chips: NotRequired[list[str]]
    """Chip classes that it may use; empty = all."""

    participants: NotRequired[list[str]]
    """Enterprises that may mark demand urgent; to others, none."""

    price_cap: int
    """Most that urgent demand pays, per chip-hour."""

    rank: NotRequired[int]
    """Served before those of a higher rank."""

    start: str
    """First period that urgent demand may use."""

    end: str
    """Exclusive end; the mobilisation ends by itself then."""
    reason: str


class MobilisationView(TypedDict):
    """A mobilisation and where it stands."""

    mobilisation_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    state: Literal["proposed", "declared", "ended", "cancelled"]
    terms: MobilisationScope
    proposed_by: str

    proposed_at: str
    """UTC instant, ISO 8601."""
    declared_by: NotRequired[str | None]
    declared_at: NotRequired[str | None]
    ended_by: NotRequired[str | None]

    ended_at: NotRequired[str | None]
    """When it was withdrawn."""
    ended_reason: NotRequired[str | None]

    rounds: NotRequired[int]
    """Urgent rounds that it had so far."""

    chip_hours: NotRequired[int]
    """Chip-hours."""

    reserve_chip_hours: NotRequired[int]
    """Chip-hours."""

    payment: NotRequired[int]
    """Micro-yuan."""


class MobilisationTerms(TypedDict):
    """What is needed urgently, by whom, where, when, and at what price at most."""

    zones: NotRequired[list[str]]
    """Zones that it may use; empty = all."""

    regions: NotRequired[list[str]]
    """Zones and regions are united; both empty = everywhere."""

    chips: NotRequired[list[str]]
    """Chip classes that it may use; empty = all."""

    participants: list[str]
    """Enterprises that may mark demand urgent under it."""

    price_cap: int
    """Most that urgent demand pays, per chip-hour."""

    rank: NotRequired[int]
    """Served before those of a higher rank."""

    start: str
    """First period that urgent demand may use."""

    end: str
    """Exclusive end; the mobilisation ends by itself then."""
    reason: str


class MobilisationNew(TypedDict):
    """A need to be declared."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    terms: MobilisationTerms


class MobilisationEnd(TypedDict):
    """Why a mobilisation ends before its time."""

    reason: str
