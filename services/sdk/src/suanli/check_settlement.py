"""Settling, worked out again from outside: what each delivered and undelivered hour cost whom.

Standard library alone. A settlement is told with its hours and amounts. The hours must be those of
its allocation, delivered as was reported, or as what it resells was delivered; the amounts follow
from them, the terms and the premiums of the round's file; and the journal must hold just these
movements, each under the id that settlement and purpose give (``docs/reference/journal.md``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from suanli.check_chains import Chains, hour_of
from suanli.check_journal import Outcome

Json = dict[str, Any]
Premiums = Mapping[str, Mapping[str, int]]
"""Allocation -> hour -> what its provider receives beside the price; a charge is negative."""
MILLION: Final = 1_000_000
# What is charged for hours that were missed: from collateral, the rest as a debt.
_MISSED: Final = ("premium_missed", "premium_owed")
PURPOSES: Final = frozenset(
    {
        *("delivery_paid", "fee", "refund", "compensation", "penalty", "penalty_owed"),
        *("enterprise_fee", "enterprise_fee_owed", "premium_credit", "premium_charge"),
        *_MISSED,
    }
)
"""Purposes of entries that settle something."""
_NAMES: Final = ("market_id", "round_id", "demand_id", "enterprise_id", "provider_id")


class Move(NamedTuple):
    """A movement of money.

    Attributes:
        purpose: What for.
        debit: Account that gives.
        credit: Account that gets.
        amount: Micro-yuan.
    """

    purpose: str
    debit: str
    credit: str
    amount: int


@dataclass(frozen=True)
class Due:
    """What hours come to that are settled together.

    Attributes:
        paid: Price of what was delivered.
        refund: Price of the rest.
        credit: What the policy fund pays.
        charge: What a premium costs of what was delivered.
        missed: The same of the rest.
    """

    paid: int = 0
    refund: int = 0
    credit: int = 0
    charge: int = 0
    missed: int = 0


@dataclass
class Booked:
    """Entries that settle something, by id.

    Attributes:
        moves: Entry id -> (place, movement).
    """

    moves: dict[str, tuple[int, Move]] = field(default_factory=dict)

    def watch(self, entries: Iterable[tuple[int, Json]]) -> Iterator[tuple[int, Json]]:
        """Pass entries on, and keep those that settle something."""
        for index, entry in entries:
            if entry.get("purpose") in PURPOSES:
                self.moves[str(entry["entry_id"])] = (index, move_of(entry))
            yield index, entry


def move_of(entry: Json) -> Move:
    """Return the movement of an entry; debits are positive."""
    sides = [(int(row["amount"]), str(row["account"])) for row in entry["postings"]]
    return Move(str(entry["purpose"]), max(sides)[1], min(sides)[1], int(entry["amount"]))


def entry_id_of(purpose: str, settlement_id: str) -> str:
    """Return the id of the entry that moves a part of a settlement."""
    digest = bytearray(hashlib.sha256(f"{purpose}\n{settlement_id}".encode()).digest()[:16])
    digest[6] = 0x80 | (digest[6] & 0x0F)
    digest[8] = 0x80 | (digest[8] & 0x3F)
    return str(UUID(bytes=bytes(digest)))


def due_of(told: Json, premiums: Mapping[str, int]) -> Due:
    """Return what the hours of a settlement come to.

    Args:
        told: The settlement.
        premiums: Hour -> what its provider receives beside the price for all its chips.
    """
    paid = refund = credit = charge = missed = 0
    for row in told["periods"]:
        chips, delivered, price = (int(row[name]) for name in ("chips", "delivered", "price"))
        paid += delivered * price
        refund += (chips - delivered) * price
        premium = premiums.get(hour_of(row), 0)
        part = premium * delivered // chips if chips else 0
        if premium > 0:
            credit += part
        else:
            charge -= part
            missed += part - premium
    return Due(paid, refund, credit, charge, missed)


def check_amounts(told: Json, due: Due, terms: Json) -> list[str]:
    """Return which amounts of a settlement are not what its hours come to.

    Args:
        told: The settlement.
        due: What its hours come to.
        terms: Of settlement; a rate that is not known is left out.
    """
    taken = int(told["penalty"]) - int(told["provider_owes"])
    wanted = {"paid": due.paid, "refund": due.refund}
    for name, amount, rate in (
        ("provider_fee", due.paid - due.charge, "provider_fee_ppm"),
        ("enterprise_fee", due.paid, "enterprise_fee_ppm"),
        ("penalty", due.refund, "penalty_ppm"),
        ("compensation", taken, "compensation_ppm"),
    ):
        if rate in terms:
            wanted[name] = amount * int(terms[rate]) // MILLION
    problems = [
        f"{name} must be {amount}, was {told[name]}"
        for name, amount in wanted.items()
        if int(told[name]) != amount
    ]
    for owed, whole in (("provider_owes", "penalty"), ("enterprise_owes", "enterprise_fee")):
        if int(told[owed]) > int(told[whole]):
            problems.append(f"{owed} must be at most {told[whole]}, was {told[owed]}")
    return problems


def check_hours(told: Json, allocation: Json) -> list[str]:
    """Return where a settlement is not of its allocation's hours, or of other parties."""
    problems = [
        f"{name} must be {allocation[name]}, was {told[name]}"
        for name in _NAMES
        if told[name] != allocation[name]
    ]
    rows = {hour_of(row): row for row in allocation["periods"]}
    for row in told["periods"]:
        hour = hour_of(row)
        own = rows.get(hour)
        if own is None:
            problems.append(f"{hour} is no hour of the allocation")
            continue
        problems += [
            f"{hour} {name} must be {own[name]}, was {row[name]}"
            for name in ("chips", "price")
            if int(row[name]) != int(own[name])
        ]
        if int(row["delivered"]) > int(own["chips"]):
            problems.append(f"{hour} delivered {row['delivered']} of {own['chips']} chips")
    return problems


def moves_of(told: Json, due: Due) -> list[Move]:
    """Return the movements of a settlement; the last is the charge for what was missed.

    Of that one nothing tells which part collateral paid, so it is named ``premium_missed`` as one.
    """
    market, provider, enterprise = (
        str(told[name]) for name in ("market_id", "provider_id", "enterprise_id")
    )
    amount = {name: int(told[name]) for name in _AMOUNTS}
    escrow, fees, fund = f"escrow:{market}", f"fees:{market}", f"penalties:{market}"
    money, collateral = f"cny:{provider}", f"collateral:{provider}"
    claims, policy = f"premiums:{market}", f"policy:{market}"
    taken = amount["penalty"] - amount["provider_owes"] - amount["compensation"]
    charged = amount["enterprise_fee"] - amount["enterprise_owes"]
    made = [
        Move("delivery_paid", escrow, money, amount["paid"] - amount["provider_fee"]),
        Move("fee", escrow, fees, amount["provider_fee"]),
        Move("refund", escrow, f"cny:{enterprise}", amount["refund"]),
        Move("compensation", collateral, f"cny:{enterprise}", amount["compensation"]),
        Move("penalty", collateral, fund, taken),
        Move("penalty_owed", f"debt:{provider}", fund, amount["provider_owes"]),
        Move("enterprise_fee", f"cny:{enterprise}", fees, charged),
        Move("enterprise_fee_owed", f"debt:{enterprise}", fees, amount["enterprise_owes"]),
        Move("premium_charge", money, claims, due.charge),
        Move("premium_credit", policy, money, due.credit),
        Move(_MISSED[0], collateral, claims, due.missed),
    ]
    return [move for move in made if move.amount]


_AMOUNTS: Final = (
    *("paid", "provider_fee", "enterprise_fee", "refund", "penalty", "compensation"),
    *("provider_owes", "enterprise_owes"),
)


def check_moves(told: Json, due: Due, booked: Booked, *, is_whole: bool) -> list[str]:
    """Return where the journal moved other money than a settlement comes to; forget its entries.

    Args:
        told: The settlement.
        due: What its hours come to.
        booked: The entries that settle something; those of this one are taken out.
        is_whole: Whether all of its entries must be there.
    """
    settlement_id = str(told["settlement_id"])
    found = {
        purpose: booked.moves.pop(entry_id, None)
        for purpose in sorted(PURPOSES)
        if (entry_id := entry_id_of(purpose, settlement_id)) in booked.moves
    }
    wanted = {move.purpose: move for move in moves_of(told, due)}
    problems = _check_missed(wanted.pop(_MISSED[0], None), found, told, is_whole=is_whole)
    for purpose, move in wanted.items():
        entry = found.pop(purpose, None)
        if entry is None:
            if is_whole:
                problems.append(f"{purpose} of {move.amount} is missing in the journal")
        elif entry[1] != move:
            problems.append(f"entry {entry[0]}: {_differs(entry[1], move)}")
    problems += [
        f"entry {entry[0]}: {purpose} of {entry[1].amount}, nothing is due"
        for purpose, entry in found.items()
        if entry is not None
    ]
    return problems


def _check_missed(
    due: Move | None,
    found: dict[str, tuple[int, Move] | None],
    told: Json,
    *,
    is_whole: bool,
) -> list[str]:
    """Check what is charged of missed hours: of collateral what is there, the rest as a debt."""
    moved, problems, last = 0, [], 0
    for purpose, account in zip(_MISSED, ("collateral", "debt"), strict=True):
        entry = found.pop(purpose, None)
        if entry is None:
            continue
        last, (_, debit, credit, amount) = entry
        moved += amount
        ends = (f"{account}:{told['provider_id']}", f"premiums:{told['market_id']}")
        if (debit, credit) != ends:
            problems.append(f"entry {last}: {purpose} must go from {ends[0]} to {ends[1]}")
    wanted = 0 if due is None else due.amount
    if moved > wanted or (is_whole and moved < wanted):
        where = f"entry {last}: " if moved else ""
        problems.append(f"{where}premiums of what was missed must be {wanted}, were {moved}")
    return problems


def _differs(found: Move, wanted: Move) -> str:
    if found[1:3] != wanted[1:3]:
        return f"{found.purpose} must go from {wanted.debit} to {wanted.credit}"
    return f"{found.purpose} must be {wanted.amount}, was {found.amount}"


def check_settlements(
    settlements: Iterable[Json],
    allocations: Iterable[Json],
    terms: Sequence[Json],
    premiums: Premiums,
    booked: tuple[Booked, int],
) -> Outcome:
    """Check all settlements of an exchange against allocations, terms, premiums and the journal.

    Args:
        settlements: As ``/v1/settlements`` lists them.
        allocations: As ``/v1/allocations`` does.
        terms: As ``/v1/settlement-terms`` does.
        premiums: By the verified round files.
        booked: Entries that settle something, and how many entries the journal has.
    """
    moves, size = booked
    known = {str(item["allocation_id"]): item for item in allocations}
    by_version = {(row["market_id"], row["version"]): row for row in terms}
    told = sorted(settlements, key=lambda item: str(item["settled_at"]))
    logged = [str(item["settled_at"]) for item in told if 0 < int(item["end_leaf"]) <= size]
    last = max(logged, default="")
    outcome, fees, chains = Outcome("settlements", len(told)), Fees(), Chains(known)
    for item in told:
        where = f"{item['allocation_id']} {item['settlement_id']}"
        allocation = known.get(str(item["allocation_id"]))
        if allocation is None:
            outcome.add(f"{where}: there is no such allocation")
            continue
        end = int(item["end_leaf"])
        is_whole = 0 < end <= size or (end == 0 and str(item["settled_at"]) < last)
        due = due_of(item, premiums.get(str(item["allocation_id"]), {}))
        problems = check_hours(item, allocation)
        rates = _rates(item, by_version)
        if rates is None:
            problems.append(f"terms of version {item['terms_version']} are not in force")
        problems += check_amounts(item, due, rates or {})
        problems += fees.check(item, due) if item["terms_version"] is None else []
        problems += chains.add(item)
        problems += check_moves(item, due, moves, is_whole=is_whole)
        for problem in problems:
            outcome.add(f"{where}: {problem}")
    for problem in chains.problems():
        outcome.add(problem)
    for place, move in moves.moves.values():
        outcome.add(f"entry {place}: {move.purpose} of {move.amount} is of no settlement")
    return outcome


class Fees:
    """Fees of rounds that have no terms: one rate for all of a round, the market's own."""

    def __init__(self) -> None:
        self._rates: dict[str, tuple[int, int]] = {}

    def check(self, told: Json, due: Due) -> list[str]:
        """Return a problem if a fee is of another rate than those of its round before."""
        base, fee = due.paid - due.charge, int(told["provider_fee"])
        if not base:
            return [] if not fee else [f"provider_fee must be 0, was {fee}"]
        low, high = -(-fee * MILLION // base), ((fee + 1) * MILLION - 1) // base
        known = self._rates.get(str(told["round_id"]), (0, MILLION))
        both = max(low, known[0]), min(high, known[1])
        if both[0] > both[1]:
            least, most = (base * rate // MILLION for rate in known)
            return [f"provider_fee must be {least} to {most} as others of its round, was {fee}"]
        self._rates[str(told["round_id"])] = both
        return []


def _rates(told: Json, terms: Mapping[tuple[str, int], Json]) -> Json | None:
    """Return the rates that a settlement must be settled at, ``None`` if its terms cannot be."""
    version = told["terms_version"]
    if version is None:
        # The market's rules know a fee of the provider alone.
        return {"enterprise_fee_ppm": 0, "penalty_ppm": 0, "compensation_ppm": 0}
    found = terms.get((told["market_id"], version))
    seq = int(str(told["round_id"]).rpartition(":")[2])
    return found if found and int(found["in_force_from_round"]) <= seq else None
