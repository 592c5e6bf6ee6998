"""A synthetic market day: an honest market with heavy tails, and planted abuse of each kind.

The honest part is cleared by a merit order of its own, pool by pool and round by round, so that
prices, fills and withdrawals hang together as in a real day. What is planted says itself which
ids its evidence must have.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field

from schemas.types import OrderState, Side
from services.core.surveillance.tape import (
    Act,
    ActKind,
    Allocation,
    Curve,
    Round,
    Status,
    Tape,
    Terms,
)

DAY = 20_781
HOUR_MS = 3_600_000
ROUND_MS = 900_000
START_MS = DAY * 24 * HOUR_MS
FIRST = DAY * 24
ROUNDS = 92
ZONES = ("bj-1", "bj-2", "tj-1", "tj-2", "he-1", "he-2")
REGIONS = {zone: zone[:2] for zone in (*ZONES, "nm-1", "sx-1", "sx-2")}
CHIPS = {"a910b": 2_000_000, "h800": 9_000_000, "t4": 400_000}
POOLS = [f"{zone}/{chip}" for zone in ZONES for chip in CHIPS]
LATE_MS = 4_000


@dataclass(slots=True)
class Order:
    """An order of the simulation."""

    order_id: str
    who: str
    side: Side
    terms: Terms
    left: dict[int, int] = field(default_factory=dict)
    gone: bool = False
    filled: bool = False


class Day:
    """Draws a day from a seed; `tape` is what surveillance sees of it."""

    def __init__(self, seed: int, orders: int) -> None:
        self.chance = random.Random(seed)
        self.count = 0
        self.acts: list[Act] = []
        self._by_order: dict[str, list[Act]] = defaultdict(list)
        self.statuses: list[Status] = []
        self.allocations: list[Allocation] = []
        self.rounds: list[Round] = []
        self.curves: list[Curve] = []
        self.owners: dict[str, str] = {}
        self.book: dict[str, dict[Side, list[Order]]] = defaultdict(
            lambda: {Side.OFFER: [], Side.DEMAND: []}
        )
        providers = [f"prov-{n}" for n in range(90)]
        enterprises = [f"ent-{n}" for n in range(400)]
        # Some clouds both sell and buy, through two participants.
        for n in range(15):
            self.owners[f"prov-{n}"] = self.owners[f"ent-{n}"] = f"group-{n}"
        self._supply(providers)
        wanted = max(0, orders - self.count)
        for seq in range(1, ROUNDS + 1):
            sealed = Round(f"jjj:{seq}", seq, START_MS + seq * ROUND_MS)
            share = wanted // ROUNDS + (seq <= wanted % ROUNDS)
            for _ in range(share):
                self._ask(enterprises, sealed)
            self._change_minds(sealed)
            self._clear(sealed)

    def tape(self) -> Tape:
        """Return what surveillance sees."""
        return Tape(
            market_id="jjj",
            day=DAY,
            acts=tuple(sorted(self.acts, key=lambda act: act.at_ms)),
            statuses=tuple(sorted(self.statuses, key=lambda item: item.at_ms)),
            allocations=tuple(self.allocations),
            rounds=tuple(self.rounds),
            curves=tuple(self.curves),
            owners=self.owners,
            regions=REGIONS,
        )

    # --- the honest market ----------------------------------------------------------------------

    def _supply(self, providers: list[str]) -> None:
        for pool in POOLS:
            usual = CHIPS[pool.partition("/")[2]]
            for who in self.chance.sample(providers, 12):
                for _ in range(self.chance.randint(1, 4)):
                    chips = 8 * min(40, int(self.chance.paretovariate(1.1)) + 3)
                    first = FIRST + self.chance.randint(0, 6)
                    end = min(FIRST + 36, first + self.chance.randint(12, 36))
                    ask = self.price(usual * 0.8, 0.3)
                    at_ms = START_MS + self.chance.randint(1, ROUND_MS // 2)
                    self.submit(who, Side.OFFER, pool, (first, end, chips), ask, at_ms)

    def _ask(self, enterprises: list[str], sealed: Round) -> None:
        pool = self.chance.choice(POOLS)
        usual = CHIPS[pool.partition("/")[2]]
        hour = sealed.at_ms // HOUR_MS
        first = hour + 1 + min(8, int(self.chance.expovariate(0.6)))
        end = min(FIRST + 36, first + self.chance.randint(1, 4))
        if first >= end:
            return
        chips = min(512, int(self.chance.paretovariate(1.2)))
        # Office hours are dearer.
        busy = 1.0 + 0.5 * (8 <= first % 24 <= 18)
        limit = self.price(usual * busy, 0.45)
        at_ms = sealed.at_ms - self.chance.randint(1, ROUND_MS - 1)
        who = self.chance.choice(enterprises)
        self.submit(who, Side.DEMAND, pool, (first, end, chips), limit, at_ms)

    def _change_minds(self, sealed: Round) -> None:
        for pool in POOLS:
            for side in Side:
                for order in self.book[pool][side]:
                    if order.gone or order.filled or self.chance.random() > 0.02:
                        continue
                    latest = max(act.at_ms for act in self.acts_of(order.order_id))
                    at_ms = max(latest + 1, sealed.at_ms - self.chance.randint(1, ROUND_MS - 1))
                    if at_ms > sealed.at_ms:
                        continue
                    self.cancel(order, at_ms)
                    if side is Side.OFFER:
                        # Who withdraws an offer mostly asks another price for the same chips.
                        terms = order.terms
                        shape = (max(terms.first, at_ms // HOUR_MS + 1), terms.end, terms.chips)
                        if shape[0] < shape[1] and self.chance.random() < 0.8:
                            ask = self.price(terms.price, 0.1)
                            self.submit(order.who, side, pool, shape, ask, at_ms + 1)

    def acts_of(self, order_id: str) -> list[Act]:
        """Return the messages about an order."""
        return self._by_order[order_id]

    def price(self, usual: float, spread: float) -> int:
        """Return a price about the usual one, on the tick."""
        return max(100, int(self.chance.lognormvariate(0, spread) * usual) // 100 * 100)

    def _clear(self, sealed: Round) -> None:
        self.rounds.append(sealed)
        hour = sealed.at_ms // HOUR_MS
        for pool in POOLS:
            sides = self.book[pool]
            for side in Side:
                sides[side] = [one for one in sides[side] if not (one.gone or one.filled)]
            offers = sorted(sides[Side.OFFER], key=lambda one: (one.terms.price, one.order_id))
            made: list[tuple[Order, Order, int, int]] = []
            for demand in sorted(sides[Side.DEMAND], key=lambda one: -one.terms.price):
                if demand.terms.first <= hour:
                    demand.gone = True
                    self.tell(demand, sealed, OrderState.EXPIRED)
                    continue
                found = _serve(demand, offers)
                if found is not None:
                    made += found
            if made:
                self._publish(sealed, pool, made)

    def _publish(self, sealed: Round, pool: str, made: list[tuple[Order, Order, int, int]]) -> None:
        lowest: dict[int, int] = {}
        highest: dict[int, int] = {}
        traded: dict[int, int] = defaultdict(int)
        for demand, offer, period, chips in made:
            lowest[period] = min(lowest.get(period, 10**12), demand.terms.price)
            highest[period] = max(highest.get(period, 0), offer.terms.price)
            traded[period] += chips
        price = {period: (lowest[period] + highest[period]) // 2 for period in lowest}
        first, last = min(price), max(price)
        self.curves.append(
            Curve(
                sealed.round_id,
                pool,
                first,
                tuple(price.get(period, 0) for period in range(first, last + 1)),
                tuple(traded.get(period, 0) for period in range(first, last + 1)),
            )
        )
        pairs: dict[tuple[str, str], list[tuple[int, int, int]]] = defaultdict(list)
        orders = {one.order_id: one for pair in made for one in pair[:2]}
        for demand, offer, period, chips in made:
            pairs[demand.order_id, offer.order_id].append((period, chips, price[period]))
        for (demand_id, offer_id), periods in pairs.items():
            self.allocate(sealed, pool, (orders[demand_id], orders[offer_id]), tuple(periods))
        for demand_id in {pair[0].order_id for pair in made}:
            orders[demand_id].filled = True
            self.tell(orders[demand_id], sealed, OrderState.FILLED)

    # --- what is said ---------------------------------------------------------------------------

    def submit(
        self,
        who: str,
        side: Side,
        pool: str,
        shape: tuple[int, int, int],
        price: int,
        at_ms: int,
    ) -> Order:
        """Send an order and take it in."""
        self.count += 1
        first, end, chips = shape
        hours = chips * (end - first)
        alike = f"{pool} {first} {end} {chips}" if side is Side.DEMAND else ""
        order_id = f"{'off' if side is Side.OFFER else 'dem'}_{self.count:06d}"
        terms = Terms((pool,), first, end, chips, hours, price, alike)
        order = Order(order_id, who, side, terms, dict.fromkeys(range(first, end), chips))
        self.act(order, ActKind.SUBMIT, at_ms, terms)
        self.statuses.append(Status(order_id, at_ms + 1, OrderState.OPEN, ""))
        self.book[pool][side].append(order)
        return order

    def act(self, order: Order, kind: ActKind, at_ms: int, terms: Terms | None) -> None:
        """Put a message on the tape."""
        mine = self._by_order[order.order_id]
        version = 0 if terms is None else 1 + sum(one.version > 0 for one in mine)
        made = Act(order.order_id, order.who, order.side, kind, at_ms, version, terms)
        mine.append(made)
        self.acts.append(made)

    def cancel(self, order: Order, at_ms: int) -> None:
        """Withdraw an order."""
        order.gone = True
        self.act(order, ActKind.CANCEL, at_ms, None)
        self.statuses.append(Status(order.order_id, at_ms + 1, OrderState.CANCELLED, ""))

    def tell(self, order: Order, sealed: Round, state: OrderState) -> None:
        """Say what a round made of an order."""
        self.statuses.append(Status(order.order_id, sealed.at_ms, state, sealed.round_id))

    def allocate(
        self,
        sealed: Round,
        pool: str,
        pair: tuple[Order, Order],
        periods: tuple[tuple[int, int, int], ...],
    ) -> Allocation:
        """Put an allocation on the tape."""
        demand, offer = pair
        made = Allocation(
            f"al_{len(self.allocations):06d}",
            sealed.round_id,
            demand.order_id,
            demand.who,
            offer.order_id,
            1,
            offer.who,
            pool,
            periods,
        )
        self.allocations.append(made)
        return made


def _serve(demand: Order, offers: list[Order]) -> list[tuple[Order, Order, int, int]] | None:
    """Return who serves a demand whole, cheapest first, or nothing."""
    found: list[tuple[Order, Order, int, int]] = []
    for period in range(demand.terms.first, demand.terms.end):
        needed = demand.terms.chips
        for offer in offers:
            if offer.terms.price > demand.terms.price or not needed:
                break
            chips = min(needed, offer.left.get(period, 0))
            if chips:
                found.append((demand, offer, period, chips))
                needed -= chips
        if needed:
            return None
    for _, offer, period, chips in found:
        offer.left[period] -= chips
    return found
