"""Money held for demand, before it enters the book."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.base import MONEY_MAX_MICRO_YUAN
from schemas.events import DemandAmended, DemandSubmitted, HoldPlaced, HoldRefused, Reason
from schemas.types import Priority
from services.core.eligibility import max_spend
from services.core.errors import DomainError, HoldError, Message
from services.core.postings import TransferKind, derive_uuid
from services.ledger.books import open_hold
from services.ledger.findings import broken
from services.ledger.journal import body_digest
from services.ledger.state import About, DemandHold

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.codec import Envelope
    from schemas.orders import DemandTerms
    from services.core.postings import Hold
    from services.ledger.books import Books
    from services.ledger.state import Input


def submitted(books: Books, item: Input) -> None:
    """Hold what a new demand can cost at most, or refuse it.

    Raises:
        SettleError: if the id was used before for another demand.
    """
    body = item.envelope.data
    assert isinstance(body, DemandSubmitted)
    digest = body_digest(body)
    known = books.demands.get(body.order_id)
    if known is not None:
        if known.submitted_hash != digest:
            raise broken(
                "settle.other_body",
                Message(
                    f"demand {body.order_id} must repeat with the same body, was another",
                    f"需求 {body.order_id} 重发时内容须相同，实际不同",
                ),
                "order_id",
                body.order_id,
                "the body first seen",
            )
        return
    demand = DemandHold(
        order_id=body.order_id,
        market_id=body.market_id,
        participant_id=body.participant_id,
        version=1,
        need=_need(body.terms),
        amount=0,
        hold_id=None,
        closed=False,
        submitted_hash=digest,
        log_partition=item.record.partition,
        log_offset=item.record.offset,
        interruptible=body.terms.priority is Priority.INTERRUPTIBLE,
        expires_at=end_of(body.terms),
    )
    _replace_hold(books, item, demand, demand.need, version=1)


def amended(books: Books, item: Input) -> None:
    """Raise a demand's hold to what its new terms need, or refuse that version.

    The hold is never lowered here: a round that is under way may still capture it.

    Raises:
        SettleError: if there is no such demand of this participant.
    """
    body = item.envelope.data
    assert isinstance(body, DemandAmended)
    known = books.demands.get(body.order_id)
    if (
        known is None
        or known.participant_id != body.participant_id
        or known.market_id != body.market_id
    ):
        raise broken(
            "settle.unknown_demand",
            Message(
                f"an amendment must name a demand of {body.participant_id}, was {body.order_id}",
                f"修改须指明 {body.participant_id} 的需求，实际为 {body.order_id}",
            ),
            "order_id",
            body.order_id,
            "a demand of the participant",
        )
    need = _need(body.terms)
    version = body.expected_version + 1
    if known.closed:
        error = HoldError(
            "hold.order_closed",
            Message(
                f"demand {body.order_id} must be open to be amended, was closed",
                f"需求 {body.order_id} 须未结束才能修改，实际已结束",
            ),
            field="order_id",
            value=body.order_id,
            allowed="an open demand",
        )
        refuse(books, item.envelope, known, version, need, error)
        return
    if body.terms.priority is Priority.INTERRUPTIBLE and not known.interruptible:
        # Whether the version will ever count is not known here: what may yield is not sold on.
        known = replace(known, interruptible=True)
        books.demands[known.order_id] = known
    ends: datetime | None = end_of(body.terms)
    if known.hold_id is not None and known.expires_at is not None:
        # A round that has not read this may still capture for the version before.
        ends = max(end_of(body.terms), known.expires_at)
    elif known.hold_id is not None:
        ends = None
    _replace_hold(books, item, replace(known, expires_at=ends), need, version=version, was=known)


def end_of(terms: DemandTerms) -> datetime:
    """Return from when on no round can give a demand anything."""
    return terms.deadline if terms.expires_at is None else min(terms.deadline, terms.expires_at)


def _replace_hold(
    books: Books,
    item: Input,
    demand: DemandHold,
    need: int,
    *,
    version: int,
    was: DemandHold | None = None,
) -> None:
    """Make the hold at least ``need`` up to its end, in one step that can be refused."""
    envelope, record = item.envelope, item.record
    where = (demand.order_id, record.topic, str(record.partition), str(record.offset))
    fork = books.fork()
    amount, hold_id = demand.amount, demand.hold_id
    hold = None if was is None else open_hold(was)
    try:
        _check_party(fork, demand)
        if need > demand.amount or (hold is not None and hold.expires_at != demand.expires_at):
            amount, hold_id = max(need, demand.amount), derive_uuid("hold", *where)
            _place(fork, envelope, replace(demand, amount=amount, hold_id=hold_id), hold, where)
    except DomainError as error:
        if was is None:
            demand = replace(demand, closed=True)
            books.demands[demand.order_id] = demand
        refuse(books, envelope, demand, version, need, error)
        return
    books.merge(fork)
    placed = replace(
        demand,
        version=version,
        need=need,
        amount=amount,
        hold_id=hold_id,
        log_partition=record.partition,
        log_offset=record.offset,
    )
    books.demands[demand.order_id] = placed
    books.emit(
        HoldPlaced(
            hold_id=str(hold_id or derive_uuid("hold", *where)),
            order_id=demand.order_id,
            market_id=demand.market_id,
            participant_id=demand.participant_id,
            version=version,
            amount=amount,
            booked_through_seq=books.last_seq.get(demand.market_id),
        ),
        envelope,
        demand.order_id,
        str(version),
        participant=demand.participant_id,
    )


def _place(
    books: Books,
    envelope: Envelope,
    demand: DemandHold,
    before: Hold | None,
    where: tuple[str, ...],
) -> None:
    """Place a demand's hold, in the place of the one before."""
    about = About(demand.market_id, None, demand.order_id, demand.expires_at)
    if before is not None:
        books.transfer(
            TransferKind.VOID,
            (derive_uuid("void", *where), before.debit, before.credit),
            0,
            envelope,
            "hold_replaced",
            hold=before,
            about=about,
        )
    hold = open_hold(demand)
    assert hold is not None
    books.transfer(
        TransferKind.HOLD,
        (hold.id, hold.debit, hold.credit),
        hold.amount,
        envelope,
        "hold_placed",
        about=about,
    )


def refuse(
    books: Books,
    envelope: Envelope,
    demand: DemandHold,
    version: int,
    need: int,
    error: DomainError,
) -> None:
    """Queue a refusal that says what was needed and what is free.

    What the demand already holds counts as free for it, since it would be replaced.
    """
    free = books.free(demand.participant_id) + demand.amount
    books.emit(
        HoldRefused(
            order_id=demand.order_id,
            market_id=demand.market_id,
            participant_id=demand.participant_id,
            version=version,
            needed=need,
            free=max(0, free),
            reason=Reason(
                code=error.code,
                en=error.message.en,
                zh=error.message.zh,
                params={"needed": need, "free": max(0, free)},
            ),
        ),
        envelope,
        demand.order_id,
        str(version),
        participant=demand.participant_id,
    )


def _check_party(books: Books, demand: DemandHold) -> None:
    participant = books.participants.get(demand.participant_id)
    if participant is None or participant.status != "active":
        status = "unknown" if participant is None else participant.status
        raise HoldError(
            "hold.participant",
            Message(
                f"{demand.participant_id} must be an active participant, was {status}",
                f"{demand.participant_id} 须为有效的参与方，实际为 {status}",
            ),
            field="participant_id",
            value=demand.participant_id,
            allowed="an active participant",
        )


def _need(terms: DemandTerms) -> int:
    # A need past the wire's limit could not be told; nobody has that much, so it is refused.
    return min(max_spend(terms), MONEY_MAX_MICRO_YUAN)
