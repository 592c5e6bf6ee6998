"""Models of demand; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from suanli.models.offers import OrderState, Reason, Side


class BlockShape(TypedDict):
    """``chips`` for ``duration`` consecutive periods in one pool, all or nothing."""

    type: NotRequired[Literal["block"]]

    chips: int
    """Whole chips."""

    chips_min: NotRequired[int | None]
    """Least chips that still help (curtailable); null = all."""

    duration: int
    """Consecutive periods (hours)."""


class FlowShape(TypedDict):
    """Up to ``chips`` in each period of the window, each period for itself."""

    type: NotRequired[Literal["flow"]]

    chips: int
    """Whole chips."""


class WorkShape(TypedDict):
    """``chip_hours`` in total by the deadline, at most ``chips_max`` at once."""

    type: NotRequired[Literal["work"]]

    chip_hours: int
    """Chip-hours."""

    chips_max: int
    """Whole chips."""


class Requirement(TypedDict):
    """Chip classes by what is needed of them; every stated bound must hold."""

    memory_gb_min: NotRequired[int | None]
    tflops_min: NotRequired[int | None]
    domestic: NotRequired[bool | None]


class Alternative(TypedDict):
    """One way to serve a demand: which chips, where, at which limit price."""

    chips_any_of: NotRequired[list[str]]
    """Chip classes by name; empty = by requirement."""

    requirement: NotRequired[Requirement | None]
    """Chip classes by need; with names, both must hold."""
    zones: NotRequired[list[str]]

    regions: NotRequired[list[str]]
    """Zones and regions are united; both empty = anywhere."""

    limit: int
    """Highest price, micro-yuan per chip-hour of these chips."""

    equivalence_milli: NotRequired[int]
    """Chips of this alternative that stand for 1000 of the demand."""


# How a demand ranks and whether it can be recalled.
Priority: TypeAlias = Literal["urgent", "standard", "interruptible"]


class DemandTerms(TypedDict):
    """An enterprise's priced need."""

    shape: BlockShape | FlowShape | WorkShape
    alternatives: list[Alternative]

    earliest: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    deadline: str
    """Everything has ended by then."""
    priority: NotRequired[Priority]

    budget: NotRequired[int | None]
    """Most it will ever spend; caps the quantity at the limit price."""

    data_zone: NotRequired[str | None]
    """Where its data lies."""
    data_gb: NotRequired[int]

    user_zone: NotRequired[str | None]
    """Where its callers are."""
    latency_ms_max: NotRequired[int | None]
    traffic_gb_per_chip_hour: NotRequired[int]

    notice_periods: NotRequired[int]
    """Notice wanted before a recall (interruptible)."""

    exclusive_group: NotRequired[str | None]
    """At most one demand of a participant's group is accepted."""

    linked_to: NotRequired[str | None]
    """Accepted only if that demand of the participant is."""

    resource_code: NotRequired[str | None]
    """Resource identification code that the use is booked to."""
    expires_at: NotRequired[str | None]


class DemandAmend(TypedDict):
    """New terms for what a demand still wants, in place of version ``expected_version``."""

    expected_version: int
    """Version of the order's terms."""
    terms: DemandTerms


class HoldView(TypedDict):
    """Money reserved for a demand."""

    state: Literal["placed", "refused", "released"]

    version: int
    """Version of the order's terms."""

    amount: int
    """Reserved now."""

    needed: NotRequired[int | None]
    """If refused: what it would take."""

    free: NotRequired[int | None]
    """If refused: what was free."""


class DemandView(TypedDict):
    """A demand; ``amendment`` is what was asked for and is not in force yet."""

    order_id: str
    side: Side

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    participant_id: str
    state: OrderState

    version: int
    """Version of the order's terms."""
    reason: Reason

    submitted_at: str
    """UTC instant, ISO 8601."""

    updated_at: str
    """UTC instant, ISO 8601."""
    round_id: NotRequired[str | None]
    chip_hours_allocated: NotRequired[int]
    chip_hours_left: NotRequired[int]
    cancel_requested_at: NotRequired[str | None]
    partition: NotRequired[int | None]
    offset: NotRequired[int | None]
    terms: DemandTerms
    amendment: NotRequired[DemandAmend | None]
    hold: NotRequired[HoldView | None]


class DemandNew(TypedDict):
    """A new demand."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    terms: DemandTerms


class DemandBulkItem(TypedDict):
    """One demand of many; without a key of its own it has one by its place in the bulk's."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    terms: DemandTerms
    idempotency_key: NotRequired[str | None]
