"""Chips, checked from outside: no hour is sold twice, of an offer, a resource or a purchase.

Standard library alone. An offer sells at most what it offers. Offers that state how many chips
their resource has share them over all markets; a resale shares the hours of the allocation that it
sells on with every other resale of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from suanli.check_journal import Outcome

Json = dict[str, Any]
SALES_MAX: Final = 8
"""Sales of one chip and hour at most, the provider's own among them."""
# What is looked at of an offer's terms.
_TERMS: Final = (
    *("zone", "chip", "chips", "start", "end"),
    *("resource_code", "capacity_chips", "resale_of"),
)


@dataclass(frozen=True)
class Bought:
    """What an allocation gave its enterprise.

    Attributes:
        enterprise: Who bought it.
        offer: Offer that sold it.
        pool: Its pool.
        hours: Hour -> chips.
    """

    enterprise: str
    offer: str
    pool: str
    hours: Mapping[str, int]


@dataclass
class Shared:
    """Sales of a shared capacity in an hour.

    Attributes:
        sold: Chips in all.
        most: The largest number of chips that an offer which sold some of them stated.
    """

    sold: int = 0
    most: int = 0


@dataclass
class Sales:
    """Sales of capacities that offers share, as they come.

    Attributes:
        shared: (capacity, hour) -> what was sold.
        touched: Those that were added to.
    """

    shared: dict[tuple[str, str], Shared] = field(default_factory=dict)
    touched: dict[tuple[str, str], None] = field(default_factory=dict)

    def add(self, item: Json, versions: Sequence[Json], source: Bought | None) -> None:
        """Take in an allocation.

        Args:
            item: As ``/v1/allocations`` lists it.
            versions: All terms that its offer had.
            source: What the offer sells on, if it does and it is known.
        """
        capacity = capacity_of(item, versions)
        if capacity is None:
            return
        stated = max((int(terms.get("capacity_chips") or 0) for terms in versions), default=0)
        for hour, chips in hours_of(item).items():
            row = self.shared.setdefault((capacity, hour), Shared())
            self.touched[capacity, hour] = None
            row.sold += chips
            row.most = max(row.most, stated if source is None else source.hours.get(hour, 0))

    def problems(self) -> list[str]:
        """Return where more was sold than there is, of what was added to."""
        return [
            f"{capacity} {hour}: {row.sold} chips sold over all markets, there are {row.most}"
            for capacity, hour in self.touched
            if (row := self.shared[capacity, hour]).sold > row.most
        ]


class Given:
    """Chips that offers gave out, as allocations come."""

    def __init__(self) -> None:
        self._hours: dict[str, dict[str, int]] = {}
        self._pools: dict[str, set[str]] = {}

    def add(self, item: Json) -> None:
        """Take in an allocation."""
        offer_id = str(item["offer_id"])
        self._pools.setdefault(offer_id, set()).add(str(item["pool"]))
        total = self._hours.setdefault(offer_id, {})
        for hour, chips in hours_of(item).items():
            total[hour] = total.get(hour, 0) + chips

    def outcome(self, terms: Mapping[str, Sequence[Json]]) -> Outcome:
        """Check that no hour of an offer was given out beyond what the offer ever had in it.

        Args:
            terms: Offer -> all terms that it had.
        """
        outcome = Outcome("capacity")
        for offer_id, hours in self._hours.items():
            versions = terms.get(offer_id)
            if versions is None:
                outcome.add(f"{offer_id}: allocated, but there is no such offer")
                continue
            offered = {f"{one['zone']}/{one['chip']}" for one in versions}
            for pool in sorted(self._pools[offer_id] - offered):
                outcome.add(f"{offer_id}: allocated in {pool}, which it never offered")
            for hour, chips in hours.items():
                most = max((int(one["chips"]) for one in versions if _covers(one, hour)), default=0)
                outcome.checked += 1
                if chips > most:
                    outcome.add(f"{offer_id} {hour}: {chips} chips given, offered {most}")
        return outcome


def check_capacity(
    allocations: Iterable[Json], offers: Iterable[tuple[Json, list[Json]]]
) -> list[Outcome]:
    """Check that no hour was given out twice: of an offer, of a resource, of an allocation resold.

    Args:
        allocations: As ``/v1/allocations`` lists them.
        offers: Each offer as ``/v1/offers`` lists it, with all terms that it had.

    Returns:
        The checks ``capacity``, ``shared`` and ``resales``.
    """
    terms = {str(offer["order_id"]): list(map(_short, versions)) for offer, versions in offers}
    sources = {one: found for one, versions in terms.items() if (found := resale_of(versions))}
    resold = set(sources.values())
    bought: dict[str, Bought] = {}
    given, sales, resales = Given(), Sales(), []
    for item in allocations:
        offer_id = str(item["offer_id"])
        given.add(item)
        if item.get("allocation_id") in resold:
            bought[str(item["allocation_id"])] = bought_by(item)
        if offer_id in sources:
            # What it sells on may be listed later.
            resales.append(item)
        elif offer_id in terms:
            sales.add(item, terms[offer_id], None)
    outcome = Outcome("resales", len(resales))
    for item in resales:
        offer_id = str(item["offer_id"])
        source_id, through = sources[offer_id], _sales(offer_id, sources, bought)
        source = bought.get(source_id)
        for problem in check_resale(item, source_id, source, through):
            outcome.add(problem)
        if source is not None:
            sales.add(item, terms[offer_id], source)
    shared = Outcome("shared", len(sales.shared))
    for problem in sales.problems():
        shared.add(problem)
    return [given.outcome(terms), shared, outcome]


def check_resale(item: Json, source_id: str, source: Bought | None, sales: int) -> list[str]:
    """Return what is wrong with a resale, its hours aside.

    Args:
        item: The allocation, as ``/v1/allocations`` lists it.
        source_id: Allocation that its offer sells on.
        source: What that gave, ``None`` if there is no such allocation.
        sales: Sales of the same chips, this one among them.
    """
    where = f"{item.get('allocation_id')} resells {source_id}"
    if source is None:
        return [f"{where}: there is no such allocation"]
    problems = []
    if item["provider_id"] != source.enterprise:
        problems.append(f"{where}: sold by {item['provider_id']}, bought by {source.enterprise}")
    if item["pool"] != source.pool:
        problems.append(f"{where}: sold in {item['pool']}, bought in {source.pool}")
    if sales > SALES_MAX:
        problems.append(f"{where}: sold through {sales} sales, at most {SALES_MAX} may be")
    return problems


def capacity_of(item: Json, versions: Sequence[Json]) -> str | None:
    """Return the capacity that an allocation is of, ``None`` if it is its offer's own."""
    source = resale_of(versions)
    if source is not None:
        return source
    for terms in versions:
        if terms.get("capacity_chips") is not None:
            place = (item["provider_id"], terms["resource_code"], terms["zone"], terms["chip"])
            return "/".join(map(str, place))
    return None


def resale_of(versions: Iterable[Json]) -> str | None:
    """Return the allocation that an offer sells on, if it does."""
    return next((str(t["resale_of"]) for t in versions if t.get("resale_of") is not None), None)


def bought_by(item: Json) -> Bought:
    """Return what an allocation gave."""
    return Bought(
        str(item["enterprise_id"]), str(item["offer_id"]), str(item["pool"]), hours_of(item)
    )


def hours_of(item: Json) -> dict[str, int]:
    """Return hour -> chips of an allocation."""
    return {_hour(str(row["start"])): int(row["chips"]) for row in item["periods"]}


def _sales(offer_id: str, sources: Mapping[str, str], bought: Mapping[str, Bought]) -> int:
    """Return through how many sales an offer's chips come, no more than one beyond the most."""
    sales, source = 1, sources.get(offer_id)
    while source is not None and sales <= SALES_MAX:
        sales += 1
        known = bought.get(source)
        source = None if known is None else sources.get(known.offer)
    return sales


def _short(terms: Json) -> Json:
    return {name: terms[name] for name in _TERMS if terms.get(name) is not None}


def _hour(text: str) -> str:
    return text.replace("+00:00", "Z")


def _covers(terms: Json, hour: str) -> bool:
    return _hour(terms["start"]) <= hour < _hour(terms["end"])
