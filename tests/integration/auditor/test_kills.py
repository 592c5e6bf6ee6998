"""The auditor killed at its points: every entry checked, every finding told once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys

import pytest
from pydantic import SecretStr

from schemas.events import MarketDefined
from services.auditor.crash import POINTS
from services.kit.crash import EXIT_CODE
from services.kit.kafka import OutRecord
from tests.integration.auditor.wire import Wire, changed
from tests.integration.logins import login_of
from tests.integration.matching.desk import MARKET

# Each life costs a start of the service; `make nightly` kills at every point.
ALL = int(os.environ.get("SUANLI_KILL_RUNS", "20")) >= 200
KILLED_AT = POINTS if ALL else ("journal_before_commit", "journal_after_commit", "relay_after_ack")

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(240)]


async def start(wire: Wire, dsn: SecretStr, crash_at: str = "") -> asyncio.subprocess.Process:
    environment = os.environ | {
        "SUANLI_KAFKA_BOOTSTRAP": wire.settings.kafka_bootstrap,
        "SUANLI_POSTGRES_DSN": dsn.get_secret_value(),
        "SUANLI_TOPIC_PREFIX": wire.settings.topic_prefix,
        "SUANLI_SCHEMA_PREFIX": wire.settings.schema_prefix,
        "SUANLI_AUDITOR_LOG_KEY": wire.settings.auditor_log_key,
        "SUANLI_AUDITOR_PROGRESS_S": "60",
        "SUANLI_AUDITOR_COMPARE_S": "0",
        "SUANLI_AUDITOR_BOOKS_KEEP_S": "0.2",
        "SUANLI_CRASH_AT": crash_at,
        "SUANLI_LOG_LEVEL": "error",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.auditor.main", env=environment
    )


async def test_an_auditor_that_is_killed_at_any_point_checks_all_and_tells_each_fault_once(
    wire: Wire, entries: list[OutRecord]
) -> None:
    # It runs with a login of its own, which owns nothing; the test looks on as the owner.
    own = await login_of("auditor", wire.settings)
    forged = [*entries]
    for at in (1, 4):
        forged[at] = changed(entries[at], lambda body: body.update(amount=body["amount"] + 1))
    await wire.head(entries)
    # A part before each kill, so that each life has something to do.
    cuts = [round(len(forged) * n / len(KILLED_AT)) for n in range(len(KILLED_AT) + 1)]
    for point, first, end in zip(KILLED_AT, cuts, cuts[1:], strict=False):
        await wire.writer.send_many(forged[first:end])
        # A market that nobody trades in, for the books to be kept with.
        await wire.say(MarketDefined(market=MARKET.model_copy(update={"id": f"kills-{end}"})))
        process = await start(wire, own, point)
        async with asyncio.timeout(40):
            code = await process.wait()
        assert code == EXIT_CODE, f"{point} was not passed"
    process = await start(wire, own)
    try:
        await wire.until_checked(len(forged))
        found = await wire.findings()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
    told = sorted((f.summary.code, f.summary.params.get("leaf_index", 0)) for f in found)
    assert {finding.finding_id for finding in found} == {
        row["finding_id"] for row in await wire.rows("SELECT finding_id FROM finding")
    }
    # The relay may send a record twice; the id is the same then, and nobody takes it for two.
    assert sorted(set(told)) == [("head.root", 0), ("journal.entry", 1), ("journal.entry", 4)]
    rows = await wire.rows("SELECT account, sums::text FROM account_sum")
    last: dict[tuple[str, str], int] = {}
    for record in entries:
        for posting in json.loads(record.value)["postings"]:
            last[posting["account"], posting["layer"]] = posting["balance_after"]
    rebuilt = {(row[0], layer): n for row in rows for layer, n in json.loads(row[1]).items()}
    assert rebuilt == last
