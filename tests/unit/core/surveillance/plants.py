"""Planted abuse: each function puts one kind into a day and says what must be found of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schemas.types import OrderState, Side
from services.core.surveillance.cases import CaseKind
from services.core.surveillance.tape import ActKind, Curve
from tests.unit.core.surveillance.day import FIRST, HOUR_MS, START_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.core.surveillance.tape import Round
    from tests.unit.core.surveillance.day import Day, Order


# Below every honest ask: what is planted as wash must not look like favouritism too.
_CHEAP = 100
# Above every honest limit: the honest market was cleared without the offers that are planted.
_DEAR = 90_000_000


@dataclass(frozen=True, slots=True)
class Plant:
    """What must be found: a case of the kind, about these participants, with this evidence."""

    kind: CaseKind
    participants: frozenset[str]
    evidence: frozenset[str]


def _plant(kind: CaseKind, who: Sequence[str], evidence: Sequence[str]) -> Plant:
    return Plant(kind, frozenset(who), frozenset(evidence))


def _pair(
    day: Day,
    who: tuple[str, str],
    pool: str,
    shape: tuple[int, int, int],
    prices: tuple[int, int],
    at_ms: int,
) -> tuple[Order, Order]:
    """Submit a demand and the offer that will serve it."""
    offer = day.submit(who[0], Side.OFFER, pool, shape, prices[0], at_ms)
    demand = day.submit(who[1], Side.DEMAND, pool, shape, prices[1], at_ms + 1)
    return demand, offer


def _trade(day: Day, sealed: Round, pool: str, pair: tuple[Order, Order], price: int) -> str:
    terms = pair[0].terms
    periods = tuple((period, terms.chips, price) for period in range(terms.first, terms.end))
    made = day.allocate(sealed, pool, pair, periods)
    day.tell(pair[0], sealed, OrderState.FILLED)
    day.tell(pair[1], sealed, OrderState.FILLED)
    return made.allocation_id


def _usual(day: Day, pool: str) -> int:
    prices = sorted(
        price for one in day.curves if one.pool == pool for price in one.prices if price
    )
    return prices[len(prices) // 2]


def self_dealing(day: Day) -> Plant:
    """One owner's provider sells to its own enterprise all day."""
    pool, who = "bj-1/a910b", ("prov-wash", "ent-wash")
    day.owners |= dict.fromkeys(who, "wash")
    usual = _usual(day, pool)
    found = []
    for sealed in day.rounds[10:40:10]:
        first = sealed.at_ms // HOUR_MS + 2
        pair = _pair(
            day, who, pool, (first, first + 2, 100), (_CHEAP, usual), sealed.at_ms - 60_000
        )
        found.append(_trade(day, sealed, pool, pair, usual))
    return _plant(CaseKind.WASH, who, found)


def ring(day: Day) -> Plant:
    """Three owners sell the same hours round in a ring."""
    pool, size = "tj-1/h800", 3
    usual = _usual(day, pool)
    found = []
    for n in range(size):
        day.owners |= {f"prov-ring-{n}": f"ring-{n}", f"ent-ring-{n}": f"ring-{n}"}
    for at, sealed in enumerate(day.rounds[20 : 20 + size]):
        who = (f"prov-ring-{at}", f"ent-ring-{(at + 1) % size}")
        pair = _pair(
            day, who, pool, (FIRST + 12, FIRST + 14, 90), (_CHEAP, usual), sealed.at_ms - 60_000
        )
        found.append(_trade(day, sealed, pool, pair, usual))
    people = [f"{kind}-ring-{n}" for kind in ("prov", "ent") for n in range(size)]
    return _plant(CaseKind.WASH, people, found)


def layering(day: Day) -> Plant:
    """Demand that shows depth and is withdrawn just before the seals at which its owner sells."""
    pool = "he-1/a910b"
    day.owners |= {"prov-layer": "layer", "ent-layer": "layer"}
    usual = _usual(day, pool)
    found = []
    for sealed in day.rounds[30:50:10]:
        first = sealed.at_ms // HOUR_MS + 1
        shape = (first, first + 2, 10)
        at_ms = sealed.at_ms - 600_000
        pair = _pair(day, ("prov-layer", "ent-7"), pool, shape, (_CHEAP, usual), at_ms)
        found.append(_trade(day, sealed, pool, pair, usual))
        for n in range(2):
            shape = (first, first + 2, 300)
            layer = day.submit("ent-layer", Side.DEMAND, pool, shape, usual // 2, at_ms + n)
            day.cancel(layer, sealed.at_ms - 30_000)
            found.append(layer.order_id)
    return _plant(CaseKind.LAYERING, ["ent-layer"], found)


def stuffing(day: Day) -> Plant:
    """A participant that changes five orders every second for a minute and more."""
    pool, found = "tj-2/t4", []
    for n in range(5):
        at_ms = START_MS + 5 * HOUR_MS + n
        shape = (FIRST + 8, FIRST + 10, 4)
        order = day.submit("ent-stuff", Side.DEMAND, pool, shape, 100, at_ms)
        found.append(order.order_id)
        for step in range(1, 80):
            terms = replace(order.terms, price=100 + step * 100)
            day.act(order, ActKind.AMEND, at_ms + step * 1_000, terms)
        day.cancel(order, at_ms + 80_000)
    return _plant(CaseKind.STUFFING, ["ent-stuff"], found)


def marking(day: Day) -> Plant:
    """Large bids seconds before the seal that lift the price of three rounds."""
    by_hour: dict[tuple[str, int], list[int]] = defaultdict(list)
    for curve in day.curves:
        for at, (price, chips) in enumerate(zip(curve.prices, curve.chips, strict=True)):
            if chips:
                by_hour[curve.pool, curve.first + at].append(price)
    pool, period = max(by_hour, key=lambda key: len(by_hour[key]))
    usual = sorted(by_hour[pool, period])[len(by_hour[pool, period]) // 2]
    price = usual * 8 // 5
    found = []
    rounds = [one for one in day.rounds if one.at_ms // HOUR_MS < period - 1][-6::2]
    for sealed in rounds:
        pair = _pair(
            day,
            ("prov-big", "ent-mark"),
            pool,
            (period, period + 1, 4_000),
            (_CHEAP, price),
            sealed.at_ms - 400_000,
        )
        late = replace(day.acts[-1], at_ms=sealed.at_ms - 4_000)
        day.acts[-1] = late
        found += [_trade(day, sealed, pool, pair, price), pair[0].order_id]
        day.curves.append(Curve(sealed.round_id, pool, period, (price,), (4_000,)))
    return _plant(CaseKind.MARKING, ["ent-mark"], found)


def withholding(day: Day) -> Plant:
    """A large provider withdraws half of what it offered, and the evening becomes dear."""
    pool = "he-2/h800"
    usual = _usual(day, pool)
    hours = range(FIRST + 18, FIRST + 24)
    offers = [
        day.submit(
            "prov-hold", Side.OFFER, pool, (FIRST + 12, FIRST + 30, 600), _DEAR, START_MS + n + 1
        )
        for n in range(4)
    ]
    before, after = day.rounds[30], day.rounds[60]
    day.curves.append(Curve(before.round_id, pool, hours[0], (usual,) * 6, (8,) * 6))
    for offer in offers[:2]:
        day.cancel(offer, before.at_ms + 100_000)
    day.curves.append(Curve(after.round_id, pool, hours[0], (usual * 2,) * 6, (8,) * 6))
    # The dear prices are the last that these hours had.
    later = {one.round_id for one in day.rounds[61:]}
    day.curves = [
        one
        if one.pool != pool or one.round_id not in later
        else replace(
            one,
            chips=tuple(
                0 if one.first + at in hours else chips for at, chips in enumerate(one.chips)
            ),
        )
        for one in day.curves
    ]
    return _plant(CaseKind.WITHHOLDING, ["prov-hold"], [one.order_id for one in offers[:2]])


def _sales(
    day: Day, pool: str, sellers: dict[str, int], dear: range, usual: int
) -> dict[str, list[tuple[str, str]]]:
    """Let sellers sell these chips in each of twelve hours; some hours cost three times as much."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    prices = []
    sealed = day.rounds[12]
    for period in range(FIRST + 6, FIRST + 18):
        price = usual * (3 if period in dear else 1)
        prices.append(price)
        for seller, chips in sellers.items():
            shape = (period, period + 1, chips)
            buyer = f"ent-{day.chance.randint(20, 300)}"
            pair = _pair(day, (seller, buyer), pool, shape, (_CHEAP, price), sealed.at_ms - 90_000)
            found[seller].append((_trade(day, sealed, pool, pair, price), pair[1].order_id))
    total = sum(sellers.values())
    day.curves.append(
        Curve(sealed.round_id, pool, FIRST + 6, tuple(prices), (total,) * len(prices))
    )
    return found


def concentration(day: Day) -> Plant:
    """Three providers of one hidden owner sell nearly all of a region's chips."""
    day.owners |= {f"prov-mono-{n}": "mono" for n in range(3)}
    sellers = {f"prov-mono-{n}": 40 for n in range(3)} | {"prov-small": 10}
    made = _sales(day, "nm-1/a910b", sellers, range(0), 2_000_000)
    who = [one for one in sellers if one != "prov-small"]
    return _plant(CaseKind.CONCENTRATION, who, [item[0] for one in who for item in made[one]])


def pivotal(day: Day) -> Plant:
    """A supplier without whom the dear hours could not have been served."""
    dear = range(FIRST + 10, FIRST + 15)
    sellers = {"prov-piv": 60, "prov-left": 20, "prov-right": 20}
    made = _sales(day, "sx-1/h800", sellers, dear, 9_000_000)["prov-piv"]
    shape = (FIRST + 6, FIRST + 18, 60)
    day.submit("prov-piv", Side.OFFER, "sx-1/h800", shape, _DEAR, START_MS + 1)
    first = dear.start - (FIRST + 6)
    evidence = [name for item in made[first : first + len(dear)] for name in item]
    return _plant(CaseKind.PIVOTAL, ["prov-piv"], evidence)


def outlier(day: Day) -> Plant:
    """One price that is twelve times the others."""
    pool = "bj-2/t4"
    price = _usual(day, pool) * 12
    sealed = day.rounds[50]
    shape = (FIRST + 20, FIRST + 21, 3)
    who = ("prov-far", "ent-far")
    pair = _pair(day, who, pool, shape, (_CHEAP, price), sealed.at_ms - 200_000)
    found = _trade(day, sealed, pool, pair, price)
    day.curves.append(Curve(sealed.round_id, pool, FIRST + 20, (price,), (3,)))
    return _plant(CaseKind.OUTLIER, who, [sealed.round_id, found])


def favoured_demand(day: Day) -> Plant:
    """A demand is served while a dearer one of the same shape stays out."""
    pool = "tj-1/t4"
    usual = _usual(day, pool)
    sealed = day.rounds[70]
    shape = (FIRST + 26, FIRST + 28, 7)
    at_ms = sealed.at_ms - 300_000
    left_out = day.submit("ent-out", Side.DEMAND, pool, shape, usual * 2, at_ms)
    pair = _pair(day, ("prov-in", "ent-in"), pool, shape, (_CHEAP, usual), at_ms)
    made = _trade(day, sealed, pool, pair, usual)
    evidence = [sealed.round_id, left_out.order_id, pair[0].order_id, made]
    return _plant(CaseKind.FAVOURITISM, ["ent-out", "ent-in"], evidence)


def favoured_offer(day: Day) -> Plant:
    """An offer is used while a cheaper one of the same pool has the chips to spare."""
    pool = "sx-2/t4"
    sealed = day.rounds[71]
    shape = (FIRST + 26, FIRST + 28, 7)
    at_ms = sealed.at_ms - 300_000
    cheaper = day.submit("prov-cheap", Side.OFFER, pool, shape, 200_000, at_ms)
    pair = _pair(day, ("prov-dear", "ent-any"), pool, shape, (400_000, 500_000), at_ms)
    made = _trade(day, sealed, pool, pair, 450_000)
    evidence = [sealed.round_id, cheaper.order_id, pair[1].order_id, made]
    return _plant(CaseKind.FAVOURITISM, ["prov-cheap", "prov-dear"], evidence)


PLANTS: tuple[Callable[[Day], Plant], ...] = (
    self_dealing,
    ring,
    layering,
    stuffing,
    marking,
    withholding,
    concentration,
    pivotal,
    outlier,
    favoured_demand,
    favoured_offer,
)
