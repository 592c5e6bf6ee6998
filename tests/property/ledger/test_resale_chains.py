"""Whatever is sold on to whom, and however much of it comes: chips and money add up.

Beside the ledger stands a model that knows sales alone: who sold how many chips of which hour to
whom at which price, and out of which sale they were.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.capacity import CapacityFreed, CapacityHeld
from schemas.money import AllocationSettled
from schemas.types import Role
from services.ledger.state import BANK, cny_account, debt_account, escrow_account
from tests.unit.ledger import world as w
from tests.unit.ledger.balances import posted

PEOPLE = ("lab", "mill", "farm")
BEGIN = 1_000
HOURS = (1, 2)


@dataclass
class Sale:
    """A sale: hour -> (chips, price), and what of it is offered on or sold on."""

    name: str
    seller: str
    buyer: str
    rows: dict[int, tuple[int, int]]
    source: Sale | None = None
    came: dict[int, int] = field(default_factory=dict)

    @property
    def links(self) -> int:
        return 1 if self.source is None else self.source.links + 1


@dataclass
class Offer:
    """A resale: what of each hour is reserved for it and not sold."""

    name: str
    sale: Sale
    left: dict[int, int]


class ResaleChains(RuleBasedStateMachine):
    """Draws purchases, resales, rounds, withdrawals, deliveries."""

    @initialize(penalty=st.sampled_from([0, 200_000]))
    def begin(self, penalty: int) -> None:
        self.topics, self.ledger = w.Topics(), w.MemoryLedger()
        self.seq = self.count = 0
        self.sales: list[Sale] = []
        self.offers: list[Offer] = []
        self.ledger.feed(
            self.topics.put(
                w.registered("cloud", Role.PROVIDER),
                *(w.registered(one) for one in PEOPLE),
                *(w.deposited(one, BEGIN * w.YUAN) for one in (*PEOPLE, "cloud")),
                w.terms(penalty_ppm=penalty, compensation_ppm=500_000),
                w.offered("chips", "cloud", chips=40),
            )
        )

    def book(self, offer: str, pair: tuple[str, str], rows: dict[int, tuple[int, int]]) -> str:
        """Book a round with one sale, to a demand of its own; return the allocation's id."""
        seller, buyer = pair
        self.seq += 1
        name = f"d{self.seq}"
        need = w.demanded(name, buyer, chips=8, hours=3, limit=9 * w.YUAN)
        self.ledger.feed(self.topics.put(need))
        body = w.allocated(
            self.seq, name, buyer, offer, seller,
            [(hour, chips, price * w.YUAN) for hour, (chips, price) in sorted(rows.items())],
        )  # fmt: skip
        self.ledger.feed(self.topics.round(self.seq, body, w.kept(self.seq, name, buyer, 0)))
        self.bodies = {**getattr(self, "bodies", {}), body.allocation_id: body}
        return body.allocation_id

    def resellable(self, sale: Sale, hour: int) -> int:
        if hour in sale.came or hour not in sale.rows:
            return 0
        offered = sum(one.left.get(hour, 0) for one in self.offers if one.sale is sale)
        sold = sum(one.rows.get(hour, (0, 0))[0] for one in self.sales if one.source is sale)
        return sale.rows[hour][0] - offered - sold

    @precondition(lambda self: len([one for one in self.sales if one.source is None]) < 3)
    @rule(buyer=st.sampled_from(PEOPLE), chips=st.integers(4, 8), price=st.integers(0, 5))
    def buy(self, buyer: str, chips: int, price: int) -> None:
        rows = {hour: (chips, price + hour) for hour in HOURS}
        self.sales.append(Sale(self.book("chips", ("cloud", buyer), rows), "cloud", buyer, rows))

    @precondition(lambda self: self.sales)
    @rule(data=st.data(), chips=st.integers(1, 3), hours=st.sampled_from([(1,), (2,), (1, 2)]))
    def offer_on(self, data: st.DataObject, chips: int, hours: tuple[int, ...]) -> None:
        sale = data.draw(st.sampled_from(self.sales))
        self.count += 1
        name = f"r{self.count}"
        body = w.offered(
            name, sale.buyer, chips, hours[-1] + 1, start=hours[0], resale_of=sale.name
        )
        self.ledger.feed(self.topics.put(body))
        is_held = any(one.order_id == body.order_id for one in self.ledger.events(CapacityHeld))
        fits = sale.links < 8 and all(self.resellable(sale, hour) >= chips for hour in hours)
        assert is_held == fits
        if fits:
            self.offers.append(Offer(name, sale, dict.fromkeys(hours, chips)))

    @precondition(lambda self: any(any(one.left.values()) for one in self.offers))
    @rule(data=st.data(), price=st.integers(0, 5))
    def sell_on(self, data: st.DataObject, price: int) -> None:
        """Sell of an offer, at times of hours that were reported while the round was cleared."""
        offer = data.draw(st.sampled_from([one for one in self.offers if any(one.left.values())]))
        buyer = data.draw(st.sampled_from(PEOPLE))
        rows = {
            hour: (data.draw(st.integers(1, left)), price)
            for hour, left in offer.left.items()
            if left
        }
        for hour, (chips, _) in rows.items():
            offer.left[hour] -= chips
        name = self.book(offer.name, (offer.sale.buyer, buyer), rows)
        sale = Sale(name, offer.sale.buyer, buyer, rows, offer.sale)
        self.sales.append(sale)
        for hour in rows:
            if hour in offer.sale.came:
                passed = sum(
                    one.came.get(hour, 0) for one in self.sales if one.source is offer.sale
                )
                self.come(sale, hour, offer.sale.came[hour] - passed)

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        offer = data.draw(st.sampled_from(self.offers))
        body = CapacityFreed(
            order_id=w.offer_id(offer.name),
            market_id=w.MARKET,
            participant_id=offer.sale.buyer,
            chips=0,
            start=w.hour(1),
            end=w.hour(3),
            after_seq=self.seq,
        )
        self.ledger.feed(self.topics.put(body))
        self.offers.remove(offer)

    @precondition(lambda self: any(len(one.came) < 2 for one in self.sales if not one.source))
    @rule(data=st.data(), is_late=st.sampled_from([False] * 7 + [True]))
    def deliver(self, data: st.DataObject, is_late: bool) -> None:
        open_ = [one for one in self.sales if one.source is None and len(one.came) < len(HOURS)]
        if is_late:
            # Nobody reports: everything that is open lapses with the next round.
            self.seq += 1
            self.ledger.feed(self.topics.round(self.seq, at=w.hour(60)))
            for sale in open_:
                for hour in set(HOURS) - sale.came.keys():
                    self.come(sale, hour, 0)
            return
        sale = data.draw(st.sampled_from(open_))
        hours = sorted(set(HOURS) - sale.came.keys())
        told = {hour: data.draw(st.integers(0, sale.rows[hour][0])) for hour in hours[:1]}
        report = w.delivered(self.bodies[sale.name], sorted(told.items()), str(hours))
        self.ledger.feed(self.topics.put(report))
        for hour, chips in told.items():
            self.come(sale, hour, chips)

    def come(self, sale: Sale, hour: int, chips: int) -> None:
        """Let chips come to a sale, and on to those who bought of it, by their ids."""
        sale.came[hour] = min(chips, sale.rows[hour][0])
        left = sale.came[hour]
        below = [one for one in self.sales if one.source is sale and hour in one.rows]
        for one in sorted(below, key=lambda item: item.name):
            if hour not in one.came:
                self.come(one, hour, left)
                left -= one.came[hour]

    @invariant()
    def chips_and_money_add_up(self) -> None:
        if not hasattr(self, "ledger"):
            return
        assert self.ledger.view.halts == {}
        told = self.ledger.events(AllocationSettled)
        came = {
            (one.allocation_id, int((row.start - w.hour(0)).total_seconds() // 3600)): row.delivered
            for one in told
            for row in one.periods
        }
        assert came == {
            (sale.name, hour): chips for sale in self.sales for hour, chips in sale.came.items()
        }
        escrow = sum(
            chips * price
            for sale in self.sales
            for hour, (chips, price) in sale.rows.items()
            if hour not in sale.came
        )
        assert posted(self.ledger, escrow_account(w.MARKET)) == escrow * w.YUAN
        for who in (*PEOPLE, "cloud"):
            paid = sum(one.paid for one in told if one.provider_id == who)
            sales = [one for one in self.sales if one.buyer == who]
            cost = sum(
                sale.came.get(hour, chips) * price
                for sale in sales
                for hour, (chips, price) in sale.rows.items()
            )
            owed = sum(one.penalty for one in told if one.provider_id == who)
            got = sum(one.compensation for one in told if one.enterprise_id == who)
            has = posted(self.ledger, cny_account(who)) + posted(self.ledger, debt_account(who))
            assert has == (BEGIN - cost) * w.YUAN + paid - owed + got
        assert posted(self.ledger, BANK) == -4 * BEGIN * w.YUAN
        assert all(one.free() >= 0 for one in self.ledger.view.accounts.values() if one.floor_zero)


ResaleChains.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestResaleChains = ResaleChains.TestCase
