"""Settlements as they are told, against allocations, terms, premiums and the journal."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from services.auditor.awaited import Awaited
from services.auditor.journal_state import Found
from suanli.check_chains import Chains, hour_of
from suanli.check_settlement import (
    PURPOSES,
    Booked,
    Due,
    check_amounts,
    check_hours,
    check_moves,
    due_of,
    entry_id_of,
    moves_of,
    rates_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from services.auditor.journal_state import JournalChanges, SettlementStore, Settling
    from services.auditor.ports import MeasuredLog
    from services.kit.records import Positions
    from suanli.check_settlement import Move

Json = dict[str, Any]
Hours = dict[str, list[Any]]
# Of each market at a time; more where none of so many can be judged, as all may lack entries.
_SETTLEMENTS_MAX = 100
_SETTLEMENTS_STUCK_MAX = 6_400
_ENTRIES_MAX = 100
_MISSED = ("premium_missed", "premium_owed")


class SettlementChecks:
    """Judges settlements in the order of each market's log.

    One whose entries are not all in the journal is wrong once a later one of its market has all of
    its own: the ledger commits them in that order, and the journal is read without a gap. So no
    clock decides what is missing. Neither does one decide of what a settlement names and nobody
    told: allocation and terms were told before it.

    Args:
        store: Where settlements and entries wait for each other.
        log: Tells how far the topics go.

    Attributes:
        has_more: Whether the last look left settlements for the next.
    """

    def __init__(self, store: SettlementStore, log: MeasuredLog) -> None:
        self._store = store
        self._awaited = Awaited(log, ["allocations", "policies", "settlements"])
        self._positions: Positions = {}
        self.has_more = False
        self._limit = _SETTLEMENTS_MAX
        self._rests = 0

    async def compare(self, changes: JournalChanges, positions: Positions) -> None:
        """Judge what was told and is kept, as far as what it needs is.

        Args:
            changes: What this batch brings, which is not kept yet.
            positions: What was read.
        """
        if self._rests:
            self._rests -= 1
            return
        self._positions = positions
        waiting = await self._store.waiting(self._limit)
        kept = await self._store.entries({known for one in waiting for known in _ids(one)})
        # Settlements of a market that lack entries so far.
        lacking: list[Settling] = []
        market, is_clear = "", True
        for one in waiting:
            if one.market_id != market:
                market, lacking, is_clear = one.market_id, [], True
            if self._is_over(one, changes):
                continue
            untold = await self._untold(one, changes)
            if untold:
                # It follows from nothing, so it waits for no entries; they may be there or come.
                changes.passed |= _ids(one)
                self._judged(one, untold, changes)
                continue
            problems = await self._problems(one, changes)
            if problems is None:
                is_clear = False
                continue
            if await self._is_old(one, changes):
                changes.passed |= _ids(one)
                self._judged(one, problems, changes)
                continue
            due, booked = due_of(one.told, one.premiums), _booked(one, kept)
            if not _is_whole(one, due, booked):
                lacking.append(one)
                continue
            place = max((at for at, _ in booked.moves.values()), default=None)
            if place is not None:
                for before in lacking:
                    found = await self._problems(before, changes) or []
                    self._judged(before, found + _of_moves(before, kept), changes)
                lacking = []
            self._judged(one, problems + _of_moves(one, kept), changes)
            if is_clear and place is not None:
                await self._find_unsettled(one.market_id, place, changes)
        self._look_further(waiting, {market_id for market_id, _ in changes.judged})

    def _look_further(self, waiting: Sequence[Settling], going_on: set[str]) -> None:
        """Set how many are looked at next, and how often: all the same, what that costs is even."""
        counts = Counter(one.market_id for one in waiting)
        full = {market_id for market_id, count in counts.items() if count >= self._limit}
        self.has_more = bool(full & going_on)
        if full - going_on:
            self._limit = min(2 * self._limit, _SETTLEMENTS_STUCK_MAX)
            self._rests = self._limit // _SETTLEMENTS_MAX - 1
        else:
            self._limit = _SETTLEMENTS_MAX

    def _is_over(self, one: Settling, changes: JournalChanges) -> bool:
        """Tell whether there is nothing to judge: it is told again, or its round was not judged."""
        if one.round == "passed" and one.allocation is not None:
            # Its file was refuted, or judged before its premiums were kept.
            changes.passed |= _ids(one)
            self._judged(one, [], changes)
            return True
        settled = one.settled | changes.settled_hours.get(str(one.told["allocation_id"]), {})
        before = [settled.get(hour_of(row)) for row in one.told["periods"]]
        if not all(row is not None and row[0] == one.id for row in before):
            return False
        if any(row is not None and row[3] != _digest(one) for row in before):
            text = "told again, and otherwise"
            self._judged(one, [text], changes, key=f"{one.id}/{_digest(one)}")
        else:
            changes.judged.append((one.market_id, one.place))
        return True

    async def _untold(self, one: Settling, changes: JournalChanges) -> list[str]:
        """Return what a settlement names that nobody told; nothing of what may still be read."""
        missing = []
        if one.allocation is None:
            missing.append(f"allocation {one.told['allocation_id']} was never told")
        if one.told["terms_version"] is not None and one.terms is None:
            missing.append(f"terms of version {one.told['terms_version']} were never told")
        if missing and await self._may_come(one.id, changes):
            return []
        self._awaited.forget(one.id)
        return missing

    async def _may_come(self, key: str, changes: JournalChanges) -> bool:
        is_unkept = bool(changes.bought or changes.terms or changes.settlements)
        return await self._awaited.may_come(key, self._positions, is_unkept=is_unkept)

    def _judged(
        self, one: Settling, problems: Sequence[str], changes: JournalChanges, key: str = ""
    ) -> None:
        changes.judged.append((one.market_id, one.place))
        changes.matched |= _ids(one)
        self._note_hours(one, changes)
        if problems:
            evidence: dict[str, str | int] = {
                "settlement_id": one.id,
                "allocation_id": str(one.told["allocation_id"]),
            }
            round_id = str(one.told["round_id"])
            texts = tuple(dict.fromkeys(problems))
            found = Found("round.settled", key or one.id, texts, evidence, one.market_id, round_id)
            changes.found.append(found)

    def _note_hours(self, one: Settling, changes: JournalChanges) -> None:
        hours = changes.settled_hours.setdefault(str(one.told["allocation_id"]), {})
        for row in one.told["periods"]:
            told = [one.id, int(row["chips"]), int(row["delivered"]), _digest(one)]
            hours[hour_of(row)] = told

    async def _problems(self, one: Settling, changes: JournalChanges) -> list[str] | None:
        """Return what is wrong with a settlement beside its entries, ``None`` if it has to wait."""
        if one.allocation is None or one.round == "awaited":
            return None
        if one.told["terms_version"] is not None and one.terms is None:
            return None
        rates = rates_of(one.told, one.terms, one.fee_ppm)
        due = due_of(one.told, one.premiums)
        problems = check_hours(one.told, one.allocation)
        if rates is None:
            problems.append(f"terms of version {one.told['terms_version']} are not in force")
        problems += check_amounts(one.told, due, rates or {})
        settled = one.settled | changes.settled_hours.get(str(one.told["allocation_id"]), {})
        for row in one.told["periods"]:
            if settled.get(hour_of(row), [one.id])[0] != one.id:
                problems.append(f"{hour_of(row)} is settled twice")
            if one.told["lapsed"] and row["delivered"]:
                problems.append(f"{hour_of(row)} lapsed, and {row['delivered']} were delivered")
        if one.resale_of is not None:
            chained = await self._of_chain(one, one.resale_of, changes)
            if chained is None:
                return None
            problems += chained
        return problems

    async def _of_chain(
        self, one: Settling, source: str, changes: JournalChanges
    ) -> list[str] | None:
        """Hold a resale against what came of what it resells, ``None`` until that is settled."""
        sold = await self._store.sold_on(source)
        hours = {
            name: settled | changes.settled_hours.get(name, {})
            for name, (_, settled) in sold.items()
        }
        own = str(one.told["allocation_id"])
        hours[own] = hours.get(own, {}) | {
            hour_of(row): [one.id, int(row["chips"]), int(row["delivered"])]
            for row in one.told["periods"]
        }
        problems: list[str] = []
        for row in one.told["periods"]:
            hour = hour_of(row)
            came = hours.get(source, {}).get(hour)
            if came is None:
                key = f"{one.id}/{source}"
                if await self._store.is_settling(source) or await self._may_come(key, changes):
                    return None
                # The ledger settles both at once, so it was told before this was.
                problems.append(f"{hour}: {source} was never settled")
                continue
            others = {
                name: item | {"resale_of": source}
                for name, (item, _) in sold.items()
                if name != source and any(hour_of(at) == hour for at in item["periods"])
            }
            if all(hour in hours[name] for name in others):
                chains = Chains({source: sold[source][0] | {"resale_of": None}, **others})
                for name in (source, *others):
                    chains.put(name, hour, *hours[name][hour][:3])
                problems += chains.problems([hour])
                continue
            passed = sum(hours[name][hour][2] for name in others if hour in hours[name])
            if passed > came[2]:
                problems.append(f"{hour}: {passed} passed on of {came[2]} that came of {source}")
        return problems

    async def _is_old(self, one: Settling, changes: JournalChanges) -> bool:
        """Tell whether entries of a settlement are from before they were kept."""
        first = changes.facts.settling_from or 0
        return first > 0 and await self._store.is_seen(_ids(one), first)

    async def _find_unsettled(self, market_id: str, place: int, changes: JournalChanges) -> None:
        """Raise a finding for each entry before a place that no settlement is about."""
        known = changes.matched
        before = await self._store.entries_before(market_id, place, _ENTRIES_MAX + len(known))
        unsettled = {one: moved for one, moved in before.items() if one not in known}
        for entry_id, (index, move) in unsettled.items():
            text = f"entry {index}: {move.purpose} of {move.amount} is of no settlement"
            evidence = {"leaf_index": index}
            found = Found("journal.unsettled", entry_id, (text,), evidence, market_id)
            changes.found.append(found)
        changes.matched |= unsettled.keys()


def _ids(one: Settling) -> set[str]:
    return {entry_id_of(purpose, one.id) for purpose in PURPOSES}


def _digest(one: Settling) -> str:
    """Return a digest of what a settlement says."""
    text = json.dumps(one.told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _booked(one: Settling, kept: Mapping[str, tuple[int, Move]]) -> Booked:
    return Booked({known: kept[known] for known in _ids(one) if known in kept})


def _of_moves(one: Settling, kept: Mapping[str, tuple[int, Move]]) -> list[str]:
    due = due_of(one.told, one.premiums)
    return check_moves(one.told, due, _booked(one, kept), is_whole=True)


def _is_whole(one: Settling, due: Due, booked: Booked) -> bool:
    """Tell whether all entries that a settlement comes to are there, whatever they say."""
    found = {move.purpose for _, move in booked.moves.values()}
    wanted = {move.purpose for move in moves_of(one.told, due)}
    if wanted.intersection(_MISSED):
        # Collateral and debt share it; which of them paid how much is not told.
        missed = sum(move.amount for _, move in booked.moves.values() if move.purpose in _MISSED)
        if missed < due.missed:
            return False
    return wanted - set(_MISSED) <= found
