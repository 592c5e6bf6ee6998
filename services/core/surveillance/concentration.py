"""Concentration and indispensable suppliers.

Method: the Herfindahl-Hirschman index (sum of squared shares, 0 to 10,000) and the largest three,
by region, chip class and hour; shares are of beneficial owners. MISO's 2009 State of the Market
calls the index alone misleading and the pivotal-supplier test more reliable, so both are here. The
residual supply index (Sheffrin, California ISO, 2002) is the capacity of all others over what was
bought: below one, it could not have been served without this supplier. What was bought stands for
the demand, since flexible demand has no hour of its own before it is served.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.surveillance.cases import Case, CaseKind, make_case
from services.core.surveillance.view import PPM, capacity, median, traded_periods

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from services.core.surveillance.tape import Allocation
    from services.core.surveillance.thresholds import Thresholds
    from services.core.surveillance.view import View

_HHI_WHOLE = 10_000
_TOP = 3


@dataclass(frozen=True, slots=True)
class Concentration:
    """How concentrated a quantity is.

    Attributes:
        total: The quantity.
        hhi: Herfindahl-Hirschman index, 0 to 10,000, rounded down; 0 of nothing.
        top: The largest three (name, share in millionths), largest first.
    """

    total: int
    hhi: int
    top: tuple[tuple[str, int], ...]


def concentration_of(volumes: Mapping[str, int]) -> Concentration:
    """Return how concentrated these volumes are; none may be negative."""
    assert all(volume >= 0 for volume in volumes.values()), "volumes must not be negative"
    total = sum(volumes.values())
    if not total:
        return Concentration(0, 0, ())
    squares = sum(volume * volume for volume in volumes.values())
    largest = sorted(volumes.items(), key=lambda item: (-item[1], item[0]))[:_TOP]
    top = tuple((name, volume * PPM // total) for name, volume in largest if volume)
    return Concentration(total, _HHI_WHOLE * squares // (total * total), top)


def rsi_ppm(offered: int, own: int, bought: int) -> int:
    """Return the residual supply index of a supplier, millionths.

    Args:
        offered: Chips offered by all.
        own: Those of the supplier.
        bought: Chips bought, more than 0.
    """
    assert 0 <= own <= offered, f"{own} of {offered}"
    return (offered - own) * PPM // bought


def concentrated(view: View, thresholds: Thresholds) -> Iterator[Case]:
    """Yield a case for each region and chip class that few sell in."""
    by_area: dict[str, list[Allocation]] = defaultdict(list)
    for item in view.tape.allocations:
        by_area[view.tape.area(item.pool)].append(item)
    for area, items in sorted(by_area.items()):
        volumes: dict[str, int] = defaultdict(int)
        for item in items:
            volumes[view.tape.owner(item.provider_id)] += item.chip_hours
        found = concentration_of(volumes)
        periods = {period for item in items for period, _, _ in item.periods}
        if (
            found.hhi >= thresholds.concentration_hhi_min
            and found.top[0][1] >= thresholds.concentration_top_ppm
            and found.total >= thresholds.concentration_chip_hours_min
            and len(periods) >= thresholds.concentration_periods_min
        ):
            owner = found.top[0][0]
            of_owner = [item for item in items if view.tape.owner(item.provider_id) == owner]
            yield make_case(
                view.tape,
                CaseKind.CONCENTRATION,
                area,
                (item.provider_id for item in of_owner),
                (item.allocation_id for item in of_owner),
                area=area,
                hhi=found.hhi,
                top_ppm=found.top[0][1],
                chip_hours=found.total,
            )


def pivotal(view: View, thresholds: Thresholds) -> Iterator[Case]:
    """Yield a case for each owner without whom dear hours could not have been served."""
    periods = traded_periods(view)
    supply: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for pool, owners in capacity(view, periods, withdrawn=False).items():
        suppliers = supply[view.tape.area(pool)]
        for owner, chips in owners.items():
            row = suppliers.setdefault(owner, [0] * len(periods))
            for at, count in enumerate(chips):
                row[at] += count
    bought, high = _bought(view, thresholds)
    for area, rows in sorted(supply.items()):
        totals = [sum(column) for column in zip(*rows.values(), strict=True)]
        for owner, row in sorted(rows.items()):
            found: dict[int, int] = {}
            for at, period in enumerate(periods):
                wanted = bought.get((area, period), 0)
                # What was bought from offers of an earlier day is not in the supply.
                if (area, period) in high and wanted and totals[at] >= wanted:
                    index = rsi_ppm(totals[at], row[at], wanted)
                    if index < PPM:
                        found[period] = index
            if len(found) >= thresholds.pivotal_periods_min:
                yield _pivotal_case(view, area, owner, found)


def _pivotal_case(view: View, area: str, owner: str, found: Mapping[int, int]) -> Case:
    items = [
        item
        for item in view.tape.allocations
        if view.tape.owner(item.provider_id) == owner
        and view.tape.area(item.pool) == area
        and any(period in found for period, _, _ in item.periods)
    ]
    return make_case(
        view.tape,
        CaseKind.PIVOTAL,
        f"{area} {owner}",
        (item.provider_id for item in items),
        [*(item.allocation_id for item in items), *(item.offer_id for item in items)],
        area=area,
        periods=len(found),
        rsi_ppm=min(found.values()),
    )


def _bought(
    view: View, thresholds: Thresholds
) -> tuple[dict[tuple[str, int], int], set[tuple[str, int]]]:
    """Return the chips bought by area and period, and where their price was high."""
    bought: dict[tuple[str, int], int] = defaultdict(int)
    value: dict[tuple[str, int], int] = defaultdict(int)
    for item in view.tape.allocations:
        area = view.tape.area(item.pool)
        for period, chips, price in item.periods:
            bought[area, period] += chips
            value[area, period] += chips * price
    averages = {key: value[key] // chips for key, chips in bought.items()}
    by_area: dict[str, list[int]] = defaultdict(list)
    for (area, _), price in averages.items():
        by_area[area].append(price)
    medians = {area: median(prices) for area, prices in by_area.items()}
    high = {
        key
        for key, price in averages.items()
        if price * PPM >= thresholds.pivotal_price_ppm * medians[key[0]]
    }
    return bought, high


def sold_by_owner(view: View, items: Iterable[Allocation]) -> dict[tuple[str, int], dict[str, int]]:
    """Return the chips that each owner sold, by area and period."""
    sold: dict[tuple[str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for item in items:
        area, owner = view.tape.area(item.pool), view.tape.owner(item.provider_id)
        for period, chips, _ in item.periods:
            sold[area, period][owner] += chips
    return sold
