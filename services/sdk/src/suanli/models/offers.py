"""Models of offers; generated from the contract by `make gen`."""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

# State of an order; every order is in exactly one.
OrderState: TypeAlias = Literal[
    "accepted", "open", "part-filled", "filled", "cancelled", "expired", "rejected"
]


# Which side of the book an order stands on.
Side: TypeAlias = Literal["offer", "demand"]


class Reason(TypedDict):
    """Why something is as it is, for programs (code, params) and people (en, zh)."""

    code: str
    en: str
    zh: str
    params: NotRequired[dict[str, Any]]


class OfferTerms(TypedDict):
    """A provider's priced capacity in one pool over a delivery window."""

    zone: str
    """Lower-case letters, digits and hyphens, at most 64."""

    chip: str
    """Lower-case letters, digits and hyphens, at most 64."""

    chips: int
    """Whole chips."""

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    end: str
    """Exclusive end of the delivery window."""

    ask: int
    """Micro-yuan per chip-hour, on the tick."""

    block: NotRequired[bool]
    """Taken whole in every period, or not at all."""

    mobilisable: NotRequired[bool]
    """May be called for urgent needs."""

    mobilisation_price: NotRequired[int | None]
    """Agreed price of a call; needed if mobilisable."""

    resource_code: str
    # National resource identification code of compute-interconnection nodes (MIIT notice of
    # 2026-02-06); capital letters, digits, dot and hyphen, 7 to 64.

    resale_of: NotRequired[str | None]
    """Allocation that this offer resells."""

    expires_at: NotRequired[str | None]
    """Leaves the book then, if not before."""


class OfferAmend(TypedDict):
    """New terms for an offer, in place of version ``expected_version``."""

    expected_version: int
    """Version of the order's terms."""
    terms: OfferTerms


class OfferView(TypedDict):
    """An offer; ``amendment`` is what was asked for and is not in force yet."""

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
    terms: OfferTerms
    amendment: NotRequired[OfferAmend | None]


class FieldError(TypedDict):
    """One thing that is wrong, and what would do."""

    field: str
    """Path of the field, such as `terms.ask`; empty = the whole."""

    value: str
    """What was found, cut to 200 characters."""

    allowed: str
    """What would have been accepted."""
    en: str
    zh: str

    code: NotRequired[str]
    """Stable code, such as `validation.off_tick`."""


class Problem(TypedDict):
    """Why a request was refused (RFC 9457), for programs and for people."""

    type: str
    """`urn:suanli:problem:<code>`."""
    title: str
    status: int

    code: str
    """Stable code, such as `auth.wrong_role`."""

    detail: str
    """In the language that `Accept-Language` asks for."""
    detail_en: str
    detail_zh: str
    errors: NotRequired[list[FieldError]]

    docs: str
    """Page that explains the code."""

    incident: NotRequired[str | None]
    """Quote this to the operator; only for faults of the exchange."""


class OfferNew(TypedDict):
    """A new offer."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    terms: OfferTerms


class Receipt(TypedDict):
    """Proof that an intent is on the log at this position with these bytes."""

    order_id: NotRequired[str | None]
    deposit_id: NotRequired[str | None]
    withdrawal_id: NotRequired[str | None]
    collateral_id: NotRequired[str | None]
    reversal_id: NotRequired[str | None]
    erasure_id: NotRequired[str | None]
    delivery_id: NotRequired[str | None]
    participant_id: NotRequired[str | None]
    market_id: NotRequired[str | None]
    policy_id: NotRequired[str | None]
    case_id: NotRequired[str | None]
    event_id: str
    topic: str
    partition: int
    offset: int

    sha256: str
    """Of the value on the topic."""

    recorded_at: str
    """UTC instant, ISO 8601."""
    key_id: NotRequired[str | None]

    signature: NotRequired[str | None]
    """Base64."""


class OfferBulkItem(TypedDict):
    """One offer of many, each with its own idempotency key."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    terms: OfferTerms

    idempotency_key: str
    """Chosen by the caller, once per intent: 1 to 255 visible ASCII characters."""


class BulkResult(TypedDict):
    """Verdict on one item of a bulk request."""

    index: int
    idempotency_key: NotRequired[str | None]
    receipt: NotRequired[Receipt | None]
    problem: NotRequired[Problem | None]


class BulkReply(TypedDict):
    """Verdicts in the order of the items."""

    accepted: int
    refused: int
    results: list[BulkResult]
