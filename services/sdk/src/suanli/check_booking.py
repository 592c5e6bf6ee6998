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
_POLICY: Final = "policy:"
_PREMIUMS: Final = "premiums:"
# Tariffs and rents of links are paid out of escrow when a round is booked.
_OF_THE_MARKET: Final = (_FEES, "links:", "rents:")
_HOUR_S: Final = 3600


@dataclass(frozen=True)
class Facts:
    """An allocation or a charge, short enough to be kept.

    Attributes:
        payment: Micro-yuan.
        digest: Of its periods with quantity and price.
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
        credited: Participant -> micro-yuan of premiums that the policy fund paid it.
        charged: Participant -> micro-yuan of premiums that it was charged.
        moved: Last entry that moved any of it.
    """

    taken: int = 0
    payer: str = ""
    went: dict[str, int] = field(default_factory=dict)
    index: int = 0
    credited: dict[str, int] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    moved: int = 0

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
        credits: Provider -> micro-yuan that its premiums come to if all is delivered.
        charges: Provider -> micro-yuan that its premiums cost, delivered or not.
        has_free: Whether an hour costs nothing, so that no refund tells that it was missed.
    """

    payer: str
    due: Mapping[str, int]
    credits: Mapping[str, int] = field(default_factory=dict)
    charges: Mapping[str, int] = field(default_factory=dict)
    has_free: bool = False


@dataclass(frozen=True)
class RoundSays:
    """What a verified round file says of money.

    Attributes:
        round_id: The round.
        payments: Demand -> micro-yuan that it pays.
        allocations: What each is.
        premiums: Allocation -> what its provider receives beside the price; a charge is negative.
        links: (demand, link) -> what it pays for the link.
        tariffs: Demand -> part of that which goes to who runs links.
        rents: Demand -> the rest.
    """

    round_id: str
    payments: Mapping[str, int]
    allocations: Mapping[Allocated, Facts]
    premiums: Mapping[Allocated, Facts] = field(default_factory=dict)
    links: Mapping[tuple[str, str], Facts] = field(default_factory=dict)
    tariffs: Mapping[str, int] = field(default_factory=dict)
    rents: Mapping[str, int] = field(default_factory=dict)

    @property
    def assessed(self) -> int:
        """Return what imported supply is charged by premiums."""
        return -sum(min(0, facts.payment) for facts in self.premiums.values())


class Bookings:
    """Follows money through escrow, entry by entry.

    Args:
        claims: What the entries before left behind, as far as `places_in` names it.

    Attributes:
        claims: The same, after the entries that were added.
        faults: What is wrong with an entry by itself.
        moved: Places whose money the added entries moved.
        assessed: Round -> charges of premiums that the policy fund got when it was booked.
    """

    def __init__(self, claims: dict[Place, Claim] | None = None) -> None:
        self.claims: dict[Place, Claim] = {} if claims is None else claims
        self.faults: list[Fault] = []
        self.moved: dict[Place, int] = {}
        self.assessed: dict[str, int] = {}

    def add(self, index: int, entry: Json) -> None:
        """Take in the next entry."""
        posted = [(str(row["account"]), int(row["amount"])) for row in entry["postings"]
                  if row["layer"] == "posted"]  # fmt: skip
        for account, amount in posted:
            if account.startswith(_ESCROW):
                others = [name for name, _ in posted if name != account]
                self._move(index, entry, amount, others[0] if others else account)
            elif account.startswith((_POLICY, _PREMIUMS)):
                self._levy(index, entry, (account, amount), posted)

    def _levy(
        self, index: int, entry: Json, side: tuple[str, int], posted: list[tuple[str, int]]
    ) -> None:
        """Follow a premium: assessed when its round is booked, charged and credited later."""
        account, amount = side
        other = next((name for name, _ in posted if name != account), account)
        is_fund = account.startswith(_POLICY)
        if other.startswith((_POLICY, _PREMIUMS)):
            if is_fund and amount < 0 and entry.get("round_id") is not None:
                round_id = str(entry["round_id"])
                self.assessed[round_id] = self.assessed.get(round_id, 0) - amount
            elif is_fund or amount < 0:
                text = f"entry {index}: moves {abs(amount)} of {account} in no premium's way"
                self.faults.append(Fault("rounds", index, text, account))
            return
        place = place_of(entry)
        claim = None if place is None else self.claims.get(place)
        # Debits are positive: the fund pays, and what is charged is no longer owed to it.
        if place is None or claim is None or (amount > 0) != is_fund:
            text = (
                f"entry {index}: moves {abs(amount)} between {account} and {other}, for which "
                "nothing is in escrow"
            )
            self.faults.append(Fault("rounds", index, text, account))
            return
        moves, person = claim.credited if is_fund else claim.charged, other.partition(":")[2]
        moves[person] = moves.get(person, 0) + abs(amount)
        claim.moved = self.moved[place] = index

    def _move(self, index: int, entry: Json, amount: int, other: str) -> None:
        place = place_of(entry)
        if place is None:
            text = f"entry {index}: moves escrow and names no round and order"
            self.faults.append(Fault("rounds", index, text, other))
            return
        claim = self.claims.setdefault(place, Claim())
        claim.moved = self.moved[place] = index
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
        found[str(row["demand"]), str(row["offer"]), str(row["pool"]), start] = facts_of(periods)
    return found


def allocation_told(item: Json) -> tuple[Allocated, Facts]:
    """Return an allocation as ``/v1/allocations`` lists it, and as its event tells it."""
    periods = [
        (_period(str(row["start"])), int(row["chips"]), int(row["price"]))
        for row in item["periods"]
    ]
    facts = facts_of(periods)
    start = min(period for period, _, _ in periods)
    place = (str(item["demand_id"]), str(item["offer_id"]), str(item["pool"]), start)
    return place, Facts(int(item["payment"]), facts.digest)


def parties_of(items: Iterable[Json]) -> dict[Place, Parties]:
    """Return who may get what, by allocations as ``/v1/allocations`` lists them.

    Args:
        items: The allocations; ``premium`` is what the round's file says that the provider
            receives beside the price, a charge is negative.
    """
    due: dict[Place, dict[str, int]] = {}
    premiums: dict[Place, tuple[dict[str, int], dict[str, int]]] = {}
    payers: dict[Place, str] = {}
    free: set[Place] = set()
    for item in items:
        place = (str(item["round_id"]), str(item["demand_id"]))
        provider = str(item["provider_id"])
        owed = due.setdefault(place, {})
        account = f"cny:{provider}"
        owed[account] = owed.get(account, 0) + int(item["payment"])
        payers[place] = f"cny:{item['enterprise_id']}"
        premium = int(item.get("premium", 0))
        if premium:
            part = premiums.setdefault(place, ({}, {}))[premium < 0]
            part[provider] = part.get(provider, 0) + abs(premium)
            if not all(int(row["price"]) for row in item["periods"]):
                free.add(place)
    return {
        place: Parties(payers[place], owed, *premiums.get(place, ({}, {})), place in free)
        for place, owed in due.items()
    }


def compare_allocations(
    file: Mapping[Allocated, Facts], told: Mapping[Allocated, Facts]
) -> list[str]:
    """Return where the allocations that were told are not those of the round's file."""
    return [
        f"{place[1]} for {place[0]} in {place[2]} from period {place[3]}: {text}"
        for place in sorted(file.keys() | told.keys())
        if (text := difference_of(file.get(place), told.get(place)))
    ]


def difference_of(wanted: Facts | None, found: Facts | None) -> str:
    """Return how what was told differs from what a round's file says, empty if it does not."""
    if wanted == found:
        return ""
    if wanted is None or found is None:
        return f"{'not in' if wanted is None else 'only in'} the round's file"
    if wanted.payment != found.payment:
        return f"the file says {wanted.payment}, told was {found.payment}"
    return "periods, chips or prices are not those of the file"


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


def compare_links(
    market: str,
    tariffs: Mapping[str, int],
    rents: Mapping[str, int],
    claims: Mapping[str, Claim],
) -> list[str]:
    """Return where the journal paid other tariffs or rents of links than a round's file says.

    Args:
        market: Market of the round.
        tariffs: Demand -> micro-yuan, by the file.
        rents: The same.
        claims: Demand -> its money, by the journal.
    """
    problems = []
    for name, account, wanted in (
        ("tariffs", f"links:{market}", tariffs),
        ("rents", f"rents:{market}", rents),
    ):
        paid = {demand: claim.went.get(account, 0) for demand, claim in claims.items()}
        problems += [
            f"{demand}: the round's file says {wanted.get(demand, 0)} of {name}, "
            f"the journal paid {paid.get(demand, 0)}"
            for demand in sorted(wanted.keys() | paid.keys())
            if wanted.get(demand, 0) != paid.get(demand, 0)
        ]
    return problems


def compare_assessed(charges: int, assessed: int) -> list[str]:
    """Return where the policy fund got another claim than the charges of a round's file."""
    if charges == assessed:
        return []
    return [f"premiums: the round's file charges {charges}, the journal assessed {assessed}"]


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


def check_premiums(claim: Claim, parties: Parties, *, is_settled: bool) -> list[str]:
    """Return where premiums were credited or charged otherwise than they come to.

    Args:
        claim: What was moved.
        parties: What may be.
        is_settled: Whether all hours are settled, so that all charges must be there. Credits are
            of what was delivered, which is all if nothing was refunded.
    """
    is_delivered = is_settled and not parties.has_free and not claim.went.get(claim.payer)
    problems = []
    for person in sorted(claim.credited.keys() | parties.credits.keys()):
        amount, due = claim.credited.get(person, 0), parties.credits.get(person, 0)
        if amount > due or (is_delivered and amount != due):
            problems.append(f"the policy fund paid {amount} to {person}, premiums come to {due}")
    for person in sorted(claim.charged.keys() | parties.charges.keys()):
        amount, due = claim.charged.get(person, 0), parties.charges.get(person, 0)
        if amount > due or (is_settled and amount != due):
            problems.append(f"premiums charged {amount} to {person}, they cost {due}")
    return problems


def check_rounds(
    entries: Iterable[tuple[int, Json]], rounds: Iterable[RoundSays], allocations: Sequence[Json]
) -> Outcome:
    """Check a whole journal against all verified rounds.

    A round after the last one that a market has booked may still be on its way to the ledger.

    Args:
        entries: (index, entry) in the order of the log.
        rounds: What each verified file says.
        allocations: As ``/v1/allocations`` lists them.
    """
    outcome, books = Outcome("rounds"), Bookings()
    for index, entry in entries:
        books.add(index, entry)
    for fault in books.faults:
        outcome.add(fault.text)
    claims: dict[str, dict[str, Claim]] = {}
    for (round_id, demand), claim in books.claims.items():
        claims.setdefault(round_id, {})[demand] = claim
    told: dict[str, dict[Allocated, Json]] = {}
    for item in allocations:
        told.setdefault(str(item["round_id"]), {})[allocation_told(item)[0]] = item
    last = _last_booked(claims)
    for says in rounds:
        outcome.checked += 1
        market, seq = _split(says.round_id)
        if seq > last.get(market, -1):
            continue
        made = told.setdefault(says.round_id, {})
        own = claims.get(says.round_id, {})
        problems = _compare_round(says, market, made, own)
        problems += compare_assessed(says.assessed, books.assessed.get(says.round_id, 0))
        for problem in problems:
            outcome.add(f"{says.round_id} {problem}")
        for place in says.premiums.keys() & made.keys():
            made[place] = {**made[place], "premium": says.premiums[place].payment}
    items = (item for made in told.values() for item in made.values())
    for (round_id, demand), parties in parties_of(items).items():
        claim_of = books.claims.get((round_id, demand))
        if claim_of is not None:
            is_settled = claim_of.paid == claim_of.taken
            found = check_parties(claim_of, parties)
            for problem in found + check_premiums(claim_of, parties, is_settled=is_settled):
                outcome.add(f"{round_id} {demand}: {problem}")
    return outcome


def _compare_round(
    says: RoundSays, market: str, made: Mapping[Allocated, Json], claims: Mapping[str, Claim]
) -> list[str]:
    """Return where a round was told or booked otherwise than its file says."""
    told = {place: allocation_told(item)[1] for place, item in made.items()}
    problems = compare_allocations(says.allocations, told)
    problems += compare_payments(says.payments, {at: one.taken for at, one in claims.items()})
    return problems + compare_links(market, says.tariffs, says.rents, claims)


def _last_booked(rounds: Iterable[str]) -> dict[str, int]:
    last: dict[str, int] = {}
    for round_id in rounds:
        market, seq = _split(round_id)
        last[market] = max(seq, last.get(market, -1))
    return last


def _split(round_id: str) -> tuple[str, int]:
    market, _, seq = round_id.rpartition(":")
    return market, int(seq) if seq.isdecimal() else -1


def facts_of(periods: Iterable[tuple[int, int, int]]) -> Facts:
    """Return the facts of (period, quantity, price) rows."""
    rows = sorted(periods)
    text = "\n".join(f"{period} {chips} {price}" for period, chips, price in rows)
    payment = sum(chips * price for _, chips, price in rows)
    return Facts(payment, hashlib.sha256(text.encode()).hexdigest()[:32])


def _period(start: str) -> int:
    return int(datetime.fromisoformat(start).timestamp()) // _HOUR_S
