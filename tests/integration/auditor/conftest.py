"""Topics, a schema and a log's key for an auditor."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

from services.auditor.settings import AuditorSettings
from services.kit.kafka import OutRecord
from services.kit.signing import NoteSigner
from tests.conftest import Stack
from tests.integration.auditor.wire import ORIGIN, WITNESS, Wire, open_wire
from tests.unit.ledger import world as w


@pytest_asyncio.fixture
async def wire(stack: Stack, topics: str, schema_prefix: str) -> AsyncIterator[Wire]:
    signer = NoteSigner.generate(ORIGIN)
    settings = AuditorSettings(
        _env_file=None,
        kafka_bootstrap=stack.kafka_bootstrap,
        postgres_dsn=SecretStr(stack.postgres_dsn),
        topic_prefix=topics,
        schema_prefix=schema_prefix,
        auditor_log_key=str(signer.verifier),
        auditor_witness_keys=str(WITNESS.verifier),
        auditor_gap_s=0.5,
        auditor_progress_s=0.2,
        auditor_compare_s=0.2,
    )
    async with open_wire(settings, signer) as opened:
        yield opened


@pytest.fixture(scope="session")
def entries() -> list[OutRecord]:
    """Return the journal's records of holds, an amended hold, a round, a delivery, a payout."""
    return w.whole_journal()
