"""Premiums on a real database: a ledger of before, a round, deliveries, a lapse, and the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from schemas.types import Role
from services.ledger.audit import audit
from services.ledger.main import MIGRATIONS
from tests.integration.migrating import schema_before
from tests.unit.ledger import world as w
from tests.unit.ledger.charges import premium_assigned

if TYPE_CHECKING:
    from services.ledger.settings import LedgerSettings
    from tests.conftest import Stack
    from tests.integration.ledger.conftest import Ledger

pytestmark = pytest.mark.integration


async def balances(owner: asyncpg.Connection) -> dict[str, int]:
    found = await owner.fetch("SELECT name, credits_posted - debits_posted AS has FROM account")
    return {row["name"]: row["has"] for row in found if row["has"]}


async def test_a_fund_pays_domestic_supply_whatever_imported_supply_delivers(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    home = w.allocated(1, "d1", "lab", "o1", "home", [(0, 6, 2 * w.YUAN)])
    away = w.allocated(1, "d1", "lab", "o2", "away", [(0, 10, 2 * w.YUAN), (1, 10, 2 * w.YUAN)])
    premiums = (
        premium_assigned(home, [3 * w.YUAN]),
        premium_assigned(away, [-2 * w.YUAN, -2 * w.YUAN]),
    )
    await ledger.send(
        w.registered("lab"),
        w.registered("home", Role.PROVIDER),
        w.registered("away", Role.PROVIDER),
        w.deposited("lab", 1_000 * w.YUAN),
        w.offered("o1", "home", chips=10),
        w.offered("o2", "away", chips=10),
        w.demanded("d1", "lab", chips=20, hours=2, limit=20 * w.YUAN),
    )
    await ledger.settle()
    await ledger.send(*w.round_bodies(1, [home, away, *premiums, w.kept(1, "d1", "lab", 0)]))
    await ledger.settle()
    await owner.execute(f'SET ROLE "{schema}_regulator"')
    has = await balances(owner)
    assert (has["policy:jjj"], has["premiums:jjj"]) == (4 * w.YUAN, -4 * w.YUAN)
    assert (await audit(settings.postgres_dsn, schema)).ok
    # Domestic supply is credited first; of imported supply an hour is half delivered, one lapses.
    await ledger.send(w.delivered(home, [(0, 6)], "home"))
    await ledger.settle()
    await ledger.send(w.delivered(away, [(0, 5)], "away"))
    await ledger.settle()
    await ledger.send(*w.round_bodies(2, [], at=w.hour(80)))
    await ledger.settle()
    has = await balances(owner)
    assert has["policy:jjj"] == w.YUAN
    assert "premiums:jjj" not in has
    assert has["cny:home"] == 15 * w.YUAN
    # Ten yuan less a charge of one; what it missed is a debt, taken from what it has.
    assert has["cny:away"] == 6 * w.YUAN
    report = await audit(settings.postgres_dsn, schema)
    assert report.ok, "\n".join(report.lines())


async def test_what_was_allocated_before_has_no_premium(stack: Stack) -> None:
    async with schema_before(stack, "ledger", MIGRATIONS, "0010") as before:
        conn = before.conn
        await conn.execute(
            "INSERT INTO account VALUES (1, 'bank', NULL, 'CNY-micro', false, 0, 0, 0, 0, 0)"
        )
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await conn.execute(
                "INSERT INTO account VALUES (2, 'premiums:jjj', NULL, 'CNY-micro', false)"
            )
        await before.upgrade()
        await conn.execute(
            "INSERT INTO account VALUES (2, 'premiums:jjj', NULL, 'CNY-micro', false)"
        )
        columns = await conn.fetchval(
            "SELECT column_default FROM information_schema.columns WHERE "
            "table_schema = current_schema() AND table_name = 'allocation_period' "
            "AND column_name = 'premium'"
        )
        assert columns == "0"
