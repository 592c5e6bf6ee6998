"""A relay that stands still while another takes the lease sends nothing of what it had read."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from services.kit.errors import SendUnknownError, StaleWriterError
from services.kit.postgres import acquire_lease, renew_lease
from services.ledger.adapters.journal_relay import JournalRelay
from services.ledger.adapters.postgres import LEASE
from tests.integration.ledger.test_erasures import booked, leaves, order, read_all

if TYPE_CHECKING:
    import asyncpg

    from services.kit.postgres import Pool
    from services.ledger.settings import LedgerSettings
    from tests.integration.ledger.conftest import Ledger

pytestmark = pytest.mark.integration


class StandsStill:
    """A pool whose process is stopped right after the first rows have come."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.has_read = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def fetch(self, *args: Any) -> list[asyncpg.Record]:  # noqa: ANN401 - as asyncpg has it
        rows = await self._pool.fetch(*args)
        self.has_read.set()
        await self.goes_on.wait()
        return rows

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a pool has
        return getattr(self._pool, name)


async def test_a_relay_that_stood_still_past_its_lease_does_not_publish_what_was_erased_since(
    ledger: Ledger, owner: asyncpg.Connection, pool: Pool, settings: LedgerSettings
) -> None:
    await booked(ledger)
    old_epoch = ledger.lease.epoch
    assert await renew_lease(pool, LEASE, settings.ledger_holder, old_epoch, 0.5)
    stopped = StandsStill(pool)
    old = JournalRelay(stopped, ledger.sender, epoch=old_epoch)  # type: ignore[arg-type]
    sending = asyncio.create_task(old.relay_once())
    await stopped.has_read.wait()

    new_epoch: int | None = None
    while new_epoch is None:
        new_epoch = await acquire_lease(pool, LEASE, "new", 60)
        await asyncio.sleep(0.05)
    erased = (await leaves(owner))[0]
    by = order(erased).erasure_id
    await pool.execute("INSERT INTO erasure_order VALUES ($1, sha256('x'))", by)
    await pool.execute("SELECT erase_entry($1, $2, 'asked for')", by, erased["id"])

    stopped.goes_on.set()
    with pytest.raises(SendUnknownError, match="lease"):
        await sending
    with pytest.raises(StaleWriterError):
        await old.relay_once()
    assert await read_all(settings, "journal-entries") == []
    assert await JournalRelay(pool, ledger.sender, epoch=new_epoch).relay_once() == 5
    records = await read_all(settings, "journal-entries")
    told = {json.loads(record.value or b"")["leaf_index"] for record in records}
    assert told >= {1, 2, 3, 4}
    assert all(erased["opening"] not in (record.value or b"") for record in records)
