"""Models of money; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypedDict

from suanli.models.offers import Reason


class DepositNew(TypedDict):
    """Money that the operator saw arrive."""

    amount: int
    """Micro-yuan."""
    reference: str


class AccountView(TypedDict):
    """Money of a participant."""

    participant_id: str
    account: str
    unit: str

    posted: int
    """Booked for good."""

    held: int
    """Reserved for open demand."""

    free: int
    """posted - held."""

    collateral: NotRequired[int]
    """What its penalties are taken from."""

    debt: NotRequired[int]
    """What it owes the exchange."""
    entries: int
    updated_at: NotRequired[str | None]


class EntryView(TypedDict):
    """One posting on an account, signed from the participant's side."""

    entry_id: str
    account: str
    kind: str
    purpose: str
    layer: Literal["posted", "pending"]

    amount: int
    """Micro-yuan."""

    balance: int
    """Of the account's layer, after this posting."""
    market_id: NotRequired[str | None]
    round_id: NotRequired[str | None]
    order_id: NotRequired[str | None]

    pending_id: NotRequired[str | None]
    """The entry that this one resolves."""
    leaf_index: int

    occurred_at: str
    """UTC instant, ISO 8601."""

    recorded_at: str
    """UTC instant, ISO 8601."""


class WithdrawalNew(TypedDict):
    """Money that the operator pays out."""

    amount: int
    """Micro-yuan."""
    reference: str


class CollateralNew(TypedDict):
    """Money that becomes collateral, or is free again."""

    direction: Literal["in", "out"]

    amount: int
    """Micro-yuan."""


class ReversalNew(TypedDict):
    """A booking that the operator takes back."""

    entry_id: str
    """Id of a journal entry."""
    reason: str


class MoneyOrderView(TypedDict):
    """What became of a payout, a move of collateral or a reversal."""

    order_ref: str
    state: Literal["booked", "refused"]

    entry_id: NotRequired[str | None]
    """The booking."""

    reason: NotRequired[Reason | None]
    """Why it was refused."""


class RefusalView(TypedDict):
    """An order about money that was not booked, and never will be."""

    order_ref: str
    participant_id: str

    amount: int
    """Micro-yuan."""

    free: int
    """Micro-yuan."""
    reason: Reason

    refused_at: str
    """UTC instant, ISO 8601."""


class SettledPeriod(TypedDict):
    """One period of an allocation, settled for good."""

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    chips: int
    """Whole chips."""

    delivered: int
    """Whole chips."""

    price: int
    """Micro-yuan per chip-hour, on the tick."""


class SettlementView(TypedDict):
    """Periods of an allocation that were settled."""

    settlement_id: str
    allocation_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    round_id: str
    demand_id: str
    enterprise_id: str
    provider_id: str

    lapsed: bool
    """No report came in time: nothing counts as delivered."""

    terms_version: int | None
    """Null: the market's rules alone."""
    periods: list[SettledPeriod]

    paid: int
    """Micro-yuan."""

    provider_fee: int
    """Micro-yuan."""

    enterprise_fee: int
    """Micro-yuan."""

    refund: int
    """Micro-yuan."""

    penalty: int
    """Micro-yuan."""

    compensation: int
    """Micro-yuan."""

    provider_owes: int
    """Part of the penalty that collateral did not cover."""

    enterprise_owes: int
    """Part of the enterprise's fee that was not free."""

    settled_at: str
    """UTC instant, ISO 8601."""

    end_leaf: int
    """First entry of the log after its own; 0: it has none."""

    final: bool
    """Its entries are in the log, under a witnessed head if asked."""


class StatementAccount(TypedDict):
    """An account over a period: ``closing = opening + credits - debits``."""

    account: str

    opening: int
    """Micro-yuan."""

    credits: int
    """All that came in."""

    debits: int
    """All that went out."""

    closing: int
    """Micro-yuan."""
    entries: int


class StatementTotal(TypedDict):
    """What one kind of booking came to in a period."""

    account: str
    purpose: str
    entries: int

    amount: int
    """Micro-yuan."""


class StatementView(TypedDict):
    """Accounts of a participant over a period of market hours."""

    participant_id: str
    unit: str

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    end: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    final: bool
    # The log has gone past the end, under a witnessed head if the exchange asks for one: this
    # will not change.

    first_leaf: int
    """First entry of the log in the period."""

    end_leaf: int
    """First entry of the log after it."""
    accounts: list[StatementAccount]

    held: int
    """Reserved for open demand at the end."""
    totals: list[StatementTotal]


class StatementEntry(TypedDict):
    """A booking in a statement, posted for good."""

    leaf_index: int
    account: str
    entry_id: str
    kind: str
    purpose: str

    amount: int
    """Micro-yuan."""

    balance: int
    """Micro-yuan."""

    link_tariff: NotRequired[int]
    """Part of a capture that pays tariffs of links, micro-yuan."""

    link_rent: NotRequired[int]
    """Part of a capture that pays for congestion of links, micro-yuan."""
    market_id: NotRequired[str | None]
    round_id: NotRequired[str | None]
    order_id: NotRequired[str | None]

    occurred_at: str
    """UTC instant, ISO 8601."""

    recorded_at: str
    """UTC instant, ISO 8601."""


class InvoiceView(TypedDict):
    """What settling a day's deliveries, and booking its rounds' links, charged a participant."""

    number: str | None
    """Null until the day is over: a draft."""
    participant_id: str
    unit: str

    day: str
    """A day of the market, UTC, such as 2026-11-24."""
    final: bool
    first_leaf: int
    end_leaf: int
    lines: int

    delivered: int
    """Price of what was delivered, micro-yuan."""

    fee: int
    """Fee of the exchange, micro-yuan."""

    penalty: int
    """For what was not delivered, micro-yuan."""

    compensation: int
    """Share of such penalties that it got, micro-yuan."""

    premium: NotRequired[int]
    """Of a domestic share, credits below 0, micro-yuan."""

    link_tariff: NotRequired[int]
    """Tariffs of links that demands used, micro-yuan."""

    link_rent: NotRequired[int]
    """Congestion of such links, micro-yuan."""

    total: int
    """Micro-yuan."""


class InvoiceLine(TypedDict):
    """One item of an invoice, with the journal entries that it is the sum of."""

    settlement_id: str | None
    allocation_id: str | None

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    round_id: str
    order_id: str
    item: Literal[
        "delivered", "fee", "penalty", "compensation", "premium", "link_tariff", "link_rent"
    ]

    chip_hours: int
    """Delivered ones; 0 for other items."""

    amount: int
    """Micro-yuan."""
    leaf_indexes: list[int]


class TopUpNew(TypedDict):
    """Play money that a participant of a sandbox asks for."""

    amount: int
    """Micro-yuan."""
