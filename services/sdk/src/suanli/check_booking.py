"""Rounds and money, held against each other from outside: what a round's file says is booked.

Standard library alone. A round's file says who pays how much and which offer serves which demand.
The journal must take just that into escrow, and escrow must pay out no more than it took, to
nobody else than those who were allocated (``docs/reference/journal.md``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from suanli.check_journal import Fault, Outcome

Json = dict[str, Any]
Place = tuple[str, str]
"""(round id, demand id)."""
Allocated = tuple[str, str, str, int]
"""(demand id, offer id, pool, first period)."""

_ESCROW: Final = "escrow:"
_FEES: Final = "fees:"
# Tariffs and rents of links are paid out of escrow when a round is booked.
_OF_THE_MARKET: Final = (_FEES, "links:", "rents:")
_HOUR_S: Final = 3600


@dataclass(frozen=True)
class Facts:
    """An allocation, short enough to be kept.

    Attributes:
        payment: Micro-yuan.
        digest: Of its periods with chips and price.
    """

    payment: int
    digest: str


@dataclass
class Claim:
    """What a round took of a demand's money, and where it went.

    Attributes:
        taken: Micro-yuan that went into escrow.
        payer: Account that they were taken from.
        went: Account -> micro-yuan that it got out of escrow.
        index: Entry that took them.
    """

    taken: int = 0
    payer: str = ""
    went: dict[str, int] = field(default_factory=dict)
    index: int = 0

    @property
    def paid(self) -> int:
        """Return what went out of escrow."""
        return sum(self.went.values())


@dataclass(frozen=True)
class Parties:
    """Who may get what of a round's money for a demand.

    Attributes:
        payer: Account of the enterprise.
        due: Account of a provider -> what its allocations cost.
    """

    payer: str
    due: Mapping[str, int]


class Bookings:
    """Follows money through escrow, entry by entry.

    Args:
        claims: What the entries before left behind, as far as `places_in` names it.

    Attributes:
        claims: The same, after the entries that were added.
        faults: What is wrong with an entry by itself.
        moved: Places whose money the added entries moved.
    """

    def __init__(self, claims: dict[Place, Claim] | None = None) -> None:
        self.claims: dict[Place, Claim] = {} if claims is None else claims
        self.faults: list[Fault] = []
        self.moved: dict[Place, int] = {}

    def add(self, index: int, entry: Json) -> None:
        """Take in the next entry."""
        posted = [(str(row["account"]), int(row["amount"])) for row in entry["postings"]
                  if row["layer"] == "posted"]  # fmt: skip
        for account, amount in posted:
            if account.startswith(_ESCROW):
                others = [name for name, _ in posted if name != account]
                self._move(index, entry, amount, others[0] if others else account)

    def _move(self, index: int, entry: Json, amount: int, other: str) -> None:
        place = place_of(entry)
        if place is None:
            text = f"entry {index}: moves escrow and names no round and order"
            self.faults.append(Fault("rounds", index, text, other))
            return
        claim = self.claims.setdefault(place, Claim())
        self.moved[place] = index
        # Debits are positive: what escrow gets is negative.
        if amount < 0:
            claim.taken -= amount
            claim.payer, claim.index = other, index
            return
        claim.went[other] = claim.went.get(other, 0) + amount
        if claim.paid > claim.taken:
            text = (
                f"entry {index}: escrow has paid {claim.paid} for {place[1]} of {place[0]}, "
                f"it took {claim.taken}"
            )
            self.faults.append(Fault("rounds", index, text, other))


def place_of(entry: Json) -> Place | None:
    """Return the round and the demand of an entry that moves escrow; ``None`` if it names none."""
    round_id, order_id = entry.get("round_id"), entry.get("order_id")
    return None if round_id is None or order_id is None else (str(round_id), str(order_id))


def payments_of(file: Json) -> dict[str, int]:
    """Return what each demand pays, as a verified round file says; who pays nothing is left out."""
    return {str(row["id"]): int(row["payment"]) for row in file["result"]["demands"]
            if row["payment"]}  # fmt: skip


def allocations_of(file: Json) -> dict[Allocated, Facts]:
    """Return the allocations of a verified round file."""
    result, first = file["result"], int(file["book"]["first_period"])
    found = {}
    for row in result["allocations"]:
        curve, start = result["prices"][row["pool"]], int(row["start"])
        periods = [
            (start + at, int(chips), int(curve[start + at - first]))
            for at, chips in enumerate(row["chips"])
            if chips
        ]
        found[str(row["demand"]), str(row["offer"]), str(row["pool"]), start] = _facts(periods)
    return found


def allocation_told(item: Json) -> tuple[Allocated, Facts]:
    """Return an allocation as ``/v1/allocations`` lists it, and as its event tells it."""
    periods = [
        (_period(str(row["start"])), int(row["chips"]), int(row["price"]))
        for row in item["periods"]
    ]
    facts = _facts(periods)
    start = min(period for period, _, _ in periods)
    place = (str(item["demand_id"]), str(item["offer_id"]), str(item["pool"]), start)
    return place, Facts(int(item["payment"]), facts.digest)


def parties_of(items: Iterable[Json]) -> dict[Place, Parties]:
    """Return who may get what, by allocations as ``/v1/allocations`` lists them."""
    due: dict[Place, dict[str, int]] = {}
    payers: dict[Place, str] = {}
    for item in items:
        place = (str(item["round_id"]), str(item["demand_id"]))
        account = f"cny:{item['provider_id']}"
        owed = due.setdefault(place, {})
        owed[account] = owed.get(account, 0) + int(item["payment"])
        payers[place] = f"cny:{item['enterprise_id']}"
    return {place: Parties(payers[place], owed) for place, owed in due.items()}


def compare_allocations(
    file: Mapping[Allocated, Facts], told: Mapping[Allocated, Facts]
) -> list[str]:
    """Return where the allocations that were told are not those of the round's file."""
    problems = []
    for place in sorted(file.keys() | told.keys()):
        wanted, found = file.get(place), told.get(place)
        if wanted == found:
            continue
        what = f"{place[1]} for {place[0]} in {place[2]} from period {place[3]}"
        if wanted is None or found is None:
            problems.append(f"{what}: {'not in' if wanted is None else 'only in'} the round's file")
        elif wanted.payment != found.payment:
            problems.append(f"{what}: the file says {wanted.payment}, told was {found.payment}")
        else:
            problems.append(f"{what}: periods, chips or prices are not those of the file")
    return problems


def compare_payments(payments: Mapping[str, int], taken: Mapping[str, int]) -> list[str]:
    """Return where the journal took other money for a round than its file says.

    Args:
        payments: Demand -> micro-yuan, by the file.
        taken: Demand -> micro-yuan, by the journal.
    """
    return [
        f"{demand}: the round's file says {payments.get(demand, 0)}, "
        f"the journal took {taken.get(demand, 0)}"
        for demand in sorted(payments.keys() | taken.keys())
        if payments.get(demand, 0) != taken.get(demand, 0)
    ]


def check_parties(claim: Claim, parties: Parties) -> list[str]:
    """Return where a claim's money came from, or went to, somebody else than it may."""
    problems = []
    if claim.payer != parties.payer:
        problems.append(f"taken from {claim.payer}, the enterprise is {parties.payer}")
    for account, amount in sorted(claim.went.items()):
        due = parties.due.get(account, 0)
        if account != claim.payer and not account.startswith(_OF_THE_MARKET) and amount > due:
            problems.append(f"escrow paid {amount} to {account}, its allocations cost {due}")
    return problems


def check_rounds(
    entries: Iterable[tuple[int, Json]],
    rounds: Iterable[tuple[str, Mapping[str, int], Mapping[Allocated, Facts]]],
    allocations: Sequence[Json],
) -> Outcome:
    """Check a whole journal against all verified rounds.

    A round after the last one that a market has booked may still be on its way to the ledger.

    Args:
        entries: (index, entry) in the order of the log.
        rounds: (round id, payments, allocations) of each verified file.
        allocations: As ``/v1/allocations`` lists them.
    """
    outcome, books = Outcome("rounds"), Bookings()
    for index, entry in entries:
        books.add(index, entry)
    for fault in books.faults:
        outcome.add(fault.text)
    taken: dict[str, dict[str, int]] = {}
    for (round_id, demand), claim in books.claims.items():
        taken.setdefault(round_id, {})[demand] = claim.taken
    told: dict[str, dict[Allocated, Facts]] = {}
    for item in allocations:
        place, facts = allocation_told(item)
        told.setdefault(str(item["round_id"]), {})[place] = facts
    last = _last_booked(taken)
    for round_id, payments, made in rounds:
        outcome.checked += 1
        market, seq = _split(round_id)
        if seq > last.get(market, -1):
            continue
        problems = compare_allocations(made, told.get(round_id, {}))
        problems += compare_payments(payments, taken.get(round_id, {}))
        for problem in problems:
            outcome.add(f"{round_id} {problem}")
    for (round_id, demand), parties in parties_of(allocations).items():
        claim_of = books.claims.get((round_id, demand))
        for problem in check_parties(claim_of, parties) if claim_of else ():
            outcome.add(f"{round_id} {demand}: {problem}")
    return outcome


def _last_booked(rounds: Iterable[str]) -> dict[str, int]:
    last: dict[str, int] = {}
    for round_id in rounds:
        market, seq = _split(round_id)
        last[market] = max(seq, last.get(market, -1))
    return last


def _split(round_id: str) -> tuple[str, int]:
    market, _, seq = round_id.rpartition(":")
    return market, int(seq) if seq.isdecimal() else -1


def _facts(periods: Iterable[tuple[int, int, int]]) -> Facts:
    rows = sorted(periods)
    text = "\n".join(f"{period} {chips} {price}" for period, chips, price in rows)
    payment = sum(chips * price for _, chips, price in rows)
    return Facts(payment, hashlib.sha256(text.encode()).hexdigest()[:32])


def _period(start: str) -> int:
    return int(datetime.fromisoformat(start).timestamp()) // _HOUR_S
