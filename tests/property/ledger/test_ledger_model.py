"""The ledger's decisions beside a model of plain numbers, driven by Hypothesis.

The model knows nothing of transfers: only who has how much free, as collateral or owed, what
each demand holds and until when, what is in escrow and for which hours, and which chips are gone.
Whatever the order of deposits, payouts, moves of collateral, reversals, terms, demands,
amendments, rounds, broken rounds, reports in time and late, hours that lapse, and repeats: both
must agree after every step.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas import events
from schemas.money import MoneyRefused
from schemas.types import Role, period_of
from services.core.merkle import root
from services.core.postings import derive_uuid
from services.core.settlement import REPORT_PERIODS
from services.kit.kafka import Record
from services.ledger.state import (
    BANK,
    cny_account,
    collateral_account,
    debt_account,
    escrow_account,
    fees_account,
    penalties_account,
)
from tests.unit.ledger import world as w
from tests.unit.ledger.windows import within

LABS = ("lab-a", "lab-b")
CLOUD = "cloud"
OFFERS = {"o1": 6, "o2": 9}
PEOPLE = (*LABS, CLOUD)
HOURS = 3
FEE_PPM = 12_345
NO_TERMS = [
    {
        "provider_fee_ppm": 0,
        "enterprise_fee_ppm": 0,
        "penalty_ppm": 0,
        "compensation_ppm": 0,
        "report_within_periods": REPORT_PERIODS,
    }
]


@dataclass
class Demand:
    lab: str
    held: int = 0
    need: int = 0
    version: int = 1
    offset: int = 0
    closed: bool = False
    ends: int = 0


@dataclass
class Hours:
    """What of an allocation is not settled: hour -> (chips, price), and on which terms."""

    lab: str
    terms: dict[str, int]
    open: dict[int, tuple[int, int]]


@dataclass
class Model:
    free: dict[str, int] = field(default_factory=dict)
    collateral: dict[str, int] = field(default_factory=dict)
    debt: dict[str, int] = field(default_factory=dict)
    demands: dict[str, Demand] = field(default_factory=dict)
    hours: dict[str, Hours] = field(default_factory=dict)
    terms: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    fees: int = 0
    penalties: int = 0
    outside: int = 0
    used: dict[tuple[str, int], int] = field(default_factory=dict)
    expired: int = 0

    def escrow(self) -> int:
        opened = [period for item in self.hours.values() for period in item.open.values()]
        return sum(chips * price for chips, price in opened)

    def exposure(self) -> int:
        """Return what all open hours can cost the one provider."""
        return sum(
            -(-chips * price * item.terms["penalty_ppm"] // 1_000_000)
            for item in self.hours.values()
            for chips, price in item.open.values()
        )

    def collect(self, who: str) -> None:
        taken = min(self.debt[who], self.free[who])
        self.debt[who] -= taken
        self.free[who] -= taken

    def settle(self, name: str, delivered: dict[int, int]) -> None:
        """Settle hours of an allocation together; ``delivered`` says how many chips of each."""
        item = self.hours[name]
        paid = refund = 0
        for hour, chips in delivered.items():
            there, price = item.open.pop(hour)
            paid += min(chips, there) * price
            refund += (there - min(chips, there)) * price
        rates = {key: value for key, value in item.terms.items() if key.endswith("_ppm")}
        fee = paid * rates["provider_fee_ppm"] // 1_000_000
        penalty = refund * rates["penalty_ppm"] // 1_000_000
        charge = paid * rates["enterprise_fee_ppm"] // 1_000_000
        taken = min(penalty, self.collateral[CLOUD])
        shared = taken * rates["compensation_ppm"] // 1_000_000
        self.free[CLOUD] += paid - fee
        self.free[item.lab] += refund + shared
        self.collateral[CLOUD] -= taken
        self.penalties += penalty - shared
        self.debt[CLOUD] += penalty - taken
        self.fees += fee + charge
        affordable = min(charge, self.free[item.lab])
        self.free[item.lab] -= affordable
        self.debt[item.lab] += charge - affordable
        self.collect(CLOUD)
        self.collect(item.lab)

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
        self.deposits: dict[str, tuple[str, int]] = {}
        self.count = 0
        self.seq = 0
        self.now = 0
        people = [w.registered(lab) for lab in LABS] + [w.registered(CLOUD, Role.PROVIDER)]
        offers = [w.offered(name, CLOUD, chips, HOURS) for name, chips in OFFERS.items()]
        self.feed(self.topics.put(*people, *offers))
        for money in (self.model.free, self.model.collateral, self.model.debt):
            money.update(dict.fromkeys(PEOPLE, 0))
        for who, amount in zip(PEOPLE, (4000, 900, 700), strict=True):
            self.deposit(who, amount, twice=False)

    def feed(self, records: list[Record], cut: int = 0) -> None:
        """Feed records in two batches, so that a set may be cut anywhere."""
        self.sent += records
        for part in (records[:cut], records[cut:]):
            if part:
                self.ledger.feed(part)

    @rule(who=st.sampled_from(PEOPLE), amount=st.integers(1, 5000), twice=st.booleans())
    def deposit(self, who: str, amount: int, *, twice: bool) -> None:
        self.count += 1
        body = w.deposited(who, amount, f"d{self.count}")
        self.feed(self.topics.put(*([body, body] if twice else [body])))
        self.deposits[str(derive_uuid("deposit", body.deposit_id))] = (who, amount)
        self.model.free[who] += amount
        self.model.outside += amount
        self.model.collect(who)

    @rule(who=st.sampled_from(PEOPLE), amount=st.integers(1, 3000), twice=st.booleans())
    def withdraw(self, who: str, amount: int, *, twice: bool) -> None:
        self.count += 1
        body = w.withdrawn(who, amount, f"w{self.count}")
        self.feed(self.topics.put(*([body, body] if twice else [body])))
        if amount <= self.model.free[who] and not self.model.debt[who]:
            self.model.free[who] -= amount
            self.model.outside -= amount
        else:
            assert self.ledger.events(MoneyRefused)[-1].order_ref == body.withdrawal_id

    @rule(amount=st.integers(1, 2000), out=st.booleans())
    def move_collateral(self, amount: int, *, out: bool) -> None:
        self.count += 1
        body = w.collateral(CLOUD, amount, "out" if out else "in", f"c{self.count}")
        self.feed(self.topics.put(body))
        model = self.model
        there = model.collateral[CLOUD] - model.exposure() if out else model.free[CLOUD]
        if amount <= there:
            model.free[CLOUD] += amount if out else -amount
            model.collateral[CLOUD] -= amount if out else -amount
        else:
            assert self.ledger.events(MoneyRefused)[-1].order_ref == body.collateral_id

    @precondition(lambda self: self.deposits)
    @rule(data=st.data(), twice=st.booleans())
    def take_a_deposit_back(self, data: st.DataObject, *, twice: bool) -> None:
        self.count += 1
        entry_id = data.draw(st.sampled_from(sorted(self.deposits)))
        who, amount = self.deposits[entry_id]
        orders = [w.reversed_entry(entry_id, f"{self.count}{n}") for n in range(1 + twice)]
        self.feed(self.topics.put(*orders))
        refused = len(orders)
        if amount <= self.model.free[who]:
            del self.deposits[entry_id]
            self.model.free[who] -= amount
            self.model.outside -= amount
            refused -= 1
        told = {event.order_ref for event in self.ledger.events(MoneyRefused)}
        assert sum(order.reversal_id in told for order in orders) == refused

    @rule(data=st.data(), ahead=st.integers(0, 3))
    def set_terms(self, data: st.DataObject, ahead: int) -> None:
        rates = {
            name: data.draw(st.sampled_from((0, 12_345, 150_000)))
            for name in ("provider_fee_ppm", "enterprise_fee_ppm")
        }
        rates["penalty_ppm"] = data.draw(st.sampled_from((0, 123_456, 1_000_000)))
        rates["compensation_ppm"] = data.draw(st.sampled_from((0, 333_333, 1_000_000)))
        rates["report_within_periods"] = data.draw(st.integers(1, 6))
        body = w.terms(len(self.model.terms) + 1, in_force_from_round=self.seq + ahead, **rates)
        self.feed(self.topics.put(body))
        self.model.terms.append((max(self.seq + ahead, self.seq and self.seq + 1), rates))

    @rule(lab=st.sampled_from(LABS), chips=st.integers(1, 12), limit=st.integers(0, 90))
    def demand(self, lab: str, chips: int, limit: int) -> None:
        self.count += 1
        name = f"n{self.count}"
        offset = self.topics.ends["demand", 0]
        body = within(w.demanded(name, lab, chips, HOURS, limit), self.now, self.now + HOURS)
        self.feed(self.topics.put(body))
        demand = self.model.demands[name] = Demand(lab, offset=offset, ends=self.now + HOURS)
        demand.closed = not self.model.hold(demand, chips * HOURS * limit)

    @precondition(lambda self: self.model.demands)
    @rule(
        data=st.data(),
        chips=st.integers(1, 20),
        limit=st.integers(0, 90),
        moved=st.integers(-2, 2),
    )
    def amend(self, data: st.DataObject, chips: int, limit: int, moved: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.demands)))
        demand = self.model.demands[name]
        offset = self.topics.ends["demand", 0]
        body = w.demand_amended(name, demand.lab, chips, HOURS, limit, demand.version)
        ends = demand.ends + moved
        self.feed(self.topics.put(within(body, ends - HOURS, ends)))
        held = demand.held
        if not demand.closed and self.model.hold(demand, chips * HOURS * limit):
            demand.version += 1
            demand.offset = offset
            # What is held stays for rounds that clear the version before.
            demand.ends = max(ends, demand.ends) if held else ends

    @precondition(lambda self: self.model.demands)
    @rule(
        data=st.data(),
        fee=st.sampled_from((0, FEE_PPM)),
        late=st.booleans(),
        passed=st.sampled_from((0, 0, 1, 2, HOURS, 80)),
    )
    def clear_round(self, data: st.DataObject, fee: int, passed: int, *, late: bool) -> None:
        self.seq += 1
        self.now += passed
        bodies, taken = self._allocations(data)
        keeps = {}
        for name in data.draw(st.sets(st.sampled_from(sorted(self.model.demands)), max_size=3)):
            rest = self.model.demands[name].held - taken.get(name, 0)
            keeps[name] = data.draw(st.just(0) | st.integers(0, rest))
        adjusted = [
            w.kept(self.seq, name, self.model.demands[name].lab, keep)
            for name, keep in sorted(keeps.items())
        ]
        end = self.topics.ends["demand", 0]
        read = data.draw(st.integers(0, end)) if late else end
        records = self.topics.round(
            self.seq, *bodies, *adjusted, fee_ppm=fee, demand_end=read, at=w.hour(self.now)
        )
        self.feed(records, data.draw(st.integers(0, len(records))))
        standing = [terms for start, terms in self.model.terms if start <= self.seq]
        terms = [*NO_TERMS, *standing][-1]
        for body in bodies:
            self.allocations[body.allocation_id] = body
            self.model.hours[body.allocation_id] = Hours(
                body.enterprise_id,
                terms if standing else terms | {"provider_fee_ppm": fee},
                {period_of(p.start) - w.period(0): (p.chips, p.price) for p in body.periods},
            )
            for period in body.periods:
                place = (body.offer_id, period_of(period.start))
                self.model.used[place] = self.model.used.get(place, 0) + period.chips
        for name in sorted(taken.keys() | keeps.keys(), key=w.demand_id):
            self._settle(name, taken.get(name, 0), keeps.get(name), read)
        self._lapse()

    def _lapse(self) -> None:
        for name in sorted(self.model.hours):
            item = self.model.hours[name]
            due = [h for h in item.open if h + 1 + item.terms["report_within_periods"] < self.now]
            if due:
                self.model.settle(name, dict.fromkeys(due, 0))

    def _settle(self, name: str, taken: int, keep: int | None, read: int) -> None:
        demand, model = self.model.demands[name], self.model
        held = demand.held
        keep = demand.held - taken if keep is None else keep
        model.free[demand.lab] += demand.held - taken - keep
        demand.held = keep
        late = demand.offset >= read and not demand.closed and demand.need > keep
        over = demand.ends <= self.now and not (taken or keep or late)
        model.expired += bool(held) and over
        if late and not model.hold(demand, demand.need):
            demand.need = keep

    def _allocations(
        self, data: st.DataObject
    ) -> tuple[list[events.AllocationMade], dict[str, int]]:
        """Draw allocations that the capacity and the holds allow."""
        bodies, taken = [], {}
        used = dict(self.model.used)
        names = sorted(n for n, d in self.model.demands.items() if d.ends > self.now)
        for name in data.draw(st.sets(st.sampled_from(names), max_size=3)) if names else ():
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
    @rule(data=st.data(), chips=st.integers(0, 20), passed=st.sampled_from((0, 1, 5)))
    def deliver(self, data: st.DataObject, chips: int, passed: int) -> None:
        self.count += 1
        self.now += passed
        body = self.allocations[data.draw(st.sampled_from(sorted(self.allocations)))]
        told = data.draw(st.sets(st.sampled_from(body.periods), min_size=1))
        hours = sorted(period_of(period.start) - w.period(0) for period in told)
        report = w.delivered(body, [(hour, chips) for hour in hours], str(self.count))
        self.feed(self.topics.put(report, at=w.hour(self.now)))
        item = self.model.hours[body.allocation_id]
        within = item.terms["report_within_periods"]
        counted = [h for h in hours if h in item.open and self.now < h + 1 + within]
        self.model.settle(body.allocation_id, dict.fromkeys(counted, chips))

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
        assert {p: free(collateral_account(p)) for p in model.free} == model.collateral
        assert {p: -free(debt_account(p)) for p in model.free} == model.debt
        assert min(*model.free.values(), *model.collateral.values(), *model.debt.values()) >= 0
        assert free(escrow_account(w.MARKET)) == model.escrow()
        assert free(fees_account(w.MARKET)) == model.fees
        assert free(penalties_account(w.MARKET)) == model.penalties
        assert free(BANK) == -model.outside
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
        assert sum(entry.kind == "expire" for entry in entries) == self.model.expired
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
