"""The state of one market in memory: what the store holds, plus what is not committed yet.

Every change goes through `Desk`, which remembers it for the next commit. A commit that fails
ends the process, so memory is never ahead of the store for longer than one transaction.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.mobilisation import MobilisationDeclared, MobilisationEnded
from schemas.types import TERMINAL_STATES
from services.core.book_builder import stand
from services.core.capacity import has_freed, has_wanted
from services.core.circuit_breaker import watched
from services.core.codec import book_from_dict
from services.core.in_clearing import InClearing
from services.core.orders import DemandOrder, OfferOrder
from services.core.policies import rows_of
from services.core.policy_rows import policies_of
from services.core.round_pace import Pace
from services.core.stops import Stops
from services.core.urgent_rounds import Stages
from services.core.verdicts import View
from services.matching.ports import Changes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.events import Event
    from schemas.market import Market
    from schemas.policies import MarketPaused, MarketPolicySet
    from schemas.standing import ParticipantStandingSet
    from services.core.book import Book, BookPolicy
    from services.core.circuit_breaker import TradedPrices
    from services.core.holdings import Held
    from services.core.link_charges import Sent
    from services.core.orders import Order
    from services.core.round_events import RoundFacts
    from services.core.verdicts import Decision, HoldAnswer
    from services.kit.records import Record
    from services.matching.ports import Loaded

# What may wait for a round: beyond it nothing more is read before the round is published.
_WAITING_MAX = 20_000
_WAITING_BYTES_MAX = 64 * 1024 * 1024


class Desk:
    """Orders, market and early answers of the ledger.

    Args:
        market_id: The market that this process clears.

    Attributes:
        market_id: The same.
        market: Its definition, ``None`` until one was read.
        known_markets: Ids of all markets that were defined.
        orders: Live orders, and those whose hold the ledger has yet to be told, by id.
        stash: Answers of the ledger that came early: order id -> cause -> answer.
        groups: Exclusive group -> the demand of it that was accepted.
        suspended: Participant that may not trade here -> why.
        next_round: Number of the round that comes next.
        last_time: Instant of the last seal; the market's time never goes back behind it.
        sent: GB of each link and period that rounds have given away.
        held: What accounts hold of what rounds gave, in hours still to come.
        accounts: TFLOPS-hours that rounds missed of each domestic share and none made good since.
        stages: Mobilisations, and the stage of the cycle of rounds.
        market_changed: Whether the market was defined anew since the last seal.
        policies: Every version of every policy of the market, by id and version.
        traded: What the latest ordinary rounds traded, oldest first, while a breaker is known.
        paused: The latest pause.
        pace: What the rounds since the start of this process have shown; a restart forgets it.
        in_clearing: What the round that is sealed and not published may change, if there is one.
        waiting: Records that wait for that round, in the order in which they were read.
    """

    def __init__(self, market_id: str) -> None:
        self.market_id = market_id
        self.market: Market | None = None
        self.known_markets: set[str] = set()
        self.orders: dict[str, Order] = {}
        self.stash: dict[str, dict[str, HoldAnswer]] = {}
        self.groups: dict[str, str] = {}
        self.suspended: dict[str, str] = {}
        self.next_round = 1
        self.last_time = datetime.min.replace(tzinfo=UTC)
        self.market_changed = False
        self.policies: dict[tuple[str, int], MarketPolicySet] = {}
        self.traded: tuple[TradedPrices, ...] = ()
        self.paused: MarketPaused | None = None
        self.pace = Pace()
        self.sent: Sent = {}
        self.held: Held = {}
        self.accounts: dict[str, int] = {}
        self.stages = Stages()
        self.in_clearing: InClearing | None = None
        self.waiting: list[Record] = []
        self._waiting_bytes = 0
        self._block_offers: dict[str, str] = {}
        self._in_last_book: tuple[BookPolicy, ...] = ()
        self._changes = Changes()

    def load(self, loaded: Loaded) -> None:
        """Take over what the store holds."""
        for market in loaded.markets:
            self._know(market)
        last = loaded.last_round
        # What was defined since the last seal is still to be held against the orders.
        self.market_changed = last is None or last.market != self.market
        for order in loaded.orders:
            self._keep(order)
        self.groups = dict(loaded.groups)
        self.sent = dict(loaded.sent)
        self.held = loaded.held
        self.accounts = dict(loaded.accounts)
        self.suspended = dict(loaded.suspended)
        for told in loaded.mobilisations:
            self.stages.take(told)
        for answer in loaded.stash:
            self.stash.setdefault(answer.order_id, {})[answer.cause] = answer
        for policy in loaded.policies:
            self.policies[policy.policy_id, policy.version] = policy
        self.traded = tuple(loaded.traded)
        self.paused = loaded.paused
        if last is not None:
            self._in_last_book = policies_of(json.loads(last.book))
            self.next_round = last.seq + (0 if loaded.is_sealed else 1)
            self.last_time = last.market_time
            self.stages.served = last.mobilisation
            if loaded.is_sealed:
                book = book_from_dict(json.loads(last.book))
                self.in_clearing = InClearing(book, self.orders, loaded.changed_since)
        self.waiting = list(loaded.waiting)
        self._waiting_bytes = sum(map(_bytes_of, self.waiting))

    @property
    def changes(self) -> Changes:
        """Return what the next commit has to write."""
        return self._changes

    def committed(self) -> None:
        """Forget what was written, and orders that nothing can happen to any more."""
        changes, self._changes = self._changes, Changes()
        for order_id in changes.orders.keys() | changes.recalled:
            order = self.orders[order_id]
            if order.state not in TERMINAL_STATES:
                continue
            if isinstance(order, DemandOrder) and order.has_hold_news:
                continue
            del self.orders[order_id]

    def define(self, market: Market) -> None:
        """Take a market's definition, this one's or another's."""
        self._know(market)
        self._changes.markets[market.id] = market

    def stand(self, told: ParticipantStandingSet) -> None:
        """Take whether a participant may trade here; its orders leave at the next seal."""
        stand(self.suspended, told)
        self._changes.standings[told.participant_id] = self.suspended.get(told.participant_id)

    def mobilise(self, told: Event) -> bool:
        """Take what was declared urgent, or withdrawn; False if the event tells of neither."""
        if not isinstance(told, MobilisationDeclared | MobilisationEnded):
            return False
        self.stages.take(told)
        self._changes.mobilisations.append(told)
        return True

    def set_policy(self, policy: MarketPolicySet) -> bool:
        """Take a version of a policy; False if it is known, of which the first one counts."""
        key = policy.policy_id, policy.version
        if key in self.policies:
            return False
        self.policies[key] = policy
        self._changes.policies.append(policy)
        return True

    def freeze_policies(self) -> tuple[BookPolicy, ...]:
        """Return the policies of the next round; until the one after, orders are held to them."""
        self._in_last_book = rows_of(self.policies.values(), self.next_round, self.accounts)
        return self._in_last_book

    def is_halted(self, now: datetime) -> bool:
        """Tell whether a policy, or a pause, keeps the next round from being run."""
        stops = Stops(self.next_round, self.policies.values(), self.paused)
        return stops.is_halted or stops.is_paused(now)

    def watch_prices(self, facts: RoundFacts) -> MarketPaused | None:
        """Take over what an ordinary round traded; return the pause that follows, if one does."""
        policies = tuple(self.policies.values())
        self.traded, pause = watched(
            self.traded, policies, facts.book, facts.result, facts.market_time
        )
        if pause is not None:
            self.paused = self._changes.paused = pause
        return pause

    def recall(self, orders: Iterable[Order]) -> None:
        """Add stored orders that a record may concern; they are dropped at the next commit."""
        for order in orders:
            if order.id not in self.orders:
                self.orders[order.id] = order
                if not order.is_live:
                    self._changes.recalled.add(order.id)

    def sealed(self, book: Book, now: datetime) -> None:
        """Take note that a book was frozen, which is to be cleared."""
        self.in_clearing = InClearing(book, self.orders)
        self.last_time = now
        self.market_changed = False

    def must_wait(self, event: Event) -> bool:
        """Tell whether an event waits for the round that is being cleared."""
        if self.in_clearing is None:
            return False
        return self.in_clearing.must_wait(event, self._block_offers)

    def put_off(self, record: Record) -> None:
        """Keep a record until the round that is being cleared is published."""
        self.waiting.append(record)
        self._waiting_bytes += _bytes_of(record)
        self._changes.waiting.append(record)

    @property
    def is_full(self) -> bool:
        """Return whether no more may wait for the round that is being cleared."""
        return len(self.waiting) >= _WAITING_MAX or self._waiting_bytes >= _WAITING_BYTES_MAX

    def take_waiting(self) -> list[Record]:
        """Return the records that waited for a round; they are to be judged now."""
        waiting, self.waiting, self._waiting_bytes = self.waiting, [], 0
        self._changes.has_waited = bool(waiting)
        return waiting

    def view(self, now: datetime) -> View:
        """Return what a verdict may depend on."""
        assert self.market is not None, "records are judged once the market is defined"
        # The book of a round that is being cleared is taken: orders are for the one after it.
        seq = self.next_round + (self.in_clearing is not None)
        return View(
            market=self.market,
            now=now,
            orders=self.orders,
            stash=self.stash,
            groups=self.groups,
            block_offers=self._block_offers,
            policies=self._in_last_book,
            is_mid_cycle=bool(self.stages.served),
            stops=Stops(seq, self.policies.values(), self.paused),
        )

    def apply(self, decision: Decision) -> list[Order]:
        """Make a decision so; return the values of its order that are statuses."""
        statuses: list[Order] = []
        for order in decision.orders:
            before = self.orders.get(order.id)
            if before is None or before.sequence != order.sequence:
                statuses.append(order)
            self.put(order)
        if decision.put is not None:
            answer = decision.put
            self.stash.setdefault(answer.order_id, {})[answer.cause] = answer
            self._changes.put_holds[answer.order_id, answer.cause] = answer
        for answer in decision.drop:
            self._drop_answer(answer)
        return statuses

    def put(self, order: Order) -> None:
        """Take the next value of an order."""
        if has_freed(self.orders.get(order.id), order):
            self._changes.freed.add(order.id)
        if has_wanted(self.orders.get(order.id), order):
            self._changes.wanted.add(order.id)
        self._keep(order)
        self._changes.orders[order.id] = order

    def send(self, sent: Sent) -> None:
        """Take over what is given away of links after a round."""
        if sent != self.sent:
            self.sent = self._changes.sent = sent

    def hold(self, held: Held) -> None:
        """Take over what accounts hold after a round."""
        before, self.held = self.held, held
        for key, run in held.items():
            if before.get(key) != run:
                self._changes.held[key] = run
        for key in before.keys() - held.keys():
            self._changes.held[key] = None

    def drop_old_answers(self) -> None:
        """Forget answers of the ledger that came early for what can never be read any more."""
        for order_id in list(self.stash):
            order = self.orders.get(order_id)
            for answer in list(self.stash[order_id].values()):
                if order is not None and (not order.is_live or answer.version <= order.version):
                    self._drop_answer(answer)

    def _drop_answer(self, answer: HoldAnswer) -> None:
        kept = self.stash.get(answer.order_id, {})
        kept.pop(answer.cause, None)
        if not kept:
            self.stash.pop(answer.order_id, None)
        key = (answer.order_id, answer.cause)
        self._changes.put_holds.pop(key, None)
        self._changes.drop_holds.add(key)

    def live(self) -> list[Order]:
        """Return the live orders."""
        return [order for order in self.orders.values() if order.is_live]

    def missing_parents(self) -> set[str]:
        """Return ids of orders that live demand is linked to and that are not in memory."""
        wanted = {
            order.terms.linked_to
            for order in self.orders.values()
            if isinstance(order, DemandOrder) and order.is_live and order.terms.linked_to
        }
        return wanted - self.orders.keys()

    def _know(self, market: Market) -> None:
        self.known_markets.add(market.id)
        if market.id == self.market_id:
            changed = self.market is not None and self.market != market
            self.market_changed = self.market_changed or changed
            self.market = market

    def _keep(self, order: Order) -> None:
        self.orders[order.id] = order
        if isinstance(order, OfferOrder):
            self._keep_block_offer(order)
        elif order.has_traded and order.group is not None:
            self.groups[order.group] = order.id

    def _keep_block_offer(self, order: OfferOrder) -> None:
        if order.terms.block and order.is_live:
            self._block_offers[order.participant_id] = order.id
        elif self._block_offers.get(order.participant_id) == order.id:
            del self._block_offers[order.participant_id]


def _bytes_of(record: Record) -> int:
    headers = sum(len(name) + len(raw or b"") for name, raw in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
