"""Chains of resales on a real database: what it refuses, and a chain over two markets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from schemas.types import Role
from services.ledger.audit import audit
from tests.integration.ledger.bookings import REFUSED
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    from services.ledger.settings import LedgerSettings
    from tests.integration.ledger.bookings import Roles
    from tests.integration.ledger.conftest import Ledger

pytestmark = pytest.mark.integration

OFFERED = (
    "INSERT INTO participant VALUES ('mill', 'enterprise', 'Mill', NULL, 'active');"
    "INSERT INTO offer_version VALUES ('off_2', 1, 0, 1, 'jjj', 'lab', 'z/c', 100, 101, 6, 5, "
    "sha256('o'), 'al_1');"
)
HELD = "INSERT INTO capacity_hold VALUES ('off_2', 100, 'al_1', 6, 4);"
SETTLED = "INSERT INTO settled_period VALUES ('al_1', 100, 's_whole', 6, 5, 6);"
SOLD = (
    "INSERT INTO allocation VALUES ('al_2', 'jjj:1', 'jjj', 'dem_1', 'mill', 'off_2', 'lab', 1, "
    "'z/c', 30, sha256('a'), 'al_1', 2);"
    "INSERT INTO allocation_period VALUES ('al_2', 100, 'off_2', 1, 4, 5);"
)


async def test_the_database_takes_a_resale_of_what_was_bought(roles: Roles) -> None:
    await roles.writer(OFFERED + HELD + SOLD)
    assert await roles.conn.fetchval("SELECT (chips, held)::text FROM capacity") == "(6,4)"


@pytest.mark.parametrize(
    "sql",
    [
        # Not what was bought: more chips, another hour, another's, another pool, settled.
        OFFERED + HELD.replace("6, 4", "7, 4"),
        OFFERED + HELD.replace("100", "101"),
        OFFERED.replace("'lab', 'z/c'", "'mill', 'z/c'") + HELD,
        OFFERED.replace("'z/c'", "'z/d'") + HELD,
        OFFERED + SETTLED + HELD,
        # A sale that does not say whose it was, at the wrong link, or beyond what is reserved.
        OFFERED + HELD + SOLD.replace("'al_1', 2", "NULL, 1"),
        OFFERED + HELD + SOLD.replace("'al_1', 2", "'al_1', 3"),
        OFFERED + HELD + SOLD.replace("'al_1', 2", "'al_1', 9"),
        OFFERED + HELD + SOLD.replace("'off_2', 1, 4", "'off_2', 1, 5"),
        SOLD.replace("off_2", "off_1").replace("'lab', 1", "'cloud', 1"),
    ],
)
async def test_the_database_itself_refuses_what_was_not_bought(roles: Roles, sql: str) -> None:
    with pytest.raises(REFUSED):
        await roles.writer(sql)


async def test_what_was_bought_at_the_gate_is_sold_on_in_spot_and_settled_with_it(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    ahead: dict[str, Any] = {"market": "jjj-ahead"}
    first = w.allocated(1, "d1", "lab", "o1", "cloud", [(1, 8, w.YUAN), (2, 8, w.YUAN)], **ahead)
    await ledger.send(
        w.registered("cloud", Role.PROVIDER),
        *(w.registered(one) for one in ("lab", "mill", "farm")),
        *(w.deposited(one, 100 * w.YUAN) for one in ("lab", "mill", "farm")),
        w.terms(compensation_ppm=500_000),
    )
    await ledger.send(
        w.offered("o1", "cloud", chips=8, **ahead),
        w.demanded("d1", "lab", chips=8, hours=3, **ahead),
        w.demanded("d2", "mill", chips=8, hours=3, limit=2 * w.YUAN),
        w.demanded("d3", "farm", chips=8, hours=3, limit=2 * w.YUAN),
        # Read before the round that it is of.
        w.offered("o2", "lab", 6, 3, start=1, resale_of=first.allocation_id),
    )
    await ledger.settle()
    assert await owner.fetchval("SELECT count(*) FROM waiting_record") == 1
    await ledger.send(*w.round_bodies(1, [first, w.kept(1, "d1", "lab", 0, **ahead)], **ahead))
    await ledger.settle()
    assert await owner.fetchval("SELECT count(*) FROM capacity_hold WHERE chips = 6") == 2
    second = w.allocated(1, "d2", "mill", "o2", "lab", [(1, 6, 2 * w.YUAN), (2, 6, 2 * w.YUAN)])
    await ledger.send(*w.round_bodies(1, [second, w.kept(1, "d2", "mill", 0)]))
    await ledger.send(w.offered("o3", "mill", 3, 2, start=1, resale_of=second.allocation_id))
    await ledger.settle()
    third = w.allocated(2, "d3", "farm", "o3", "mill", [(1, 3, w.YUAN)])
    await ledger.send(*w.round_bodies(2, [third, w.kept(2, "d3", "farm", 0)]))
    await ledger.settle()
    # Of hour 1 four chips come, and of hour 2 all: three go to the farm, one to the mill.
    await ledger.send(w.delivered(first, [(1, 4), (2, 8)]))
    await ledger.settle()
    found = await owner.fetch(
        "SELECT a.provider_id, p.period - $1, p.chips, p.delivered FROM settled_period AS p "
        "JOIN allocation AS a ON a.id = p.allocation_id ORDER BY a.links, p.period",
        w.period(0),
    )
    assert [tuple(row) for row in found] == [
        ("cloud", 1, 8, 4),
        ("cloud", 2, 8, 8),
        ("lab", 1, 6, 4),
        ("lab", 2, 6, 6),
        ("mill", 1, 3, 3),
    ]
    rows = await owner.fetch("SELECT name, credits_posted - debits_posted AS has FROM account")
    has = {row["name"]: row["has"] for row in rows if row["has"]}
    # The spot market's terms have a penalty: a fifth of four yuan, which the lab owes and pays.
    assert has == {
        "bank": -300 * w.YUAN,
        "cny:cloud": 12 * w.YUAN,
        "cny:lab": (100 - 16 + 4 + 20) * w.YUAN - 800_000,
        "cny:mill": (100 - 24 + 4 + 3) * w.YUAN,
        "cny:farm": 97 * w.YUAN,
        "penalties:jjj": 800_000,
    }
    await owner.execute(f'SET ROLE "{schema}_regulator"')
    report = await audit(settings.postgres_dsn, schema)
    assert report.ok, "\n".join(report.lines())
