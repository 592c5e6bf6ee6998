"""A round: what leaves, the frozen book (seal), and what the result makes of it (publish)."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING

from schemas import events
from schemas.types import period_of
from services.core.book_builder import (
    build_book,
    entered,
    horizon_of,
    leaving,
    no_longer_taken,
    round_id_of,
    rules_of,
)
from services.core.capacity import passed_by
from services.core.codec import book_from_dict, book_to_dict, canonical_json, rules_to_dict
from services.core.holdings import held_after
from services.core.link_charges import sent_after
from services.core.order_holds import told
from services.core.policies import kept_out
from services.core.premiums import accounts_after
from services.core.reasons import why
from services.core.round_events import (
    RoundFacts,
    RoundPart,
    allocation_events,
    cleared_event,
    closed_event,
    hold_events,
    link_events,
    links_events,
    prices_events,
    wire_reason,
)
from services.core.round_file import file_events, round_file
from services.core.round_outcome import (
    apply_result,
    group_losers,
    holds_to_adjust,
)
from services.core.share_events import premium_events, shares_event
from services.core.urgent_rounds import served_event
from services.matching.app.scribe import record_of, status_record, tell_capacity
from services.matching.ports import SealedRound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from services.core.book import Book
    from services.core.orders import Order
    from services.kit.records import OutRecord, Positions
    from services.matching.app.desk import Desk
    from services.matching.ports import ClearedRound


def freeze(
    desk: Desk,
    now: datetime,
    epoch: int,
    before: Positions,
    through: Positions,
) -> SealedRound:
    """Freeze the book of the next round; the desk then holds what the seal has to write.

    Args:
        desk: State of the market, nothing of it uncommitted.
        now: Instant on the market's clock.
        epoch: Fencing epoch of the lease.
        before: Positions in the log at the last seal.
        through: Positions in the log now.
    """
    market = desk.market
    assert market is not None, "rounds begin once the market is defined"
    seq = desk.next_round
    horizon = horizon_of(market, seq, now)
    left: list[Order] = []
    if desk.market_changed:
        left += no_longer_taken(desk.live(), market, period_of(now))
        _put_all(desk, left)
    uncovered = desk.stages.leaving(desk.live(), market, horizon.first)
    _put_all(desk, uncovered)
    left += uncovered
    left += _all_leaving(desk, now, horizon.first)
    desk.drop_old_answers()
    policies = desk.freeze_policies()
    waiting = kept_out(desk.live(), market, policies)
    _put_all(desk, waiting)
    left += waiting
    build = partial(
        build_book,
        market,
        parents=desk.orders,
        horizon=horizon,
        sent=desk.sent,
        policies=policies,
        held=desk.held,
    )
    book = desk.stages.book(build, desk.live(), market, horizon.first)
    for order_id in [*(row.id for row in book.offers), *(row.id for row in book.demands)]:
        order = desk.orders[order_id]
        if order.waiting_since is None:
            desk.put(entered(order, seq))
    rules = canonical_json(rules_to_dict(rules_of(market, book, desk.pace)))
    content = canonical_json(book_to_dict(book))
    sealed = SealedRound(
        seq=seq,
        round_id=round_id_of(market.id, seq),
        market_time=now,
        manifest=_ranges(before, through),
        through=through,
        market=market,
        book=content,
        rules=rules,
        book_digest=hashlib.sha256(content).hexdigest(),
        rules_digest=hashlib.sha256(rules).hexdigest(),
        mobilisation=desk.stages.served,
    )
    desk.changes.outbox += [
        status_record(order, market, now, horizon.first, round_id=sealed.round_id) for order in left
    ]
    tell_capacity(desk, now)
    desk.changes.outbox.append(_sealed_record(sealed, book, epoch))
    desk.sealed(book, now)
    return sealed


def settle(desk: Desk, sealed: SealedRound, cleared: ClearedRound, *, budget_ms: int) -> None:
    """Take over a checked result; the desk then holds what the publication has to write.

    Args:
        desk: State of the market; what the round may change is as it was at the seal.
        sealed: The round.
        cleared: Its result.
        budget_ms: Real milliseconds that it should have taken at most.
    """
    assert desk.in_clearing is not None, f"{sealed.round_id} is not sealed"
    found, desk.in_clearing = desk.in_clearing, None
    book = book_from_dict(json.loads(sealed.book))
    result = cleared.result
    if book.mobilisation is None:
        # An urgent round's prices and time are no guide to the rounds that the pace is for.
        desk.pace = desk.pace.after(book, result, cleared.solve_ms, budget_ms)
    facts = RoundFacts(
        market=sealed.market,
        round_id=sealed.round_id,
        seq=sealed.seq,
        market_time=sealed.market_time,
        book=book,
        result=result,
        status=cleared.status,
        result_digest=cleared.result_digest,
        solve_ms=cleared.solve_ms,
    )
    allocations = allocation_events(facts, desk.orders)
    charges: list[RoundPart] = [*link_events(facts, desk.orders, len(allocations))]
    charges += premium_events(facts, desk.orders, len(allocations) + len(charges))
    served = served_event(facts, desk.orders)
    changed = apply_result(book, result, desk.orders, sealed.market, sealed.seq)
    _put_all(desk, changed)
    losers = group_losers(changed, _live(found.of(desk.orders)))
    _put_all(desk, losers)
    filled = [made.demand_id for made in allocations]
    desk.send(sent_after(desk.sent, book, result))
    desk.hold(held_after(desk.held, book, result, desk.orders))
    desk.accounts = accounts_after(book.policies, result)
    adjusted = holds_to_adjust(found.of(desk.orders), filled)
    holds = hold_events(facts, adjusted, len(allocations) + len(charges))
    records = _allocation_records(facts, sealed, [*allocations, *charges, *holds])
    closed_id = _id_of(records[-1])
    _put_all(desk, [told(order, sealed.seq, closed_id) for order in adjusted])
    if not desk.stages.served:
        _put_all(desk, passed_by(found.of(desk.orders), sealed.market, sealed.market_time))
    desk.next_round = sealed.seq + 1
    desk.changes.outbox += _round_records(facts, sealed, cleared)
    if served is not None:
        desk.changes.outbox.append(_of_round(served, facts.round_id, facts.market_time, 0))
    pause = desk.watch_prices(facts) if book.mobilisation is None else None
    if pause is not None:
        desk.changes.outbox.append(_of_round(pause, facts.round_id, facts.market_time, 0))
    desk.changes.outbox += records
    desk.changes.outbox += [
        status_record(
            order,
            sealed.market,
            sealed.market_time,
            book.first_period,
            round_id=sealed.round_id,
        )
        for order in (*changed, *losers)
    ]
    tell_capacity(desk, sealed.market_time)


def _live(orders: Iterable[Order]) -> list[Order]:
    return [order for order in orders if order.is_live]


def _put_all(desk: Desk, orders: Iterable[Order]) -> None:
    for order in orders:
        desk.put(order)


def _all_leaving(desk: Desk, now: datetime, first_period: int) -> list[Order]:
    """Let orders leave until no more follow: a parent that leaves may take others along."""
    left: list[Order] = []
    while True:
        gone = leaving(desk.live(), desk.orders, desk.groups, now, first_period, desk.suspended)
        if not gone:
            return left
        _put_all(desk, gone)
        left += gone


def _ranges(before: Positions, through: Positions) -> tuple[events.OffsetRange, ...]:
    return tuple(
        events.OffsetRange(
            topic=topic, partition=partition, start=before.get((topic, partition), 0), end=end
        )
        for (topic, partition), end in sorted(through.items())
        if end > before.get((topic, partition), 0)
    )


def _read_through(sealed: SealedRound, topic: str) -> list[events.OffsetRange]:
    return [
        events.OffsetRange(topic=topic, partition=partition, start=0, end=end)
        for (name, partition), end in sorted(sealed.through.items())
        if name == topic and end > 0
    ]


def _sealed_record(sealed: SealedRound, book: Book, epoch: int) -> OutRecord:
    event = events.RoundSealed(
        round_id=sealed.round_id,
        market_id=sealed.market.id,
        seq=sealed.seq,
        epoch=epoch,
        market_time=sealed.market_time,
        manifest=sealed.manifest,
        book_digest=sealed.book_digest,
        rules_digest=sealed.rules_digest,
        offers=len(book.offers),
        demands=len(book.demands),
    )
    return _of_round(event, sealed.round_id, sealed.market_time, 0)


def _round_records(
    facts: RoundFacts, sealed: SealedRound, cleared: ClearedRound
) -> list[OutRecord]:
    at = sealed.market_time
    file = round_file(sealed.book, sealed.rules, cleared.result_bytes)
    records = [_of_round(cleared_event(facts), facts.round_id, at, 0)]
    records += [_of_round(part, facts.round_id, at, part.part) for part in prices_events(facts)]
    records += [_of_round(part, facts.round_id, at, part.part) for part in links_events(facts)]
    shares = shares_event(facts)
    if shares is not None:
        records.append(_of_round(shares, facts.round_id, at, 0))
    records += [
        _of_round(part, facts.round_id, at, part.part)
        for part in file_events(facts.round_id, facts.market.id, file)
    ]
    if cleared.cause:
        records.append(_alarm(facts, cleared))
    return records


def _alarm(facts: RoundFacts, cleared: ClearedRound) -> OutRecord:
    code = "fallback_used" if cleared.is_cleared else "nothing_cleared"
    event = events.FindingRaised(
        finding_id=f"{facts.round_id}/solver",
        market_id=facts.market.id,
        round_id=facts.round_id,
        kind="round_refuted",
        ok=False,
        summary=wire_reason(why(code, cause=cleared.cause[:200])),
    )
    return _of_round(event, facts.round_id, facts.market_time, 0)


def _allocation_records(
    facts: RoundFacts,
    sealed: SealedRound,
    whole: Sequence[RoundPart],
) -> list[OutRecord]:
    closed = closed_event(
        facts, whole, _read_through(sealed, "offers"), _read_through(sealed, "demand")
    )
    records = [_of_round(event, facts.round_id, facts.market_time, event.index) for event in whole]
    return [*records, _of_round(closed, facts.round_id, facts.market_time, len(whole))]


def _id_of(record: OutRecord) -> str:
    return dict(record.headers)["ce_id"].decode()


def _of_round(event: events.Event, round_id: str, at: datetime, number: int) -> OutRecord:
    return record_of(event, (round_id, str(number)), at, correlation_id=round_id)
