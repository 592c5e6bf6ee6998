"""The auditor on a real broker and database: one finding for every round, right or wrong."""

from __future__ import annotations

import asyncio
import json

import pytest

from schemas import events
from schemas.codec import decode
from services.auditor.main import run
from services.auditor.settings import AuditorSettings
from services.core.round_file import file_events, join_file
from services.kit.clock import ManualClock
from services.kit.kafka import LogReader
from services.kit.run import ServiceContext
from tests.integration.matching.conftest import desk  # noqa: F401 - a fixture
from tests.integration.matching.desk import START, Desk, demand, hold, offer, open_process, settled

pytestmark = pytest.mark.integration


def settings_for(desk: Desk) -> AuditorSettings:  # noqa: F811
    """Return settings on the desk's topics and schemas."""
    names = ("kafka_bootstrap", "postgres_dsn", "topic_prefix", "schema_prefix")
    return AuditorSettings(_env_file=None, **{name: getattr(desk.settings, name) for name in names})


async def findings(desk: Desk, count: int) -> list[events.FindingRaised]:  # noqa: F811
    """Run the auditor until it has raised this many findings."""
    context = ServiceContext("auditor", settings_for(desk))
    reader = LogReader(desk.settings, ["findings"])
    await reader.start({})
    auditing = asyncio.create_task(context.serve(run))
    found: list[events.FindingRaised] = []
    try:
        async with asyncio.timeout(20):
            while len(found) < count:
                for record in await reader.read(100, 100):
                    event = decode(record.value, record.headers).data
                    if isinstance(event, events.FindingRaised):
                        found.append(event)
    finally:
        context.stop_event.set()
        assert await auditing == 0
        await reader.stop()
    return found


async def cleared_round(desk: Desk) -> list[events.Event]:  # noqa: F811
    """Run one round and return its records on the topic of rounds."""
    need = demand("a")
    await desk.say(offer("a"), need, hold(need))
    async with open_process(desk.settings, ManualClock(START)) as matching:
        await settled(matching, least=3)
        await matching.run_round()
        await desk.hear()
    return desk.distinct("rounds")


async def test_a_round_is_verified_once_even_if_its_records_come_twice(desk: Desk) -> None:  # noqa: F811
    records = await cleared_round(desk)
    await desk.say(*records)
    (finding,) = await findings(desk, 1)
    assert (finding.kind, finding.ok, finding.problems) == ("round_verified", True, ())
    assert finding.round_id == "jjj:1"


async def test_another_file_for_a_judged_round_is_a_finding(desk: Desk) -> None:  # noqa: F811
    records = await cleared_round(desk)
    parts = [event for event in records if isinstance(event, events.RoundFilePart)]
    file = json.loads(join_file(parts, 10**8))
    file["result"]["welfare"] += 100
    await desk.say(*file_events("jjj:1", "jjj", json.dumps(file).encode()))
    first, second = await findings(desk, 2)
    assert (first.ok, second.ok) == (True, False)
    assert second.kind == "round_refuted"


async def test_a_round_that_lies_about_its_welfare_is_refuted(desk: Desk) -> None:  # noqa: F811
    for event in await cleared_round(desk):
        if isinstance(event, events.RoundFilePart):
            file = json.loads(join_file([event], 10**8))
            file["result"]["welfare"] += 100
            text = json.dumps(file).replace("jjj:1", "jjj:2").encode()
            await desk.say(*file_events("jjj:2", "jjj", text))
        elif isinstance(event, events.RoundSealed | events.RoundCleared):
            await desk.say(event.model_copy(update={"round_id": "jjj:2"}))
    found = {finding.round_id: finding for finding in await findings(desk, 2)}
    assert found["jjj:1"].ok
    refuted = found["jjj:2"]
    assert not refuted.ok
    assert any("welfare" in problem for problem in refuted.problems)
    assert any("result_digest" in problem for problem in refuted.problems)
