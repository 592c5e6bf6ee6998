"""The ledger's decisions beside a model of plain numbers, driven by Hypothesis.

The model knows nothing of transfers: only who has how much free, what each demand holds, what
is in escrow, and which chips are gone. Whatever the order of deposits, demands, amendments,
rounds, broken rounds, deliveries and repeats, both must agree after every step.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas import events
from schemas.types import Role, period_of
from services.core.merkle import root
from services.kit.kafka import Record
from services.ledger.state import BANK, cny_account, escrow_account, fees_account
from tests.unit.ledger import world as w

LABS = ("lab-a", "lab-b")
CLOUD = "cloud"
OFFERS = {"o1": 6, "o2": 9}
HOURS = 3
FEE_PPM = 12_345


@dataclass
class Demand:
    lab: str
    held: int = 0
    need: int = 0
    version: int = 1
    offset: int = 0
    closed: bool = False


@dataclass
class Model:
    free: dict[str, int] = field(default_factory=dict)
    demands: dict[str, Demand] = field(default_factory=dict)
    escrow: int = 0
    fees: int = 0
    deposited: int = 0
    used: dict[tuple[str, int], int] = field(default_factory=dict)

    def hold(self, demand: Demand, need: int) -> bool:
        """Raise what a demand holds to ``need``; tell whether there was money for it."""
        if need > demand.held:
            if need - demand.held > self.free[demand.lab]:
                return False
            self.free[demand.lab] -= need - demand.held
            demand.held = need
        demand.need = need
        return True


class LedgerMachine(RuleBasedStateMachine):
    @initialize()
    def open_market(self) -> None:
        self.topics = w.Topics()
        self.ledger = w.MemoryLedger()
        self.model = Model()
        self.sent: list[Record] = []
        self.allocations: dict[str, events.AllocationMade] = {}
        self.paid: set[tuple[str, int]] = set()
        self.count = 0
        self.seq = 0
        people = [w.registered(lab) for lab in LABS] + [w.registered(CLOUD, Role.PROVIDER)]
        offers = [w.offered(name, CLOUD, chips, HOURS) for name, chips in OFFERS.items()]
        self.feed(self.topics.put(*people, *offers))
        self.model.free = dict.fromkeys((*LABS, CLOUD), 0)

    def feed(self, records: list[Record], cut: int = 0) -> None:
        """Feed records in two batches, so that a set may be cut anywhere."""
        self.sent += records
        for part in (records[:cut], records[cut:]):
            if part:
                self.ledger.feed(part)

    @rule(lab=st.sampled_from(LABS), amount=st.integers(1, 5000), twice=st.booleans())
    def deposit(self, lab: str, amount: int, *, twice: bool) -> None:
        self.count += 1
        body = w.deposited(lab, amount, f"d{self.count}")
        self.feed(self.topics.put(*([body, body] if twice else [body])))
        self.model.free[lab] += amount
        self.model.deposited += amount

    @rule(lab=st.sampled_from(LABS), chips=st.integers(1, 12), limit=st.integers(0, 90))
    def demand(self, lab: str, chips: int, limit: int) -> None:
        self.count += 1
        name = f"n{self.count}"
        offset = self.topics.ends["demand", 0]
        self.feed(self.topics.put(w.demanded(name, lab, chips, HOURS, limit)))
        demand = self.model.demands[name] = Demand(lab, offset=offset)
        demand.closed = not self.model.hold(demand, chips * HOURS * limit)

    @precondition(lambda self: self.model.demands)
    @rule(data=st.data(), chips=st.integers(1, 20), limit=st.integers(0, 90))
    def amend(self, data: st.DataObject, chips: int, limit: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.demands)))
        demand = self.model.demands[name]
        offset = self.topics.ends["demand", 0]
        body = w.demand_amended(name, demand.lab, chips, HOURS, limit, demand.version)
        self.feed(self.topics.put(body))
        if not demand.closed and self.model.hold(demand, chips * HOURS * limit):
            demand.version += 1
            demand.offset = offset

    @precondition(lambda self: self.model.demands)
    @rule(data=st.data(), fee=st.sampled_from((0, FEE_PPM)), late=st.booleans())
    def clear_round(self, data: st.DataObject, fee: int, *, late: bool) -> None:
        self.seq += 1
        bodies, taken = self._allocations(data)
        keeps = {}
        for name in data.draw(st.sets(st.sampled_from(sorted(self.model.demands)), max_size=3)):
            rest = self.model.demands[name].held - taken.get(name, 0)
            keeps[name] = data.draw(st.integers(0, rest))
        adjusted = [
            w.kept(self.seq, name, self.model.demands[name].lab, keep)
            for name, keep in sorted(keeps.items())
        ]
        end = self.topics.ends["demand", 0]
        read = data.draw(st.integers(0, end)) if late else end
        records = self.topics.round(self.seq, *bodies, *adjusted, fee_ppm=fee, demand_end=read)
        self.feed(records, data.draw(st.integers(0, len(records))))
        for body in bodies:
            self.allocations[body.allocation_id] = body
            for period in body.periods:
                place = (body.offer_id, period_of(period.start))
                self.model.used[place] = self.model.used.get(place, 0) + period.chips
        for name in sorted(taken.keys() | keeps.keys(), key=w.demand_id):
            self._settle(name, taken.get(name, 0), keeps.get(name), read)

    def _settle(self, name: str, taken: int, keep: int | None, read: int) -> None:
        demand, model = self.model.demands[name], self.model
        keep = demand.held - taken if keep is None else keep
        model.escrow += taken
        model.free[demand.lab] += demand.held - taken - keep
        demand.held = keep
        late = demand.offset >= read and not demand.closed and demand.need > keep
        if late and not model.hold(demand, demand.need):
            demand.need = keep

    def _allocations(
        self, data: st.DataObject
    ) -> tuple[list[events.AllocationMade], dict[str, int]]:
        """Draw allocations that the capacity and the holds allow."""
        bodies, taken = [], {}
        used = dict(self.model.used)
        for name in data.draw(st.sets(st.sampled_from(sorted(self.model.demands)), max_size=3)):
            demand = self.model.demands[name]
            offer = data.draw(st.sampled_from(sorted(OFFERS)))
            periods = []
            left = demand.held
            for hour in range(HOURS):
                place = (w.offer_id(offer), w.period(hour))
                room = OFFERS[offer] - used.get(place, 0)
                chips = data.draw(st.integers(0, room)) if room else 0
                price = data.draw(st.integers(0, left // chips)) if chips else 0
                if chips:
                    periods.append((hour, chips, price))
                    used[place] = used.get(place, 0) + chips
                    left -= chips * price
            if periods:
                body = w.allocated(self.seq, name, demand.lab, offer, CLOUD, periods)
                bodies.append(body)
                taken[name] = body.payment
        return bodies, taken

    @precondition(lambda self: self.model.demands)
    @rule(data=st.data(), how=st.sampled_from(("oversold", "unpaid", "digest")))
    def break_a_round(self, data: st.DataObject, how: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.demands)))
        demand = self.model.demands[name]
        seq = self.seq + 1
        chips = {"oversold": OFFERS["o1"] + 1}.get(how, 1)
        price = {"unpaid": demand.held + 1}.get(how, 0)
        place = (w.offer_id("o1"), w.period(0))
        if how == "unpaid" and self.model.used.get(place, 0) == OFFERS["o1"]:
            how = "oversold"
        body = w.allocated(seq, name, demand.lab, "o1", CLOUD, [(0, chips, price)])
        if how == "digest":
            kept, closed = self.topics.round(seq, w.kept(seq, name, demand.lab, 0))
            _, other = self.topics.round(seq, w.kept(seq, name, demand.lab, 1))
            records = [kept, replace(other, offset=closed.offset)]
        else:
            records = self.topics.round(seq, body)
        before = dict(self.ledger.view.accounts)
        outcome = self.ledger.feed(records)
        assert outcome.halted == {w.MARKET}
        assert self.ledger.events(events.FindingRaised)
        assert self.ledger.view.accounts == before
        self.ledger.view.halts.clear()

    @precondition(lambda self: self.allocations)
    @rule(data=st.data(), chips=st.integers(0, 20))
    def deliver(self, data: st.DataObject, chips: int) -> None:
        self.count += 1
        body = self.allocations[data.draw(st.sampled_from(sorted(self.allocations)))]
        period = data.draw(st.sampled_from(body.periods))
        hour = period_of(period.start) - w.period(0)
        fee_ppm = self.ledger.view.allocations[body.allocation_id].fee_ppm
        self.feed(self.topics.put(w.delivered(body, [(hour, chips)], str(self.count))))
        place = (body.allocation_id, hour)
        if chips == 0 or place in self.paid:
            return
        self.paid.add(place)
        amount = min(chips, period.chips) * period.price
        fee = amount * fee_ppm // 1_000_000
        self.model.escrow -= amount
        self.model.fees += fee
        self.model.free[CLOUD] += amount - fee

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """Send earlier records once more; only an amendment may mean something again."""
        start = data.draw(st.integers(0, len(self.sent) - 1))
        records = [
            record
            for record in self.sent[start : start + data.draw(st.integers(1, 6))]
            if dict(record.headers)["ce_type"] != b"suanli.demand.amended.v1"
        ]
        if records:
            self.ledger.feed(self.topics.again(records))

    @invariant()
    def both_agree(self) -> None:
        accounts = self.ledger.view.accounts

        def free(name: str) -> int:
            return accounts[name].free() if name in accounts else 0

        model = self.model
        assert {p: free(cny_account(p)) for p in model.free} == model.free
        assert free(escrow_account(w.MARKET)) == model.escrow
        assert free(fees_account(w.MARKET)) == model.fees
        assert free(BANK) == -model.deposited
        held = {d.order_id: d.amount for d in self.ledger.view.demands.values()}
        assert held == {w.demand_id(name): d.held for name, d in model.demands.items()}
        assert self.ledger.view.used == model.used

    @invariant()
    def sums_are_zero(self) -> None:
        accounts = self.ledger.view.accounts.values()
        assert sum(a.debits_posted - a.credits_posted for a in accounts) == 0
        assert sum(a.debits_pending - a.credits_pending for a in accounts) == 0
        assert sum(a.debits_pending for a in accounts) == sum(
            d.held for d in self.model.demands.values()
        )

    def teardown(self) -> None:
        if not hasattr(self, "ledger"):
            return
        assert self.ledger.frontier.root() == root(self.ledger.leaves)
        entries = self.ledger.events(events.JournalEntryRecorded)
        assert [entry.leaf_index for entry in entries] == list(range(len(entries)))
        assert all(
            sum(p.amount for p in entry.postings if p.layer == layer) == 0
            for entry in entries
            for layer in ("posted", "pending")
        )


LedgerMachine.TestCase.settings = settings(
    max_examples=60,
    # Shrinking a run of 25 steps takes minutes; the printed steps of a failure are short enough.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLedgerAgainstModel = LedgerMachine.TestCase
