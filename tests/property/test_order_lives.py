"""Orders, rounds and holds in any interleaving: one state each, nothing oversold or overspent."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from schemas import events
from schemas.orders import DemandTerms, OfferTerms
from schemas.types import TERMINAL_STATES
from services.core.orders import DemandOrder
from tests.property.examples import examples
from tests.property.market_world import MARKET, World, instant, order_id

# 20 s on two idle cores; the suite's 30 s would end it on busy ones.
pytestmark = pytest.mark.timeout(240)

ENTERPRISES = ("e-1", "e-2")
NUMBERS = st.integers(0, 5)
LINKS = (order_id("dem", 0), order_id("dem", 1))


@st.composite
def offer_terms(draw: st.DrawFn) -> OfferTerms:
    start = draw(st.integers(0, 4))
    return OfferTerms.model_validate(
        {
            "zone": draw(st.sampled_from(["bj-1", "he-1"])),
            "chip": "t4",
            "chips": draw(st.integers(1, 6)),
            "start": instant(start),
            "end": instant(start + draw(st.integers(1, 4))),
            "ask": draw(st.integers(0, 12)),
            "block": draw(st.booleans()) and draw(st.booleans()),
            "resource_code": "CN.11.0108.BJ01-T4",
        }
    )


@st.composite
def sent_by(draw: st.DrawFn, *, data: bool) -> dict[str, object]:
    """Return what a demand sends over links: mostly nothing."""
    found: dict[str, object] = {}
    if draw(st.sampled_from([False, False, True])):
        found = {"user_zone": "bj-1", "traffic_gb_per_chip_hour": 1}
    if data and draw(st.booleans()):
        found |= {"data_zone": "bj-1", "data_gb": draw(st.integers(1, 6))}
    return found


@st.composite
def demand_terms(draw: st.DrawFn) -> DemandTerms:
    earliest = draw(st.integers(0, 3))
    periods = draw(st.integers(1, 4))
    chips = draw(st.integers(1, 5))
    shape = draw(
        st.sampled_from(
            [
                {"type": "block", "chips": chips, "chips_min": 1, "duration": 1},
                {"type": "block", "chips": chips, "duration": periods},
                {"type": "flow", "chips": chips},
                {"type": "work", "chip_hours": chips * periods, "chips_max": chips},
            ]
        )
    )
    zones = st.sampled_from([[], ["bj-1"], ["he-1"]])
    alternatives = [
        {"chips_any_of": ["t4"], "zones": draw(zones), "limit": draw(st.integers(1, 12))}
        for _ in range(draw(st.integers(1, 2)))
    ]
    return DemandTerms.model_validate(
        {
            "shape": shape,
            "alternatives": alternatives,
            "earliest": instant(earliest),
            "deadline": instant(earliest + periods),
            "budget": draw(st.none() | st.integers(1, 60)),
            "exclusive_group": draw(st.sampled_from([None, None, None, "g"])),
            "linked_to": draw(st.sampled_from([None, None, None, *LINKS])),
            **draw(sent_by(data=shape["type"] == "block" and "chips_min" not in shape)),
        }
    )


@st.composite
def flow_terms(draw: st.DrawFn) -> DemandTerms:
    """A demand that takes several rounds, so that amendments meet rounds under way."""
    return DemandTerms.model_validate(
        {
            "shape": {"type": "flow", "chips": draw(st.integers(3, 9))},
            "alternatives": [{"chips_any_of": ["t4"], "limit": draw(st.integers(6, 12))}],
            "earliest": instant(0),
            "deadline": instant(6),
            **draw(sent_by(data=False)),
        }
    )


class OrderLives(RuleBasedStateMachine):
    """Everyone acts in any order; the ledger model refuses a round that its holds do not cover."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(
        terms=st.lists(flow_terms(), min_size=2, max_size=2),
        chips=st.integers(1, 4),
        money=st.sampled_from([300, 600, 2000]),
    )
    def begin(self, terms: list[DemandTerms], chips: int, money: int) -> None:
        world = self.world
        world.ledger.money = dict.fromkeys(ENTERPRISES, money)
        for number, wanted in enumerate(terms):
            self.demand(number, wanted)
        for number in (7, 8):
            self.supply(number, chips=chips, ask=number - 4)
            world.ledger_reads_demand()
            world.matching_reads_demand()
            world.matching_reads_holds()

    @rule(number=st.integers(0, 1), terms=flow_terms(), script=st.permutations("RDHLMM"))
    def amend_across_a_round(self, number: int, terms: DemandTerms, script: list[str]) -> None:
        """Amend a demand at its version, and let round and readers meet in some order."""
        world = self.world
        order = world.orders.get(order_id("dem", number))
        if order is None:
            return
        self.supply(len(world.offers_log) + 10, chips=1, ask=3)
        self.amend_demand(number, terms, order.version)
        steps = {
            "R": lambda: world.round(0),
            "D": lambda: self.matching_reads(4),
            "H": lambda: self.matching_reads_holds(6),
            "L": lambda: self.ledger_reads_demand(4),
            "M": world.ledger_reads_round,
        }
        for step in script:
            steps[step]()

    @rule(number=NUMBERS, terms=offer_terms())
    def offer(self, number: int, terms: OfferTerms) -> None:
        self.world.offers_log.append(
            events.OfferSubmitted(
                order_id=order_id("off", number),
                market_id=MARKET.id,
                participant_id=f"p-{number % 3}",
                terms=terms,
            )
        )

    @rule(number=NUMBERS, terms=offer_terms(), version=st.integers(1, 2))
    def amend_offer(self, number: int, terms: OfferTerms, version: int) -> None:
        self.world.offers_log.append(
            events.OfferAmended(
                order_id=order_id("off", number),
                market_id=MARKET.id,
                participant_id=f"p-{number % 3}",
                expected_version=version,
                terms=terms,
            )
        )

    @rule(number=NUMBERS, terms=demand_terms())
    def demand(self, number: int, terms: DemandTerms) -> None:
        known = [e for e in self.world.demand_log if isinstance(e, events.DemandSubmitted)]
        if any(event.order_id == order_id("dem", number) for event in known):
            return
        self.world.demand_log.append(
            events.DemandSubmitted(
                order_id=order_id("dem", number),
                market_id=MARKET.id,
                participant_id=ENTERPRISES[number % 2],
                terms=terms,
            )
        )

    @rule(number=NUMBERS, terms=demand_terms(), version=st.integers(1, 3))
    def amend_demand(self, number: int, terms: DemandTerms, version: int) -> None:
        if not self._submitted(number):
            return
        self.world.demand_log.append(
            events.DemandAmended(
                order_id=order_id("dem", number),
                market_id=MARKET.id,
                participant_id=ENTERPRISES[number % 2],
                expected_version=version,
                terms=terms,
            )
        )

    @rule(number=NUMBERS)
    def cancel_demand(self, number: int) -> None:
        if self._submitted(number):
            self.world.demand_log.append(
                events.DemandCancelled(
                    order_id=order_id("dem", number),
                    market_id=MARKET.id,
                    participant_id=ENTERPRISES[number % 2],
                )
            )

    @rule(back=st.integers(1, 3), is_demand=st.booleans())
    def say_again(self, back: int, is_demand: bool) -> None:
        """Send one of the last records again, as who presses a button twice does."""
        log = self.world.demand_log if is_demand else self.world.offers_log
        log.append(log[-min(back, len(log))])

    @rule(minutes=st.sampled_from([0, 15, 60]), times=st.integers(1, 6))
    def read_while_clearing(self, minutes: int, times: int) -> None:
        """Read between a seal and its publication."""
        self.world.seal(minutes)
        self.matching_reads(times)
        self.world.publish(1)

    @rule(times=st.integers(1, 6))
    def matching_reads(self, times: int) -> None:
        for _ in range(times):
            self.world.matching_reads_offers()
            self.world.matching_reads_demand()

    @rule(times=st.integers(1, 4))
    def matching_reads_holds(self, times: int) -> None:
        for _ in range(times):
            self.world.matching_reads_holds()

    @rule(times=st.integers(1, 4))
    def ledger_reads_demand(self, times: int) -> None:
        for _ in range(times):
            self.world.ledger_reads_demand()

    @rule()
    def ledger_reads_round(self) -> None:
        self.world.ledger_reads_round()

    @rule(minutes=st.sampled_from([0, 15, 60]))
    def round(self, minutes: int) -> None:
        self.world.round(minutes)

    @rule(minutes=st.sampled_from([0, 15, 60]))
    def seal(self, minutes: int) -> None:
        self.world.seal(minutes)

    @rule(minutes=st.sampled_from([0, 1, 20]))
    def publish(self, minutes: int) -> None:
        self.world.publish(minutes)

    @rule()
    def start_again(self) -> None:
        self.world.start_again()

    def teardown(self) -> None:
        self.world.run_dry()
        for key, held in self.world.ledger.demands.items():
            order = self.world.orders[key]
            assert isinstance(order, DemandOrder)
            if order.state in TERMINAL_STATES:
                assert held.amount == 0, f"{key} is {order.state} and holds {held.amount}"
            else:
                assert order.pending is None, f"{key} waits for an answer that never comes"
                assert held.amount == order.hold, f"{key}: {held.amount}, not {order.hold}"

    def supply(self, number: int, *, chips: int, ask: int) -> None:
        """Offer chips over the whole window, and have matching read it."""
        supply = {"zone": "bj-1", "chip": "t4", "chips": chips, "ask": ask}
        window = {"start": instant(0), "end": instant(8), "resource_code": "CN.11.0108.BJ01"}
        self.offer(number, OfferTerms.model_validate(supply | window))
        while self.world.offers_read < len(self.world.offers_log):
            self.world.matching_reads_offers()

    def _submitted(self, number: int) -> bool:
        return any(
            isinstance(event, events.DemandSubmitted) and event.order_id == order_id("dem", number)
            for event in self.world.demand_log
        )


TestOrderLives = OrderLives.TestCase
TestOrderLives.settings = examples(80, steps=40, slow=True)
