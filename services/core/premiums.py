"""The premium of a domestic share: what it moves asks by, and what it costs and earns.

A round is cleared with asks that are moved by a split that is no smaller than the share which the
round achieves, and settled by that share itself. So every offer gets at least what its moved ask
promised, and charges pay for credits in every round
(docs/decisions/0022-cleared-by-a-split-settled-by-the-share.md).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from services.core.book import ShareOutcome
from services.core.policy_rows import WHOLE, ShareRule, share_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.core.book import Allocation, Book, BookPolicy, Pool, Result


@dataclass(frozen=True, slots=True)
class Premium:
    """What a rule's premium is cleared with.

    Attributes:
        rule: The rule.
        amount: Micro-yuan per TFLOPS-hour.
        split_bp: Part of it that imported chips pay, basis points.
    """

    rule: ShareRule
    amount: int
    split_bp: int


@dataclass(frozen=True, slots=True)
class Supplied:
    """What a rule's scope was allocated.

    Attributes:
        everything: TFLOPS-hours.
        domestic: Those of domestic chips.
    """

    everything: int
    domestic: int

    def is_covered(self, split_bp: int) -> bool:
        """Tell whether the share achieved is at most a split."""
        return self.domestic * WHOLE <= split_bp * self.everything

    def least_split(self) -> int:
        """Return the least split that covers the share achieved, basis points."""
        return -(-self.domestic * WHOLE // self.everything) if self.everything else 0

    def balance(self, share_bp: int) -> int:
        """Return TFLOPS-hours that domestic chips miss of a share; below 0, what is beyond it."""
        return -(-share_bp * self.everything // WHOLE) - self.domestic

    def amount(self, *, domestic: bool, tflops_hours: int, premium: int) -> int:
        """Return what the policy fund pays for a part of it, micro-yuan; a charge is negative.

        Args:
            domestic: Whether the part is of domestic chips.
            tflops_hours: Its size.
            premium: Micro-yuan per TFLOPS-hour.
        """
        if not tflops_hours:
            return 0
        if domestic:
            imported = self.everything - self.domestic
            return premium * imported * tflops_hours // self.everything
        return -premium * self.domestic * tflops_hours // self.everything


def exact_wedge(pool: Pool, premium: Premium) -> int:
    """Return what an ask is moved by, in ten-thousandths of a micro-yuan per chip-hour."""
    if not premium.rule.covers(pool):
        return 0
    part = premium.split_bp - WHOLE if pool.domestic else premium.split_bp
    return part * premium.amount * pool.tflops


def wedge(pool: Pool, premium: Premium, tick: int) -> int:
    """Return what an ask is moved by in the clearing, micro-yuan per chip-hour, on the tick.

    A credit is rounded towards none and a charge away from it: the settlement never does worse.
    """
    return -(-exact_wedge(pool, premium) // (WHOLE * tick)) * tick


def moved_asks(book: Book, premiums: Sequence[Premium], tick: int) -> list[int]:
    """Return the asks that a round is cleared with, in the book's order, none below 0."""
    by_pool = {pool.key: sum(wedge(pool, one, tick) for one in premiums) for pool in book.pools}
    return [
        offer.ask if offer.resale else max(0, offer.ask + by_pool[offer.pool])
        for offer in book.offers
    ]


def bounding_asks(book: Book, premiums: Mapping[str, int]) -> list[int]:
    """Return the asks that a certificate is computed with: moved by the share that is asked.

    Rounded down to whole micro-yuan, which only raises the bound; they may be below 0.

    Args:
        book: The book.
        premiums: Policy -> micro-yuan per TFLOPS-hour.
    """
    rules = [Premium(rule, premiums[rule.id], rule.share_bp) for rule in share_rules(book.policies)]
    by_pool = {
        pool.key: sum(exact_wedge(pool, one) for one in rules) // WHOLE for pool in book.pools
    }
    return [offer.ask if offer.resale else offer.ask + by_pool[offer.pool] for offer in book.offers]


def supplied(book: Book, allocations: Iterable[Allocation], rule: ShareRule) -> Supplied:
    """Return what a rule's scope was allocated, and how much of it on domestic chips.

    What is sold on counts on neither side: it did when it was first sold.
    """
    again = resold(book)
    hours: dict[str, int] = defaultdict(int)
    for row in allocations:
        if row.offer not in again:
            hours[row.pool] += sum(row.chips)
    everything = domestic = 0
    for pool in book.pools:
        if rule.covers(pool):
            tflops_hours = hours[pool.key] * pool.tflops
            everything += tflops_hours
            domestic += tflops_hours if pool.domestic else 0
    return Supplied(everything, domestic)


def resold(book: Book) -> frozenset[str]:
    """Return the offers that sell on what a round gave before; no premium is for them."""
    return frozenset(offer.id for offer in book.offers if offer.resale)


def premium_amounts(book: Book, result: Result) -> list[tuple[int, ...]]:
    """Return what the policy fund pays for each allocation, period by period, micro-yuan.

    A charge is negative. Rules that overlap are summed; each is settled for itself.
    """
    rules = {rule.id: rule for rule in share_rules(book.policies)}
    pools = {pool.key: pool for pool in book.pools}
    priced = [(rules[row.policy], row) for row in result.shares if row.premium]
    if not priced:
        return [(0,) * len(row.chips) for row in result.allocations]
    again = resold(book)
    return [
        (0,) * len(item.chips)
        if item.offer in again
        else tuple(
            sum(
                Supplied(row.tflops_hours, row.tflops_hours_domestic).amount(
                    domestic=pools[item.pool].domestic,
                    tflops_hours=chips * pools[item.pool].tflops,
                    premium=row.premium,
                )
                for rule, row in priced
                if rule.covers(pools[item.pool])
            )
            for chips in item.chips
        )
        for item in result.allocations
    ]


def charges_and_credits(
    book: Book, allocations: Iterable[Allocation], premium: Premium, total: Supplied
) -> tuple[int, int]:
    """Return what imported supply pays and domestic supply receives for one rule, micro-yuan."""
    pools = {pool.key: pool for pool in book.pools if premium.rule.covers(pool)}
    again = resold(book)
    cells: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    for row in allocations:
        if row.pool in pools and row.offer not in again:
            cells[row.pool].append(row.chips)
    charges = credits_ = 0
    for key, rows in cells.items():
        pool = pools[key]
        # Millions of cells have a few hundred sizes, and equal ones pay the same.
        for chips, count in Counter(chain.from_iterable(rows)).items():
            amount = count * total.amount(
                domestic=pool.domestic, tflops_hours=chips * pool.tflops, premium=premium.amount
            )
            charges -= min(0, amount)
            credits_ += max(0, amount)
    assert charges >= credits_, "charges pay for credits"
    return charges, credits_


def untouched_shares(book: Book) -> tuple[ShareOutcome, ...]:
    """Return what comes of domestic shares in a round that allocates nothing."""
    if book.mobilisation is not None:
        return ()
    return tuple(
        ShareOutcome(rule.id, 0, 0, 0, 0, 0, rule.carried, 0, 0)
        for rule in share_rules(book.policies)
    )


def missed_worth(book: Book, shares: Iterable[ShareOutcome]) -> int:
    """Return what missed shares are worth at the caps of their premiums, micro-yuan.

    Welfare less this is what a certificate bounds: a clearing that keeps its shares counts with
    its welfare, and one that does not pays the highest premium for all that it misses.
    """
    caps = {rule.id: rule.premium_max for rule in share_rules(book.policies)}
    return sum(caps[row.policy] * row.shortfall for row in shares)


def accounts_after(policies: Iterable[BookPolicy], result: Result | None) -> dict[str, int]:
    """Return the rolling accounts that the book after this one carries, by policy.

    Args:
        policies: Those of the book.
        result: Its result, ``None`` if it has none yet.
    """
    carried = {rule.id: rule.carried for rule in share_rules(policies)}
    if result is not None:
        carried |= {row.policy: row.account for row in result.shares}
    return carried
