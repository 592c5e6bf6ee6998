"""The ledger killed at every named point, seeded: nothing lost, nothing twice, sums zero.

``SUANLI_KILL_RUNS`` sets the number of runs; `make nightly` sets 200. A failed run names its seed.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING

import asyncpg
import pytest

from schemas import events
from schemas.types import Role
from services.core.merkle import Frontier, leaf_hash
from services.kit.crash import EXIT_CODE
from services.kit.kafka import LogReader, partition_of
from services.ledger.audit import audit
from services.ledger.crash import POINTS
from tests.integration.ledger.conftest import record_of
from tests.integration.ledger.test_faults import kill, start
from tests.unit.ledger import world as w
from tests.unit.ledger.windows import within

if TYPE_CHECKING:
    from services.kit.kafka import LogWriter
    from services.ledger.settings import LedgerSettings

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(240)]

RUNS = int(os.environ.get("SUANLI_KILL_RUNS", "20"))
KILLS = 2
ROUNDS, EACH = 2, 8
LAB_YUAN, CLOUD_YUAN = 1_000, 50


def story() -> list[events.Event]:
    """Return a day: demand, rounds, deliveries, payouts, collateral, some of them refused."""
    told: list[events.Event] = [
        w.registered("lab"),
        w.registered("cloud", Role.PROVIDER),
        w.deposited("lab", LAB_YUAN * w.YUAN),
        w.deposited("cloud", CLOUD_YUAN * w.YUAN),
        w.collateral("cloud", 20 * w.YUAN),
        w.withdrawn("cloud", 5 * w.YUAN),
        w.withdrawn("cloud", 5_000 * w.YUAN, "too much"),
        w.terms(provider_fee_ppm=10_000, compensation_ppm=500_000),
        w.offered("o1", "cloud", chips=1000),
        # Its window is over when the first round comes.
        within(w.demanded("late", "lab", chips=1), -2, 0),
    ]
    for seq in range(1, ROUNDS + 1):
        names = [f"d{seq}-{n}" for n in range(EACH)]
        told += [w.demanded(name, "lab", chips=10) for name in names]
        bodies: list[events.AllocationMade | events.HoldAdjusted] = []
        for name in names:
            bodies.append(w.allocated(seq, name, "lab", "o1", "cloud", [(0, 3, 900_000)]))
            bodies.append(w.kept(seq, name, "lab", 5 * w.YUAN))
        if seq == 1:
            bodies.append(w.kept(seq, "late", "lab", 0))
        partition = partition_of(w.MARKET.encode(), 4)
        told += w.round_bodies(
            seq, bodies, offers_end=1, demand_end=1 + seq * EACH, partition=partition
        )
        made = [body for body in bodies if isinstance(body, events.AllocationMade)]
        # Half of them whole, half of them in part, which costs a penalty.
        told += [w.delivered(body, [(0, 3 - n % 2)]) for n, body in enumerate(made)]
    return told


@pytest.mark.parametrize("seed", range(RUNS))
async def test_a_ledger_killed_at_any_point_books_everything_once(
    owner: asyncpg.Connection,
    settings: LedgerSettings,
    schema: str,
    sender: LogWriter,
    seed: int,
) -> None:
    draw = random.Random(seed)
    # Each point comes first in one of as many runs; the other kill is drawn.
    points = [POINTS[seed % len(POINTS)], draw.choice(POINTS)]
    assert len(points) == KILLS
    records = [record_of(body) for body in story()]
    kills = 0
    for number, point in enumerate(points):
        if number == 0:
            await sender.send_many(records)
        else:
            # What was acknowledged may come once more, which must change nothing.
            await sender.send_many(draw.sample(records, 5))
        passes = draw.randint(1, 2) if number == 0 and point != "recovering" else 1
        process = await start(settings, f"{point}:{passes}")
        kills += await killed_or_done(process, owner)
    process = await start(settings)
    try:
        async with asyncio.timeout(40):
            while not await is_done(owner):  # noqa: ASYNC110 - polls a process
                await asyncio.sleep(0.1)
    finally:
        await kill(process)
    assert kills, f"no point of {points} was passed"
    await check(owner, settings, schema)


async def killed_or_done(process: asyncio.subprocess.Process, owner: asyncpg.Connection) -> bool:
    """Wait until the process was killed at its point; end it if all is done without."""
    async with asyncio.timeout(40):
        while process.returncode is None:
            if await is_done(owner):
                await kill(process)
                return False
            await asyncio.sleep(0.1)
    assert process.returncode == EXIT_CODE
    return True


async def is_done(owner: asyncpg.Connection) -> bool:
    row = await owner.fetchrow(
        "SELECT (SELECT count(*) FROM settlement) AS settled, "
        "(SELECT count(*) FROM money_order) AS orders, "
        "(SELECT count(*) FROM outbox WHERE sent_at IS NULL) + (SELECT count(*) FROM leaf)"
        " - (SELECT next_idx FROM journal_sent) AS unsent"
    )
    assert row is not None
    return tuple(row) == (ROUNDS * EACH, 3, 0)


async def check(owner: asyncpg.Connection, settings: LedgerSettings, schema: str) -> None:
    """Assert the common rule: all there, nothing twice, sums zero, the log whole and as told."""
    report = await audit(settings.postgres_dsn, schema)
    assert report.ok, "\n".join(report.lines())
    await owner.execute(f'SET ROLE "{schema}_regulator"')
    counts = await owner.fetch("SELECT purpose, count(*) AS n FROM transfer GROUP BY purpose")
    demands = ROUNDS * EACH
    assert {row["purpose"]: row["n"] for row in counts} == {
        "deposit": 2,
        "collateral_in": 1,
        "withdrawal": 1,
        "hold_placed": demands + 1,
        "hold_expired": 1,
        "hold_captured": demands,
        "hold_kept": demands,
        "delivery_paid": demands,
        "fee": demands,
        "refund": demands // 2,
        "compensation": demands // 2,
        "penalty": demands // 2,
    }
    rows = await owner.fetch("SELECT entry, opening FROM journal_entry ORDER BY idx")
    leaves = [bytes(row["entry"]) for row in rows]
    openings = {bytes(row["opening"]) for row in rows}
    assert set(await published(settings)) == openings
    assert len(openings) == len(leaves)
    head = await owner.fetchrow("SELECT size, root FROM checkpoint ORDER BY size DESC LIMIT 1")
    if head is not None:
        grown = Frontier().extend(leaf_hash(entry) for entry in leaves[: head["size"]])
        assert grown.root() == bytes(head["root"])


async def published(settings: LedgerSettings) -> list[bytes]:
    """Return all values of the journal's topic."""
    reader = LogReader(settings, ["journal-entries"])
    await reader.start({})
    found: list[bytes] = []
    ends = await reader.end_offsets()
    async with asyncio.timeout(20):
        while any(reader.positions().get(place, 0) < end for place, end in ends.items()):
            found += [record.value or b"" for record in await reader.read(500, 200)]
    await reader.stop()
    return found
