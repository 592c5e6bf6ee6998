"""The rules of booking: transfers move an account's counters, or are refused.

Every transfer debits one account and credits another in one unit. It is a `single` movement,
a `hold` that reserves, or the one resolution of a hold: `post` (all or part; the rest is free
again), `void` or `expire`. Nothing is edited; the only correction is a `reversal`, the mirror
image of a single movement, at most one of each.

An account that must not go below zero counts its holds: debits pending and posted together
never exceed credits posted. The model is TigerBeetle's two-phase transfer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from services.core.errors import HoldError, Message, SettleError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

BALANCE_MAX = 10**17
"""Largest net balance of a layer: a hundred billion yuan in micro-yuan, the wire's limit."""
COUNTER_MAX = 2**63 - 1
"""Counters are turnovers and only grow; the database keeps them in 64 bits."""


class Layer(StrEnum):
    """Whether a posting moves money or only reserves it."""

    POSTED = "posted"
    PENDING = "pending"


class TransferKind(StrEnum):
    """What a transfer does."""

    SINGLE = "single"
    HOLD = "hold"
    POST = "post"
    VOID = "void"
    EXPIRE = "expire"
    REVERSAL = "reversal"


# Accounts, transfers and postings are tuples: a frozen dataclass takes four times as long to make,
# and booking makes little else.
class Account(NamedTuple):
    """Counters of an account; a credit balance is what the account has.

    Attributes:
        id: Name such as ``cny:<participant>`` or ``escrow:<market>``.
        unit: What is counted, for example ``CNY-micro``.
        floor_zero: Whether free() must never be negative.
        debits_pending: Held for going out.
        credits_pending: Held for coming in.
        debits_posted: All that ever went out.
        credits_posted: All that ever came in.
        version: Rises by one with each posting.
    """

    id: str
    unit: str
    floor_zero: bool
    debits_pending: int = 0
    credits_pending: int = 0
    debits_posted: int = 0
    credits_posted: int = 0
    version: int = 0

    def free(self) -> int:
        """Return what is there and not held."""
        return self.credits_posted - self.debits_posted - self.debits_pending


@dataclass(frozen=True, slots=True)
class Hold:
    """An unresolved reservation.

    Attributes:
        id: Id of the `hold` transfer.
        debit: Account that it reserves on.
        credit: Account that it reserves for.
        unit: Unit of both.
        amount: What is reserved.
        expires_at: From then on it can no longer be posted; ``None``: never.
    """

    id: UUID
    debit: str
    credit: str
    unit: str
    amount: int
    expires_at: datetime | None = None


class Transfer(NamedTuple):
    """A movement to be booked.

    Attributes:
        id: Derived from the request, so that a repeat has the same id.
        kind: What it does.
        debit: Account that gives.
        credit: Account that gets.
        unit: Unit of both.
        amount: What moves or is reserved; for `void` and `expire`, 0.
        pending_id: The hold that a resolution resolves, else ``None``.
        reverses: The transfer that a reversal takes back, else ``None``.
    """

    id: UUID
    kind: TransferKind
    debit: str
    credit: str
    unit: str
    amount: int
    pending_id: UUID | None = None
    reverses: UUID | None = None


class Posting(NamedTuple):
    """One account's side of a transfer in one layer.

    Attributes:
        account: Id of the account.
        layer: Posted or pending.
        amount: Signed, debits positive; never 0.
        account_version: Number of the posting on its account, from 1, without gaps.
        balance_after: Sum of all amounts of this account and layer so far: debits positive,
            so an account that has money shows it as a negative number.
    """

    account: str
    layer: Layer
    amount: int
    account_version: int
    balance_after: int


class Booking(NamedTuple):
    """What a transfer makes of its two accounts."""

    debit: Account
    credit: Account
    postings: tuple[Posting, ...]


def derive_uuid(*parts: str) -> UUID:
    """Return an id derived from its parts: SHA-256 in a version 8 UUID (RFC 9562, 5.8)."""
    digest = bytearray(hashlib.sha256("\n".join(parts).encode()).digest()[:16])
    digest[6] = 0x80 | (digest[6] & 0x0F)
    digest[8] = 0x80 | (digest[8] & 0x3F)
    return UUID(bytes=bytes(digest))


def money_order_uuid(order_ref: str) -> UUID:
    """Return the id of the transfer that an order about money is booked as."""
    return derive_uuid("money_order", order_ref)


def settlement_uuid(purpose: str, settlement_id: str) -> UUID:
    """Return the id of the transfer that moves one part of a settlement."""
    return derive_uuid(purpose, settlement_id)


def book(transfer: Transfer, accounts: Mapping[str, Account], hold: Hold | None) -> Booking:
    """Return the new counters and the postings of a transfer.

    Args:
        transfer: The movement.
        accounts: Must have the two accounts of the transfer.
        hold: The unresolved hold named by ``pending_id``, ``None`` if there is none.

    Raises:
        HoldError: if the account has too little free, or the hold is not open, is another's,
            or is smaller than what is posted.
        SettleError: if the amount, the units or the sizes are not what a transfer may have.
    """
    debit, credit = accounts[transfer.debit], accounts[transfer.credit]
    _check_form(transfer, debit, credit)
    steps: tuple[tuple[Layer, int], ...]
    if _is_resolution(transfer.kind):
        held = _held(transfer, hold)
        steps = ((Layer.PENDING, -held), (Layer.POSTED, transfer.amount))
    elif transfer.kind is TransferKind.HOLD:
        steps = ((Layer.PENDING, transfer.amount),)
    else:
        steps = ((Layer.POSTED, transfer.amount),)
    postings: list[Posting] = []
    for layer, amount in steps:
        if amount:
            debit, credit = _move(debit, credit, layer, amount, postings)
    # A resolution first gives back what it takes, so only the end state is bounded.
    _check_bounds(transfer, accounts[transfer.debit], debit)
    _check_bounds(transfer, accounts[transfer.credit], credit)
    assert sum([posting.amount for posting in postings]) == 0
    return Booking(debit, credit, tuple(postings))


def _is_resolution(kind: TransferKind) -> bool:
    # An enumeration's hash is worked out in Python: a set takes ten times as long.
    return kind is TransferKind.POST or kind is TransferKind.VOID or kind is TransferKind.EXPIRE


def _check_form(transfer: Transfer, debit: Account, credit: Account) -> None:
    kind = transfer.kind
    is_release = kind is TransferKind.VOID or kind is TransferKind.EXPIRE
    fits = transfer.amount == 0 if is_release else transfer.amount > 0
    if not fits:
        allowed = "0" if is_release else "above 0"
        raise SettleError(
            "settle.amount",
            Message(
                f"amount of a {transfer.kind} must be {allowed}, was {transfer.amount}",
                f"{transfer.kind} 的金额必须为 {allowed}，实际为 {transfer.amount}",
            ),
            field="amount",
            value=str(transfer.amount),
            allowed=allowed,
        )
    if debit.id == credit.id or not debit.unit == credit.unit == transfer.unit:
        raise SettleError(
            "settle.accounts",
            Message(
                f"a transfer must join two accounts of unit {transfer.unit}, "
                f"was {debit.id} ({debit.unit}) and {credit.id} ({credit.unit})",
                f"一笔转账必须连接两个单位为 {transfer.unit} 的账户，"
                f"实际为 {debit.id}（{debit.unit}）和 {credit.id}（{credit.unit}）",
            ),
            field="credit",
            value=credit.id,
            allowed=f"another account of unit {transfer.unit}",
        )
    assert (transfer.pending_id is not None) == _is_resolution(kind)
    assert (transfer.reverses is not None) == (kind is TransferKind.REVERSAL)


def _held(transfer: Transfer, hold: Hold | None) -> int:
    """Return what the hold of a resolution reserves, after checking that it fits."""
    if hold is None or hold.id != transfer.pending_id:
        raise HoldError(
            "hold.not_open",
            Message(
                f"hold must be open, was resolved or unknown: {transfer.pending_id}",
                f"冻结必须处于未处理状态，实际 {transfer.pending_id} 已处理或不存在",
            ),
            field="pending_id",
            value=str(transfer.pending_id),
            allowed="an open hold",
        )
    if (hold.debit, hold.credit, hold.unit) != (transfer.debit, transfer.credit, transfer.unit):
        raise HoldError(
            "hold.other_accounts",
            Message(
                f"a hold resolves between its own accounts {hold.debit} and {hold.credit}, "
                f"was {transfer.debit} and {transfer.credit}",
                f"冻结只能在其账户 {hold.debit} 与 {hold.credit} 之间处理，"
                f"实际为 {transfer.debit} 与 {transfer.credit}",
            ),
            field="debit",
            value=transfer.debit,
            allowed=hold.debit,
        )
    if transfer.amount > hold.amount:
        raise HoldError(
            "hold.exceeded",
            Message(
                f"at most the held {hold.amount} can be posted, was {transfer.amount}",
                f"最多可划转冻结金额 {hold.amount}，实际为 {transfer.amount}",
            ),
            field="amount",
            value=str(transfer.amount),
            allowed=f"0 to {hold.amount}",
        )
    return hold.amount


def _move(
    debit: Account, credit: Account, layer: Layer, amount: int, postings: list[Posting]
) -> tuple[Account, Account]:
    """Return both accounts after ``amount`` moved in a layer; negative takes a hold back."""
    id_, unit, floor, debits_pending, credits_pending, debits_posted, credits_posted, n = debit
    if layer is Layer.PENDING:
        debits_pending += amount
        net = debits_pending - credits_pending
    else:
        debits_posted += amount
        net = debits_posted - credits_posted
    debit = Account(
        id_, unit, floor, debits_pending, credits_pending, debits_posted, credits_posted, n + 1
    )
    postings.append(Posting(id_, layer, amount, n + 1, net))
    id_, unit, floor, debits_pending, credits_pending, debits_posted, credits_posted, n = credit
    if layer is Layer.PENDING:
        credits_pending += amount
        net = debits_pending - credits_pending
    else:
        credits_posted += amount
        net = debits_posted - credits_posted
    credit = Account(
        id_, unit, floor, debits_pending, credits_pending, debits_posted, credits_posted, n + 1
    )
    postings.append(Posting(id_, layer, -amount, n + 1, net))
    return debit, credit


def _check_bounds(transfer: Transfer, before: Account, after: Account) -> None:
    assert after.debits_pending >= 0 <= after.credits_pending, (
        "a resolution takes back no more than its hold put there"
    )
    if after.floor_zero and after.free() < 0:
        free = before.free()
        raise HoldError(
            "hold.insufficient_funds",
            Message(
                f"{after.id} must have {transfer.amount} free, was {free}",
                f"{after.id} 需有可用余额 {transfer.amount}，实际为 {free}",
            ),
            field="amount",
            value=str(transfer.amount),
            allowed=f"at most {free}",
        )
    _, _, _, debits_pending, credits_pending, debits_posted, credits_posted, _ = after
    posted, pending = abs(debits_posted - credits_posted), abs(debits_pending - credits_pending)
    if (
        posted > BALANCE_MAX
        or pending > BALANCE_MAX
        or max(debits_posted, credits_posted, debits_pending, credits_pending) > COUNTER_MAX
    ):
        size = max(posted, pending)
        raise SettleError(
            "settle.too_large",
            Message(
                f"balance of {after.id} must stay within {BALANCE_MAX}, was {size}",
                f"{after.id} 的余额必须在 {BALANCE_MAX} 以内，实际为 {size}",
            ),
            field="amount",
            value=str(transfer.amount),
            allowed=f"balance at most {BALANCE_MAX}",
        )
