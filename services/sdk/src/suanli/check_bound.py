"""Best responses to prices, and the bound of the certificate, in exact integers.

Standard library only. Method: Lagrangian (weak) duality of the assignment of chips, as the
certificate formula of docs/reference/round-file.md states it.
"""

from __future__ import annotations

from operator import add

from suanli.check_formats import Alternative, Book, Demand, Offer
from suanli.check_links import BlockAt, Ways

Prices = dict[str, list[int]]
"""Pool -> price in each period of the horizon, micro-yuan per chip-hour."""


class Supply:
    """Chips that all offers together have, per pool and period of the horizon."""

    def __init__(self, book: Book) -> None:
        self.first = book.first
        self.periods = book.periods
        self.chips = {pool: [0] * book.periods for pool in book.pools}
        self._rooms: dict[tuple[str, int], list[int]] = {}
        for offer in book.offers:
            shift = offer.start - book.first
            low, high = max(0, shift), min(book.periods, shift + len(offer.chips))
            if low < high:
                row = self.chips[offer.pool]
                row[low:high] = map(add, row[low:high], offer.chips[low - shift : high - shift])

    def room(self, pool: str, duration: int) -> list[int]:
        """Return the least chips of the run of `duration` periods from each start on."""
        key = (pool, duration)
        if key not in self._rooms:
            row = self.chips[pool]
            # At most 168 slices of at most 168 numbers, once per pool and duration.
            self._rooms[key] = [
                min(row[t : t + duration]) for t in range(self.periods - duration + 1)
            ]
        return self._rooms[key]

    def window(self, alternative: Alternative) -> tuple[int, int]:
        """Return the alternative's periods inside the horizon, counted from its first."""
        low = max(0, alternative.earliest - self.first)
        high = min(self.periods, alternative.deadline - self.first)
        return low, max(low, high)


class BestResponses:
    """The best surplus that each order could get at given prices."""

    def __init__(
        self,
        supply: Supply,
        prices: Prices,
        ways: Ways | None = None,
        link_prices: Prices | None = None,
    ) -> None:
        self._supply = supply
        self._prices = prices
        self._ways = ways
        self._links = link_prices or {}
        self._costs: dict[tuple[str, int], list[int]] = {}
        self._sums: dict[str, list[int]] = {}
        for pool, curve in prices.items():
            sums = [0]
            for price in curve:
                sums.append(sums[-1] + price)
            self._sums[pool] = sums
        self._least = {pool: min(curve, default=0) for pool, curve in prices.items()}

    def demands(self, book: Book) -> list[int]:
        """Return the best surplus of every demand, in the book's order."""
        return [self.demand(demand) for demand in book.demands]

    def offers(self, book: Book, asks: dict[str, int] | None = None) -> list[int]:
        """Return the best surplus of every offer, in the book's order, at its ask or another."""
        return [self.offer(offer, asks[offer.id] if asks else None) for offer in book.offers]

    def demand(self, demand: Demand) -> int:
        """Return the best surplus of a demand alone, micro-yuan, at least 0."""
        if demand.moves is not None:
            return self._sending(demand)
        best = self._block if demand.shape == "block" else self.divisible
        return max(0, *(best(alternative) for alternative in demand.alternatives))

    def _sending(self, demand: Demand) -> int:
        """Return the best surplus of a demand that sends over links."""
        assert self._ways is not None
        best = 0
        for item in demand.alternatives:
            if demand.shape != "block":
                best = max(best, self.divisible(item, demand))
                continue
            window = self._supply.window(item)
            if item.duration > window[1] - window[0]:
                continue
            for pool in item.pools:
                costs = self._run_costs(pool, item.duration)
                rooms = self._supply.room(pool, item.duration)
                at = BlockAt(pool, costs, rooms, window)
                best = max(best, self._ways.block(demand, item, at, self._links))
        return best

    def offer(self, offer: Offer, ask: int | None = None) -> int:
        """Return the best surplus of an offer, micro-yuan, at least 0, at its ask or another."""
        least = offer.ask if ask is None else ask
        shift = offer.start - self._supply.first
        low, high = max(0, -shift), min(len(offer.chips), self._supply.periods - shift)
        if offer.block and (low > 0 or high < len(offer.chips)):
            # It reaches beyond the horizon, so it cannot be taken whole in this round.
            return 0
        curve = self._prices[offer.pool]
        gains = [offer.chips[i] * (curve[i + shift] - least) for i in range(low, high)]
        if offer.block:
            return max(0, sum(gains))
        return sum(gain for gain in gains if gain > 0)

    def _block(self, item: Alternative) -> int:
        low, high = self._supply.window(item)
        if item.duration > high - low:
            return 0
        starts = slice(low, high - item.duration + 1)
        value = item.limit * item.duration
        best = 0
        for pool in item.pools:
            if item.limit <= self._least[pool]:
                # No run there costs less than its value; about half of all pools end here.
                continue
            costs = self._run_costs(pool, item.duration)[starts]
            rooms = self._supply.room(pool, item.duration)[starts]
            if min(rooms) >= item.chips:
                # Room for all chips at every start, as nearly always: the cheapest run is best.
                best = max(best, item.chips * (value - min(costs)))
                continue
            for cost, room in zip(costs, rooms, strict=True):
                # A run that never has room for the least quantity is dropped before bounding.
                if cost < value and room >= item.chips_min:
                    best = max(best, min(item.chips, room) * (value - cost))
        return best

    def _run_costs(self, pool: str, duration: int) -> list[int]:
        key = (pool, duration)
        if key not in self._costs:
            sums = self._sums[pool]
            self._costs[key] = [
                after - before for before, after in zip(sums, sums[duration:], strict=False)
            ]
        return self._costs[key]

    def divisible(self, item: Alternative, sender: Demand | None = None) -> int:
        """Return the best surplus of a flow or work alternative, filling the cheapest cells first.

        The caps nest (cell within period within total), so the greedy choice is the best one.

        Args:
            item: The alternative.
            sender: Its demand, if that sends over links.
        """
        low, high = self._supply.window(item)
        shift = self._supply.first - item.earliest
        caps = item.chips_by_period[low + shift : high + shift]
        cells: list[tuple[int, int, int]] = []
        for pool in item.pools:
            if item.limit > self._least[pool]:
                curve, row = self._prices[pool][low:high], self._supply.chips[pool][low:high]
                mine = list(zip(curve, range(high - low), row, strict=True))
                if sender is not None and self._ways is not None:
                    mine = self._ways.cells(sender, pool, self._links, mine, low)
                cells += mine
        cells.sort()
        hours = item.chip_hours
        surplus = 0
        for price, t, room in cells:
            if price >= item.limit or not hours:
                break
            chips = min(room, caps[t], hours)
            if chips:
                surplus += chips * (item.limit - price)
                caps[t] -= chips
                hours -= chips
        return surplus


def bound_of(book: Book, demands: list[int], offers: list[int], *others: list[int]) -> int:
    """Return D, micro-yuan: no clearing of the book has more welfare.

    An exclusive group counts once, by its best member; links are relaxed.

    Args:
        book: The book.
        demands: Best surplus of every demand at the certificate prices.
        offers: The same of every offer.
        others: What each link could gain beyond its tariff, and what each allowance counts.
    """
    total = sum(offers) + sum(map(sum, others))
    groups: dict[tuple[str, str], int] = {}
    for demand, surplus in zip(book.demands, demands, strict=True):
        if demand.exclusive_group is None:
            total += surplus
        else:
            # Participants name their groups themselves, so a name is theirs alone.
            group = (demand.participant, demand.exclusive_group)
            groups[group] = max(groups.get(group, 0), surplus)
    return total + sum(groups.values())
