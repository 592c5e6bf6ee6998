"""Models of orders; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypedDict

from suanli.models.offers import OrderState, Problem, Reason, Receipt


class OrderEvent(TypedDict):
    """Something that happened to an order."""

    event_id: str
    kind: Literal[
        "submitted",
        "amended",
        "cancel_requested",
        "status",
        "hold_placed",
        "hold_refused",
        "hold_captured",
        "hold_released",
        "capacity_wanted",
        "capacity_held",
        "capacity_refused",
    ]
    version: NotRequired[int | None]
    state: NotRequired[OrderState | None]
    reason: NotRequired[Reason | None]
    round_id: NotRequired[str | None]
    amount: NotRequired[int | None]

    occurred_at: str
    """UTC instant, ISO 8601."""

    recorded_at: str
    """UTC instant, ISO 8601."""


class LogPlace(TypedDict):
    """Where a record is on the log."""

    topic: str
    partition: int
    offset: int


class LifeStep(TypedDict):
    """One thing that happened to an order, and where the order stood after it."""

    step: int
    """From 1, without gaps."""
    kind: Literal[
        "submitted",
        "amended",
        "cancel_requested",
        "status",
        "hold_placed",
        "hold_refused",
        "hold_captured",
        "hold_released",
        "capacity_wanted",
        "capacity_held",
        "capacity_refused",
        "allocated",
        "resold",
        "booked",
    ]

    code: Literal["NEWO", "REME", "CAME", "CAMO", "REMO", "EXPI", "PARF", "FILL"] | None
    # In the words of reports on orders: new, replaced or cancelled by its owner, cancelled by
    # the market, rejected, expired, part-filled, filled.

    event_id: str | None
    """Id of the event that told it."""

    correlation_id: str | None
    """The story that it belongs to."""

    causation_id: str | None
    """Id of the event that caused it."""

    place: LogPlace | None
    """Where it is on the log."""
    round_id: str | None
    allocation_id: str | None

    counter_order_id: str | None
    """The order on the other side of a fill."""

    resale_of: str | None
    """Allocation of which this one sold on; null where it sold on none."""

    resale_order_id: str | None
    """Own order at its other end: the demand that bought, or the offer that sold on."""

    entry_id: str | None
    """Its entry of the journal."""

    leaf_index: int | None
    """Leaf of that entry in the transparency log."""

    purpose: str | None
    """What the entry is for."""

    version: int
    """Version of the terms in force after it."""

    state: OrderState
    """State after it."""

    amount: int | None
    """Money that moved, was held or was freed by it."""

    held: int
    """Money held for the order after it."""

    chip_hours: int
    """Chip-hours allocated, or sold on, by it."""

    chip_hours_allocated: int
    """Allocated after it, in all."""

    chip_hours_left: int | None
    """What may still trade after it; null before the first verdict."""
    reason: Reason | None

    occurred_at: str
    """On the market's clock."""

    recorded_at: str
    """When it was written, on the writer's wall clock."""


class LikelihoodView(TypedDict):
    """How likely the next round fills an order, as its book stood."""

    order_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    seq: int
    """Number of the round to come."""

    as_of: str
    """UTC instant, ISO 8601."""

    filled_ppm: int
    """Likelihood, in millionths, that all is filled that the round can give."""

    share_ppm: int
    """Share of it that is expected to be filled, in millionths."""

    books: int
    """Books that it is taken from."""


class CancelResult(TypedDict):
    """What became of the wish to withdraw one order."""

    order_id: str
    receipt: NotRequired[Receipt | None]
    problem: NotRequired[Problem | None]


class CancelAllReply(TypedDict):
    """The orders that were live, newest first."""

    cancelled: int
    refused: int
    results: list[CancelResult]


class ReceiptKey(TypedDict):
    """The public key that receipts are signed with."""

    algorithm: NotRequired[Literal["Ed25519"]]
    key_id: str

    public_key: str
    """Base64 of the 32 raw bytes."""
