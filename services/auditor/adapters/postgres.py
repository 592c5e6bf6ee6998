"""The store of the auditor: parts of rounds, verdicts, positions and outbox in one schema."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.events import RoundCleared, RoundFilePart, RoundSealed
from services.auditor.adapters.judged import put_judged
from services.auditor.adapters.queries import QUERIES
from services.auditor.app import TOPIC
from services.auditor.ports import TOLD, Judged
from services.auditor.told import place_of
from services.kit.postgres import (
    advance_all,
    append_outbox,
    assert_lease,
    claim_positions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.auditor.ports import Changes, Digests, RoundEvent
    from services.kit.postgres import Pool
    from services.kit.records import Positions

MIGRATIONS = Path(__file__).parents[3] / "infra" / "postgres" / "migrations" / "auditor"

_KINDS: dict[str, type[RoundEvent]] = {
    "sealed": RoundSealed,
    "cleared": RoundCleared,
    "file": RoundFilePart,
    **TOLD,
}
_NAMES = {model: kind for kind, model in _KINDS.items()}


class PostgresStore:
    """`services.auditor.ports.Store` on Postgres.

    Args:
        pool: Pool of the auditor's schema.
        lease: Name of the lease.
        epoch: Fencing epoch with which this process holds it.
    """

    def __init__(self, pool: Pool, *, lease: str, epoch: int) -> None:
        self._pool = pool
        self._lease = lease
        self._epoch = epoch

    async def load(self) -> tuple[Positions, list[RoundEvent]]:
        """Claim the positions; return them and what was read of rounds without a verdict."""
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            positions = await claim_positions(conn, [TOPIC], self._epoch)
            rows = await conn.fetch(QUERIES.parts)
        return positions, [_KINDS[row["kind"]].model_validate_json(row["body"]) for row in rows]

    async def judged(self, round_ids: Iterable[str]) -> dict[str, Judged]:
        """Return what was judged of those rounds that have a verdict."""
        rows = await self._pool.fetch(QUERIES.judged, list(round_ids))
        return {row["round_id"]: Judged(row["file_sha256"], _told(row["told"])) for row in rows}

    async def commit(self, before: Positions, after: Positions, changes: Changes) -> None:
        """Move the positions and write parts, verdicts and records, in one transaction.

        Raises:
            StaleWriterError: if another process has taken over.
        """
        now = datetime.now(UTC)
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            await advance_all(conn, before, after, self._epoch)
            done = {verdict.round_id for verdict in changes.verdicts}
            for part in changes.parts:
                if part.round_id in done:
                    continue
                number = _number(part)
                await conn.execute(
                    QUERIES.put_part,
                    part.round_id,
                    _NAMES[type(part)],
                    number,
                    part.model_dump_json(),
                )
            for verdict in changes.verdicts:
                await conn.execute(
                    QUERIES.put_verdict,
                    verdict.round_id,
                    verdict.market_id,
                    verdict.ok,
                    json.dumps(verdict.problems),
                    verdict.file_sha256,
                    verdict.check_ms,
                    now,
                    json.dumps(verdict.told),
                )
                if verdict.ok:
                    await put_judged(conn, verdict.round_id, verdict.market_id, verdict.money)
            await conn.execute(QUERIES.drop_parts, list(done))
            await append_outbox(conn, changes.outbox)


def _number(event: RoundEvent) -> int:
    if isinstance(event, RoundSealed | RoundCleared):
        return 0
    return event.part if isinstance(event, RoundFilePart) else place_of(event)[1]


def _told(text: str) -> Digests:
    # Keys of JSON are text.
    return {
        kind: {int(part): digest for part, digest in parts.items()}
        for kind, parts in json.loads(text).items()
    }
