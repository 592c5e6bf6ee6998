"""Checks of the book itself, and of what every allocation may do.

Standard library only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from suanli.check_allowances import check_allowances, check_largest
from suanli.check_formats import Allocation, Alternative, Book, Demand, Offer, Result
from suanli.check_links import Use, Ways, check_links, check_use
from suanli.check_report import NOTHING, Log, Phrase, show
from suanli.check_shares import cleared_asks

_OF_THE_BOOK: Final[Phrase] = ("one of the book", "订单簿之一")


@dataclass(slots=True)
class Cleared:
    """A well-formed round, indexed, with what each order got.

    Attributes:
        demand_parts: Allocations that can be counted, by demand; no entry if it got none.
        offer_parts: The same by offer.
        demand_hours: Chip-hours of each demand that was accepted.
        used: The alternative that each accepted demand uses, as far as it is known.
        accepted_by_group: Accepted demands of each exclusive group, by participant and group.
        ways: Routes of the book's links.
        sent: What each accepted demand sends over them.
        link_prices: Clearing prices of the links, as far as they are told.
        asks: Ask that each offer was cleared with: its own, unless a domestic share moved it.
        allowance_prices: What allowances are worth in the clearing, as far as they are told.
    """

    book: Book
    tick: int
    result: Result
    log: Log
    offers: dict[str, Offer]
    demands: dict[str, Demand]
    demand_parts: dict[str, list[Allocation]] = field(default_factory=dict)
    offer_parts: dict[str, list[Allocation]] = field(default_factory=dict)
    demand_hours: dict[str, int] = field(default_factory=dict)
    used: dict[str, Alternative] = field(default_factory=dict)
    accepted_by_group: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    ways: Ways = field(init=False)
    sent: dict[str, Use] = field(default_factory=dict)
    link_prices: dict[str, list[int]] = field(init=False)
    asks: dict[str, int] = field(init=False)
    allowance_prices: dict[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        """Work out the routes and the asks."""
        self.ways = Ways(self.book)
        self.link_prices = {row.key: row.prices for row in self.result.links}
        self.asks = cleared_asks(self.book, self.result, self.tick)
        self.allowance_prices = {row.key: row.prices for row in self.result.allowances}


def check_book(book: Book, tick: int, log: Log) -> None:
    """Check that the book's keys are sorted and unique and that its references exist."""
    _check_sorted(book.pools, "book.pools", log)
    _check_sorted([offer.id for offer in book.offers], "book.offers", log)
    _check_sorted([demand.id for demand in book.demands], "book.demands", log)
    for key, (zone, chip) in zip(book.pools, book.pool_parts, strict=True):
        log.differ("book.pool_key", f"book.pools[{key}]", f"{zone}/{chip}", key)
    check_links(book, log)
    pools = set(book.pools)
    for offer in book.offers:
        where = f"book.offers[{offer.id}]"
        if offer.pool not in pools:
            log.add("book.unknown_pool", f"{where}.pool", _OF_THE_BOOK, show(offer.pool))
        if offer.ask % tick:
            log.add("book.ask_off_tick", f"{where}.ask", f"n x {tick}", show(offer.ask))
    ids = {demand.id for demand in book.demands}
    for demand in book.demands:
        where = f"book.demands[{demand.id}]"
        indices = [alternative.index for alternative in demand.alternatives]
        _check_sorted(indices, f"{where}.alternatives", log)
        for alternative in demand.alternatives:
            at = f"{where}.alternatives[{alternative.index}].pools"
            _check_sorted(alternative.pools, at, log)
            if not pools.issuperset(alternative.pools):
                unknown = min(set(alternative.pools) - pools)
                log.add("book.unknown_pool", at, _OF_THE_BOOK, show(unknown))
        if demand.linked_to is not None and demand.linked_to not in ids:
            log.add("book.unknown_link", f"{where}.linked_to", _OF_THE_BOOK, show(demand.linked_to))
    _check_cap(book, log)
    if pools.issuperset(offer.pool for offer in book.offers):
        check_allowances(book, log)


def _check_cap(book: Book, log: Log) -> None:
    """Check that in an urgent round no demand may pay more than the mobilisation's cap."""
    cap = book.price_cap
    if cap is None:
        return
    for demand in book.demands:
        for alternative in demand.alternatives:
            if alternative.limit > cap:
                where = f"book.demands[{demand.id}].alternatives[{alternative.index}].limit"
                log.add("book.limit_above_cap", where, f"<= {cap}", str(alternative.limit))


def check_allocations(cleared: Cleared) -> None:
    """Check every rule on who may get what, and fill in what each order got."""
    before: tuple[str, str, int] | None = None
    for i, item in enumerate(cleared.result.allocations):
        where = f"result.allocations[{i}]"
        key = (item.demand, item.offer, item.start)
        if before is not None and not before < key:
            cleared.log.add("allocation.sorted", where, f"> {before}", str(key))
        before = key
        if _check_allocation(cleared, item, where):
            cleared.demand_parts.setdefault(item.demand, []).append(item)
            cleared.offer_parts.setdefault(item.offer, []).append(item)
    for id_, parts in cleared.offer_parts.items():
        _check_capacity(cleared.offers[id_], parts, cleared.log)
    chosen = {outcome.id: outcome.alternative for outcome in cleared.result.demands}
    for demand in cleared.book.demands:
        parts = cleared.demand_parts.get(demand.id, [])
        _check_demand(cleared, demand, chosen.get(demand.id), parts)
    _check_bonds(cleared)
    # Chips that no order has were found above; what they would send means nothing.
    if not cleared.log.problems_since_close():
        check_use(cleared)
        check_largest(cleared)


def chip_hours(item: Allocation) -> int:
    """Return the chip-hours of an allocation."""
    return sum(item.chips)


def _check_sorted(keys: list[str] | list[int], where: str, log: Log) -> None:
    for i in range(1, len(keys)):
        if not keys[i - 1] < keys[i]:  # type: ignore[operator]
            log.add("book.sorted", f"{where}[{i}]", f"> {show(keys[i - 1])}", show(keys[i]))


def _check_allocation(cleared: Cleared, item: Allocation, where: str) -> bool:
    """Check one allocation by itself; return whether it can be counted."""
    log, book = cleared.log, cleared.book
    offer = cleared.offers.get(item.offer)
    if offer is None:
        log.add("allocation.offer", f"{where}.offer", _OF_THE_BOOK, show(item.offer))
    if item.demand not in cleared.demands:
        log.add("allocation.demand", f"{where}.demand", _OF_THE_BOOK, show(item.demand))
    if offer is None or item.demand not in cleared.demands:
        return False
    log.differ("allocation.pool", f"{where}.pool", offer.pool, item.pool)
    usable = item.pool == offer.pool
    if not item.chips or item.chips[0] == 0 or item.chips[-1] == 0:
        found = "0" if item.chips else "[]"
        log.add("allocation.chips", f"{where}.chips", "> 0", found)
        usable = False
    end = item.start + len(item.chips)
    for code, low, high in (
        ("allocation.window", offer.start, offer.start + len(offer.chips)),
        ("allocation.horizon", book.first, book.end),
    ):
        if item.start < low or end > high:
            log.add(code, where, f"[{low}, {high})", f"[{item.start}, {end})")
            usable = False
    return usable


def _check_capacity(offer: Offer, parts: list[Allocation], log: Log) -> None:
    sold = [0] * len(offer.chips)
    for item in parts:
        for i, chips in enumerate(item.chips, start=item.start - offer.start):
            sold[i] += chips
    where = f"result.offers[{offer.id}]"
    for i, (chips, most) in enumerate(zip(sold, offer.chips, strict=True)):
        if chips > most:
            log.add("offer.capacity", f"{where}[{offer.start + i}]", f"<= {most}", show(chips))
        elif offer.block and chips < most:
            log.add("offer.block", f"{where}[{offer.start + i}]", show(most), show(chips))


def _check_demand(
    cleared: Cleared, demand: Demand, index: int | None, parts: list[Allocation]
) -> None:
    log, where = cleared.log, f"result.demands[{demand.id}]"
    if not parts:
        if index is not None:
            log.add("demand.alternative", f"{where}.alternative", "null", show(index))
        return
    cleared.demand_hours[demand.id] = sum(map(chip_hours, parts))
    by_index = {alternative.index: alternative for alternative in demand.alternatives}
    alternative = by_index.get(index) if index is not None else None
    if alternative is None:
        expected = " / ".join(show(known) for known in list(by_index)[:10])
        log.add("demand.alternative", f"{where}.alternative", expected, show(index))
        return
    cleared.used[demand.id] = alternative
    cells: dict[tuple[str, int], int] = defaultdict(int)
    for item in parts:
        for t, chips in enumerate(item.chips, start=item.start):
            if chips:
                cells[item.pool, t] += chips
    for pool in sorted({pool for pool, _ in cells}.difference(alternative.pools)):
        log.add("demand.pool", where, _OF_THE_BOOK, pool)
    low, high = min(t for _, t in cells), max(t for _, t in cells) + 1
    if low < alternative.earliest or high > alternative.deadline:
        window = f"[{alternative.earliest}, {alternative.deadline})"
        log.add("demand.window", where, window, f"[{low}, {high})")
    elif demand.shape == "block":
        _check_block(alternative, cells, where, log)
    else:
        _check_divisible(alternative, cells, where, log)


def _check_block(
    alternative: Alternative, cells: dict[tuple[str, int], int], where: str, log: Log
) -> None:
    pools = {pool for pool, _ in cells}
    log.differ("demand.block_pool", where, 1, len(pools))
    periods = sorted({t for _, t in cells})
    run = f"{periods[0]} + {alternative.duration}"
    if len(periods) != alternative.duration or periods[-1] - periods[0] + 1 != len(periods):
        found = f"{periods[0]}..{periods[-1]} ({len(periods)})"
        log.add("demand.block_run", where, run, found)
    quantities = sorted(set(cells.values()))
    if len(quantities) > 1:
        expected = ("the same throughout", "各时段相同")
        log.add("demand.block_chips", where, expected, f"{quantities[0]}..{quantities[-1]}")
    elif not alternative.chips_min <= quantities[0] <= alternative.chips:
        allowed = f"{alternative.chips_min}..{alternative.chips}"
        log.add("demand.block_chips", where, allowed, show(quantities[0]))


def _check_divisible(
    alternative: Alternative, cells: dict[tuple[str, int], int], where: str, log: Log
) -> None:
    by_period: dict[int, int] = defaultdict(int)
    for (_, t), chips in cells.items():
        by_period[t] += chips
    for t, chips in sorted(by_period.items()):
        most = alternative.chips_by_period[t - alternative.earliest]
        if chips > most:
            log.add("demand.chips", f"{where}[{t}]", f"<= {most}", show(chips))
    total = sum(by_period.values())
    if total > alternative.chip_hours:
        log.add("demand.chip_hours", where, f"<= {alternative.chip_hours}", show(total))


def _check_bonds(cleared: Cleared) -> None:
    """Check exclusive groups and links, which bind demands to each other."""
    members = cleared.accepted_by_group
    for id_, hours in cleared.demand_hours.items():
        demand = cleared.demands[id_]
        if demand.exclusive_group is not None:
            # Participants name their groups themselves, so a name is theirs alone.
            group = (demand.participant, demand.exclusive_group)
            members.setdefault(group, []).append(id_)
        if demand.linked_to is not None and demand.linked_to not in cleared.demand_hours:
            cleared.log.add("demand.link", f"result.demands[{id_}]", "0", show(hours))
    for ids in members.values():
        if len(ids) > 1:
            where = f"result.demands[{ids[1]}]"
            cleared.log.add("demand.group", where, "<= 1", show(len(ids)))


def check_curves(
    cleared: Cleared,
    curves: dict[str, list[int]],
    where: str,
    tick: int,
    keys: Iterable[str] | None = None,
) -> bool:
    """Check that each pool and period has a price; return whether all can be looked up.

    Args:
        cleared: The round.
        curves: Prices.
        where: Where they are told.
        tick: What they are multiples of.
        keys: What has them if not the pools of the book.
    """
    book, log = cleared.book, cleared.log
    complete = True
    for pool in sorted(curves.keys() ^ set(book.pools if keys is None else keys)):
        complete = False
        if pool in curves:
            log.add("price.pool", f"{where}[{pool}]", NOTHING, show(curves[pool]))
        else:
            log.add("price.pool", f"{where}[{pool}]", ("there", "存在"), NOTHING)
    for pool, curve in curves.items():
        if len(curve) != book.periods:
            complete = False
            log.add("price.periods", f"{where}[{pool}]", show(book.periods), show(len(curve)))
        for t, price in enumerate(curve, start=book.first):
            if price % tick:
                log.add("price.tick", f"{where}[{pool}][{t}]", f"n x {tick}", show(price))
    return complete
