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
    from datetime import datetime

BALANCE_MAX = 10**17
"""Largest net balance of a layer: a hundred billion yuan in micro-yuan, the wire's limit."""
COUNTER_MAX = 2**63 - 1
"""Counters are turnovers and only grow; the database keeps them in 64 bits."""


_UNITS = {"CNY-micro": ("micro-yuan", "微元")}
"""Units of accounts in words; others are told as they are."""


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


# What is asked of every transfer: a member is looked up in its enumeration each time it is named.
_HOLD, _REVERSAL = TransferKind.HOLD, TransferKind.REVERSAL
_POSTED, _PENDING = Layer.POSTED, Layer.PENDING
_RELEASES = frozenset({TransferKind.VOID, TransferKind.EXPIRE})
_RESOLUTIONS = frozenset({TransferKind.POST, *_RELEASES})
# RFC 9562, 5.8: what of an id is free, and the fixed bits of version 8.
_UUID_FREE = ~(0xF << 76 | 0x3 << 62)
_UUID_VERSION_8 = 0x8 << 76 | 0x2 << 62


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
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return UUID(int=int.from_bytes(digest[:16], "big") & _UUID_FREE | _UUID_VERSION_8)


def money_order_uuid(order_ref: str) -> UUID:
    """Return the id of the transfer that an order about money is booked as."""
    return derive_uuid("money_order", order_ref)


def settlement_uuid(purpose: str, settlement_id: str) -> UUID:
    """Return the id of the transfer that moves one part of a settlement."""
    return derive_uuid(purpose, settlement_id)


def book(transfer: Transfer, debit: Account, credit: Account, hold: Hold | None) -> Booking:
    """Return the new counters and the postings of a transfer.

    Args:
        transfer: The movement.
        debit: The account that it debits.
        credit: The account that it credits.
        hold: The unresolved hold named by ``pending_id``, ``None`` if there is none.

    Raises:
        HoldError: if the account has too little free, or the hold is not open, is another's,
            or is smaller than what is posted.
        SettleError: if the amount, the units or the sizes are not what a transfer may have.
    """
    _check_form(transfer, debit, credit)
    kind, amount = transfer.kind, transfer.amount
    if kind in _RESOLUTIONS:
        # It first gives back what its hold took, so only the end state is bounded.
        gave, got, postings = _move(debit, credit, _PENDING, -_held(transfer, hold))
        if amount:
            gave, got, moved = _move(gave, got, _POSTED, amount)
            postings += moved
    else:
        layer = _PENDING if kind is _HOLD else _POSTED
        gave, got, postings = _move(debit, credit, layer, amount)
    _check_bounds(transfer, debit, gave)
    _check_bounds(transfer, credit, got)
    return Booking(gave, got, postings)


def _check_form(transfer: Transfer, debit: Account, credit: Account) -> None:
    _, kind, debit_id, credit_id, unit, amount, pending_id, reverses = transfer
    assert (debit_id, credit_id) == (debit.id, credit.id)
    is_release = kind in _RELEASES
    fits = amount == 0 if is_release else amount > 0
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
    if debit_id == credit_id or not debit.unit == credit.unit == unit:
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
    assert (pending_id is not None) == (kind in _RESOLUTIONS)
    assert (reverses is not None) == (kind is _REVERSAL)


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
    debit: Account, credit: Account, layer: Layer, amount: int
) -> tuple[Account, Account, tuple[Posting, ...]]:
    """Return both accounts after ``amount`` moved in a layer; negative takes a hold back."""
    id_, unit, floor, debits_pending, credits_pending, debits_posted, credits_posted, n = debit
    if layer is _PENDING:
        debits_pending += amount
        net = debits_pending - credits_pending
    else:
        debits_posted += amount
        net = debits_posted - credits_posted
    debit = Account(
        id_, unit, floor, debits_pending, credits_pending, debits_posted, credits_posted, n + 1
    )
    gave = Posting(id_, layer, amount, n + 1, net)
    id_, unit, floor, debits_pending, credits_pending, debits_posted, credits_posted, n = credit
    if layer is _PENDING:
        credits_pending += amount
        net = debits_pending - credits_pending
    else:
        credits_posted += amount
        net = debits_posted - credits_posted
    credit = Account(
        id_, unit, floor, debits_pending, credits_pending, debits_posted, credits_posted, n + 1
    )
    got = Posting(id_, layer, -amount, n + 1, net)
    assert gave.amount + got.amount == 0
    return debit, credit, (gave, got)


def _check_bounds(transfer: Transfer, before: Account, after: Account) -> None:
    _, _, floor, debits_pending, credits_pending, debits_posted, credits_posted, _ = after
    assert debits_pending >= 0 <= credits_pending, (
        "a resolution takes back no more than its hold put there"
    )
    if floor and credits_posted - debits_posted < debits_pending:
        free = before.free()
        unit_en, unit_zh = _UNITS.get(transfer.unit, (transfer.unit, transfer.unit))
        raise HoldError(
            "hold.insufficient_funds",
            Message(
                f"{after.id} must have {transfer.amount} {unit_en} free, was {free} {unit_en}",
                f"{after.id} 需有可用余额 {transfer.amount} {unit_zh}，实际为 {free} {unit_zh}",
            ),
            field="amount",
            value=str(transfer.amount),
            allowed=f"at most {free}",
        )
    posted, pending = abs(debits_posted - credits_posted), abs(debits_pending - credits_pending)
    if (
        posted > BALANCE_MAX
        or pending > BALANCE_MAX
        or debits_posted > COUNTER_MAX
        or credits_posted > COUNTER_MAX
        or debits_pending > COUNTER_MAX
        or credits_pending > COUNTER_MAX
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
