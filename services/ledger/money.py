"""Money beside demand: deposits, payouts, collateral, debts, reversals, terms of settlement.

An order that a person may rightly give and that cannot be met (too little is free) is refused
with an event, once and for good: a copy of it that comes later, when there is money, is not
booked. One that says something impossible is a broken rule, as everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from schemas.events import DepositRecorded, Reason
from schemas.money import (
    CollateralOrdered,
    MoneyRefused,
    ReversalOrdered,
    SettlementTermsSet,
    WithdrawalOrdered,
)
from services.core.errors import HoldError, Message
from services.core.postings import TransferKind, derive_uuid, money_order_uuid
from services.core.settlement import Terms, levy
from services.ledger.findings import broken
from services.ledger.journal import body_digest, entry_digest
from services.ledger.state import (
    BANK,
    About,
    MoneyOrder,
    TermsRow,
    cny_account,
    collateral_account,
    debt_account,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.codec import Envelope
    from services.core.errors import DomainError
    from services.ledger.books import Books
    from services.ledger.state import Booked, Input

ORDERS = (WithdrawalOrdered, CollateralOrdered, ReversalOrdered)
_ID_FIELD = {
    WithdrawalOrdered: "withdrawal_id",
    CollateralOrdered: "collateral_id",
    ReversalOrdered: "reversal_id",
}


def order_ref(body: WithdrawalOrdered | CollateralOrdered | ReversalOrdered) -> str:
    """Return the id of an order about money."""
    return str(getattr(body, _ID_FIELD[type(body)]))


def entry_of(body: ReversalOrdered) -> UUID | None:
    """Return the id of the transfer that a reversal names, ``None`` if it is no id."""
    try:
        return UUID(body.entry_id)
    except ValueError:
        return None


def collect(books: Books, envelope: Envelope, participant_id: str, *parts: str) -> None:
    """Take what a participant owes from what it has free."""
    owed = levy(books.owed(participant_id), books.free(participant_id)).taken
    if owed:
        books.transfer(
            TransferKind.SINGLE,
            (
                derive_uuid("debt_collected", participant_id, *parts),
                cny_account(participant_id),
                debt_account(participant_id),
            ),
            owed,
            envelope,
            "debt_collected",
        )


def deposited(books: Books, item: Input) -> None:
    """Book money that arrived, and take what its owner owes.

    Raises:
        SettleError: if the participant is unknown, or the deposit repeats with another body.
    """
    body = item.envelope.data
    assert isinstance(body, DepositRecorded)
    _require_known(books, body.participant_id)
    transfer_id = derive_uuid("deposit", body.deposit_id)
    before = books.transfers.get(transfer_id)
    fork = books.fork()
    fork.transfer(
        TransferKind.SINGLE,
        (transfer_id, BANK, cny_account(body.participant_id)),
        body.amount,
        item.envelope,
        "deposit",
    )
    digest = entry_digest(fork.entries[-1])
    if before is None:
        books.merge(fork)
        books.transfers[transfer_id] = digest
        collect(books, item.envelope, body.participant_id, body.deposit_id)
    elif before != digest:
        raise broken(
            "settle.other_body",
            Message(
                f"deposit {body.deposit_id} must repeat with the same body, was another",
                f"入金 {body.deposit_id} 重发时内容须相同，实际不同",
            ),
            "deposit_id",
            body.deposit_id,
            "the body first seen",
        )


def ordered(books: Books, item: Input) -> None:
    """Book a payout, a move of collateral or a reversal, or refuse it for good.

    Raises:
        SettleError: if the participant is unknown, or the order repeats with another body.
    """
    body = item.envelope.data
    assert isinstance(body, ORDERS)
    ref, digest = order_ref(body), body_digest(body)
    known = books.money_orders.get(ref)
    if known is not None:
        if known.body_hash != digest:
            raise broken(
                "settle.other_body",
                Message(
                    f"order {ref} must repeat with the same body, was another",
                    f"指令 {ref} 重发时内容须相同，实际不同",
                ),
                "order_ref",
                ref,
                "the body first seen",
            )
        return
    transfer_id = money_order_uuid(ref)
    fork = books.fork()
    try:
        _ACTS[type(body)](fork, item, transfer_id)
    except HoldError as error:
        books.money_orders[ref] = MoneyOrder(ref, digest, None, error.code)
        _refuse(books, item.envelope, error)
        return
    books.merge(fork)
    books.money_orders[ref] = MoneyOrder(ref, digest, transfer_id, None)


def terms_set(books: Books, item: Input) -> None:
    """Keep terms of settlement; they are in force from the first round that is not booked.

    Raises:
        SettleError: if a version repeats with another body, or an older one comes late.
    """
    body = item.envelope.data
    assert isinstance(body, SettlementTermsSet)
    known = books.terms.get(body.market_id) or ()
    digest = body_digest(body)
    if any(row.body_hash == digest for row in known):
        return
    latest = known[-1].terms.version or 0 if known else 0
    if body.version <= latest:
        raise broken(
            "settle.terms_version",
            Message(
                f"version of the terms of {body.market_id} must be above {latest}, "
                f"was {body.version}",
                f"{body.market_id} 的结算条款版本须高于 {latest}，实际为 {body.version}",
            ),
            "version",
            body.version,
            f"above {latest}",
        )
    last = books.last_seq.get(body.market_id)
    from_seq = max(body.in_force_from_round, 0 if last is None else last + 1)
    terms = Terms(
        provider_fee_ppm=body.provider_fee_ppm,
        enterprise_fee_ppm=body.enterprise_fee_ppm,
        penalty_ppm=body.penalty_ppm,
        compensation_ppm=body.compensation_ppm,
        report_periods=body.report_within_periods,
        version=body.version,
    )
    row = TermsRow(body.market_id, from_seq, terms, digest)
    books.terms[body.market_id] = (*known, row)
    books.terms_new.append(row)


def terms_of(books: Books, market_id: str, seq: int, fee_ppm: int) -> Terms:
    """Return the terms that a round is booked under: the latest in force, else the market's fee."""
    rows = books.terms.get(market_id) or ()
    in_force = [row.terms for row in rows if row.from_seq <= seq]
    return in_force[-1] if in_force else Terms(provider_fee_ppm=fee_ppm)


def _withdraw(books: Books, item: Input, transfer_id: UUID) -> None:
    body = item.envelope.data
    assert isinstance(body, WithdrawalOrdered)
    _require_known(books, body.participant_id)
    owed = books.owed(body.participant_id)
    if owed:
        raise HoldError(
            "hold.owes",
            Message(
                f"debts must be paid before money is paid out, was {owed} owed",
                f"出金前须结清欠款，实际欠款 {owed}",
            ),
            field="amount",
            value=str(body.amount),
            allowed="nothing while there is a debt",
        )
    places = (transfer_id, cny_account(body.participant_id), BANK)
    books.transfer(TransferKind.SINGLE, places, body.amount, item.envelope, "withdrawal")


def _move_collateral(books: Books, item: Input, transfer_id: UUID) -> None:
    body = item.envelope.data
    assert isinstance(body, CollateralOrdered)
    _require_known(books, body.participant_id)
    own, kept = cny_account(body.participant_id), collateral_account(body.participant_id)
    if body.direction == "in":
        places = (transfer_id, own, kept)
        books.transfer(TransferKind.SINGLE, places, body.amount, item.envelope, "collateral_in")
        return
    exposure = books.stored.exposure.get(body.participant_id, 0)
    free = max(0, books.account(kept).free() - exposure)
    if body.amount > free:
        raise HoldError(
            "hold.collateral_needed",
            Message(
                f"collateral must cover {exposure} of possible penalties, so at most {free} is "
                f"free, was {body.amount}",
                f"保证金须覆盖可能的违约金 {exposure}，最多可取回 {free}，实际为 {body.amount}",
            ),
            field="amount",
            value=str(body.amount),
            allowed=f"at most {free}",
        )
    places = (transfer_id, kept, own)
    books.transfer(TransferKind.SINGLE, places, body.amount, item.envelope, "collateral_out")


def _reverse(books: Books, item: Input, transfer_id: UUID) -> None:
    body = item.envelope.data
    assert isinstance(body, ReversalOrdered)
    entry_id = entry_of(body)
    found = None if entry_id is None else books.booked.get(entry_id)
    problem = _irreversible(books, found)
    if problem is not None or found is None or entry_id is None:
        en, zh = problem or ("unknown", "不存在")
        raise HoldError(
            "hold.not_reversible",
            Message(
                f"a reversal must name a single movement that stands, outside escrow, was "
                f"{body.entry_id}: {en}",
                f"冲正须指明一笔有效的、不涉托管的单笔转账，实际 {body.entry_id}：{zh}",
            ),
            field="entry_id",
            value=body.entry_id,
            allowed="a single movement that was not reversed",
        )
    books.transfer(
        TransferKind.REVERSAL,
        (transfer_id, found.credit, found.debit),
        found.amount,
        item.envelope,
        "reversal",
        about=About(found.market_id, found.round_id, found.order_id),
        reverses=entry_id,
    )
    # A second order for the same entry, in the same batch, must see that it is taken back.
    books.booked[entry_id] = replace(found, is_reversed=True)


def _irreversible(books: Books, found: Booked | None) -> tuple[str, str] | None:
    """Return why a transfer cannot be taken back, in English and Chinese."""
    if found is None:
        return ("unknown", "不存在")
    if found.kind != TransferKind.SINGLE:
        return (f"a {found.kind}", f"类型为 {found.kind}")
    if found.is_reversed:
        return ("reversed before", "已冲正")
    # What a period was settled at left escrow for good: there is nothing open to return it to.
    if found.debit.startswith("escrow:"):
        return ("out of escrow", "出自托管账户")
    # What the policy fund has is what it is going to pay.
    if {name.partition(":")[0] for name in (found.debit, found.credit)} & {"policy", "premiums"}:
        return ("of a premium", "属于溢价")
    # A debt that was collected meanwhile cannot be forgiven a second time.
    debtor = found.debit.partition("debt:")[2]
    if debtor and books.owed(debtor) < found.amount:
        return ("a debt that was collected", "欠款已收回")
    return None


def _refuse(books: Books, envelope: Envelope, error: DomainError) -> None:
    body = envelope.data
    assert isinstance(body, ORDERS)
    amount = 0 if isinstance(body, ReversalOrdered) else body.amount
    ref = order_ref(body)
    books.emit(
        MoneyRefused(
            order_ref=ref,
            participant_id=body.participant_id,
            amount=amount,
            free=max(0, books.free(body.participant_id)),
            reason=Reason(code=error.code, en=error.message.en, zh=error.message.zh),
        ),
        envelope,
        ref,
        participant=body.participant_id,
    )


def _require_known(books: Books, participant_id: str) -> None:
    if participant_id not in books.participants:
        raise broken(
            "settle.unknown_participant",
            Message(
                f"money must be a registered participant's, was {participant_id}'s",
                f"资金须属于已登记的参与方，实际为 {participant_id}",
            ),
            "participant_id",
            participant_id,
            "a registered participant",
        )


_ACTS: dict[type, Callable[[Books, Input, UUID], None]] = {
    WithdrawalOrdered: _withdraw,
    CollateralOrdered: _move_collateral,
    ReversalOrdered: _reverse,
}
