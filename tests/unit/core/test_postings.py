from __future__ import annotations

from dataclasses import replace

import pytest

from services.core.errors import DomainError
from services.core.postings import (
    BALANCE_MAX,
    Account,
    Hold,
    Layer,
    Transfer,
    TransferKind,
    book,
    derive_uuid,
)

HOLD_ID = derive_uuid("hold", "1")
LAB = Account("cny:lab", "CNY-micro", floor_zero=True, debits_pending=40, credits_posted=100)
ESCROW = Account("escrow:jjj", "CNY-micro", floor_zero=True, credits_pending=40)
HOLD = Hold(HOLD_ID, LAB.id, ESCROW.id, "CNY-micro", 40)


def transfer(kind: TransferKind, amount: int, *, resolves: bool = False) -> Transfer:
    pending = HOLD_ID if resolves else None
    return Transfer(derive_uuid("t"), kind, LAB.id, ESCROW.id, "CNY-micro", amount, pending)


def test_a_single_transfer_moves_posted_money() -> None:
    booking = book(transfer(TransferKind.SINGLE, 60), LAB, ESCROW, None)
    assert (booking.debit.debits_posted, booking.credit.credits_posted) == (60, 60)
    assert booking.debit.free() == 0
    assert [p.layer for p in booking.postings] == [Layer.POSTED, Layer.POSTED]
    assert [(p.amount, p.account_version, p.balance_after) for p in booking.postings] == [
        (60, 1, -40),
        (-60, 1, -60),
    ]


def test_a_hold_reserves_without_moving() -> None:
    booking = book(transfer(TransferKind.HOLD, 60), LAB, ESCROW, None)
    assert (booking.debit.debits_pending, booking.debit.debits_posted) == (100, 0)
    assert booking.debit.free() == 0


def test_a_post_in_part_frees_the_rest() -> None:
    booking = book(transfer(TransferKind.POST, 15, resolves=True), LAB, ESCROW, HOLD)
    assert booking.debit.free() == 85
    assert (booking.credit.credits_pending, booking.credit.credits_posted) == (0, 15)
    assert len(booking.postings) == 4


def test_a_void_frees_all() -> None:
    booking = book(transfer(TransferKind.VOID, 0, resolves=True), LAB, ESCROW, HOLD)
    assert booking.debit.free() == 100
    assert len(booking.postings) == 2


@pytest.mark.parametrize(
    ("kind", "amount", "hold", "code"),
    [
        (TransferKind.SINGLE, 61, None, "hold.insufficient_funds"),
        (TransferKind.HOLD, 61, None, "hold.insufficient_funds"),
        (TransferKind.SINGLE, 0, None, "settle.amount"),
        (TransferKind.HOLD, -1, None, "settle.amount"),
        (TransferKind.POST, 41, HOLD, "hold.exceeded"),
        (TransferKind.POST, 0, HOLD, "settle.amount"),
        (TransferKind.VOID, 1, HOLD, "settle.amount"),
        (TransferKind.POST, 5, None, "hold.not_open"),
        (TransferKind.EXPIRE, 0, None, "hold.not_open"),
        (TransferKind.POST, 5, replace(HOLD, id=derive_uuid("x")), "hold.not_open"),
        (TransferKind.POST, 5, replace(HOLD, debit="cny:other"), "hold.other_accounts"),
        (TransferKind.POST, 5, replace(HOLD, unit="chip-hour"), "hold.other_accounts"),
    ],
)
def test_what_a_transfer_may_not_do_is_refused_with_a_code(
    kind: TransferKind, amount: int, hold: Hold | None, code: str
) -> None:
    resolves = kind in (TransferKind.POST, TransferKind.VOID, TransferKind.EXPIRE)
    with pytest.raises(DomainError) as caught:
        book(transfer(kind, amount, resolves=resolves), LAB, ESCROW, hold)
    assert caught.value.code == code
    assert ", was" in caught.value.message.en
    assert caught.value.message.zh


def test_a_refusal_tells_what_is_free() -> None:
    with pytest.raises(DomainError) as caught:
        book(transfer(TransferKind.HOLD, 61), LAB, ESCROW, None)
    assert (caught.value.value, caught.value.allowed) == ("61", "at most 60")


@pytest.mark.parametrize(
    "credit",
    [ESCROW._replace(unit="chip-hour"), ESCROW._replace(id=LAB.id)],
)
def test_a_transfer_joins_two_accounts_of_one_unit(credit: Account) -> None:
    asked = transfer(TransferKind.SINGLE, 1)._replace(credit=credit.id)
    with pytest.raises(DomainError) as caught:
        book(asked, LAB, credit, None)
    assert caught.value.code == "settle.accounts"


def test_a_balance_past_the_limit_is_refused() -> None:
    bank = Account("bank", "CNY-micro", floor_zero=False, debits_posted=BALANCE_MAX)
    rich = Account("cny:x", "CNY-micro", floor_zero=True)
    asked = Transfer(derive_uuid("t"), TransferKind.SINGLE, bank.id, rich.id, "CNY-micro", 1, None)
    with pytest.raises(DomainError) as caught:
        book(asked, bank, rich, None)
    assert caught.value.code == "settle.too_large"


def test_an_account_without_a_floor_may_owe() -> None:
    bank = Account("bank", "CNY-micro", floor_zero=False)
    asked = transfer(TransferKind.SINGLE, 500)._replace(debit="bank", credit=LAB.id)
    booking = book(asked, bank, LAB, None)
    assert booking.debit.free() == -500


def test_derived_ids_are_stable_version_8_uuids() -> None:
    found = derive_uuid("deposit", "dep_1")
    assert found == derive_uuid("deposit", "dep_1") != derive_uuid("deposit", "dep_2")
    assert (found.version, found.variant) == (8, "specified in RFC 4122")
