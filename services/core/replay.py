"""The book of a market at any time, rebuilt from the log alone.

Matching's decisions are pure, so they can be made again: records are judged in the order in which
the statuses that they caused were told, at the market's time that those statuses carry; a round
takes in what its manifest names, freezes the book, and applies the result of its file. What
matching keeps in its database is not needed for it.

A record that caused no status is judged no later than the next one of its topic that did, but after
those about its order before it. Where in between does not matter: it changed nothing that a status
tells, and answers of the ledger wait for what they answer in either order. Nor does it matter that
records which came while a round was cleared were told about before it: those that it could have
changed waited (`in_clearing`).

Nor is it told from when a definition of the market, a policy or a pause was known that a verdict
depends on. It was at the latest with the round that takes it in; before that, once a verdict
follows from it alone.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from schemas import events
from schemas.policies import MarketPaused, MarketPolicySet
from schemas.standing import ParticipantStandingSet
from schemas.types import period_of
from services.core.book_builder import (
    build_book,
    entered,
    horizon_of,
    leaving,
    no_longer_taken,
    stand,
)
from services.core.capacity import passed_by
from services.core.circuit_breaker import TradedPrices, watched
from services.core.codec import book_to_dict, canonical_json
from services.core.holdings import held_after
from services.core.intake import decide, order_id_of
from services.core.link_charges import Sent, sent_after
from services.core.market_log import INPUTS, MarketLog, Read, Round, Status
from services.core.order_holds import told
from services.core.orders import DemandOrder, OfferOrder, Order
from services.core.policies import kept_out, rows_of
from services.core.premiums import accounts_after
from services.core.replay_queue import Queue, in_turn
from services.core.round_outcome import apply_result, group_losers, holds_to_adjust
from services.core.stops import Stops
from services.core.urgent_rounds import Stages
from services.core.verdicts import Decision, HoldAnswer, Story, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.market import Market
    from services.core.book import Book
    from services.core.holding_rows import Run

_NEVER = datetime.max.replace(tzinfo=UTC)
_DIFFERENCES_MAX = 20


@dataclass(frozen=True, slots=True)
class BookThen:
    """The book of a moment.

    Attributes:
        at: The moment, on the market's clock.
        seq: Number of the round that sealed it; of the one to come, if it is not a seal.
        market: The market as it was.
        book: The book.
        digest: SHA-256 of its canonical JSON.
        sealed_digest: What the seal says, ``None`` if it is not a seal.
        orders: Live orders, in the book or not, by id.
        differing: Ids of events whose status does not follow from the log, and of earlier rounds
            that sealed another book than this, at most 20; not empty, the book is not to be
            trusted.
    """

    at: datetime
    seq: int
    market: Market
    book: Book
    digest: str
    sealed_digest: str | None
    orders: tuple[Order, ...]
    differing: tuple[str, ...]


class Replay:
    """The state of a market, as matching had it.

    Args:
        log: What the log has of it. Records may be added to its inputs, and statuses by `tell`,
            while rounds are taken one after the other.

    Attributes:
        market: The market, ``None`` before it was defined.
        next_round: Number of the round to come.
        disagreed: (event id, order id) of verdicts that statuses tell otherwise, since the last
            round.
    """

    def __init__(self, log: MarketLog) -> None:
        self._log = log
        self._queues = {topic: Queue(log.inputs.get(topic, ())) for topic in INPUTS}
        self._told: dict[str, list[Status]] = defaultdict(list)
        self._rank: dict[str, int] = {}
        self._ranks = 0
        for status in log.statuses:
            self.tell(status)
        self._orders: dict[str, Order] = {}
        self._working: dict[str, Order] = {}
        self._stash: dict[str, dict[str, HoldAnswer]] = {}
        self._groups: dict[str, str] = {}
        self._sent: Sent = {}
        self._held: dict[tuple[str, str], Run] = {}
        self._accounts: dict[str, int] = {}
        self._block_offers: dict[str, str] = {}
        self._suspended: dict[str, str] = {}
        self._stages = Stages()
        self._policies: dict[tuple[str, int], MarketPolicySet] = {}
        self._traded: tuple[TradedPrices, ...] = ()
        self._paused: MarketPaused | None = None
        self._pause_ahead: MarketPaused | None = None
        self._market_changed = True
        self._now = datetime.min.replace(tzinfo=UTC)
        self._book: Book | None = None
        self._differing: list[str] = []
        self.market: Market | None = None
        self.next_round = 1
        self.disagreed: list[tuple[str, str]] = []

    def tell(self, status: Status) -> None:
        """Add the next status of the log."""
        if status.cause:
            self._told[status.cause].append(status)
            self._rank.setdefault(status.cause, self._ranks)
            self._ranks += 1

    def fork(self) -> Replay:
        """Return a copy that goes on by itself; only the records of the log are shared."""
        child = copy(self)
        child._own()  # noqa: SLF001 - of its own kind
        return child

    def _own(self) -> None:
        self._queues = {
            topic: Queue(queue.records, queue.next, set(queue.early))
            for topic, queue in self._queues.items()
        }
        self._told, self._rank = self._told.copy(), self._rank.copy()
        self._orders, self._working = self._orders.copy(), self._working.copy()
        self._groups, self._block_offers = self._groups.copy(), self._block_offers.copy()
        self._stash = {order_id: dict(kept) for order_id, kept in self._stash.items()}
        self._sent, self._suspended = dict(self._sent), dict(self._suspended)
        self._stages, self._policies = self._stages.fork(), dict(self._policies)
        self._differing, self.disagreed = list(self._differing), []

    def taken(self) -> dict[str, int]:
        """Return how many records of each topic were judged, and forget of them what it can.

        Whoever keeps the lists of records may drop as many of each from its beginning.
        """
        counts = {topic: queue.next for topic, queue in self._queues.items()}
        for topic, queue in self._queues.items():
            judged = {record.event_id for record in queue.records[: counts[topic]]}
            queue.early -= judged
            for event_id in judged:
                self._rank.pop(event_id, None)
            queue.next = 0
        return counts

    def awaits(self, event_id: str) -> bool:
        """Return whether statuses of an event were told that was not judged yet."""
        return event_id in self._told

    @property
    def orders(self) -> dict[str, Order]:
        """Return the orders that are known here, by id; those that are over may be taken out."""
        return self._orders

    def over(self) -> list[Order]:
        """Return the orders that matter no more, unless a record names them again."""
        named: set[str | None] = {*self._working, *self._stash, *self._block_offers.values()}
        named |= {order.terms.linked_to for order in self._working.values()
                  if isinstance(order, DemandOrder)}  # fmt: skip
        return [order for order_id, order in self._orders.items() if order_id not in named]

    # --- records ------------------------------------------------------------------------------

    def take_window(self, sealed: events.RoundSealed) -> None:
        """Judge the records that a round took in."""
        ends = {
            item.topic: item.end
            for item in sealed.manifest
            if item.partition == self._log.partitions.get(item.topic)
        }
        self._take(ends, _NEVER)
        for topic in INPUTS:
            for record in self._queues[topic].before(ends.get(topic, 0)):
                self._judge(record, ends)

    def take_rest(self, at: datetime) -> None:
        """Judge what was read after the last seal, up to an instant."""
        ends = dict.fromkeys(INPUTS, 2**63 - 1)
        self._take(ends, at)
        for record in self._queues["policies"].before(ends["policies"]):
            if record.occurred_at <= at:
                self._judge(record, ends)

    def _take(self, ends: Mapping[str, int], until: datetime) -> None:
        queues = [(self._queues[topic], ends.get(topic, 0)) for topic in INPUTS]
        for queue, at in in_turn(queues, self._rank):
            record = queue.records[at]
            statuses = self._told.get(record.event_id)
            if statuses and statuses[0].at > until:
                return
            if queue.take(at):
                self._judge(record, ends)

    def _judge(self, record: Read, ends: Mapping[str, int]) -> None:
        event = record.event
        if isinstance(event, events.MarketDefined):
            self._define(event.market)
            return
        if isinstance(event, ParticipantStandingSet):
            stand(self._suspended, event)
            return
        if self._stages.take(event):
            return
        if isinstance(event, MarketPolicySet):
            self._set_policy(event)
            return
        while self.market is None:
            if not self._next_rule(ends):
                return
        # A copy of an event is a repeat: what was told is what the first one caused.
        statuses = self._told.pop(record.event_id, [])
        if len(statuses) > 1 and record.topic in ("demand", "offers"):
            self._take_answers(order_id_of(event), ends)
        self._now = max(self._now, statuses[0].at) if statuses else self._now
        decision = self._decided(record)
        # What rules the market has no status: what explains this verdict was known before.
        while not decision.agrees(statuses) and self._next_rule(ends):
            decision = self._decided(record)
        if not decision.agrees(statuses):
            self._differing.append(record.event_id)
            self.disagreed.append((record.event_id, order_id_of(record.event) or ""))
        self._apply(decision)

    def _decided(self, record: Read) -> Decision:
        assert self.market is not None
        view = View(
            market=self.market,
            now=self._now,
            orders=self._orders,
            stash=self._stash,
            groups=self._groups,
            block_offers=self._block_offers,
            policies=self._book.policies if self._book is not None else (),
            is_mid_cycle=bool(self._stages.served),
            stops=Stops(self.next_round, self._policies.values(), self._paused),
        )
        story = Story(record.event_id, record.cause, record.correlation_id, record.offset)
        return decide(view, record.event, story)

    def _next_rule(self, ends: Mapping[str, int]) -> bool:
        if self._pause_ahead is not None:
            self._paused, self._pause_ahead = self._pause_ahead, None
            return True
        queue = self._queues["policies"]
        for record in queue.ahead(ends.get("policies", 0)):
            queue.early.add(record.event_id)
            if isinstance(record.event, ParticipantStandingSet):
                stand(self._suspended, record.event)
            self._stages.take(record.event)
            if isinstance(record.event, events.MarketDefined):
                self._define(record.event.market)
                return True
            if isinstance(record.event, MarketPolicySet):
                self._set_policy(record.event)
                return True
        return False

    def _take_answers(self, order_id: str | None, ends: Mapping[str, int]) -> None:
        """Judge answers for an order that came before it and were applied with it."""
        queue = self._queues["holds"]
        waiting = [
            record
            for record in queue.ahead(ends.get("holds", 0))
            if record.event_id not in self._rank and order_id_of(record.event) == order_id
        ]
        for record in waiting:
            queue.early.add(record.event_id)
            self._apply(self._decided(record))

    def _set_policy(self, policy: MarketPolicySet) -> None:
        self._policies.setdefault((policy.policy_id, policy.version), policy)

    def _define(self, market: Market) -> None:
        self._market_changed = self._market_changed or self.market not in (None, market)
        self.market = market

    # --- state --------------------------------------------------------------------------------

    def _apply(self, decision: Decision) -> None:
        self._put_all(decision.orders)
        if decision.put is not None:
            self._stash.setdefault(decision.put.order_id, {})[decision.put.cause] = decision.put
        for answer in decision.drop:
            self._drop(answer)

    def _drop(self, answer: HoldAnswer) -> None:
        kept = self._stash.get(answer.order_id, {})
        kept.pop(answer.cause, None)
        if not kept:
            self._stash.pop(answer.order_id, None)

    def _put_all(self, orders: Iterable[Order]) -> None:
        for order in orders:
            self._orders[order.id] = order
            if order.is_live or (isinstance(order, DemandOrder) and order.has_hold_news):
                self._working[order.id] = order
            else:
                self._working.pop(order.id, None)
            if isinstance(order, OfferOrder):
                self._put_block_offer(order)
            elif order.has_traded and order.group is not None:
                self._groups[order.group] = order.id

    def _put_block_offer(self, order: OfferOrder) -> None:
        if order.terms.block and order.is_live:
            self._block_offers[order.participant_id] = order.id
        elif self._block_offers.get(order.participant_id) == order.id:
            del self._block_offers[order.participant_id]

    def _live(self) -> list[Order]:
        return [order for order in self._working.values() if order.is_live]

    # --- rounds -------------------------------------------------------------------------------

    def seal(self, one: Round) -> BookThen | None:
        """Freeze the book of a round that the log has; ``None`` if it defines no market before."""
        sealed = one.sealed
        self.take_window(sealed)
        if self.market is None:
            return None
        book = self.freeze(sealed.seq, sealed.market_time)
        then = self.shown(book, sealed.market_time, sealed.book_digest)
        if then.digest != then.sealed_digest:
            self._differing.append(sealed.round_id)
        return then

    def freeze(self, seq: int, at: datetime) -> Book:
        """Let leave what leaves before a round, and return the book."""
        assert self.market is not None, "rounds begin once the market is defined"
        horizon = horizon_of(self.market, seq, at)
        if self._market_changed:
            self._put_all(no_longer_taken(self._live(), self.market, period_of(at)))
        first, away = horizon.first, self._suspended
        self._put_all(self._stages.leaving(self._live(), self.market, first))
        while gone := leaving(self._live(), self._orders, self._groups, at, first, away):
            self._put_all(gone)
        self._drop_old_answers()
        policies = rows_of(self._policies.values(), seq, self._accounts)
        self._put_all(kept_out(self._live(), self.market, policies))
        build = partial(build_book, self.market, parents=self._orders, horizon=horizon,
                        sent=self._sent, policies=policies, held=self._held)  # fmt: skip
        book = self._stages.book(build, self._live(), self.market, first)
        ids = [*(row.id for row in book.offers), *(row.id for row in book.demands)]
        self._put_all([entered(self._orders[order_id], seq) for order_id in ids])
        self._market_changed = False
        self._now = max(self._now, at)
        self._book = book
        return book

    def settle(self, one: Round) -> None:
        """Apply what a round allocated, and what it told the ledger."""
        self.next_round = one.sealed.seq + 1
        if one.result is None:
            return
        assert self.market is not None
        assert self._book is not None
        seq = one.sealed.seq
        changed = apply_result(self._book, one.result, self._orders, self.market, seq)
        self._sent = sent_after(self._sent, self._book, one.result)
        self._held = held_after(self._held, self._book, one.result, self._orders)
        self._accounts = accounts_after(self._book.policies, one.result)
        self._watch_prices(one)
        self._put_all(changed)
        self._put_all(group_losers(changed, self._live()))
        named = {outcome.id for outcome in one.result.demands}
        filled = {item.demand for item in one.result.allocations if item.demand in named}
        adjusted = holds_to_adjust(self._working_and(filled), filled)
        self._put_all([told(order, seq, one.closed_id) for order in adjusted])
        if not self._stages.served:
            self._put_all(passed_by(self._live(), self.market, one.sealed.market_time))

    def _watch_prices(self, one: Round) -> None:
        assert self._book is not None
        assert one.result is not None
        self._paused, self._pause_ahead = self._pause_ahead or self._paused, None
        if self._book.mobilisation is None:
            policies = tuple(self._policies.values())
            self._traded, self._pause_ahead = watched(
                self._traded, policies, self._book, one.result, one.sealed.market_time
            )

    def shown(self, book: Book, at: datetime, sealed_digest: str | None) -> BookThen:
        """Return the book that was frozen last, with the live orders."""
        assert self.market is not None
        content = canonical_json(book_to_dict(book))
        return BookThen(
            at=at,
            seq=int(book.round_id.rpartition(":")[2]),
            market=self.market,
            book=book,
            digest=hashlib.sha256(content).hexdigest(),
            sealed_digest=sealed_digest,
            orders=tuple(sorted(self._live(), key=lambda order: order.id)),
            differing=tuple(self._differing[:_DIFFERENCES_MAX]),
        )

    def _working_and(self, ids: Iterable[str]) -> list[Order]:
        wanted = {**self._working, **{order_id: self._orders[order_id] for order_id in ids}}
        return list(wanted.values())

    def _drop_old_answers(self) -> None:
        for order_id, answers in list(self._stash.items()):
            order = self._orders.get(order_id)
            for answer in list(answers.values()):
                if order is not None and (not order.is_live or answer.version <= order.version):
                    self._drop(answer)
