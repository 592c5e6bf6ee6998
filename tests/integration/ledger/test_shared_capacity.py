"""Shared capacity on a real database: two markets, writers side by side, and what is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from schemas.capacity import CapacityFreed, CapacityWanted
from schemas.events import OfferAmended
from schemas.types import Role
from services.ledger.audit import audit
from tests.integration.ledger.bookings import REFUSED
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    from services.kit.postgres import Pool
    from services.ledger.settings import LedgerSettings
    from tests.integration.ledger.bookings import Roles
    from tests.integration.ledger.conftest import Ledger

pytestmark = pytest.mark.integration

NAMED = "UPDATE offer_version SET capacity = 'c/c' WHERE true;"
ADDED = (
    "INSERT INTO offer_version VALUES ('off_2', 1, 0, 1, 'jjj', 'cloud', 'z/c', 100, 110, 10, 5, "
    "sha256('o'), 'c/c');"
)
HELD = "INSERT INTO capacity_hold VALUES ('off_2', 100, 'c/c', 10, 6);"
LESS = "UPDATE capacity_hold SET chips = 5"
ASKED = "INSERT INTO capacity_raise VALUES ('off_2', 1, 2, 8, 100, 110, 10, true);"
RESTATED = "UPDATE capacity_hold SET stated = 5"
RAISED = "UPDATE capacity_hold SET chips = 8"
GONE = "DELETE FROM capacity_hold"
SOLD = (
    "INSERT INTO allocation VALUES ('al_2', 'jjj:1', 'jjj', 'dem_1', 'lab', 'off_2', 'cloud', 1, "
    "'z/c', 30, sha256('a'));INSERT INTO allocation_period VALUES ('al_2', 100, 'off_2', 1, 6, 5);"
)


@pytest.mark.parametrize(
    "sql",
    [
        # More than there is, at once and one after the other; of a capacity that is not its own.
        ADDED + HELD.replace("6)", "11)"),
        ADDED + HELD + ADDED.replace("off_2", "off_3") + HELD.replace("off_2", "off_3"),
        ADDED + HELD.replace("'c/c'", "'d/d'"),
        HELD.replace("off_2", "off_1"),
        # Sold without a hold, beyond it, and freed below what is sold; raised; rewritten by hand.
        ADDED + SOLD,
        ADDED + HELD.replace("6)", "5)") + SOLD,
        ADDED + HELD + SOLD + LESS,
        ADDED + HELD + LESS.replace("5", "7"),
        ADDED + HELD + LESS.replace("chips", "stated"),
        # Raised beyond what it was given, in another hour, when it was refused, beyond what is.
        ADDED + HELD + ASKED + RAISED.replace("8", "9"),
        ADDED + HELD + ASKED.replace("100", "101") + RAISED,
        ADDED + HELD + ASKED.replace("true", "false") + RAISED,
        ADDED + HELD + ASKED.replace("8", "11") + RAISED.replace("8", "11"),
        ADDED + HELD + ASKED + RESTATED,
        ADDED + HELD + ASKED + LESS.replace("hold", "raise"),
        ADDED + HELD + ASKED + GONE.replace("hold", "raise"),
        ADDED + HELD + LESS.replace("_hold", ""),
        "INSERT INTO capacity VALUES ('c/c', 100, 10, 0)",
        ADDED + HELD + GONE,
    ],
)
async def test_the_database_itself_refuses_to_sell_chips_twice(roles: Roles, sql: str) -> None:
    with pytest.raises(REFUSED):
        await roles.writer(sql)


async def test_what_is_held_may_be_sold_and_the_rest_given_back(roles: Roles) -> None:
    await roles.writer(ADDED + HELD.replace("6)", "8)") + SOLD)
    await roles.writer("UPDATE capacity_hold SET chips = 6")
    assert await roles.conn.fetchval("SELECT held FROM capacity") == 6
    await roles.writer(ASKED + RAISED + ", stated = 12")
    (there,) = await roles.conn.fetch("SELECT chips, held FROM capacity")
    assert (there["chips"], there["held"]) == (12, 8)


async def test_two_markets_sell_the_chips_of_one_resource_once(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    shared: dict[str, Any] = {"capacity_chips": 10}
    await ledger.send(
        w.registered("lab"),
        w.registered("cloud", Role.PROVIDER),
        w.deposited("lab", 1_000 * w.YUAN),
        w.offered("ahead", "cloud", chips=8, market="jjj-ahead", **shared),
        w.demanded("d1", "lab", chips=8, market="jjj-ahead"),
    )
    await ledger.settle()
    await ledger.send(w.offered("spot", "cloud", chips=8, **shared))
    await ledger.settle()
    found = await owner.fetch("SELECT DISTINCT offer_id, chips FROM capacity_hold")
    assert [(row["offer_id"], row["chips"]) for row in found] == [(w.offer_id("ahead"), 8)]
    # The gate sells five, and what it has not sold is told to be free before its round is booked.
    freed = CapacityFreed(
        order_id=w.offer_id("ahead"),
        market_id="jjj-ahead",
        participant_id="cloud",
        chips=0,
        start=w.hour(0),
        end=w.hour(24),
        after_seq=1,
    )
    await ledger.send(freed)
    await ledger.settle()
    assert await owner.fetchval("SELECT held FROM capacity LIMIT 1") == 8
    ahead: dict[str, Any] = {"market": "jjj-ahead"}
    body = w.allocated(1, "d1", "lab", "ahead", "cloud", [(1, 5, w.YUAN)], **ahead)
    keep = w.kept(1, "d1", "lab", 0, **ahead)
    await ledger.send(*w.round_bodies(1, [body, keep], **ahead))
    await ledger.settle()
    held = await owner.fetch("SELECT period, held FROM capacity WHERE held > 0")
    assert [(row["period"], row["held"]) for row in held] == [(w.period(1), 5)]
    await ledger.send(w.offered("again", "cloud", chips=5, **shared))
    await ledger.settle()
    assert await owner.fetchval("SELECT max(held) FROM capacity") == 10
    # Two more nodes: the spot offer is raised to what is there now, and sent twice by a relay.
    more = w.offered("again", "cloud", chips=7, capacity_chips=12)
    about = more.model_dump(include={"order_id", "market_id", "participant_id"})
    wanted = CapacityWanted(
        **about,
        version=2,
        capacity=f"cloud/{more.terms.resource_code}/{more.terms.zone}/{more.terms.chip}",
        chips=7,
        start=w.hour(1),
        end=w.hour(24),
        capacity_chips=12,
        asked=1,
        after_seq=0,
    )
    await ledger.send(OfferAmended(**about, expected_version=1, terms=more.terms))
    await ledger.send(wanted, wanted)
    await ledger.settle()
    (there,) = await owner.fetch("SELECT max(chips) AS chips, max(held) AS held FROM capacity")
    assert (there["chips"], there["held"]) == (12, 12)
    assert await owner.fetchval("SELECT count(*) FROM capacity_raise") == 1
    await owner.execute(f'SET ROLE "{schema}_regulator"')
    report = await audit(settings.postgres_dsn, schema)
    assert report.ok, "\n".join(report.lines())


async def test_writers_side_by_side_never_reserve_more_than_there_is(
    pool: Pool, owner: asyncpg.Connection
) -> None:
    await owner.execute(
        "INSERT INTO offer_version SELECT 'off_' || n, 1, 0, n, 'm' || n % 3, 'cloud', 'z/c', 100, "
        "110, 10, 5, sha256('o'), 'c/c' FROM generate_series(1, 24) AS n"
    )

    async def reserve(number: int) -> int:
        """Hold, and give a part back at times; return what is held, 0 if it was refused."""
        chips = number % 5 + 1
        try:
            async with pool.acquire() as conn, conn.transaction():
                await conn.execute(
                    "INSERT INTO capacity_hold SELECT $1, n, 'c/c', 20, $2 "
                    "FROM generate_series(100, 104) AS n",
                    f"off_{number}",
                    chips,
                )
        except asyncpg.CheckViolationError:
            return 0
        if number % 4:
            return chips
        freed = LESS.replace("5", "0 WHERE offer_id = $1")
        await pool.execute(freed, f"off_{number}")
        return 0

    held = sum(await asyncio.gather(*(reserve(number) for number in range(1, 25))))
    found = await owner.fetch("SELECT chips, held FROM capacity")
    assert {(row["chips"], row["held"]) for row in found} == {(20, held)}
    assert 0 < held <= 20
    # What is left can be had to the last chip, and no more.
    await owner.execute(
        "INSERT INTO offer_version SELECT 'off_' || n, 1, 0, n, 'm', 'cloud', 'z/c', 100, 110, 10, "
        "5, sha256('o'), 'c/c' FROM generate_series(25, 26) AS n"
    )
    last = "INSERT INTO capacity_hold VALUES ($1, 100, 'c/c', 20, $2)"
    if held < 20:
        await pool.execute(last, "off_25", 20 - held)
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(last, "off_26", 1)
