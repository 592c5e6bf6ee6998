"""Bodies of the HTTP API: what a request may hold and what a reply tells.

Money is micro-yuan, prices are micro-yuan per chip-hour, instants are UTC in ISO 8601. Terms of
orders are those of the events (`schemas.orders`): there is one order language, not two.
"""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, StringConstraints

from schemas.base import (
    AllocationId,
    Count,
    Instant,
    Model,
    Money,
    Name,
    OrderId,
    ParticipantId,
    PeriodStart,
    PoolName,
    Price,
    ResourceCode,
    RoundId,
    Sha256Hex,
    SignedMoney,
    Slug,
    Version,
)
from schemas.events import AllocatedPeriod, DeliveredPeriod, OffsetRange, Reason
from schemas.market import Market
from schemas.orders import DemandTerms, OfferTerms
from schemas.previews import OrderPreview
from schemas.problem import Problem
from schemas.signatures import ManifestSignature
from schemas.types import HORIZON_PERIODS_MAX, OrderState, Role, Side

PAGE_ITEMS_MAX = 500
BULK_ITEMS_MAX = 1000
BULK_LINES_MAX = 10_000
IDEMPOTENCY_KEY_CHARS_MAX = 255

IdempotencyKey = Annotated[
    str,
    StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$"),
    Field(description="Chosen by the caller, once per intent: 1 to 255 visible ASCII characters"),
]
Item = TypeVar("Item")


class Page(Model, Generic[Item]):
    """A page of a list; ask again with ``cursor`` for what follows."""

    items: tuple[Item, ...]
    next_cursor: str | None = Field(default=None, description="Opaque; null at the end")


# --- requests -------------------------------------------------------------------------------


class OfferNew(Model):
    """A new offer."""

    market_id: Slug
    terms: OfferTerms


class DemandNew(Model):
    """A new demand."""

    market_id: Slug
    terms: DemandTerms


class OfferAmend(Model):
    """New terms for an offer, in place of version ``expected_version``."""

    expected_version: Version
    terms: OfferTerms


class DemandAmend(Model):
    """New terms for what a demand still wants, in place of version ``expected_version``."""

    expected_version: Version
    terms: DemandTerms


class OfferBulkItem(OfferNew):
    """One offer of many; without a key of its own it has one by its place in the bulk's."""

    idempotency_key: IdempotencyKey | None = None


class DemandBulkItem(DemandNew):
    """One demand of many; without a key of its own it has one by its place in the bulk's."""

    idempotency_key: IdempotencyKey | None = None


class ParticipantNew(Model):
    """Admission of a participant."""

    participant_id: ParticipantId
    role: Role
    name: Name
    resource_code: ResourceCode | None = None
    beneficial_owner: Slug | None = Field(
        default=None, description="Who owns it in the end; one name for all that it owns"
    )


class DepositNew(Model):
    """Money that the operator saw arrive."""

    amount: Annotated[Money, Field(gt=0)]
    reference: Name


class DeliveryNew(Model):
    """What a provider delivered of an allocation; each period is told once."""

    allocation_id: AllocationId
    periods: Annotated[
        tuple[DeliveredPeriod, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)
    ]


# --- replies to writes ----------------------------------------------------------------------


class Receipt(Model):
    """Proof that an intent is on the log at this position with these bytes.

    ``signature`` is Ed25519 over the receipt's canonical JSON (sorted keys, no spaces, nulls
    left out) without ``signature`` itself; the key is at ``/v1/receipt-key``.
    """

    order_id: OrderId | None = None
    deposit_id: str | None = None
    withdrawal_id: str | None = None
    collateral_id: str | None = None
    reversal_id: str | None = None
    erasure_id: str | None = None
    delivery_id: str | None = None
    participant_id: ParticipantId | None = None
    market_id: Slug | None = None
    policy_id: Slug | None = None
    case_id: str | None = None
    event_id: str
    topic: str
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    sha256: Sha256Hex = Field(description="Of the value on the topic")
    recorded_at: Instant
    key_id: str | None = None
    signature: str | None = Field(default=None, description="Base64")


class BulkResult(Model):
    """Verdict on one item of a bulk request."""

    index: Count
    idempotency_key: str | None = None
    receipt: Receipt | None = None
    preview: OrderPreview | None = Field(default=None, description="Of a dry run")
    problem: Problem | None = None


class BulkReply(Model):
    """Verdicts in the order of the items."""

    accepted: Count
    refused: Count
    results: tuple[BulkResult, ...]


class CancelResult(Model):
    """What became of the wish to withdraw one order."""

    order_id: OrderId
    receipt: Receipt | None = None
    problem: Problem | None = None


class CancelAllReply(Model):
    """The orders that were live, newest first."""

    cancelled: Count
    refused: Count
    results: tuple[CancelResult, ...]


class ParticipantView(Model):
    """A participant."""

    participant_id: ParticipantId
    role: Role
    name: Name
    resource_code: ResourceCode | None = None
    beneficial_owner: Slug | None = None
    status: str
    registered_at: Instant | None = Field(
        description="Null for the operator's bootstrap key, which nobody registered"
    )


class ParticipantCreated(Model):
    """A new participant with its first key; the secret is shown this once."""

    participant: ParticipantView
    api_key: str
    receipt: Receipt | None = Field(
        default=None, description="Null if it was a participant already: this is a further key"
    )


class ReceiptKey(Model):
    """The public key that receipts are signed with."""

    algorithm: Literal["Ed25519"] = "Ed25519"
    key_id: str
    public_key: str = Field(description="Base64 of the 32 raw bytes")


# --- orders ---------------------------------------------------------------------------------


class HoldView(Model):
    """Money reserved for a demand."""

    state: Literal["placed", "refused", "released"]
    version: Version
    amount: Money = Field(description="Reserved now")
    needed: Money | None = Field(default=None, description="If refused: what it would take")
    free: Money | None = Field(default=None, description="If refused: what was free")


class OrderView(Model):
    """What every order shows."""

    order_id: OrderId
    side: Side
    market_id: Slug
    participant_id: ParticipantId
    state: OrderState
    version: Version
    reason: Reason
    submitted_at: Instant
    updated_at: Instant
    round_id: RoundId | None = None
    chip_hours_allocated: Count = 0
    chip_hours_left: Count = 0
    cancel_requested_at: Instant | None = None
    partition: int | None = None
    offset: int | None = None


class OfferView(OrderView):
    """An offer; ``amendment`` is what was asked for and is not in force yet."""

    terms: OfferTerms
    amendment: OfferAmend | None = None


class DemandView(OrderView):
    """A demand; ``amendment`` is what was asked for and is not in force yet."""

    terms: DemandTerms
    amendment: DemandAmend | None = None
    hold: HoldView | None = None


class OrderEvent(Model):
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
    version: Version | None = None
    state: OrderState | None = None
    reason: Reason | None = None
    round_id: RoundId | None = None
    amount: Money | None = None
    occurred_at: Instant
    recorded_at: Instant


# --- market ---------------------------------------------------------------------------------


class MarketView(Model):
    """A market in force."""

    market: Market
    defined_at: Instant


class RoundFileView(Model):
    """Where a round's file stands; ``ok`` once all parts are here and the hash agrees."""

    state: Literal["none", "partial", "ok", "corrupt"]
    sha256: Sha256Hex | None = None
    bytes: Count | None = None


class RoundView(Model):
    """A round in numbers."""

    round_id: RoundId
    market_id: Slug
    seq: Count
    state: Literal["sealed", "cleared", "closed"]
    market_time: Instant
    status: Literal["optimal", "feasible", "fallback"] | None = None
    offers: Count = 0
    demands: Count = 0
    demands_filled: Count | None = None
    demands_part_filled: Count | None = None
    paradoxically_rejected: Count | None = None
    allocations: Count | None = None
    welfare: SignedMoney | None = None
    bound: Money | None = None
    gap_ppm: Count | None = None
    total_regret: Money | None = None
    payment: Money | None = None
    chip_hours: Count | None = None
    chip_hours_domestic: Count | None = None
    tflops_hours: Count | None = None
    tflops_hours_domestic: Count | None = None
    solve_ms: Count | None = None
    book_digest: Sha256Hex | None = None
    rules_digest: Sha256Hex | None = None
    result_digest: Sha256Hex | None = None
    manifest: tuple[OffsetRange, ...] = Field(
        default=(), description="Records of the log that were taken in since the round before"
    )
    manifest_signature: ManifestSignature | None = Field(
        default=None, description="Null: the exchange has no key for receipts"
    )
    verified: bool | None = Field(default=None, description="The auditor's verdict; null = none")
    file: RoundFileView


class CurveView(Model):
    """Prices of a pool in one round, one per period from ``first_period``."""

    kind: Literal["clearing"]
    pool: PoolName
    first_period: PeriodStart
    prices: tuple[Price, ...]
    chips: tuple[Count, ...] = ()
    offered: tuple[Count, ...] = ()


class RoundPricesView(Model):
    """All curves of a round."""

    round_id: RoundId
    curves: tuple[CurveView, ...]


class PriceView(Model):
    """Price of a pool in a period: latest, and over all rounds that priced it."""

    market_id: Slug
    pool: PoolName
    period: PeriodStart
    price: Price | None = Field(
        description="Clearing price of the latest round; null where that round traded nothing and "
        "nothing was on offer, or it would be zero"
    )
    chips: Count = Field(description="Chips traded in the round that set the price")
    offered: Count = Field(description="Chips offered in the round that set the price")
    round_id: RoundId
    last: Price | None = Field(default=None, description="Of the latest trade; null if none")
    last_round_id: RoundId | None = None
    low: Price | None = Field(description="Lowest price that traded; null if none did")
    high: Price | None = Field(description="Highest price that traded; null if none did")
    average: Price | None = Field(
        default=None, description="Weighted by chips traded, rounded down; null if none were"
    )
    chips_total: Count = Field(description="Chips traded in this period, all rounds")


class DepthLevel(Model):
    """Chips at a price."""

    price: Price
    chips: Count
    orders: Count


class PoolDepth(Model):
    """What is on offer in a pool, and which demand could use it."""

    pool: PoolName
    offers: Count
    offered_chips: Count = Field(description="Sum over open offers, as stated in their terms")
    asks: tuple[DepthLevel, ...] = Field(description="Cheapest first, at most 20 levels")
    demands: Count = Field(description="Open demands that may use this pool")
    limits: tuple[DepthLevel, ...] = Field(
        description="Dearest first, at most 20 levels; a demand counts in every pool it may use"
    )


class BookView(Model):
    """The open orders of a market in numbers."""

    market_id: Slug
    offers: Count
    demands: Count
    demands_waiting: Count = Field(description="Accepted, waiting for their hold")
    pools: tuple[PoolDepth, ...]


class AllocationView(Model):
    """Capacity of an offer given to a demand."""

    allocation_id: AllocationId
    round_id: RoundId
    market_id: Slug
    demand_id: OrderId
    enterprise_id: ParticipantId
    offer_id: OrderId
    provider_id: ParticipantId
    pool: PoolName
    periods: tuple[AllocatedPeriod, ...]
    payment: Money
    made_at: Instant
    delivered: tuple[DeliveredPeriod, ...] = ()
    resale_of: AllocationId | None = Field(
        default=None, description="What its offer sells on; to the seller and those who see all"
    )
    resold: tuple[AllocationId, ...] = Field(
        default=(), description="What was sold on of it; to its buyer and those who see all"
    )


# --- money ----------------------------------------------------------------------------------


class AccountView(Model):
    """Money of a participant."""

    participant_id: ParticipantId
    account: Name
    unit: Name
    posted: SignedMoney = Field(description="Booked for good")
    held: Money = Field(description="Reserved for open demand")
    free: SignedMoney = Field(description="posted - held")
    collateral: Money = Field(default=0, description="What its penalties are taken from")
    debt: Money = Field(default=0, description="What it owes the exchange")
    entries: Count
    updated_at: Instant | None = None


class EntryView(Model):
    """One posting on an account, signed from the participant's side."""

    entry_id: str
    account: Name
    kind: str
    purpose: str
    layer: Literal["posted", "pending"]
    amount: SignedMoney
    balance: SignedMoney = Field(description="Of the account's layer, after this posting")
    market_id: Slug | None = None
    round_id: RoundId | None = None
    order_id: OrderId | None = None
    pending_id: str | None = Field(default=None, description="The entry that this one resolves")
    leaf_index: Count
    occurred_at: Instant
    recorded_at: Instant


class FindingView(Model):
    """A verdict of the auditor."""

    finding_id: str
    market_id: Slug
    round_id: RoundId | None = None
    kind: str
    ok: bool
    summary: Reason
    problems: tuple[str, ...] = ()
    raised_at: Instant
