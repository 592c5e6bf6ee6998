"""Rounds against the journal: what a verified file says must be what was told and booked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from services.auditor.capacity_checks import CapacityChecks
from services.auditor.journal_state import Found, RoundAudit
from suanli.check_booking import (
    check_parties,
    check_premiums,
    compare_allocations,
    compare_assessed,
    compare_links,
    compare_payments,
    difference_of,
    parties_of,
    place_of,
)
from suanli.check_journal import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.auditor.journal_state import Charge, Charges, JournalChanges, JournalStore
    from services.auditor.ports import MeasuredLog
    from services.kit.records import Positions
    from suanli.check_booking import Claim, Facts, Parties, Place

Json = dict[str, Any]

# A look at a round reads all of its allocations, so one batch looks at a few.
_ROUNDS_MAX = 8
_CLAIMS_MAX = 500
_PROBLEMS_MAX = 20


class Passing:
    """Notes which round's entries pass, and when all of them have.

    A round is booked in one commit, so its entries follow each other, have one cause, and a head
    is never between them.

    Args:
        rounds: The rounds that the entries name, as far as they are known.
        booking: Round whose entries were passing before.
        cause: What those were caused by.
    """

    def __init__(self, rounds: dict[str, RoundAudit], booking: str, cause: str) -> None:
        self.faults: list[Fault] = []
        self._rounds = rounds
        self._booking, self._cause = booking, cause
        self._done: dict[str, int] = {}

    def add(self, index: int, entry: Json, *, is_head: bool) -> None:
        """Take in the next entry.

        Args:
            index: Its place.
            entry: What it says.
            is_head: Whether a head was signed right after it.
        """
        cause = str(entry.get("cause"))
        if self._booking and cause != self._cause:
            self._finish(index - 1)
        place = place_of(entry)
        if place is not None and _fills_escrow(entry):
            known = self._rounds.get(place[0])
            if place[0] in self._done or (known is not None and known.booked_at is not None):
                text = f"entry {index}: books {place[1]} of {place[0]}, which was booked before"
                self.faults.append(Fault("rounds", index, text))
            else:
                self._booking, self._cause = place[0], cause
        if is_head:
            self._finish(index)

    def _finish(self, index: int) -> None:
        if self._booking:
            self._done[self._booking] = index
        self._booking = self._cause = ""

    def finish(self, changes: JournalChanges, assessed: Mapping[str, int]) -> None:
        """Note what was found, once the entries have passed.

        Args:
            changes: Where to.
            assessed: Round -> what its premiums were assessed at by these entries.
        """
        changes.facts = replace(changes.facts, booking=self._booking, cause=self._cause)
        for round_id, index in self._done.items():
            known = self._rounds.get(round_id) or changes.rounds.get(round_id) or _new(round_id)
            changes.rounds[round_id] = replace(known, booked_at=index)
        for round_id, amount in assessed.items():
            known = changes.rounds.get(round_id) or self._rounds.get(round_id) or _new(round_id)
            changes.rounds[round_id] = replace(known, assessed=known.assessed + amount)


class RoundChecks:
    """Compares rounds as soon as both sides of a comparison are there.

    Args:
        store: Where both sides are kept.
        log: Tells how far the topics go.

    Attributes:
        has_more: Whether the last look left rounds for the next.
    """

    def __init__(self, store: JournalStore, log: MeasuredLog) -> None:
        self._store = store
        self._capacity = CapacityChecks(store.capacity, log)
        self.has_more = False

    async def passing(self, changes: JournalChanges, entries: Iterable[Json]) -> Passing:
        """Return what follows the rounds of these entries."""
        named = {str(entry["round_id"]) for entry in entries if entry.get("round_id")}
        facts = changes.facts
        if facts.booking:
            named.add(facts.booking)
        return Passing(await self._store.rounds(named), facts.booking, facts.cause)

    async def compare(self, changes: JournalChanges, positions: Positions) -> None:
        """Compare what can be compared now.

        What this batch brings is compared with the next, once it is committed.
        """
        await self._take_in_closed(changes)
        await self._finish_at_head(changes)
        rounds = await self._store.open_rounds(_ROUNDS_MAX)
        self.has_more = len(rounds) == _ROUNDS_MAX
        for known in rounds:
            row = changes.rounds.get(known.round_id, known)
            row = replace(row, judged=known.judged, overtaken=known.overtaken)
            # What this batch told of it is not stored yet.
            is_told = known.offers_through is not None
            is_due = known.overtaken or (is_told and known.booked_at is not None)
            if row.judged and is_told and not row.allocations_compared:
                row = await self._compare_allocations(row, changes)
            if is_told and not row.capacity_compared:
                made = await self._store.told(row.round_id)
                row, found = await self._capacity.compare(row, made, changes, positions)
                changes.found += found
            if row.judged and is_due and not row.payments_compared:
                row = await self._compare_payments(row, changes)
            if row != changes.rounds.get(known.round_id, known):
                changes.rounds[known.round_id] = row
        self.has_more = self.has_more and bool(changes.rounds)
        await self._compare_parties(changes)

    async def _take_in_closed(self, changes: JournalChanges) -> None:
        named = {body.round_id for body in changes.closed}
        named |= {body.round_id for body in (*changes.allocations, *changes.charges)}
        known = await self._store.rounds(named) if named else {}
        changes.bought = list(changes.allocations)
        # Records of a round that come again, after all of it was told, are no news.
        over = {one for one, row in known.items() if row.offers_through is not None}
        changes.allocations = [it for it in changes.allocations if it.round_id not in over]
        changes.charges = [it for it in changes.charges if it.round_id not in over]
        for body in changes.closed:
            row = changes.rounds.get(body.round_id) or known.get(body.round_id)
            row = row or _new(body.round_id)
            if row.offers_through is None:
                ends = tuple((one.partition, one.end) for one in body.offers_through)
                changes.rounds[body.round_id] = replace(row, offers_through=ends)

    async def _finish_at_head(self, changes: JournalChanges) -> None:
        """Call the passing round whole if a head covers all that there is."""
        facts = changes.facts
        head = changes.heads.get(facts.size)
        if facts.booking and head is not None:
            known = changes.rounds.get(facts.booking)
            if known is None:
                found = await self._store.rounds([facts.booking])
                known = found.get(facts.booking) or _new(facts.booking)
            changes.rounds[facts.booking] = replace(known, booked_at=facts.size - 1)
            changes.facts = replace(facts, booking="", cause="")

    async def _compare_allocations(self, row: RoundAudit, changes: JournalChanges) -> RoundAudit:
        file = await self._store.allocations(row.round_id, "file")
        told = await self._store.allocations(row.round_id, "topic")
        problems = compare_allocations(file, told)
        if problems:
            changes.found.append(_found("round.allocations", row, problems))
        if row.charges is not None:
            await self._compare_charges(row, changes)
        return replace(row, allocations_compared=True)

    async def _compare_charges(self, row: RoundAudit, changes: JournalChanges) -> None:
        """Compare premiums and charges for links as they were told; keep the file's premiums."""
        for kind, code, owner, named in _CHARGES:
            file, told = await self._store.charges(row.round_id, kind)
            if not file and not told:
                continue
            owners = {
                str(item[named]): str(item[owner]) for item in await self._store.told(row.round_id)
            }
            problems = _differences(file, told, owners)
            if problems:
                changes.found.append(_found(code, row, problems))
            if kind == "premium":
                changes.premiums |= {
                    (row.round_id, subject): charge.facts.payment
                    for subject, charge in file.items()
                }

    async def _compare_payments(self, row: RoundAudit, changes: JournalChanges) -> RoundAudit:
        payments = await self._store.payments(row.round_id)
        claims = await self._store.claims_of(row.round_id)
        if row.overtaken and row.booked_at is None:
            # A later round of this market was booked, and rounds are booked in order.
            if payments.all:
                what = f"{row.round_id}: a later round was booked, this one was not"
                changes.found.append(_found("round.unbooked", row, [what]))
            return replace(row, payments_compared=True)
        taken = {place[1]: claim.taken for place, claim in claims.items()}
        problems = compare_payments(payments.all, taken)
        if row.charges is not None:
            own = {place[1]: claim for place, claim in claims.items()}
            problems += compare_links(row.market_id, payments.tariffs, payments.rents, own)
            problems += compare_assessed(row.charges, row.assessed)
        if problems:
            entries = {place[1]: claim.index for place, claim in claims.items()}
            named = [entries[text.split(":")[0]] for text in problems
                     if text.split(":")[0] in entries]  # fmt: skip
            more = {"leaf_index": min(named)} if named else {}
            changes.found.append(_found("round.payments", row, problems, more))
        for place, claim in claims.items():
            changes.claims.setdefault(place, claim)
        return replace(row, payments_compared=True)

    async def _compare_parties(self, changes: JournalChanges) -> None:
        """Look at whom money came from and went to; forget what is settled whole."""
        # A head is signed over whole settlements, so nothing of those before it is still to come.
        size = changes.facts.head_size
        for place, claim in (await self._store.claims_waiting(size, _CLAIMS_MAX)).items():
            changes.claims.setdefault(place, claim)
        named = {place[0] for place in changes.claims}
        rounds = {**(await self._store.rounds(named) if named else {}), **changes.rounds}
        ready = [
            place
            for place in changes.claims
            if place[0] in rounds and rounds[place[0]].offers_through is not None
        ]
        parties = await self._parties(ready, changes) if ready else {}
        for place, claim in changes.claims.items():
            row = rounds.get(place[0])
            if row is None or place not in parties:
                continue
            problems = [f"{place[1]}: {text}" for text in check_parties(claim, parties[place])]
            if problems:
                more: Json = {"leaf_index": claim.index, "demand_id": place[1]}
                changes.found.append(_found("round.parties", row, problems, more, place[1]))
            if row.payments_compared:
                self._compare_premiums(row, (place, claim), parties[place], changes)

    async def _parties(
        self, places: Sequence[Place], changes: JournalChanges
    ) -> dict[Place, Parties]:
        """Return who may get what of some demands' money."""
        told = await self._store.told_at(places)
        # What this batch found of premiums is not stored yet.
        for item in told if changes.premiums else ():
            key = (str(item["round_id"]), str(item["allocation_id"]))
            item["premium"] = changes.premiums.get(key, item["premium"])
        return parties_of(told)

    def _compare_premiums(
        self, row: RoundAudit, moved: tuple[Place, Claim], due: Parties, changes: JournalChanges
    ) -> None:
        """Look at premiums of a demand; forget it once its escrow is empty and they are settled."""
        place, claim = moved
        is_whole = claim.moved < changes.facts.head_size
        is_empty = claim.paid == claim.taken
        if row.charges is not None:
            problems = check_premiums(claim, due, is_settled=is_empty and is_whole)
            if problems:
                texts = [f"{place[1]}: {text}" for text in problems]
                more: Json = {"leaf_index": claim.moved, "demand_id": place[1]}
                changes.found.append(_found("round.levied", row, texts, more, place[1]))
        has_premiums = row.charges is None or bool(due.credits or due.charges)
        if is_empty and (is_whole or not has_premiums):
            changes.settled.add(place)
        elif is_empty:
            changes.waits.add(place)


# Kind of charge, code of a difference, whose it is and what it is of in an allocation.
_CHARGES = (
    ("premium", "round.premiums", "provider_id", "allocation_id"),
    ("link", "round.links", "enterprise_id", "demand_id"),
)


def _differences(file: Charges, told: Charges, owners: Mapping[str, str]) -> list[str]:
    """Return where charges that were told are not those of the file, or are of somebody else."""
    problems = []
    for subject in sorted(file.keys() | told.keys()):
        one, other = file.get(subject), told.get(subject)
        text = difference_of(_facts_of(one), _facts_of(other))
        owner = owners.get(subject.partition(" ")[0])
        if not text and other is not None and other.party != owner:
            text = f"told of {other.party}, the allocation is of {owner}"
        if text:
            problems.append(f"{subject}: {text}")
    return problems


def _facts_of(charge: Charge | None) -> Facts | None:
    return None if charge is None else charge.facts


def faults_of_entries(faults: Iterable[Fault], entries: Sequence[Json], first: int) -> list[Found]:
    """Return one finding for each entry that breaks a rule, with all that it breaks."""
    by_entry: dict[int, list[Fault]] = {}
    for fault in faults:
        by_entry.setdefault(fault.index, []).append(fault)
    found = []
    for index, these in sorted(by_entry.items()):
        entry = entries[index - first]
        evidence: dict[str, str | int] = {"leaf_index": index, "rule": these[0].code}
        for name in ("entry_id", "round_id", "order_id"):
            if entry.get(name):
                evidence[name] = str(entry[name])
        account = next((fault.account for fault in these if fault.account), "")
        if account:
            evidence["account"] = account
        texts = tuple(dict.fromkeys(fault.text for fault in these))
        market = str(entry.get("market_id") or "exchange")
        round_id = str(entry["round_id"]) if entry.get("round_id") else None
        found.append(Found("journal.entry", str(index), texts, evidence, market, round_id))
    return found


def _found(
    code: str,
    row: RoundAudit,
    problems: Sequence[str],
    more: Mapping[str, str | int] | None = None,
    key: str = "",
) -> Found:
    evidence = {"round_id": row.round_id, **(more or {})}
    texts = tuple(problems[:_PROBLEMS_MAX])
    return Found(code, f"{row.round_id}/{key}", texts, evidence, row.market_id, row.round_id)


def _new(round_id: str) -> RoundAudit:
    market_id, _, seq = round_id.rpartition(":")
    return RoundAudit(round_id, market_id, int(seq) if seq.isdecimal() else 0)


def _fills_escrow(entry: Json) -> bool:
    return any(
        row["layer"] == "posted" and row["account"].startswith("escrow:") and row["amount"] < 0
        for row in entry["postings"]
    )
