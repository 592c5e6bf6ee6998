"""A settlement, or an entry of one, that is not what was delivered comes to, is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from schemas import events
from schemas.money import AllocationSettled
from services.auditor.adapters.postgres import MIGRATIONS
from services.core.round_events import set_digest
from services.kit.kafka import OutRecord
from suanli.check_settlement import PURPOSES
from tests.conftest import Stack
from tests.integration.auditor.test_bookings import ORDERS, PEOPLE, cleared
from tests.integration.auditor.wire import Wire, changed
from tests.integration.matching.conftest import desk  # noqa: F401 - a fixture
from tests.integration.matching.desk import Desk
from tests.integration.migrating import schema_before
from tests.unit.ledger import world as w

pytestmark = pytest.mark.integration

Json = dict[str, Any]
TERMS = w.terms(provider_fee_ppm=3_333, enterprise_fee_ppm=777, compensation_ppm=500_000)
UNTOLD = "al_" + "z" * 26
# What a round told, for all tests: (on rounds, on allocations).
_TOLD: list[tuple[list[events.Event], list[events.Event]]] = []


class Told:
    """What a ledger told of a round whose hours came in part, and what is made of it."""

    def __init__(self, told: list[events.Event]) -> None:
        topics, ledger = w.Topics(), w.MemoryLedger()
        ledger.feed(topics.put(*PEOPLE, TERMS, w.collateral("p-a", 0 + w.YUAN // 10), *ORDERS))
        *bodies, closed = told
        assert isinstance(closed, events.RoundClosed)
        digest = set_digest(body.model_dump_json().encode() for body in bodies)
        update = {"digest": digest, "offers_through": (), "demand_through": ()}
        ledger.feed(topics.put(*bodies, closed.model_copy(update=update)))
        made = [body for body in bodies if isinstance(body, events.AllocationMade)]
        for one in made:
            for n, period in enumerate(one.periods):
                row = events.DeliveredPeriod(start=period.start, chips=max(0, period.chips - n))
                report = w.delivered(one, [(0, 1)], f"{n}").model_copy(update={"periods": (row,)})
                ledger.feed(topics.put(report))
        assert ledger.events(events.FindingRaised) == []
        self.entries = [one for one in ledger.outbox if one.topic == "journal-entries"]
        self.settlements = ledger.events(AllocationSettled)
        assert len(self.settlements) > 3

    def settled(self, n: int, **changes: object) -> None:
        self.settlements[n] = self.settlements[n].model_copy(update=changes)

    def entry(self, n: int, change: Callable[[Json], object]) -> int:
        """Change an entry that settles something; return its place."""
        places = [
            at
            for at, one in enumerate(self.entries)
            if json.loads(one.value)["purpose"] in PURPOSES
        ]
        self.entries[places[n]] = changed(self.entries[places[n]], change)
        return places[n]


async def audited(wire: Wire, desk: Desk, spoil: Callable[[Told], object]) -> dict[str, list[str]]:  # noqa: F811
    """Return the problems of findings about settlements, by code."""
    if not _TOLD:
        made = await cleared(desk)
        _TOLD.append((desk.distinct("rounds"), made))
    else:
        await desk.say(*ORDERS, *_TOLD[0][0], *_TOLD[0][1])
    told = Told(_TOLD[0][1])
    spoil(told)
    entries: list[OutRecord] = told.entries
    await wire.say(TERMS, *told.settlements)
    await wire.writer.send_many(entries)
    await wire.head(entries)
    async with wire.auditing():
        await wire.until_checked(len(entries))
        await wire.until("SELECT count(*) FROM verdict", lambda n: n == 1)
        hours = {
            (one.allocation_id, row.start)
            for one in told.settlements
            for row in one.periods
            if one.allocation_id != UNTOLD
        }
        await wire.until(
            "SELECT count(*) FROM allocation_bought, jsonb_object_keys(settled)",
            lambda n: n == len(hours),
        )
        await wire.until("SELECT count(*) FROM settlement_waiting", lambda n: n == 0)
        found = await wire.findings()
    return {
        one.summary.code: list(one.problems)
        for one in found
        if one.summary.code in {"round.settled", "journal.unsettled"}
    }


def less(body: Json) -> None:
    body["amount"] -= 1


def elsewhere(body: Json) -> None:
    body["purpose"] = "deposit"


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (lambda _: None, {}),
        (
            lambda it: it.settled(1, refund=it.settlements[1].refund - 1),
            {"round.settled": "refund"},
        ),
        (lambda it: it.entry(1, less), {"round.settled": "must be"}),
        (lambda it: it.entry(0, elsewhere), {"round.settled": "is missing in the journal"}),
        (lambda it: it.settlements.pop(0), {"journal.unsettled": "is of no settlement"}),
        (
            lambda it: it.settlements.insert(
                2, it.settlements[0].model_copy(update={"settlement_id": "again"})
            ),
            {"round.settled": "is settled twice"},
        ),
        (
            lambda it: it.settlements.append(
                it.settlements[0].model_copy(
                    update={"settlement_id": "stray", "allocation_id": UNTOLD}
                )
            ),
            {"round.settled": "was never told"},
        ),
    ],
    ids=["as told", "refund", "entry", "missing", "untold", "twice", "stray"],
)
async def test_settlements_are_held_against_what_was_delivered_and_booked(
    desk: Desk,  # noqa: F811
    wire: Wire,
    spoil: Callable[[Told], object],
    wanted: dict[str, str],
) -> None:
    found = await audited(wire, desk, spoil)
    assert found.keys() == wanted.keys(), found
    for code, text in wanted.items():
        assert any(text in problem for problem in found[code]), found


async def test_allocations_are_read_again_as_they_were_told(stack: Stack) -> None:
    async with schema_before(stack, "auditor", MIGRATIONS, "0010_settlements") as before:
        conn = before.conn
        await conn.execute("INSERT INTO allocation_bought VALUES ('al_a', 'e', 'off_a', 'p', '{}')")
        await conn.execute(
            "INSERT INTO consumer_offset (topic, partition, next_offset, epoch) "
            "VALUES ('offers', 0, 9, 1), ('allocations', 0, 9, 1)"
        )
        await before.upgrade()
        assert await conn.fetchval("SELECT count(*) FROM allocation_bought") == 0
        rows = await conn.fetch("SELECT topic FROM consumer_offset")
        assert [row["topic"] for row in rows] == ["offers"]
        await conn.execute("INSERT INTO settlement_waiting VALUES ('jjj', 1, '{}')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute("INSERT INTO settlement_waiting VALUES ('jjj', 1, '{}')")
