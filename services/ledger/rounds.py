"""Booking a whole round: captures, what is kept, capacity; all of it or nothing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from schemas.events import (
    AllocationMade,
    HoldAdjusted,
    HoldCaptured,
    HoldPlaced,
    HoldReleased,
    RoundClosed,
)
from schemas.links import LinkCharged
from schemas.shares import PremiumAssigned
from schemas.types import period_of
from services.core.errors import HoldError, Message
from services.core.postings import TransferKind, derive_uuid
from services.ledger.books import open_hold
from services.ledger.capacity import resold_by
from services.ledger.findings import broken
from services.ledger.holds import refuse
from services.ledger.journal import body_digest
from services.ledger.links import check_charge, pay_links
from services.ledger.money import terms_of
from services.ledger.premiums import assess, premiums_of
from services.ledger.state import (
    About,
    Allocation,
    OpenPeriod,
    PeriodRow,
    RoundRow,
    cny_account,
    escrow_account,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.codec import Envelope
    from services.core.settlement import Terms
    from services.kit.kafka import Positions
    from services.ledger.books import Books
    from services.ledger.state import DemandHold, Input


Part: TypeAlias = AllocationMade | LinkCharged | PremiumAssigned | HoldAdjusted
PARTS = (AllocationMade, LinkCharged, PremiumAssigned, HoldAdjusted)


@dataclass(slots=True)
class RoundParts:
    """The records of a round that have been read so far.

    Attributes:
        round_id: The round.
        parts: Index -> record; a repeat of the same bytes is the same record.
        closed: The round's last record, ``None`` until it is read.
        conflict: A record whose index came twice with different bytes.
        inputs: All records, repeats included, for clearing them away.
    """

    round_id: str
    parts: dict[int, Input] = field(default_factory=dict)
    closed: Input | None = None
    conflict: Input | None = None
    inputs: list[Input] = field(default_factory=list)

    def add(self, item: Input) -> None:
        """Take in a record of this round."""
        self.inputs.append(item)
        body = item.envelope.data
        if isinstance(body, RoundClosed):
            if self.closed is not None and self.closed.record.value != item.record.value:
                self.conflict = item
            self.closed = self.closed or item
            return
        assert isinstance(body, PARTS)
        known = self.parts.setdefault(body.index, item)
        if known.record.value != item.record.value:
            self.conflict = item

    def whole(self) -> bool:
        """Tell whether every record up to the closing one is there."""
        if self.closed is None:
            return False
        body = self.closed.envelope.data
        assert isinstance(body, RoundClosed)
        return len(self.parts) >= body.count

    def readable(self, positions: Positions) -> bool:
        """Tell whether the log has been read as far as the round had."""
        assert self.closed is not None
        body = self.closed.envelope.data
        assert isinstance(body, RoundClosed)
        ranges = (*body.offers_through, *body.demand_through)
        return all(positions.get((item.topic, item.partition), 0) >= item.end for item in ranges)


def book_round(books: Books, round_parts: RoundParts) -> None:
    """Book a whole round into the working copy.

    Args:
        books: A fork; the caller merges it, or throws it away on an error.
        round_parts: All records of the round.

    Raises:
        SettleError: if the set is not what it claims, or breaks a rule of the ledger.
        HoldError: if a hold does not cover what the round takes from it.
    """
    assert round_parts.closed is not None
    envelope = round_parts.closed.envelope
    closed = envelope.data
    assert isinstance(closed, RoundClosed)
    bodies = _checked_set(books, round_parts, closed)
    allocations = [body for body in bodies if isinstance(body, AllocationMade)]
    keeps = {body.demand_id: body for body in bodies if isinstance(body, HoldAdjusted)}
    captured: dict[str, int] = defaultdict(int)
    terms = terms_of(books, closed.market_id, closed.seq, closed.fee_ppm)
    premiums = premiums_of(
        (body for body in bodies if isinstance(body, PremiumAssigned)), allocations
    )
    for body in allocations:
        _take(books, body, terms, premiums.get(body.allocation_id, {}))
        captured[body.demand_id] += body.payment
    charges = [body for body in bodies if isinstance(body, LinkCharged)]
    for charge in charges:
        check_charge(books, charge, captured)
        captured[charge.demand_id] += charge.payment
    for demand_id in sorted(captured.keys() | keeps.keys()):
        keep = keeps.get(demand_id)
        _settle_hold(books, envelope, demand_id, captured.get(demand_id), keep)
    pay_links(books, envelope, charges)
    assess(books, envelope, premiums)
    row = RoundRow(
        closed.round_id,
        closed.market_id,
        closed.seq,
        bytes.fromhex(closed.digest),
        closed.count,
        sum(captured.values()),
        terms,
        closed.market_time,
    )
    books.rounds[row.round_id] = row.digest
    books.last_seq[row.market_id] = row.seq
    books.rounds_new.append(row)


def _checked_set(books: Books, round_parts: RoundParts, closed: RoundClosed) -> list[Part]:
    """Return the bodies in order, after checking that the set is the one that was closed."""
    if round_parts.conflict is not None:
        offset = round_parts.conflict.record.offset
        raise broken(
            "settle.round_conflict",
            Message(
                f"records of a round must repeat byte for byte, was other bytes at offset {offset}",
                f"轮次记录重发时须逐字节相同，偏移 {offset} 处不同",
            ),
            "index",
            offset,
            "the same bytes",
        )
    order = sorted(round_parts.parts)
    digest = hashlib.sha256()
    for index in order:
        digest.update(hashlib.sha256(round_parts.parts[index].record.value or b"").digest())
    found = digest.hexdigest()
    if order != list(range(closed.count)) or found != closed.digest:
        raise broken(
            "settle.round_digest",
            Message(
                f"round {closed.round_id} must have {closed.count} records of digest "
                f"{closed.digest}, was {len(order)} of {found}",
                f"轮次 {closed.round_id} 应有 {closed.count} 条记录、摘要 {closed.digest}，"
                f"实际为 {len(order)} 条、{found}",
            ),
            "digest",
            found,
            closed.digest,
        )
    last = books.last_seq.get(closed.market_id)
    if last is not None and closed.seq <= last:
        raise broken(
            "settle.round_order",
            Message(
                f"rounds must be booked in order, was {closed.seq} after {last}",
                f"轮次须按序记账，{closed.seq} 出现在 {last} 之后",
            ),
            "seq",
            closed.seq,
            f"above {last}",
        )
    bodies: list[Part] = []
    for index in order:
        body = round_parts.parts[index].envelope.data
        assert isinstance(body, PARTS)
        bodies.append(body)
    return bodies


def _take(books: Books, body: AllocationMade, terms: Terms, premiums: Mapping[int, int]) -> None:
    """Take an allocation's capacity; refuse what was not offered or is gone."""
    payment = sum(item.chips * item.price for item in body.periods)
    if payment != body.payment:
        raise broken(
            "settle.payment",
            Message(
                f"payment of {body.allocation_id} must be chips x price ({payment}), "
                f"was {body.payment}",
                f"{body.allocation_id} 的付款应为 芯片数×价格（{payment}），实际为 {body.payment}",
            ),
            "payment",
            body.payment,
            str(payment),
        )
    periods = tuple(
        PeriodRow(at := period_of(p.start), p.chips, p.price, premiums.get(at, 0))
        for p in body.periods
    )
    demand = books.demands.get(body.demand_id)
    known = demand is not None and demand.participant_id == body.enterprise_id
    if (
        body.allocation_id in books.allocations
        or len({item.period for item in periods}) != len(periods)
        or not known
        or body.provider_id not in books.participants
    ):
        raise broken(
            "settle.allocation",
            Message(
                f"allocation {body.allocation_id} must be new, name a period once, and name a "
                f"demand with a hold and its enterprise and a registered provider, was not so",
                f"分配 {body.allocation_id} 须为新的、每时段一次，且其需求、企业、供给方须已登记",
            ),
            "allocation_id",
            body.allocation_id,
            "a new allocation of known parties",
        )
    _take_capacity(books, body, periods)
    source = resold_by(books, body)
    allocation = Allocation(
        body.allocation_id,
        body.round_id,
        body.market_id,
        body.demand_id,
        body.enterprise_id,
        body.offer_id,
        body.provider_id,
        body.offer_version,
        body.pool,
        body.payment,
        body_digest(body),
        periods,
        terms,
        None if source is None else source.id,
        1 if source is None else source.links + 1,
    )
    if source is not None:
        books.resold[source.id] = (*(books.resold.get(source.id) or ()), allocation.id)
    books.allocations[allocation.id] = allocation
    for item in periods:
        due = terms.due(item.period)
        books.open[allocation.id, item.period] = OpenPeriod(item.chips, item.price, due)
    books.allocations_new.append(allocation)


def _take_capacity(books: Books, body: AllocationMade, periods: tuple[PeriodRow, ...]) -> None:
    versions = [
        version
        for version in books.offers.get(body.offer_id) or ()
        if version.version == body.offer_version
        and version.provider_id == body.provider_id
        and version.pool == body.pool
        and version.market_id == body.market_id
    ]
    for item in periods:
        chips = max(
            (v.chips for v in versions if v.start_period <= item.period < v.end_period), default=0
        )
        place = (body.offer_id, item.period)
        if any(version.capacity is not None for version in versions):
            chips = min(chips, books.held.get(place) or 0)
        used = (books.used.get(place) or 0) + item.chips
        if used > chips:
            raise broken(
                "settle.oversold",
                Message(
                    f"offer {body.offer_id} version {body.offer_version} has {chips} chips in "
                    f"period {item.period}, was {used} with {body.allocation_id}",
                    f"报价 {body.offer_id} 版本 {body.offer_version} 在时段 {item.period} 有 "
                    f"{chips} 片，计入 {body.allocation_id} 后为 {used}",
                ),
                "chips",
                used,
                f"at most {chips}",
            )
        books.used[place] = used


def _settle_hold(
    books: Books,
    envelope: Envelope,
    demand_id: str,
    captured: int | None,
    adjusted: HoldAdjusted | None,
) -> None:
    """Capture a demand's hold and hold again what must be kept.

    An amendment that this round had not read keeps what it needs, if there is money for it;
    else it is refused now, since the round took what it counted on.
    """
    closed = envelope.data
    assert isinstance(closed, RoundClosed)
    demand = books.demands.get(demand_id)
    if demand is None or (adjusted and adjusted.enterprise_id != demand.participant_id):
        raise broken(
            "settle.demand",
            Message(
                f"a round must settle demands that the ledger knows, was {demand_id}",
                f"轮次只能结算账本已知的需求，实际为 {demand_id}",
            ),
            "demand_id",
            demand_id,
            "a demand with a hold",
        )
    taken = captured or 0
    keep = demand.amount - taken if adjusted is None else adjusted.keep
    if keep < 0 or taken + keep > demand.amount:
        raise broken(
            "settle.hold_exceeded",
            Message(
                f"captured and kept of {demand_id} must be at most the held {demand.amount}, "
                f"was {taken} and {keep}",
                f"{demand_id} 的划转与保留之和须不超过冻结 {demand.amount}，"
                f"实际为 {taken} 与 {keep}",
            ),
            "keep",
            taken + keep,
            f"at most {demand.amount}",
        )
    if taken:
        _check_in_time(envelope, demand)
    later = not demand.closed and not _had_read(closed, demand)
    target = max(keep, demand.need) if later else keep
    if taken == 0 and target == demand.amount:
        if later:
            # Matching waits for this answer: it cannot know that the hold stayed as it was.
            books.emit(_placed(demand, closed.seq), envelope, demand_id, str(demand.version))
        return
    _release(books, envelope, demand, taken, is_over=target == 0)
    settled, refusal = _hold_again(books, envelope, demand, keep, target)
    books.demands[demand_id] = settled
    _tell(books, envelope, demand, settled, captured)
    if later:
        if refusal is not None:
            refuse(books, envelope, settled, demand.version, demand.need, refusal)
        else:
            books.emit(_placed(settled, closed.seq), envelope, demand_id, str(settled.version))


def _had_read(closed: RoundClosed, demand: DemandHold) -> bool:
    """Tell whether the round had read the record that the present hold answers."""
    for item in closed.demand_through:
        if item.partition == demand.log_partition:
            return demand.log_offset < item.end
    return True


def _has_ended(envelope: Envelope, demand: DemandHold) -> bool:
    """Tell whether the time of a hold is over, by the market's clock."""
    return demand.expires_at is not None and demand.expires_at <= envelope.occurred_at


def _check_in_time(envelope: Envelope, demand: DemandHold) -> None:
    """Check that a hold is captured before its end: no round gives a demand anything after it."""
    if not _has_ended(envelope, demand):
        return
    raise broken(
        "settle.hold_expired",
        Message(
            f"the hold of {demand.order_id} must be captured before {demand.expires_at}, "
            f"was at {envelope.occurred_at}",
            f"{demand.order_id} 的冻结须在 {demand.expires_at} 之前划转，"
            f"实际为 {envelope.occurred_at}",
        ),
        "occurred_at",
        str(envelope.occurred_at),
        f"before {demand.expires_at}",
    )


def _release(
    books: Books, envelope: Envelope, demand: DemandHold, taken: int, *, is_over: bool
) -> None:
    hold = open_hold(demand)
    if hold is None:
        return
    closed = envelope.data
    assert isinstance(closed, RoundClosed)
    kind, purpose = TransferKind.VOID, "hold_released"
    if taken:
        kind, purpose = TransferKind.POST, "hold_captured"
    elif is_over and _has_ended(envelope, demand):
        kind, purpose = TransferKind.EXPIRE, "hold_expired"
    books.transfer(
        kind,
        (derive_uuid(kind, demand.order_id, closed.round_id), hold.debit, hold.credit),
        taken,
        envelope,
        purpose,
        hold=hold,
        about=About(closed.market_id, closed.round_id, demand.order_id),
    )


def _hold_again(
    books: Books, envelope: Envelope, demand: DemandHold, keep: int, target: int
) -> tuple[DemandHold, HoldError | None]:
    """Return the demand with its new hold, and why it is only what the round kept."""
    closed = envelope.data
    assert isinstance(closed, RoundClosed)
    refusal: HoldError | None = None
    if target > keep and books.free(demand.participant_id) < target:
        free = books.free(demand.participant_id)
        refusal = HoldError(
            "hold.insufficient_funds",
            Message(
                f"{target} must be free for the amendment after this round, was {free}",
                f"本轮之后该修改需要可用余额 {target}，实际为 {free}",
            ),
            field="budget",
            value=str(target),
            allowed=f"at most {free}",
        )
        target = keep
    hold_id = derive_uuid("hold", demand.order_id, closed.round_id)
    if target:
        books.transfer(
            TransferKind.HOLD,
            (hold_id, cny_account(demand.participant_id), escrow_account(demand.market_id)),
            target,
            envelope,
            "hold_kept",
            about=About(closed.market_id, closed.round_id, demand.order_id, demand.expires_at),
        )
    return (
        replace(
            demand,
            amount=target,
            hold_id=hold_id if target else None,
            need=demand.need if refusal is None else target,
        ),
        refusal,
    )


def _placed(demand: DemandHold, seq: int) -> HoldPlaced:
    return HoldPlaced(
        hold_id=str(demand.hold_id),
        order_id=demand.order_id,
        market_id=demand.market_id,
        participant_id=demand.participant_id,
        version=demand.version,
        amount=demand.amount,
        booked_through_seq=seq,
    )


def _tell(
    books: Books,
    envelope: Envelope,
    before: DemandHold,
    after: DemandHold,
    captured: int | None,
) -> None:
    closed = envelope.data
    assert isinstance(closed, RoundClosed)
    common: Mapping[str, str] = {
        "hold_id": str(before.hold_id or "none"),
        "order_id": before.order_id,
        "market_id": closed.market_id,
        "participant_id": before.participant_id,
        "round_id": closed.round_id,
    }
    given_back = max(0, before.amount - (captured or 0) - after.amount)
    event = (
        HoldReleased(**common, released=given_back, kept=after.amount)
        if captured is None
        else HoldCaptured(**common, captured=captured, kept=after.amount, refunded=given_back)
    )
    books.emit(event, envelope, before.order_id, participant=before.participant_id)
