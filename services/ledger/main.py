"""Composition root of the ledger: ``python -m services.ledger.main``."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from services.kit.crash import RelayWriter
from services.kit.errors import LogUnavailableError
from services.kit.kafka import LogReader, LogWriter
from services.kit.postgres import (
    LeaseKeeper,
    OutboxRelay,
    Pool,
    check_migrated,
    create_pool,
    migrate,
    prune_outbox,
)
from services.kit.run import ServiceContext, run_service
from services.kit.settings import load
from services.kit.signing import NoteSigner
from services.kit.telemetry import METRICS
from services.ledger.adapters.journal_relay import JournalRelay
from services.ledger.adapters.postgres import LEASE, PostgresStore, writer_dsn
from services.ledger.adapters.tree_log import PostgresTreeLog, last_published
from services.ledger.adapters.witness import parse_witnesses
from services.ledger.app import FIRST_TOPICS, LAST_TOPICS
from services.ledger.crash import crash_point
from services.ledger.pipeline import tune_interpreter
from services.ledger.publisher import Publisher
from services.ledger.scrubber import Scrubber
from services.ledger.settings import LedgerSettings
from services.ledger.writer import LedgerWriter

if TYPE_CHECKING:
    from collections.abc import Callable

MIGRATIONS = Path(__file__).parents[2] / "infra" / "postgres" / "migrations" / "ledger"

_FACTS_EVERY_S = 2.0
# Every ten minutes.
_PRUNE_EVERY = 300


async def serve(context: ServiceContext[LedgerSettings]) -> None:
    """Migrate, take the lease, then book until told to stop."""
    settings, stop = context.settings, context.stop_event
    context.ready("ledger", ready=False)
    tune_interpreter()
    schema = settings.schema_of("ledger")
    if settings.ledger_migrates:
        await migrate(settings.ledger_owner_dsn or settings.postgres_dsn, schema, MIGRATIONS)
    else:
        await check_migrated(settings.postgres_dsn, schema, MIGRATIONS)
    dsn = await writer_dsn(settings.postgres_dsn, schema)
    pool = await create_pool(dsn, schema)
    context.on_close(pool.close)
    keeper = LeaseKeeper(pool, LEASE, settings.ledger_holder, settings.ledger_lease_s)
    epoch = await context.take_lease(keeper)
    if epoch is None:
        return

    store = PostgresStore(pool, epoch)
    positions = await store.positions()
    readers = [LogReader(settings, topics) for topics in (FIRST_TOPICS, LAST_TOPICS)]
    for reader, topics in zip(readers, (FIRST_TOPICS, LAST_TOPICS), strict=True):
        await reader.start({place: n for place, n in positions.items() if place[0] in topics})
        context.on_close(reader.stop)
    log = LogWriter(settings)
    await log.start()
    context.on_close(log.stop)
    outgoing = RelayWriter(log, crash_point)
    relay, journal = OutboxRelay(pool, outgoing), JournalRelay(pool, outgoing, epoch=epoch)
    context.spawn("outbox", relay.run(stop))
    context.spawn("journal", journal.run(stop))

    def wake() -> None:
        relay.wake()
        journal.wake()

    writer = LedgerWriter(store, readers[0], readers[1], settings, wake)
    context.spawn("heads", _publish_heads(context, pool, epoch, relay.wake))
    tree = PostgresTreeLog(pool, epoch, settings.ledger_origin)
    if settings.ledger_scrub_every_s:
        scrubber = Scrubber(settings.postgres_dsn, schema, tree.raise_finding, relay.wake)
        context.spawn("scrubber", scrubber.run(stop, settings.ledger_scrub_every_s))
    context.spawn("housekeeping", _keep_house(context, writer, readers, pool))
    context.set_health("epoch", epoch)
    context.ready("ledger", ready=True)
    await writer.run(stop)


async def _publish_heads(
    context: ServiceContext[LedgerSettings], pool: Pool, epoch: int, wake: Callable[[], None]
) -> None:
    """Sign the log's heads on a beat, if there is a key to sign with; booking does not wait."""
    settings, stop = context.settings, context.stop_event
    if settings.ledger_log_key is None:
        context.log.warning("no SUANLI_LEDGER_LOG_KEY: heads are published without a signature")
        return
    signer = NoteSigner.parse(settings.ledger_log_key.get_secret_value())
    context.publish_state(log_key=str(signer.verifier))
    published = None
    while not stop.is_set():
        try:
            published = await last_published(settings, settings.ledger_origin)
            break
        except LogUnavailableError as error:
            # What was published before must be known before anything is signed.
            context.log.warning("last head not known yet", error=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.ledger_checkpoint_every_s):
                    await stop.wait()
    else:
        return
    publisher = Publisher(
        PostgresTreeLog(pool, epoch, settings.ledger_origin),
        signer,
        published,
        parse_witnesses(settings.ledger_witnesses),
        wake,
    )
    await publisher.run(stop, settings.ledger_checkpoint_every_s)


async def _keep_house(
    context: ServiceContext[LedgerSettings],
    writer: LedgerWriter,
    readers: list[LogReader],
    pool: Pool,
) -> None:
    """Show facts at ``/readyz`` and drop old sent records; nothing depends on it."""
    lag = METRICS.gauge("ledger_lag_records", "Records on the log that are not read yet")
    keep = timedelta(hours=context.settings.ledger_outbox_keep_h)
    rounds = 0
    while not context.stop_event.is_set():
        with contextlib.suppress(LogUnavailableError, OSError, asyncpg.PostgresError):
            behind = sum([await reader.lag() for reader in readers])
            lag.set(behind)
            context.set_health("lag_records", behind)
            context.set_health("log_size", writer.frontier.size)
            if rounds % _PRUNE_EVERY == 0:
                async with pool.acquire() as conn:
                    await prune_outbox(conn, keep)
        rounds += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FACTS_EVERY_S):
                await context.stop_event.wait()


def main() -> None:
    """Run the service with the settings of the environment."""
    run_service("ledger", serve, load(LedgerSettings))


if __name__ == "__main__":
    main()
