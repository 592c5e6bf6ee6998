"""Bodies of the HTTP API about money: orders, terms of settlement, statements, invoices.

Amounts of a statement are signed from the participant's side: what it gets is positive, and a debt
is a negative balance. Amounts of an invoice are what the participant is charged: positive is to be
paid to the exchange, negative is paid by it.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import (
    AllocationId,
    ChipHoursOrNone,
    Count,
    Instant,
    Model,
    Money,
    Name,
    OrderId,
    ParticipantId,
    PeriodStart,
    ReasonCode,
    RoundId,
    SignedMoney,
    Slug,
    Text,
)
from schemas.events import Reason
from schemas.money import AllocationSettled, MoneyOrderId, MoneyRefused, SettlementTermsSet

EntryId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$"),
    Field(description="Id of a journal entry"),
]
Day = Annotated[
    str,
    StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"),
    Field(description="A day of the market, UTC, such as 2026-11-24"),
]
AccountKind = Literal["cny", "collateral", "debt"]
InvoiceItem = Literal[
    "delivered", "fee", "penalty", "compensation", "premium", "link_tariff", "link_rent"
]


# --- requests -------------------------------------------------------------------------------


class WithdrawalNew(Model):
    """Money that the operator pays out."""

    amount: Annotated[Money, Field(gt=0)]
    reference: Name


class CollateralNew(Model):
    """Money that becomes collateral, or is free again."""

    direction: Literal["in", "out"]
    amount: Annotated[Money, Field(gt=0)]


class ReversalNew(Model):
    """A booking that the operator takes back."""

    entry_id: EntryId
    reason: Annotated[Text, Field(min_length=1)]


class SettlementTermsNew(SettlementTermsSet):
    """Terms of settlement as the operator sets them."""


# --- replies --------------------------------------------------------------------------------


class SettlementTermsView(SettlementTermsSet):
    """A version of a market's terms of settlement."""

    set_at: Instant


class SettlementView(AllocationSettled):
    """Periods of an allocation that were settled."""

    settled_at: Instant
    end_leaf: Count = Field(description="First entry of the log after its own; 0: it has none")
    final: bool = Field(description="Its entries are in the log, under a witnessed head if asked")


class RefusalView(MoneyRefused):
    """An order about money that was not booked, and never will be."""

    refused_at: Instant


class MoneyOrderView(Model):
    """What became of a payout, a move of collateral or a reversal."""

    order_ref: MoneyOrderId
    state: Literal["booked", "refused"]
    entry_id: EntryId | None = Field(default=None, description="The booking")
    reason: Reason | None = Field(default=None, description="Why it was refused")


class StatementAccount(Model):
    """An account over a period: ``closing = opening + credits - debits``."""

    account: Name
    opening: SignedMoney
    credits: Money = Field(description="All that came in")
    debits: Money = Field(description="All that went out")
    closing: SignedMoney
    entries: Count


class StatementTotal(Model):
    """What one kind of booking came to in a period.

    What captures paid for links is told under the purposes of the journal, ``link_tariff`` and
    ``link_rent``, and is not in the total of ``hold_captured``, which is left for chips.
    """

    account: Name
    purpose: ReasonCode
    entries: Count
    amount: SignedMoney


class StatementView(Model):
    """Accounts of a participant over a period of market hours.

    An entry belongs to the latest hour that the log had reached when it was booked, so that what a
    later hour brings never changes an earlier statement, and the closing balance of a period is the
    opening balance of the next.
    """

    participant_id: ParticipantId
    unit: Name
    start: PeriodStart
    end: PeriodStart
    final: bool = Field(
        description="The log has gone past the end, under a witnessed head if the exchange asks "
        "for one: this will not change"
    )
    first_leaf: Count = Field(description="First entry of the log in the period")
    end_leaf: Count = Field(description="First entry of the log after it")
    accounts: tuple[StatementAccount, ...]
    held: Money = Field(description="Reserved for open demand at the end")
    totals: tuple[StatementTotal, ...]


class StatementEntry(Model):
    """A booking in a statement, posted for good."""

    leaf_index: Count
    account: Name
    entry_id: EntryId | Name
    kind: str
    purpose: ReasonCode
    amount: SignedMoney
    balance: SignedMoney
    link_tariff: SignedMoney = Field(
        default=0, description="Part of a capture that pays tariffs of links, micro-yuan"
    )
    link_rent: SignedMoney = Field(
        default=0, description="Part of a capture that pays for congestion of links, micro-yuan"
    )
    market_id: Slug | None = None
    round_id: RoundId | None = None
    order_id: OrderId | None = None
    occurred_at: Instant
    recorded_at: Instant


class InvoiceView(Model):
    """What settling a day's deliveries, and booking its rounds' links, charged a participant.

    Numbers of a participant follow each other without gaps; a day without charges has no invoice.
    """

    number: str | None = Field(description="Null until the day is over: a draft")
    participant_id: ParticipantId
    unit: Name
    day: Day
    final: bool
    first_leaf: Count
    end_leaf: Count
    lines: Count
    delivered: SignedMoney = Field(description="Price of what was delivered, micro-yuan")
    fee: SignedMoney = Field(description="Fee of the exchange, micro-yuan")
    penalty: SignedMoney = Field(description="For what was not delivered, micro-yuan")
    compensation: SignedMoney = Field(description="Share of such penalties that it got, micro-yuan")
    premium: SignedMoney = Field(
        default=0, description="Of a domestic share, credits below 0, micro-yuan"
    )
    link_tariff: SignedMoney = Field(
        default=0, description="Tariffs of links that demands used, micro-yuan"
    )
    link_rent: SignedMoney = Field(default=0, description="Congestion of such links, micro-yuan")
    total: SignedMoney


class InvoiceLine(Model):
    """One item of an invoice, with the journal entries that it is the sum of.

    What links cost is charged by demand and round, and belongs to no settlement.
    """

    settlement_id: Name | None
    allocation_id: AllocationId | None
    market_id: Slug
    round_id: RoundId
    order_id: OrderId
    item: InvoiceItem
    chip_hours: ChipHoursOrNone = Field(description="Delivered ones; 0 for other items")
    amount: SignedMoney
    leaf_indexes: tuple[Count, ...]
