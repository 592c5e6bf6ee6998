"""Whatever the order of offers, raises, rounds and withdrawals of markets: chips are sold once.

Beside the ledger's decisions stands a model of plain numbers that knows who offered how much of
which resource in which hours, and what was sold of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.capacity import (
    CapacityFreedSince,
    CapacityHeld,
    CapacityRefused,
    CapacityWanted,
)
from schemas.events import OfferAmended
from schemas.types import Role
from tests.unit.ledger import world as w

MARKETS = ("jjj", "jjj-ahead", "jjj-week")
RESOURCES = ("CN.11.0108.HALL-1", "CN.11.0108.HALL-2")
HOURS = 5


@dataclass
class Offer:
    """An offer whose chips were reserved: hour -> chips that may be sold, and that were.

    Terms are those in force; what the terms before had is kept until it is given back.
    """

    name: str
    market: str
    resource: str
    kept: dict[int, int]
    sold: dict[int, int] = field(default_factory=dict)
    asked: int = 0
    version: int = 1
    terms: dict[int, int] = field(default_factory=dict)

    def room(self, hour: int) -> int:
        return min(self.kept.get(hour, 0), self.terms.get(hour, 0)) - self.sold.get(hour, 0)

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
        self.told: list[tuple[Offer, CapacityFreedSince | CapacityWanted]] = []
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
            kept = dict.fromkeys(hours, chips)
            self.offers.append(Offer(name, market, resource, kept, terms=kept))
            self.stated.update({(resource, hour): stated for hour in hours})

    @precondition(lambda self: self.offers)
    @rule(
        data=st.data(),
        chips=st.integers(1, 8),
        more=st.integers(0, 8),
        first=st.integers(1, HOURS - 1),
        length=st.integers(1, HOURS),
    )
    def want(self, data: st.DataObject, chips: int, more: int, first: int, length: int) -> None:
        """Raise an offer, widen it, or both."""
        one = data.draw(st.sampled_from(self.offers))
        one.asked += 1
        stated, end = chips + more, min(first + length, HOURS)
        body = w.offered(
            one.name, "cloud", chips, end, start=first, market=one.market,
            resource_code=one.resource, capacity_chips=stated,
        )  # fmt: skip
        about = body.model_dump(include={"order_id", "market_id", "participant_id"})
        wanted = CapacityWanted(
            **about, version=one.asked + 1, chips=chips, start=body.terms.start, end=body.terms.end,
            capacity=f"cloud/{one.resource}/{body.terms.zone}/{body.terms.chip}",
            capacity_chips=stated, asked=one.asked, after_seq=self.seq[one.market],
        )  # fmt: skip
        amended = OfferAmended(**about, expected_version=one.asked, terms=body.terms)
        hours = range(first, end)
        others = {hour: self.held(one.resource, hour) - one.held(hour) for hour in hours}
        fits = all(others[hour] + max(one.held(hour), chips) <= stated for hour in hours)
        self.ledger.feed(self.topics.put(amended, wanted))
        self.told.append((one, wanted))
        told: list[CapacityHeld | CapacityRefused]
        told = [*self.ledger.events(CapacityHeld), *self.ledger.events(CapacityRefused)]
        answers = [type(a) for a in told
                   if (a.order_id, a.version) == (body.order_id, wanted.version)]  # fmt: skip
        assert answers == [CapacityHeld if fits else CapacityRefused]
        if fits:
            one.version, one.terms = wanted.version, dict.fromkeys(hours, chips)
            one.kept.update({hour: max(one.held(hour), chips) for hour in hours})
            self.stated.update({(one.resource, hour): stated for hour in hours})

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def copy(self, data: st.DataObject) -> None:
        """Send again what was sent before its offer asked for more, or asked it itself."""
        one, told = data.draw(st.sampled_from(self.told))
        if told.asked < one.asked or isinstance(told, CapacityWanted):
            self.ledger.feed(self.topics.put(told))

    @precondition(lambda self: any(offer.market for offer in self.offers))
    @rule(data=st.data())
    def round(self, data: st.DataObject) -> None:
        """Sell something of what may be sold, in one market."""
        market = data.draw(st.sampled_from(sorted({one.market for one in self.offers})))
        self.seq[market] += 1
        made = []
        for one in (one for one in self.offers if one.market == market):
            sold = {h: data.draw(st.integers(0, max(0, one.room(h)))) for h in one.kept}
            rows = [(hour, chips, 0) for hour, chips in sorted(sold.items()) if chips]
            if rows:
                body = w.allocated(
                    self.seq[market],
                    f"d-{market}",
                    "lab",
                    one.name,
                    "cloud",
                    rows,
                    market=market,
                    version=one.version,
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
        body = CapacityFreedSince(
            order_id=w.offer_id(one.name),
            market_id=one.market,
            participant_id="cloud",
            chips=chips,
            start=w.hour(first),
            end=w.hour(HOURS),
            after_seq=after,
            asked=one.asked,
        )
        self.told.append((one, body))
        self.ledger.feed(self.topics.put(body))
        if is_early:
            self.seq[one.market] = after
            rows = [(hour, room, 0) for hour in sorted(one.kept) if (room := one.room(hour)) > 0]
            sale = (after, f"d-{one.market}", "lab", one.name, "cloud", rows)
            made = [w.allocated(*sale, market=one.market, version=one.version)] if rows else []
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
