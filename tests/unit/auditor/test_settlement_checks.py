"""Settlements are judged in whatever order the topics of markets are read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.auditor.journal_state import Found, JournalChanges, JournalFacts, Settling
from services.auditor.settlement_checks import SettlementChecks
from services.kit.errors import LogUnavailableError
from services.kit.records import Positions, Record
from suanli.check_settlement import PURPOSES, Move, entry_id_of, move_of
from tests.unit.ledger.test_check_settlement import Export, export, whole  # noqa: F401 - fixtures

Json = dict[str, Any]
Hours = dict[str, list[Any]]


@dataclass
class MemorySettlements:
    """`services.auditor.journal_state.SettlementStore` in memory."""

    export: Export
    told: dict[tuple[str, int], Json] = field(default_factory=dict)
    moves: dict[str, tuple[int, Move]] = field(default_factory=dict)
    hours: dict[str, Hours] = field(default_factory=dict)
    rounds: dict[str, str] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    passed: set[str] = field(default_factory=set)
    is_up: bool = True

    def __post_init__(self) -> None:
        self.allocations = {str(it["allocation_id"]): it for it in self.export.allocations}
        self.checks = SettlementChecks(self, self)

    async def end_offsets(self) -> Positions:
        if not self.is_up:
            raise LogUnavailableError("the log", "nothing", 1)
        return {("allocations", 0): 5, ("settlements", 0): 99, ("policies", 0): 3}

    async def lag(self) -> int:
        raise AssertionError

    async def read(self, max_records: int = 500, timeout_ms: int = 500) -> list[Record]:
        raise AssertionError((max_records, timeout_ms))

    async def start(self, positions: Positions) -> None:
        raise AssertionError(positions)

    async def stop(self) -> None:
        raise AssertionError

    def positions(self) -> Positions:
        raise AssertionError

    async def waiting(self, limit: int) -> list[Settling]:
        made: list[Settling] = []
        for (market, place), told in sorted(self.told.items()):
            if sum(one.market_id == market for one in made) == limit:
                continue
            name = str(told["allocation_id"])
            allocation = self.allocations.get(name)
            made.append(
                Settling(
                    market,
                    place,
                    told,
                    allocation,
                    self.hours.get(name, {}),
                    self.export.premiums.get(name, {}),
                    self.export.terms[0] if told["terms_version"] == 1 else None,
                    0,
                    None if allocation is None else allocation["resale_of"],
                    self.rounds.get(str(told["round_id"]), "judged"),
                )
            )
        return made

    async def entries(self, entry_ids: Iterable[str]) -> dict[str, tuple[int, Move]]:
        return {one: self.moves[one] for one in entry_ids if one in self.moves}

    async def entries_before(
        self, market_id: str, place: int, limit: int
    ) -> dict[str, tuple[int, Move]]:
        assert market_id
        return {one: it for one, it in list(self.moves.items())[:limit] if it[0] < place}

    async def is_seen(self, entry_ids: Iterable[str], before: int) -> bool:
        raise AssertionError((entry_ids, before))

    async def is_settling(self, allocation_id: str) -> bool:
        return any(told["allocation_id"] == allocation_id for told in self.told.values())

    async def sold_on(self, allocation_id: str) -> dict[str, tuple[Json, Hours]]:
        return {
            name: (item, self.hours.get(name, {}))
            for name, item in self.allocations.items()
            if allocation_id in {name, item["resale_of"]}
        }

    def judge(self, read: Positions | None = None) -> None:
        """Run one look, with so much read, and take over what it changed."""
        changes = JournalChanges(JournalFacts(settling_from=0))
        asyncio.run(self.checks.compare(changes, read or {}))
        self.passed |= changes.passed
        for place in changes.judged:
            del self.told[place]
        for one in changes.matched:
            self.moves.pop(one, None)
        for name, hours in changes.settled_hours.items():
            self.hours[name] = self.hours.get(name, {}) | hours
        self.found += changes.found


def judged(export: Export, seed: int = 0) -> MemorySettlements:  # noqa: F811
    """Return the store after all was told; settlements come in parts, and entries behind them."""
    store, rng = MemorySettlements(export), random.Random(seed)
    settlements = [((str(item["market_id"]), n), item) for n, item in enumerate(export.settlements)]
    entries = [
        (str(entry["entry_id"]), (place, move_of(entry)))
        for place, entry in enumerate(export.entries)
        if entry["purpose"] in PURPOSES
    ]
    while settlements or entries:
        count = rng.randrange(1 + len(settlements) // 2) + 1
        store.told.update(settlements[:count])
        del settlements[:count]
        store.judge()
        count = rng.randrange(1 + len(entries) // 2) + 1
        store.moves.update(entries[:count])
        del entries[:count]
        store.judge()
    store.judge()
    return store


@pytest.mark.parametrize("seed", range(20))
def test_what_the_ledger_settles_leaves_no_finding_and_nothing_that_waits(
    export: Export,  # noqa: F811
    seed: int,
) -> None:
    store = judged(export, seed)
    assert (store.found, store.told, store.moves) == ([], {}, {})


Change = Callable[[Export], object]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda it: it.of("mill")["periods"][0].update(delivered=4), "must be 5 of what came of"),
        (lambda it: it.of("cloud").update(refund=1), "refund must be 4000000, was 1"),
        (lambda it: it.of("lab").update(compensation=1), "compensation must be"),
        (lambda it: it.of("cloud").update(lapsed=True), "lapsed, and 6 were delivered"),
        (lambda it: it.terms[0].update(in_force_from_round=2), "version 1 are not in force"),
        (lambda it: it.premiums.clear(), "nothing is due"),
        (lambda it: it.settlements.remove(it.of("home")), "is of no settlement"),
        (lambda it: it.entries[-1].update(purpose="deposit"), None),
    ],
)
def test_what_is_changed_is_found_in_whatever_order_it_is_read(
    export: Export,  # noqa: F811
    seed: int,
    change: Change,
    problem: str | None,
) -> None:
    change(export)
    texts = [text for one in judged(export, seed).found for text in one.problems]
    assert problem is None or any(problem in text for text in texts), texts


@pytest.mark.parametrize("other", [False, True], ids=["", "while another market goes on"])
def test_more_settlements_without_entries_than_are_looked_at_at_once_are_found_all(
    export: Export,  # noqa: F811
    other: bool,
) -> None:
    whole_one, store = export.settlements[0], MemorySettlements(export)
    allocation = store.allocations[str(whole_one["allocation_id"])]
    for n in range(350):
        name = f"{n:03}"
        store.allocations[name] = allocation | {"allocation_id": name}
        told = whole_one | {"allocation_id": name, "settlement_id": f"lacking {name}"}
        store.told["jjj", n] = told
    store.told["jjj", 350] = whole_one
    store.moves = {
        str(entry["entry_id"]): (place, move_of(entry))
        for place, entry in enumerate(export.entries)
        if entry["purpose"] in PURPOSES
    }
    store.rounds["refuted"] = "passed"
    for look in range(30):
        if other:
            passed = {"round_id": "refuted", "settlement_id": f"passed {look}"}
            store.told["other", look] = whole_one | passed
        store.judge()
    assert not any(market == "jjj" for market, _ in store.told)
    found = {str(one.evidence.get("settlement_id")) for one in store.found}
    assert {f"lacking {n:03}" for n in range(350)} <= found


def test_settlements_wait_for_a_verdict_and_are_passed_over_without_one(
    export: Export,  # noqa: F811
) -> None:
    export.of("cloud")["refund"] = 1
    store = MemorySettlements(export)
    store.told = {("jjj", n): item for n, item in enumerate(export.settlements)}
    store.rounds = dict.fromkeys((str(it["round_id"]) for it in export.settlements), "awaited")
    store.judge()
    assert len(store.told) == len(export.settlements)
    store.rounds = dict.fromkeys(store.rounds, "passed")
    store.judge()
    assert (store.told, store.found) == ({}, [])


def test_a_settlement_that_is_told_again_is_no_news_unless_it_says_otherwise(
    export: Export,  # noqa: F811
) -> None:
    store = judged(export)
    store.told = {("jjj", 100 + n): item for n, item in enumerate(export.settlements)}
    store.judge()
    assert (store.told, store.found) == ({}, [])
    store.told = {("jjj", 200): export.settlements[0] | {"refund": 1}}
    store.judge()
    (found,) = store.found
    assert found.problems == ("told again, and otherwise",)


def test_what_moves_nothing_makes_no_settlement_before_it_late(
    export: Export,  # noqa: F811
) -> None:
    # The first is told, its entries are still to be read; the second costs nothing.
    first = export.settlements[0]
    free = export.allocations[1]
    free["periods"] = [row | {"price": 0} for row in free["periods"]]
    row = {"start": free["periods"][0]["start"], "chips": 3, "delivered": 3, "price": 0}
    names = ("paid", "provider_fee", "enterprise_fee", "refund", "penalty", "compensation")
    nothing = dict.fromkeys((*names, "provider_owes", "enterprise_owes"), 0)
    export.premiums.clear()
    told = export.of("home") | {"periods": [row], **nothing}
    store = MemorySettlements(export, told={("jjj", 0): first, ("jjj", 1): told})
    store.judge()
    assert (list(store.told), store.found) == ([("jjj", 0)], [])


@pytest.mark.parametrize(
    ("untold", "problem"),
    [
        ({"allocation_id": "al_none"}, "allocation al_none was never told"),
        ({"terms_version": 7}, "terms of version 7 were never told"),
    ],
)
def test_a_settlement_of_what_was_never_told_is_found_once_the_log_is_read_that_far(
    export: Export,  # noqa: F811
    untold: Json,
    problem: str,
) -> None:
    stray = export.settlements[0] | {"settlement_id": "stray"} | untold
    store = MemorySettlements(export, told={("jjj", 0): stray}, is_up=False)
    everything: Positions = {("allocations", 0): 5, ("policies", 0): 3, ("settlements", 0): 99}
    store.judge(everything)
    store.is_up = True
    for read in ({}, everything | {("allocations", 0): 4}, everything | {("policies", 0): 2}):
        store.judge(read)
        assert (len(store.told), store.found) == (1, [])
    store.judge(everything)
    (found,) = store.found
    assert (found.code, found.problems, store.told) == ("round.settled", (problem,), {})
    # Its entries are part of this finding, and of no other, when they come.
    assert entry_id_of("refund", "stray") in store.passed


def test_a_resale_that_is_settled_while_what_it_resells_never_is_is_found(
    export: Export,  # noqa: F811
) -> None:
    resale = next(
        told
        for told in export.settlements
        for item in export.allocations
        if item["allocation_id"] == told["allocation_id"] and item["resale_of"] is not None
    )
    store = MemorySettlements(export, told={("jjj", 0): resale})
    store.moves = {
        str(entry["entry_id"]): (place, move_of(entry))
        for place, entry in enumerate(export.entries)
        if entry["purpose"] in PURPOSES
    }
    everything: Positions = {("allocations", 0): 5, ("policies", 0): 3, ("settlements", 0): 98}
    store.judge(everything)
    assert (len(store.told), store.found) == (1, [])
    store.judge(everything | {("settlements", 0): 99})
    texts = [text for one in store.found for text in one.problems if one.code == "round.settled"]
    assert any(text.endswith("was never settled") for text in texts), texts
    assert store.told == {}
