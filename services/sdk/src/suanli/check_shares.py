"""Checks of domestic shares: what was achieved, the premium, and who pays and receives it.

Standard library only, from docs/reference/round-file.md: asks are moved by a split of the premium
in the clearing, by the share that is asked in the certificate, and settled by the share achieved.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from suanli.check_report import NOTHING, Log, show

if TYPE_CHECKING:
    from suanli.check_feasible import Cleared
    from suanli.check_formats import Book, Result, Share

WHOLE: Final = 10_000
"""Basis points of a whole."""


class Rule(NamedTuple):
    """A domestic share of the book."""

    id: str
    region: str
    share_bp: int
    premium_max: int
    carried: int


class Total(NamedTuple):
    """TFLOPS-hours allocated where a rule holds, and those on domestic chips."""

    everything: int
    domestic: int

    def amount(self, *, domestic: bool, tflops_hours: int, premium: int) -> int:
        """Return what the policy fund pays for a part of it; a charge is negative, rounded up."""
        if not tflops_hours:
            return 0
        other = self.everything - self.domestic if domestic else -self.domestic
        return premium * other * tflops_hours // self.everything


def rules_of(book: Book) -> list[Rule]:
    """Return the domestic shares that bind the round; none binds an urgent one."""
    if book.price_cap is not None:
        return []
    return [
        Rule(policy.id, *(policy.params[name] for name in Rule._fields[1:]))
        for policy in book.policies
        if policy.kind == "domestic_share"
    ]


def check_shape(book: Book, result: Result, log: Log) -> None:
    """Check that every share of the book has its outcome and its premium in the certificate."""
    rules = rules_of(book)
    for before, after in pairwise(book.policies):
        if not before.id < after.id:
            log.add("book.sorted", f"book.policies[{show(after.id)}]", f"> {before.id}", after.id)
    names = [rule.id for rule in rules]
    log.differ("share.outcomes", "result.shares", names, [row.policy for row in result.shares])
    told = sorted(result.certificate_premiums)
    log.differ("share.outcomes", "result.certificate.premiums", sorted(names), told)
    for rule, row in zip(rules, result.shares, strict=False):
        where = f"result.shares[{rule.id}]"
        if row.premium > rule.premium_max:
            log.add(
                "share.premium", f"{where}.premium", f"<= {rule.premium_max}", show(row.premium)
            )
        certified = result.certificate_premiums.get(rule.id, 0)
        if certified > rule.premium_max:
            path = f"result.certificate.premiums[{rule.id}]"
            log.add("share.premium", path, f"<= {rule.premium_max}", show(certified))


def cleared_asks(book: Book, result: Result, tick: int) -> dict[str, int]:
    """Return the ask that each offer was cleared with: moved by the split, on the tick, from 0.

    No premium moves what is sold on: it was paid or credited when it was first sold.
    """
    rows = {row.policy: row for row in result.shares}
    given = [
        (rule, rows[rule.id].premium, rows[rule.id].split_bp)
        for rule in rules_of(book)
        if rule.id in rows
    ]
    moved = {
        pool: sum(-(-part // (WHOLE * tick)) * tick for part in _parts(book, pool, given))
        for pool in book.pools
    }
    return {
        offer.id: offer.ask if offer.resale else max(0, offer.ask + moved[offer.pool])
        for offer in book.offers
    }


def certificate_asks(book: Book, result: Result) -> dict[str, int]:
    """Return the asks of the bound: moved by the share that is asked, rounded down, unbounded."""
    premiums = result.certificate_premiums
    given = [(rule, premiums.get(rule.id, 0), rule.share_bp) for rule in rules_of(book)]
    moved = {pool: sum(_parts(book, pool, given)) // WHOLE for pool in book.pools}
    return {
        offer.id: offer.ask + (0 if offer.resale else moved[offer.pool]) for offer in book.offers
    }


def _parts(book: Book, pool: str, given: list[tuple[Rule, int, int]]) -> list[int]:
    """Return what each rule moves an ask by, in ten-thousandths of a micro-yuan."""
    region, domestic, tflops = book.supplies[pool]
    return [
        ((split - WHOLE) if domestic else split) * premium * tflops
        for rule, premium, split in given
        if rule.region in {"", region}
    ]


def check_shares(cleared: Cleared) -> None:
    """Check shares, shortfalls and accounts, and that charges pay for what credits promise."""
    rules = rules_of(cleared.book)
    totals = {rule.id: _total(cleared, rule) for rule in rules}
    sums = {rule.id: [0, 0] for rule in rules}
    rows = {row.policy: row for row in cleared.result.shares}
    priced = [rule for rule in rules if rows[rule.id].premium]
    for rule in rules:
        _check_outcome(cleared.log, rule, rows[rule.id], totals[rule.id])
    for id_, parts in cleared.offer_parts.items() if priced else ():
        offer = cleared.offers[id_]
        region, domestic, tflops = cleared.book.supplies[offer.pool]
        for item in parts:
            curve = cleared.result.prices[item.pool]
            for t, chips in enumerate(item.chips, start=item.start):
                received = chips * curve[t - cleared.book.first]
                for rule in () if offer.resale else priced:
                    if rule.region in {"", region}:
                        amount = totals[rule.id].amount(
                            domestic=domestic,
                            tflops_hours=chips * tflops,
                            premium=rows[rule.id].premium,
                        )
                        received += amount
                        sums[rule.id][amount > 0] += abs(amount)
                if received < chips * offer.ask:
                    where = f"result.offers[{id_}][{t}]"
                    least = f">= {chips * offer.ask}"
                    cleared.log.add("rule_1.offer", where, least, show(received))
    for rule in rules:
        where, row = f"result.shares[{rule.id}]", rows[rule.id]
        charges, credits_ = sums[rule.id]
        cleared.log.differ("share.money", f"{where}.charges", charges, row.charges)
        cleared.log.differ("share.money", f"{where}.credits", credits_, row.credits)
        if row.credits > row.charges:
            most = f"<= {row.charges}"
            cleared.log.add("share.money", f"{where}.credits", most, show(row.credits))


def _total(cleared: Cleared, rule: Rule) -> Total:
    everything = domestic = 0
    for id_, parts in cleared.offer_parts.items():
        offer = cleared.offers[id_]
        region, is_domestic, tflops = cleared.book.supplies[offer.pool]
        # What is sold on counted when it was first sold.
        if rule.region in {"", region} and not offer.resale:
            hours = tflops * sum(sum(item.chips) for item in parts)
            everything += hours
            domestic += hours if is_domestic else 0
    return Total(everything, domestic)


def _check_outcome(log: Log, rule: Rule, row: Share, total: Total) -> None:
    where = f"result.shares[{rule.id}]"
    log.differ("share.achieved", f"{where}.tflops_hours", total.everything, row.tflops_hours)
    log.differ(
        "share.achieved",
        f"{where}.tflops_hours_domestic",
        total.domestic,
        row.tflops_hours_domestic,
    )
    balance = -(-rule.share_bp * total.everything // WHOLE) - total.domestic
    log.differ("share.shortfall", f"{where}.shortfall", max(0, balance), row.shortfall)
    account = max(0, rule.carried + balance)
    log.differ("share.shortfall", f"{where}.account", account, row.account)
    if balance > 0 and row.premium < rule.premium_max:
        log.add("share.premium", f"{where}.premium", show(rule.premium_max), show(row.premium))
    if row.premium:
        # Charges by the share achieved are no higher than the split that asks were moved by.
        if total.domestic * WHOLE > row.split_bp * total.everything:
            least = f">= {-(-total.domestic * WHOLE // total.everything)}"
            log.add("share.split", f"{where}.split_bp", least, show(row.split_bp))
    elif row.split_bp:
        log.add("share.split", f"{where}.split_bp", NOTHING, show(row.split_bp))


def missed_worth(book: Book, result: Result) -> int:
    """Return what missed shares are worth at the caps of their premiums, micro-yuan."""
    rows = {row.policy: row.shortfall for row in result.shares}
    return sum(rule.premium_max * rows.get(rule.id, 0) for rule in rules_of(book))
