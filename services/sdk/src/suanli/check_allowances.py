"""Checks of largest shares: what a participant may get of a chip class, and what it did.

Standard library only, from docs/reference/round-file.md: an allowance is one more capacity, for the
chips of one participant in the pools of one class; what it has of rounds before is off it. Its
price is no money; in the bound, and in regrets, it counts like the price of a pool. So a demand
that has allowances is answered as if it were offered pools of its own: at the price of the pool and
its allowances together, with the chips of the least of them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from operator import mul
from typing import TYPE_CHECKING, Final, NamedTuple

from suanli.check_bound import Prices, Supply
from suanli.check_held import check_held, held_of
from suanli.check_report import NOTHING, Log, show

if TYPE_CHECKING:
    from suanli.check_feasible import Cleared
    from suanli.check_formats import Book, Demand
    from suanli.check_held import Allowance

WHOLE: Final = 10_000
"""Basis points of a whole."""

_OWN: Final = "\n"
"""Stands between a pool and a participant; no text of a file has it."""


class Scope(NamedTuple):
    """Pools that count together under a rule, and what one participant may have of them."""

    policy: str
    chip: str
    pools: list[str]
    share: list[int]
    held: dict[str, list[int]]

    def capacity(self, participant: str) -> list[int]:
        """Return what it leaves a participant, with what that has already."""
        has = self.held.get(participant)
        if has is None:
            return self.share
        return [max(0, most - chips) for most, chips in zip(self.share, has, strict=True)]


def scopes_of(book: Book) -> list[Scope]:
    """Return what the largest shares of the book let participants have; nothing if urgent."""
    rules = [policy for policy in book.policies if policy.kind == "largest_share"]
    if not rules or book.price_cap is not None:
        return []
    offered = Supply(book).chips
    by_chip: dict[str, list[str]] = {}
    for pool, (_, chip) in zip(book.pools, book.pool_parts, strict=True):
        by_chip.setdefault(chip, []).append(pool)
    found = []
    for policy in rules:
        rule = policy.params
        for chip in by_chip if rule["chip"] == "" else by_chip.keys() & {rule["chip"]}:
            pools = [
                pool for pool in by_chip[chip] if rule["region"] in {"", book.supplies[pool][0]}
            ]
            if not pools:
                continue
            held = held_of(book, frozenset(pools))
            rows = [offered[pool] for pool in pools] + [held.get("", [0] * book.periods)]
            most = [-(-rule["share_bp"] * sum(row) // WHOLE) for row in zip(*rows, strict=True)]
            share = [max(rule["chips_free"], chips) for chips in most]
            found.append(Scope(policy.id, chip, pools, share, held))
    return found


class Own:
    """The pools that the demands of participants with allowances are answered in."""

    def __init__(self, book: Book, supply: Supply) -> None:
        self._rows: dict[tuple[str, str], list[Allowance]] = {}
        for row in book.allowances:
            for pool in row.pools:
                self._rows.setdefault((row.participant, pool), []).append(row)
        bound = {row.participant for row in book.allowances}
        for (participant, pool), rows in self._rows.items():
            least = map(min, *(row.capacity for row in rows), supply.chips[pool])
            supply.chips[pool + _OWN + participant] = list(least)
        parts = dict(zip(book.pools, book.pool_parts, strict=True))
        own = {pool + _OWN + who: parts[pool] for who, pool in self._rows}
        self.book = book
        if own:
            self.book = replace(
                book,
                pools=[*book.pools, *own],
                pool_parts=[*book.pool_parts, *own.values()],
                demands=[
                    self._moved(demand) if demand.participant in bound else demand
                    for demand in book.demands
                ],
            )

    def _moved(self, demand: Demand) -> Demand:
        rows = []
        for item in demand.alternatives:
            pools = [
                pool + _OWN + demand.participant
                if (demand.participant, pool) in self._rows
                else pool
                for pool in item.pools
            ]
            rows.append(replace(item, pools=pools))
        return replace(demand, alternatives=rows)

    def prices(self, pools: Prices, allowances: Prices) -> Prices:
        """Return prices of all pools, those of participants included."""
        found = dict(pools)
        for (participant, pool), rows in self._rows.items():
            curves = [pools[pool], *(allowances[row.key] for row in rows)]
            found[pool + _OWN + participant] = [sum(column) for column in zip(*curves, strict=True)]
        return found


def check_allowances(book: Book, log: Log) -> None:
    """Check that allowances are sorted and leave what their policies do."""
    if not check_held(book, log):
        return
    scopes = {(scope.policy, scope.chip): scope for scope in scopes_of(book)}
    known = {demand.participant for demand in book.demands}
    for before, after in pairwise(book.allowances):
        if not before.key < after.key:
            where = f"book.allowances[{show(after.key)}]"
            log.add("book.sorted", where, f"> {before.key}", after.key)
    for row in book.allowances:
        where = f"book.allowances[{row.key}]"
        log.differ("allowance.key", where, f"{row.policy}/{row.chip}/{row.participant}", row.key)
        if row.participant not in known:
            expected = ("of a demand of the book", "订单簿中需求的参与方")
            log.add("allowance.key", f"{where}.participant", expected, show(row.participant))
        scope = scopes.get((row.policy, row.chip))
        if scope is None:
            expected = ("a largest share of the book", "订单簿中的最大份额政策")
            log.add("allowance.key", f"{where}.policy", expected, show(row.policy))
            continue
        log.differ("allowance.pools", f"{where}.pools", scope.pools, row.pools)
        capacity = scope.capacity(row.participant)
        log.differ("allowance.capacity", f"{where}.capacity", capacity, row.capacity)


def check_largest(cleared: Cleared) -> None:
    """Check that nobody gets more than a largest share, and what is told of allowances."""
    book, log, result = cleared.book, cleared.log, cleared.result
    by_pool: dict[str, list[Scope]] = {}
    for scope in scopes_of(book):
        for pool in scope.pools:
            by_pool.setdefault(pool, []).append(scope)
    got: dict[str, list[int]] = {}
    most: dict[str, list[int]] = {}
    for id_, parts in cleared.demand_parts.items() if by_pool else ():
        who = cleared.demands[id_].participant
        for item in parts:
            for scope in by_pool.get(item.pool, ()):
                key = f"{scope.policy}/{scope.chip}/{who}"
                most[key] = scope.capacity(who)
                row = got.setdefault(key, [0] * book.periods)
                for t, chips in enumerate(item.chips, start=item.start - book.first):
                    row[t] += chips
    for key, row in got.items():
        for t, (chips, limit) in enumerate(zip(row, most[key], strict=True), book.first):
            if chips > limit:
                log.add("policy.largest", f"{key}[{t}]", f"<= {limit}", show(chips))
    log.differ("allowance.outcomes", "result.allowances", len(book.allowances),
               len(result.allowances))  # fmt: skip
    for allowance, outcome in zip(book.allowances, result.allowances, strict=False):
        where = f"result.allowances[{allowance.key}]"
        log.differ("allowance.outcomes", f"{where}.key", allowance.key, outcome.key)
        used = got.get(allowance.key, [0] * book.periods)
        log.differ("allowance.used", f"{where}.used", used, outcome.used)
        log.differ("allowance.outcomes", f"{where}.prices", book.periods, len(outcome.prices))


class Spent:
    """What demands take of their participants' allowances, at the prices of these."""

    def __init__(self, cleared: Cleared) -> None:
        self._cleared = cleared
        self._prices: dict[tuple[str, str], list[list[int]]] = {}
        rows = zip(cleared.book.allowances, cleared.result.allowances, strict=False)
        for row, outcome in rows:
            for pool in row.pools:
                self._prices.setdefault((row.participant, pool), []).append(outcome.prices)

    def of(self, id_: str) -> int:
        """Return it for one demand, micro-yuan."""
        if not self._prices:
            return 0
        cleared, total = self._cleared, 0
        who = cleared.demands[id_].participant
        for item in cleared.demand_parts.get(id_, ()):
            shift = item.start - cleared.book.first
            for prices in self._prices.get((who, item.pool), ()):
                total += sum(map(mul, item.chips, prices[shift : shift + len(item.chips)]))
        return total


def gains(book: Book, prices: Prices) -> list[int]:
    """Return what each allowance counts in the bound at prices."""
    return [sum(map(mul, row.capacity, prices[row.key])) for row in book.allowances]


def check_unused(cleared: Cleared, most: list[int]) -> int:
    """Check what is unused of each allowance at its prices; return the sum."""
    total = 0
    rows = zip(cleared.book.allowances, most, cleared.result.allowances, strict=False)
    for allowance, best, row in rows:
        regret = max(0, best - sum(map(mul, row.used, row.prices)))
        total += regret
        where = f"result.allowances[{allowance.key}].regret"
        cleared.log.differ("regret.order", where, regret, row.regret)
    return total


def check_claim(cleared: Cleared, demand: Demand, where: str) -> None:
    """Check that who is said to be at its largest share has an allowance."""
    if all(row.participant != demand.participant for row in cleared.book.allowances):
        expected = ("a participant with an allowance", "有最大份额限制的参与方")
        cleared.log.add("order.reason", where, expected, NOTHING)
