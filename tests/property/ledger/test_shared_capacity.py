"""Whatever the order of offers, rounds and withdrawals of several markets: chips are sold once.

Beside the ledger's decisions stands a model of plain numbers that knows who offered how much of
which resource in which hours, and what was sold of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.capacity import CapacityFreed, CapacityHeld, CapacityRefused
from schemas.types import Role
from tests.unit.ledger import world as w

MARKETS = ("jjj", "jjj-ahead", "jjj-week")
RESOURCES = ("CN.11.0108.HALL-1", "CN.11.0108.HALL-2")
HOURS = 5


@dataclass
class Offer:
    """An offer whose chips were reserved: hour -> chips that may be sold, and that were."""

    name: str
    market: str
    resource: str
    kept: dict[int, int]
    sold: dict[int, int] = field(default_factory=dict)

    def held(self, hour: int) -> int:
        return max(self.kept.get(hour, 0), self.sold.get(hour, 0))


class SharedCapacity(RuleBasedStateMachine):
    """Draws offers, rounds and what is given back."""

    @initialize()
    def begin(self) -> None:
        self.topics, self.ledger = w.Topics(), w.MemoryLedger()
        self.offers: list[Offer] = []
        self.stated: dict[tuple[str, int], int] = {}
        self.seq = dict.fromkeys(MARKETS, 0)
        self.count = 0
        feed = (
            w.registered("lab"),
            w.registered("cloud", Role.PROVIDER),
            w.deposited("lab", 10_000 * w.YUAN),
            *(w.demanded(f"d-{one}", "lab", chips=100, market=one) for one in MARKETS),
        )
        self.ledger.feed(self.topics.put(*feed))

    def held(self, resource: str, hour: int) -> int:
        return sum(one.held(hour) for one in self.offers if one.resource == resource)

    @rule(
        market=st.sampled_from(MARKETS),
        resource=st.sampled_from(RESOURCES),
        chips=st.integers(1, 8),
        more=st.integers(0, 8),
        first=st.integers(0, HOURS - 1),
        length=st.integers(1, HOURS),
    )
    def offer(
        self, market: str, resource: str, chips: int, more: int, first: int, length: int
    ) -> None:
        self.count += 1
        name, stated = f"o{self.count}", chips + more
        end = min(first + length, HOURS)
        body = w.offered(
            name, "cloud", chips, end, start=first, market=market,
            resource_code=resource, capacity_chips=stated,
        )  # fmt: skip
        self.ledger.feed(self.topics.put(body))
        # The running hour is sold by nobody any more.
        hours = range(max(first, 1), end)
        fits = all(self.held(resource, hour) + chips <= stated for hour in hours)
        told: list[CapacityHeld | CapacityRefused]
        told = [*self.ledger.events(CapacityHeld), *self.ledger.events(CapacityRefused)]
        answers = [type(one) for one in told if one.order_id == body.order_id]
        assert answers == [CapacityHeld if fits and hours else CapacityRefused]
        if fits and hours:
            self.offers.append(Offer(name, market, resource, dict.fromkeys(hours, chips)))
            self.stated.update({(resource, hour): stated for hour in hours})

    @precondition(lambda self: any(offer.market for offer in self.offers))
    @rule(data=st.data())
    def round(self, data: st.DataObject) -> None:
        """Sell something of what may be sold, in one market."""
        market = data.draw(st.sampled_from(sorted({one.market for one in self.offers})))
        self.seq[market] += 1
        made = []
        for one in (one for one in self.offers if one.market == market):
            room = {h: n - one.sold.get(h, 0) for h, n in one.kept.items()}
            sold = {h: data.draw(st.integers(0, max(0, n))) for h, n in room.items()}
            rows = [(hour, chips, 0) for hour, chips in sorted(sold.items()) if chips]
            if rows:
                body = w.allocated(
                    self.seq[market], f"d-{market}", "lab", one.name, "cloud", rows, market=market
                )
                made.append(body)
                for hour, chips, _ in rows:
                    one.sold[hour] = one.sold.get(hour, 0) + chips
        self.ledger.feed(self.topics.round(self.seq[market], *made, market=market))

    @precondition(lambda self: self.offers)
    @rule(data=st.data(), is_early=st.booleans())
    def give_back(self, data: st.DataObject, is_early: bool) -> None:
        """Withdraw or lower an offer; its last round may come to the ledger only after that."""
        one = data.draw(st.sampled_from(self.offers))
        chips, first = data.draw(st.integers(0, 4)), data.draw(st.integers(0, HOURS))
        after = self.seq[one.market] + is_early
        body = CapacityFreed(
            order_id=w.offer_id(one.name),
            market_id=one.market,
            participant_id="cloud",
            chips=chips,
            start=w.hour(first),
            end=w.hour(HOURS),
            after_seq=after,
        )
        self.ledger.feed(self.topics.put(body))
        if is_early:
            self.seq[one.market] = after
            rows = [
                (hour, room, 0)
                for hour, kept in sorted(one.kept.items())
                if (room := kept - one.sold.get(hour, 0)) > 0
            ]
            made = [w.allocated(after, f"d-{one.market}", "lab", one.name, "cloud", rows,
                                market=one.market)] if rows else []  # fmt: skip
            for hour, room, _ in rows:
                one.sold[hour] = one.sold.get(hour, 0) + room
            self.ledger.feed(self.topics.round(after, *made, market=one.market))
        one.kept = {h: min(n, chips if h >= first else 0) for h, n in one.kept.items()}

    @invariant()
    def both_agree_and_nothing_is_sold_twice(self) -> None:
        if not hasattr(self, "ledger"):
            return
        assert self.ledger.view.halts == {}
        assert self.ledger.waiting == ()
        for (capacity, period), there in self.ledger.view.capacities.items():
            resource = capacity.split("/")[1]
            hour = period - w.period(0)
            assert there.held == self.held(resource, hour)
            assert there.chips == self.stated[resource, hour]
            sold = sum(one.sold.get(hour, 0) for one in self.offers if one.resource == resource)
            assert sold <= there.held <= there.chips


SharedCapacity.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestSharedCapacity = SharedCapacity.TestCase
