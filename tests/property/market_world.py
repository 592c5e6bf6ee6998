"""A market in memory: matching's own rules, and a ledger that books by the ledger's rules.

Three logs (orders, holds, allocations) are read by both sides whenever the test says so, in
any interleaving that a broker allows.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from schemas import events
from schemas.codec import decode
from schemas.links import LinkCharged
from schemas.market import Market
from schemas.types import TERMINAL_STATES, OrderState, period_start
from services.core.clearing.clear import clear_greedy
from services.core.codec import book_from_dict, canonical_json, result_to_dict, rules_from_dict
from services.core.eligibility import max_spend
from services.core.in_clearing import InClearing
from services.core.intake import decide
from services.core.orders import TRANSITIONS, DemandOrder, OfferOrder, Order
from services.core.verdicts import Story, Verdict
from services.matching.app.desk import Desk
from services.matching.app.rounds import freeze, settle
from services.matching.ports import ClearedRound, SealedRound

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
FIRST = int(START.timestamp()) // 3600 + 1
MARKET = Market.model_validate(
    {
        "id": "jjj",
        "name_en": "Beijing-Tianjin-Hebei",
        "name_zh": "京津冀",
        "zones": [
            {"id": "bj-1", "region": "beijing", "name_en": "B", "name_zh": "京", "cloud": "a"},
            {"id": "he-1", "region": "hebei", "name_en": "H", "name_zh": "冀", "cloud": "b"},
        ],
        "chips": [
            {"id": "t4", "name": "T4", "vendor": "NVIDIA", "domestic": False}
            | {"memory_gb": 16, "tflops": 65, "lot": 4},
        ],
        "links": [
            {"source": "bj-1", "destination": "he-1", "capacity_gb_per_period": 4, "tariff": 1},
            {"source": "he-1", "destination": "bj-1", "capacity_gb_per_period": 4, "tariff": 1},
        ],
        "rules": {"tick": 1, "round_every_s": 900, "horizon_periods": 8, "effort": 1}
        | {"freeze_s": 240},
    }
)
RULES = b'{"ascent_steps":20,"effort":1,"format":"suanli.rules.v1","seed":1,"tick":1}'


def order_id(side: str, number: int | str) -> str:
    """Return the id of the n-th order of a side."""
    digest = hashlib.sha256(f"{side}{number}".encode()).digest()
    return f"{side}_{base64.b32encode(digest).decode().lower()[:26]}"


def instant(period: int) -> str:
    """Return the start of a period after the first, as the wire writes it."""
    return period_start(FIRST + period).isoformat().replace("+00:00", "Z")


@dataclass
class Held:
    """What the ledger knows of a demand."""

    amount: int
    need: int
    version: int
    offset: int
    closed: bool = False


@dataclass
class LedgerModel:
    """Holds as `services.ledger` books them, without accounts and leaves."""

    money: dict[str, int]
    holds_log: list[tuple[str, events.Event]] = field(default_factory=list)
    cause: str = ""
    demands: dict[str, Held] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    demand_read: int = 0
    allocations_read: int = 0
    last_seq: int | None = None

    def free(self, owner: str) -> int:
        """Return an owner's money that is not held."""
        held = sum(h.amount for order, h in self.demands.items() if self.owners[order] == owner)
        return self.money[owner] - held

    def read_demand(self, event: events.Event) -> None:
        """Book the next record of the demand log."""
        offset, self.demand_read = self.demand_read, self.demand_read + 1
        self.cause = f"demand {offset}"
        if isinstance(event, events.DemandSubmitted) and event.order_id not in self.demands:
            self.owners[event.order_id] = event.participant_id
            need = max_spend(event.terms)
            self.demands[event.order_id] = Held(0, need, 1, offset)
            self._replace(event, need, 1, offset, is_new=True)
        elif isinstance(event, events.DemandAmended):
            known = self.demands[event.order_id]
            need, version = max_spend(event.terms), event.expected_version + 1
            if known.closed:
                self._refuse(event, version, need)
            else:
                self._replace(event, need, version, offset, is_new=False)

    def read_round(
        self, bodies: list[events.Event], closed: events.RoundClosed, closed_id: str
    ) -> None:
        """Book a whole round; refuse it if a hold does not cover it."""
        self.cause = closed_id
        taken: dict[str, int] = {}
        keeps: dict[str, int] = {}
        for body in bodies:
            if isinstance(body, events.AllocationMade | LinkCharged):
                taken[body.demand_id] = taken.get(body.demand_id, 0) + body.payment
            elif isinstance(body, events.HoldAdjusted):
                keeps[body.demand_id] = body.keep
        for demand_id in sorted(taken.keys() | keeps.keys()):
            self._settle(demand_id, taken.get(demand_id), keeps.get(demand_id), closed)
        self.last_seq = closed.seq

    def _settle(
        self, demand_id: str, taken: int | None, keep: int | None, closed: events.RoundClosed
    ) -> None:
        known = self.demands[demand_id]
        paid = taken or 0
        kept = known.amount - paid if keep is None else keep
        assert kept >= 0, f"{demand_id}: {kept}"
        assert paid + kept <= known.amount, f"{demand_id}: {paid} + {kept} of {known.amount}"
        (through,) = closed.demand_through or [
            events.OffsetRange(topic="d", partition=0, start=0, end=0)
        ]
        later = not known.closed and known.offset >= through.end
        target = max(kept, known.need) if later else kept
        if paid == 0 and target == known.amount:
            if later:
                self._placed(demand_id, closed.seq)
            return
        owner = self.owners[demand_id]
        known.amount = 0
        self.money[owner] -= paid
        refused = target > kept and self.free(owner) < target
        known.amount = kept if refused else target
        known.need = known.amount if refused else known.need
        self._tell(demand_id, taken, known.amount, closed)
        if later and refused:
            self._refuse_again(demand_id, target)
        elif later:
            self._placed(demand_id, closed.seq)

    def _replace(
        self,
        event: events.DemandSubmitted | events.DemandAmended,
        need: int,
        version: int,
        offset: int,
        *,
        is_new: bool,
    ) -> None:
        known = self.demands[event.order_id]
        if need > known.amount and self.free(event.participant_id) + known.amount < need:
            known.closed = is_new
            self._refuse(event, version, need)
            return
        known.amount = max(known.amount, need)
        known.need, known.version, known.offset = need, version, offset
        self._placed(event.order_id, self.last_seq)

    def _placed(self, demand_id: str, through: int | None) -> None:
        known = self.demands[demand_id]
        self._answer(
            events.HoldPlaced(
                hold_id="h",
                order_id=demand_id,
                market_id=MARKET.id,
                participant_id=self.owners[demand_id],
                version=known.version,
                amount=known.amount,
                booked_through_seq=through,
            )
        )

    def _refuse(
        self, event: events.DemandSubmitted | events.DemandAmended, version: int, need: int
    ) -> None:
        self._refused(event.order_id, version, need)

    def _refuse_again(self, demand_id: str, need: int) -> None:
        self._refused(demand_id, self.demands[demand_id].version, need)

    def _refused(self, demand_id: str, version: int, need: int) -> None:
        self._answer(
            events.HoldRefused(
                order_id=demand_id,
                market_id=MARKET.id,
                participant_id=self.owners[demand_id],
                version=version,
                needed=need,
                free=0,
                reason=events.Reason(code="hold.insufficient_funds", en="no", zh="不足"),
            )
        )

    def _tell(
        self, demand_id: str, taken: int | None, kept: int, closed: events.RoundClosed
    ) -> None:
        common = {
            "hold_id": "h",
            "order_id": demand_id,
            "market_id": MARKET.id,
            "participant_id": self.owners[demand_id],
            "round_id": closed.round_id,
        }
        if taken is None:
            event: events.Event = events.HoldReleased.model_validate(
                common | {"released": 0, "kept": kept}
            )
        else:
            event = events.HoldCaptured.model_validate(
                common | {"captured": taken, "kept": kept, "refunded": 0}
            )
        self._answer(event)

    def _answer(self, event: events.Event) -> None:
        self.holds_log.append((self.cause, event))


class World:
    """Matching and the ledger over three logs."""

    def __init__(self) -> None:
        self.desk = Desk(MARKET.id)
        self.desk.define(MARKET)
        self.desk.committed()
        self.now = START
        self.orders: dict[str, Order] = {}
        self.states: dict[str, list[OrderState]] = {}
        self.offers_log: list[events.Event] = []
        self.demand_log: list[events.Event] = []
        self.allocations_log: list[events.Event] = []
        self.closed_ids: dict[str, str] = {}
        self.ledger = LedgerModel({})
        self.offers_read = self.demand_read = self.holds_read = 0
        self.spent: dict[tuple[str, int], int] = {}
        self.used: dict[tuple[str, int], int] = {}
        self.sent: dict[tuple[str, int], int] = {}
        self.sealed: SealedRound | None = None
        self.waiting: list[tuple[events.Event, Story]] = []
        self.changed_since: set[str] = set()

    def matching_reads_offers(self) -> None:
        """Take in the next record of the offers log."""
        if self.offers_read < len(self.offers_log):
            story = Story(event_id=f"offers {self.offers_read}")
            self._decide(self.offers_log[self.offers_read], story)
            self.offers_read += 1

    def matching_reads_demand(self) -> None:
        """Take in the next record of the demand log."""
        if self.demand_read < len(self.demand_log):
            story = Story(event_id=f"demand {self.demand_read}")
            self._decide(self.demand_log[self.demand_read], story)
            self.demand_read += 1

    def matching_reads_holds(self) -> None:
        """Take in the next record of the holds log."""
        if self.holds_read < len(self.ledger.holds_log):
            cause, event = self.ledger.holds_log[self.holds_read]
            name = f"holds {self.holds_read}"
            self._decide(event, Story(name, cause, offset=self.holds_read))
            self.holds_read += 1

    def ledger_reads_demand(self) -> None:
        """Book the next record of the demand log."""
        if self.ledger.demand_read < len(self.demand_log):
            self.ledger.read_demand(self.demand_log[self.ledger.demand_read])

    def ledger_reads_round(self) -> None:
        """Book the next whole round, if the demand that it had read is read."""
        ends = [
            at
            for at in range(self.ledger.allocations_read, len(self.allocations_log))
            if isinstance(self.allocations_log[at], events.RoundClosed)
        ]
        if not ends:
            return
        closed = self.allocations_log[ends[0]]
        assert isinstance(closed, events.RoundClosed)
        while any(self.ledger.demand_read < item.end for item in closed.demand_through):
            self.ledger_reads_demand()
        bodies = self.allocations_log[self.ledger.allocations_read : ends[0]]
        self.ledger.read_round(bodies, closed, self.closed_ids[closed.round_id])
        self.ledger.allocations_read = ends[0] + 1

    def round(self, minutes: int) -> None:
        """Seal, clear by the fallback rule and publish a round."""
        self.publish(0)
        self.seal(minutes)
        self.publish(0)

    def seal(self, minutes: int) -> None:
        """Seal a round, unless one is being cleared; both sides may read on meanwhile."""
        if self.sealed is not None:
            return
        self.now += timedelta(minutes=minutes)
        through = {("offers", 0): self.offers_read, ("demand", 0): self.demand_read}
        # As the service does before a seal: a parent that traded and left is looked up again.
        parents = self.desk.missing_parents()
        self.desk.recall(order for name, order in self.orders.items() if name in parents)
        self.sealed = freeze(self.desk, self.now, 1, {}, through)
        self.changed_since.clear()
        self._commit()

    def start_again(self) -> None:
        """Forget, while a round is cleared, what a restart of matching forgets."""
        if self.sealed is None:
            return
        desk = self.desk
        desk.orders = {
            name: order for name, order in self.orders.items()
            if order.is_live or (isinstance(order, DemandOrder) and order.has_hold_news)
        }  # fmt: skip
        since = frozenset(self.changed_since)
        book = book_from_dict(json.loads(self.sealed.book))
        desk.in_clearing = InClearing(book, desk.orders, since)
        for event, _ in self.waiting:
            assert desk.must_wait(event)
            desk.in_clearing.add(event)

    def publish(self, minutes: int) -> None:
        """Clear and publish the round that is sealed, if one is, and judge what waited for it."""
        if self.sealed is None:
            return
        self.now += timedelta(minutes=minutes)
        sealed, self.sealed = self.sealed, None
        result = clear_greedy_of(sealed)
        content = canonical_json(result_to_dict(result.result))
        assert content == result.result_bytes
        settle(self.desk, sealed, result, budget_ms=10_000)
        for out in self.desk.changes.outbox:
            if out.topic == "allocations":
                envelope = decode(out.value, out.headers)
                self.allocations_log.append(envelope.data)
                self.closed_ids[sealed.round_id] = envelope.id
        self._check_round(sealed)
        self._commit()
        waiting, self.waiting = self.waiting, []
        for event, story in waiting:
            self._decide(event, story)

    def run_dry(self) -> None:
        """Let both sides read all there is, with rounds until nothing is left to tell."""
        self.publish(0)
        for _ in range(4):
            while self.offers_read < len(self.offers_log):
                self.matching_reads_offers()
            while self.ledger.demand_read < len(self.demand_log):
                self.ledger_reads_demand()
            while self.demand_read < len(self.demand_log):
                self.matching_reads_demand()
            while self.holds_read < len(self.ledger.holds_log):
                self.matching_reads_holds()
            self.round(0)
            while self.ledger.allocations_read < len(self.allocations_log):
                self.ledger_reads_round()
        while self.holds_read < len(self.ledger.holds_log):
            self.matching_reads_holds()

    def _decide(self, event: events.Event, story: Story) -> None:
        if self.desk.must_wait(event):
            assert self.desk.in_clearing is not None
            self.desk.in_clearing.add(event)
            self.waiting.append((event, story))
        else:
            self._judge(event, story)

    def _judge(self, event: events.Event, story: Story) -> Verdict:
        wanted = {getattr(event, "order_id", "")}
        terms = getattr(event, "terms", None)
        wanted.add(getattr(terms, "linked_to", None) or "")
        self.desk.recall(self.orders[name] for name in wanted if name in self.orders)
        decision = decide(self.desk.view(self.now), event, story)
        for order in decision.orders:
            self._check_move(order)
            self.orders[order.id] = order
        self.desk.apply(decision)
        self._commit()
        if decision.verdict is not Verdict.IGNORED:
            self.changed_since.add(getattr(event, "order_id", ""))
        return decision.verdict

    def _commit(self) -> None:
        for order in self.desk.changes.orders.values():
            self._check_move(order)
            self.orders[order.id] = order
        self.desk.committed()

    def _check_move(self, order: Order) -> None:
        before = self.orders.get(order.id)
        if before is None or before.state == order.state:
            return
        assert before.state not in TERMINAL_STATES, f"{order.id} left {before.state}"
        assert order.sequence > before.sequence, f"{order.id}: {order.sequence}"
        # Several steps may lie between two looks; each of them is a legal one.
        reachable, fresh = {before.state}, {before.state}
        while fresh:
            fresh = {to for at in fresh for to in TRANSITIONS.get(at, ())} - reachable
            reachable |= fresh
        assert order.state in reachable, f"{order.id}: {before.state} to {order.state}"

    def _check_links(self, sealed: SealedRound) -> None:
        """Check that all rounds together give away no more of a link than it has."""
        for event in self.allocations_log:
            if not isinstance(event, LinkCharged) or event.round_id != sealed.round_id:
                continue
            demand = self.desk.orders[event.demand_id]
            key = (event.demand_id, demand.version)
            self.spent[key] = self.spent.get(key, 0) + event.payment
            for period in event.periods:
                at = (event.source, int(period.start.timestamp()) // 3600)
                self.sent[at] = self.sent.get(at, 0) + period.gb
                assert self.sent[at] <= MARKET.links[0].capacity_gb_per_period

    def _check_round(self, sealed: SealedRound) -> None:
        made = [
            event
            for event in self.allocations_log
            if isinstance(event, events.AllocationMade) and event.round_id == sealed.round_id
        ]
        self._check_links(sealed)
        for event in made:
            key = (event.demand_id, event.demand_version)
            self.spent[key] = self.spent.get(key, 0) + event.payment
            for period in event.periods:
                cell = (event.offer_id, int(period.start.timestamp()) // 3600)
                self.used[cell] = self.used.get(cell, 0) + period.chips
                offer = self.desk.orders[event.offer_id]
                assert isinstance(offer, OfferOrder)
                assert self.used[cell] <= offer.terms.chips
            demand = self.desk.orders[event.demand_id]
            assert isinstance(demand, DemandOrder)
            budget = demand.terms.budget
            assert budget is None or self.spent[key] <= budget
            assert demand.state in {OrderState.FILLED, OrderState.PART_FILLED, OrderState.EXPIRED}


def clear_greedy_of(sealed: SealedRound) -> ClearedRound:
    """Return a sealed round's result by the fallback rule."""
    result = clear_greedy(
        book_from_dict(json.loads(sealed.book)), rules_from_dict(json.loads(RULES))
    )
    content = canonical_json(result_to_dict(result))
    digest = hashlib.sha256(content).hexdigest()
    return ClearedRound(result, content, digest, "fallback", "", is_cleared=True, solve_ms=0)
