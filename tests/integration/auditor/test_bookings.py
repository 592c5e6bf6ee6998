"""A7: a ledger that books otherwise than the round's verified file says is found, and where."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

import pytest
from pydantic import SecretStr

from schemas import events
from schemas.types import Role
from services.core.round_events import set_digest
from services.core.round_file import file_events, join_file
from services.kit.clock import ManualClock
from services.kit.kafka import OutRecord
from services.kit.run import ServiceContext
from services.ledger.main import serve
from services.ledger.settings import LedgerSettings
from suanli.check_formats import canonical_sha256
from tests.integration.auditor.wire import Wire, codes
from tests.integration.matching.conftest import desk  # noqa: F401 - a fixture
from tests.integration.matching.desk import START, Desk, demand, hold, offer, open_process, settled
from tests.unit.ledger import world as w

pytestmark = pytest.mark.integration

Change = Callable[[events.AllocationMade], events.AllocationMade]
PEOPLE = (
    w.registered("e-a"),
    w.registered("e-b"),
    w.registered("p-a", Role.PROVIDER),
    w.registered("p-x", Role.PROVIDER),
    w.deposited("e-a", 100 * w.YUAN),
    w.deposited("e-b", 100 * w.YUAN),
)
ORDERS = (offer("a"), demand("a"), demand("b"))


def as_told(made: events.AllocationMade) -> events.AllocationMade:
    return made


def dearer(made: events.AllocationMade) -> events.AllocationMade:
    """Return an allocation at twice its price."""
    periods = tuple(
        period.model_copy(update={"price": period.price * 2}) for period in made.periods
    )
    return made.model_copy(update={"periods": periods, "payment": made.payment * 2})


def to_another(made: events.AllocationMade) -> events.AllocationMade:
    """Return an allocation whose money another provider gets."""
    return made.model_copy(update={"provider_id": "p-x"})


async def cleared(desk: Desk) -> list[events.Event]:  # noqa: F811
    """Run a round over the orders and return its records on ``allocations``."""
    await desk.say(*ORDERS, *(hold(order) for order in ORDERS[1:]))
    async with open_process(desk.settings, ManualClock(START)) as matching:
        await settled(matching, least=5)
        await matching.run_round()
        await desk.hear()
    return desk.distinct("allocations")


def booked(told: Sequence[events.Event], change: Change) -> list[OutRecord]:
    """Return the journal of a ledger that books a round with its allocations changed."""
    topics, ledger = w.Topics(), w.MemoryLedger()
    # In the books of a ledger that pays another provider, the offer is that one's.
    given, *asked = ORDERS
    owner = "p-x" if change is to_another else given.participant_id
    ledger.feed(topics.put(*PEOPLE, given.model_copy(update={"participant_id": owner}), *asked))
    made = [event for event in told if isinstance(event, events.AllocationMade)]
    bodies: list[events.Event] = [
        change(event) if isinstance(event, events.AllocationMade) else event
        for event in told
        if not isinstance(event, events.RoundClosed)
    ]
    (closed,) = [event for event in told if isinstance(event, events.RoundClosed)]
    digest = set_digest(body.model_dump_json().encode() for body in bodies)
    # In this ledger every topic has one partition, which was read to its end.
    update = {"digest": digest, "offers_through": (), "demand_through": ()}
    ledger.feed(topics.put(*bodies, closed.model_copy(update=update)))
    # The first hour of each is delivered whole.
    first = [(change(one), one.periods[0]) for one in made]
    ledger.feed(
        topics.put(
            *(
                w.delivered(one, [(0, period.chips)]).model_copy(
                    update={
                        "periods": (events.DeliveredPeriod(start=period.start, chips=period.chips),)
                    }
                )
                for one, period in first
            )
        )
    )
    return [record for record in ledger.outbox if record.topic == "journal-entries"]


async def compared(wire: Wire) -> None:
    await wire.until(
        "SELECT bool_and(allocations_compared AND capacity_compared AND payments_compared) "
        "FROM round_audit",
        lambda done: done is True,
    )


async def audited(wire: Wire, entries: Sequence[OutRecord]) -> list[events.FindingRaised]:
    await wire.writer.send_many(entries)
    await wire.head(entries)
    async with wire.auditing():
        await wire.until_checked(len(entries))
        await compared(wire)
        return await wire.findings()


async def test_a_round_that_is_booked_as_its_file_says_leaves_no_finding(
    desk: Desk,  # noqa: F811
    wire: Wire,
) -> None:
    entries = booked(await cleared(desk), as_told)
    # A head between the round and what follows, and the journal after the file.
    await wire.head(entries, len(entries) - 1)
    assert await audited(wire, entries) == []
    purposes = [json.loads(record.value)["purpose"] for record in entries]
    assert {"hold_captured", "delivery_paid"} <= set(purposes)


@pytest.mark.parametrize(
    ("change", "wanted"), [(dearer, "round.payments"), (to_another, "round.parties")]
)
async def test_a_round_that_is_booked_otherwise_is_found(
    desk: Desk,  # noqa: F811
    wire: Wire,
    change: Change,
    wanted: str,
) -> None:
    entries = booked(await cleared(desk), change)
    found = await audited(wire, entries)
    assert set(codes(found)) == {wanted}
    for finding in found:
        assert finding.round_id == finding.summary.params["round_id"] == "jjj:1"
        entry = json.loads(entries[int(finding.summary.params["leaf_index"])].value)
        assert (entry["round_id"], entry["kind"]) == ("jjj:1", "post")
        assert any(entry["order_id"] in problem for problem in finding.problems)


async def test_a_round_whose_allocations_are_not_those_of_its_file_or_oversell_is_found(
    desk: Desk,  # noqa: F811
    wire: Wire,
) -> None:
    told = await cleared(desk)
    # The same round once more under the next number, its file right in itself; with one price
    # doubled on the topic, and out of the same chips.
    await wire.say(*again(desk.distinct("rounds")))
    bodies = [
        event.model_copy(update={"round_id": "jjj:2"})
        for event in told
        if not isinstance(event, events.RoundClosed)
    ]
    first = bodies[0]
    assert isinstance(first, events.AllocationMade)
    (closed,) = [event for event in told if isinstance(event, events.RoundClosed)]
    last = closed.model_copy(update={"round_id": "jjj:2", "seq": 2})
    await wire.say(dearer(first), *bodies[1:], last)
    async with wire.auditing():
        await wire.until(
            "SELECT count(*) FROM round_audit WHERE allocations_compared AND capacity_compared",
            lambda n: n == 2,
        )
        found = {finding.summary.code: finding for finding in await wire.findings()}
    assert sorted(found) == ["round.allocations", "round.oversold"]
    assert {finding.round_id for finding in found.values()} == {"jjj:2"}
    (problem,) = found["round.allocations"].problems
    assert first.demand_id in problem
    assert f"the file says {first.payment}, told was {2 * first.payment}" in problem
    assert all(first.offer_id in problem for problem in found["round.oversold"].problems)


def again(rounds: Sequence[events.Event]) -> list[events.Event]:
    """Return a round's records under the next number, with digests that fit."""
    parts = [event for event in rounds if isinstance(event, events.RoundFilePart)]
    file = json.loads(join_file(parts, 10**8))
    file["book"]["round_id"] = file["result"]["round_id"] = "jjj:2"
    file["result"]["book_digest"] = book = canonical_sha256(file["book"])
    text = json.dumps(file, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    made: list[events.Event] = []
    for event in rounds:
        if isinstance(event, events.RoundPrices):
            made.append(event.model_copy(update={"round_id": "jjj:2"}))
        if isinstance(event, events.RoundSealed):
            made.append(event.model_copy(update={"round_id": "jjj:2", "book_digest": book}))
        if isinstance(event, events.RoundCleared):
            digest = canonical_sha256(file["result"])
            made.append(event.model_copy(update={"round_id": "jjj:2", "result_digest": digest}))
    return [*made, *file_events("jjj:2", "jjj", text.encode())]


async def test_the_real_ledger_books_a_round_and_the_auditor_has_its_balances(
    desk: Desk,  # noqa: F811
    wire: Wire,
) -> None:
    settings = LedgerSettings(
        _env_file=None,
        kafka_bootstrap=wire.settings.kafka_bootstrap,
        postgres_dsn=wire.settings.postgres_dsn,
        topic_prefix=wire.settings.topic_prefix,
        schema_prefix=wire.settings.schema_prefix,
        ledger_log_key=SecretStr(wire.signer.secret_text()),
        ledger_checkpoint_every_s=0.2,
    )
    await wire.say(*PEOPLE)
    context = ServiceContext("ledger", settings)
    booking = asyncio.create_task(context.serve(serve))
    try:
        await desk.say(*ORDERS)
        async with open_process(desk.settings, ManualClock(START)) as matching:
            # The orders, and the ledger's answers to the demands.
            await settled(matching, least=5)
            await matching.run_round()
            await desk.hear()
        async with wire.auditing():
            await wire.until("SELECT count(*) FROM round_audit", lambda n: n == 1)
            await compared(wire)
            told = await wire.told(
                lambda now: now.rounds_booked == 1 and now.head_size == now.entries_checked
            )
            assert await wire.findings() == []
    finally:
        context.stop_event.set()
        assert await booking == 0
    assert (told.rounds_verified, told.rounds_refuted, told.findings) == (1, 0, 0)
    rows = await wire.rows("SELECT account, sums FROM account_sum")
    kept = {row["account"]: json.loads(row["sums"]) for row in rows}
    schema = settings.schema_of("ledger")
    rows = await wire.rows(
        "SELECT name, debits_posted - credits_posted AS posted, "  # noqa: S608
        f'debits_pending - credits_pending AS pending FROM "{schema}".account'
    )
    assert rows
    for row in rows:
        sums = kept.get(row["name"], {})
        found = (sums.get("posted", 0), sums.get("pending", 0))
        assert found == (row["posted"], row["pending"]), row["name"]
