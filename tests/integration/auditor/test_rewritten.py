"""The ledger's database rewritten, every hash in it too: the auditor's own copy names the entry."""

from __future__ import annotations

import pytest

from services.kit.kafka import OutRecord
from services.kit.outbox import headers_from_json
from services.kit.postgres import Pool
from services.ledger.adapters.journal_relay import JournalRelay
from tests.integration.auditor.wire import Wire, codes
from tests.integration.ledger.conftest import owner, pool, schema, settings  # noqa: F401
from tests.integration.ledger.test_tampering import Day, day  # noqa: F401 - a fixture

pytestmark = pytest.mark.integration


async def published(day: Day, topic: str) -> list[OutRecord]:  # noqa: F811
    """Return what the ledger has to publish on a topic."""
    rows = await day.owner.fetch(
        "SELECT key, headers, value FROM outbox WHERE topic = $1 ORDER BY seq", topic
    )
    return [
        OutRecord(topic, row["key"], row["value"], headers_from_json(row["headers"]))
        for row in rows
    ]


async def test_an_entry_that_was_rewritten_with_every_hash_above_it_is_named(
    day: Day,  # noqa: F811
    pool: Pool,  # noqa: F811
    wire: Wire,
) -> None:
    assert await JournalRelay(pool, wire.writer, epoch=None).relay_once() == 11
    key = {"auditor_log_key": str(day.signer.verifier)}
    wire.settings = wire.settings.model_copy(update=key)
    await wire.writer.send_many(await published(day, "checkpoints"))
    async with wire.auditing():
        await wire.until_checked(11)
        assert await wire.findings() == []
        # As the owner of the database may, with its own guards on.
        await day.owner.execute("INSERT INTO erasure (idx, reason) VALUES (0, 'mine')")
        await day.owner.execute("UPDATE leaf SET opening = NULL WHERE idx = 0")
        await wire.until("SELECT count(*) FROM finding", lambda n: n == 1)
        # Rows, commitment, leaf hash and tile, all made to agree.
        await day.forge(2, "UPDATE leaf SET opening = sha256(opening) WHERE idx = 2", tiles=True)
        # Where the ledger looks at itself alone, it sees that a head does not fit.
        itself = await day.scrubber.step()
        assert any(text.startswith("signed head 11: root is") for text in itself), itself
        assert not any(text.startswith("leaf 2:") for text in itself), itself
        await day.tamper("DELETE FROM leaf WHERE idx = 10")
        await wire.until("SELECT count(*) FROM finding", lambda n: n == 3)
        found = await wire.findings()
    assert codes(found) == ["journal.erased", *["journal.rewritten"] * 2]
    assert sorted(finding.summary.params["leaf_index"] for finding in found) == [0, 2, 10]
