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

    capacity_chips: NotRequired[int | None]
    # Chips that the resource has in the pool in all: offers that state it share them over all
    # markets, by resource code; needed where another market trades in the pool; null = a
    # capacity of its own.

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


class UnfitView(TypedDict):
    """A zone, a chip class or a budget that does not serve an alternative."""

    kind: Literal["zone", "chip", "budget"]

    name: str
    """The zone or chip class; empty for the budget."""
    reason: Reason


class FitView(TypedDict):
    """Where an alternative could be served. An offer has one, its own pool."""

    alternative: int
    pools: list[str]
    unfit: NotRequired[list[UnfitView]]


class HoldPreview(TypedDict):
    """What a demand would reserve, against what is free."""

    amount: int
    """What it would reserve, micro-yuan: the most it can cost."""

    held: NotRequired[int]
    """What is reserved for it already, if it is amended."""

    free: int
    """Free balance; in a bulk, less what the lines before would reserve."""

    is_covered: bool
    """Whether amount - held is free."""


class QuotedPeriod(TypedDict):
    """Chips of a pool in a period."""

    pool: str
    """Pool as zone/chip."""

    period: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    chips: int
    """Whole chips."""

    price: int
    """Micro-yuan per chip-hour."""


class QuotedLink(TypedDict):
    """GB over a link in a period."""

    source: str
    """Lower-case letters, digits and hyphens, at most 64."""

    destination: str
    """Lower-case letters, digits and hyphens, at most 64."""

    period: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    gb: int
    """GB."""

    price: int
    """Micro-yuan per GB, at least the tariff."""


class QuotedShare(TypedDict):
    """What a largest share leaves the account that asks, where that is least."""

    policy: str
    """Lower-case letters, digits and hyphens, at most 64."""

    chip: str
    """Lower-case letters, digits and hyphens, at most 64."""

    pool: str
    """Pool as zone/chip."""

    period: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    share: int
    """Chips that one account may have there in all."""

    held: int
    """Chips of the class that it has already."""

    wanted: int
    """Most chips that its other open orders could get."""

    asked: int
    """Chips that the demand would take, were there no rule."""

    left: int
    """What all of that leaves of the share; below 0, the orders compete for it."""


class QuoteView(TypedDict):
    """What a demand would get and cost, at the prices and with the chips that a round left."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    round_id: str
    """Round that the quote rests on, the latest with a file."""
    state: Literal["filled", "part-filled", "open"]

    alternative: int | None
    """Which alternative would be used."""
    periods: list[QuotedPeriod]

    links: NotRequired[list[QuotedLink]]
    """What its data and traffic would take of links."""
    chip_hours: int

    cost: int
    """What it would pay, links included, micro-yuan."""

    value: int
    """The same at its limit, micro-yuan."""

    hold: int
    """What placing it would reserve, micro-yuan."""

    free: NotRequired[int | None]
    # What open orders leave of the caller's money, micro-yuan; null for those who have none,
    # and in a dry run, whose `hold` tells it.

    largest_share: NotRequired[QuotedShare | None]
    """What largest shares leave the caller; null if none rules it."""

    estimate: bool
    """Whether offers above the clearing prices are needed, so that prices would move."""
    reason: Reason


class SoldPeriod(TypedDict):
    """What an offer's pool cost in a period, by the last round."""

    period: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    price: int
    """Micro-yuan per chip-hour."""

    is_in_the_money: bool
    """Whether it traded at the ask or above."""


class OfferQuote(TypedDict):
    """What an offer would have earned at the prices of the last round; nothing is promised."""

    round_id: str

    chip_hours: int
    """At most sold: its chips in the periods whose price reached the ask."""

    revenue: int
    """What they would have earned, micro-yuan, before fees."""
    periods: list[SoldPeriod]


class OrderPreview(TypedDict):
    """What an order would come to; nothing was stored, written or claimed."""

    side: Side

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    order_id: NotRequired[str | None]
    """The order that would be amended."""
    fits: list[FitView]

    hold: NotRequired[HoldPreview | None]
    """Of a demand."""

    quote: NotRequired[QuoteView | None]
    """Of a demand; null before the market's first round."""

    offer_quote: NotRequired[OfferQuote | None]
    """Of an offer; the same."""


class BulkResult(TypedDict):
    """Verdict on one item of a bulk request."""

    index: int
    idempotency_key: NotRequired[str | None]
    receipt: NotRequired[Receipt | None]

    preview: NotRequired[OrderPreview | None]
    """Of a dry run."""
    problem: NotRequired[Problem | None]


class BulkReply(TypedDict):
    """Verdicts in the order of the items."""

    accepted: int
    refused: int
    results: list[BulkResult]


class OfferBulkItem(TypedDict):
    """One offer of many; without a key of its own it has one by its place in the bulk's."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    terms: OfferTerms
    idempotency_key: NotRequired[str | None]
