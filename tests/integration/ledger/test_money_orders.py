"""Payouts, collateral and reversals on a real database, whose rules are the ledger's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.types import Role
from services.ledger.audit import audit
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    import asyncpg

    from services.ledger.settings import LedgerSettings
    from tests.integration.ledger.conftest import Ledger

pytestmark = pytest.mark.integration


async def test_payouts_collateral_and_reversals_are_booked_once_and_the_books_balance(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    await ledger.send(w.registered("cloud", Role.PROVIDER), w.deposited("cloud", 90 * w.YUAN))
    await ledger.settle()
    orders = (
        w.collateral("cloud", 40 * w.YUAN),
        w.withdrawn("cloud", 12 * w.YUAN),
        w.withdrawn("cloud", 12_000 * w.YUAN, "too much"),
    )
    await ledger.send(*orders, orders[1])
    await ledger.settle()
    await owner.execute(f'SET ROLE "{schema}_regulator"')
    entry_id = await owner.fetchval("SELECT id FROM transfer WHERE purpose = 'withdrawal'")
    for name in ("1", "2"):
        await ledger.send(w.reversed_entry(str(entry_id), name))
        await ledger.settle()
    found = await owner.fetch(
        "SELECT name, credits_posted - debits_posted AS has FROM account WHERE name LIKE '%:cloud'"
    )
    assert {row["name"]: row["has"] for row in found if row["has"]} == {
        "cny:cloud": 50 * w.YUAN,
        "collateral:cloud": 40 * w.YUAN,
    }
    refused = await owner.fetch("SELECT refusal FROM money_order WHERE refusal IS NOT NULL")
    assert sorted(row["refusal"] for row in refused) == [
        "hold.insufficient_funds",
        "hold.not_reversible",
    ]
    report = await audit(settings.postgres_dsn, schema)
    assert report.ok, "\n".join(report.lines())
