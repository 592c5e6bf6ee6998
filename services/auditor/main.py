"""The auditor as a process: ``python -m services.auditor.main``; it serves all markets."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from services.auditor.adapters.book_store import PostgresPartStore, code_version
from services.auditor.adapters.checker import ChildChecker
from services.auditor.adapters.journal_store import TOPICS as JOURNAL_TOPICS
from services.auditor.adapters.journal_store import PostgresJournalStore
from services.auditor.adapters.ledger_leaves import LedgerLeaves
from services.auditor.adapters.postgres import MIGRATIONS, PostgresStore
from services.auditor.app import TOPIC, Auditor
from services.auditor.book_keeper import BookKeeper
from services.auditor.books import BookAuditor
from services.auditor.crash import crash_point
from services.auditor.direct import DirectAuditor
from services.auditor.journal import JournalAuditor
from services.auditor.settings import AuditorSettings
from services.auditor.watch import LINGER_S, OUTBOX_KEEP, watch_markets
from services.core.direct_audit import TOPICS as DIRECT_TOPICS
from services.core.market_records import TOPICS as BOOK_TOPICS
from services.kit.crash import RelayWriter
from services.kit.errors import LogUnavailableError
from services.kit.kafka import LogReader, LogWriter
from services.kit.pgconnect import LOST_ERRORS
from services.kit.postgres import LeaseKeeper, OutboxRelay, create_pool, make_ready
from services.kit.run import ServiceContext, run_service
from services.kit.settings import load
from services.kit.signing import verify_ed25519
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from schemas.transparency import AuditProgressed
    from services.kit.postgres import Pool

TOPICS = (TOPIC, *JOURNAL_TOPICS)
_PASSING: tuple[type[Exception], ...] = (*LOST_ERRORS, asyncpg.PostgresError)
KEYS_TOPIC = "participants"
_LEASE = "auditor"
_CONNECTIONS_MAX = 4
_MIB = 1024 * 1024


async def run(context: ServiceContext[AuditorSettings]) -> None:
    """Verify every round until the context stops; the lease decides which process does.

    Raises:
        StaleWriterError: if another process takes the lease; a restart waits for it again.
    """
    settings = context.settings
    context.ready("rounds", ready=False)
    schema = settings.schema_of("auditor")
    await make_ready(settings.postgres_dsn, schema, MIGRATIONS)
    pool = await create_pool(settings.postgres_dsn, schema, max_size=_CONNECTIONS_MAX)
    context.on_close(pool.close)
    keeper = LeaseKeeper(pool, _LEASE, settings.auditor_holder, settings.auditor_lease_s)
    epoch = await context.take_lease(keeper)
    if epoch is None:
        return
    writer = LogWriter(settings)
    await writer.start()
    context.on_close(writer.stop)
    relay = OutboxRelay(pool, RelayWriter(writer, crash_point), keep=OUTBOX_KEEP)
    context.spawn("relay", relay.run(context.stop_event))
    context.spawn("surveillance", watch_markets(context, writer))
    reader = LogReader(settings, [TOPIC], linger_s=LINGER_S)
    context.on_close(reader.stop)
    auditor = Auditor(
        PostgresStore(pool, lease=_LEASE, epoch=epoch),
        reader,
        ChildChecker(settings.auditor_check_s),
        context.clock,
        file_bytes_max=settings.auditor_file_mib * _MIB,
    )
    context.ready("rounds", ready=True)
    context.spawn("journal", _check_journal(context, pool, epoch, relay))
    await auditor.run(context.stop_event)


async def _check_journal(
    context: ServiceContext[AuditorSettings], pool: Pool, epoch: int, relay: OutboxRelay
) -> None:
    """Check the journal until the context stops, and tell how far that is."""
    settings = context.settings
    context.ready("journal", ready=False)
    store = PostgresJournalStore(pool, lease=_LEASE, epoch=epoch)
    reader = LogReader(settings, JOURNAL_TOPICS, linger_s=LINGER_S)
    context.on_close(reader.stop)
    key = settings.log_key()
    if key is None:
        context.log.warning("no SUANLI_AUDITOR_LOG_KEY: signatures of heads are not checked")
    auditor = JournalAuditor(
        store,
        reader,
        context.clock,
        key=key,
        witnesses=settings.witness_keys(),
        gap_s=settings.auditor_gap_s,
        committed=relay.wake,
    )
    await auditor.start()
    context.ready("journal", ready=True)
    context.spawn("progress", _tell_progress(context, auditor, store, reader, relay))
    parts = PostgresPartStore(pool, lease=_LEASE, epoch=epoch)
    context.spawn("books", _compare_books(context, store, parts, relay))
    if settings.auditor_compare_s:
        context.spawn("compare", _compare_leaves(context, auditor, store, relay))
    await auditor.run(context.stop_event)


async def _compare_books(
    context: ServiceContext[AuditorSettings],
    store: PostgresJournalStore,
    parts: PostgresPartStore,
    relay: OutboxRelay,
) -> None:
    """Hold each round's book against the orders on the log until the context stops."""
    settings = context.settings

    def open_log() -> LogReader:
        reader = LogReader(settings, BOOK_TOPICS, linger_s=LINGER_S)
        context.on_close(reader.stop)
        return reader

    keys = LogReader(settings, [KEYS_TOPIC])
    records = LogReader(settings, DIRECT_TOPICS)
    context.on_close(keys.stop)
    context.on_close(records.stop)
    direct = DirectAuditor(store, keys, records, context.clock, verify_ed25519)
    auditor = BookAuditor(
        store,
        open_log,
        context.clock,
        gap_s=settings.auditor_gap_s,
        file_bytes_max=settings.auditor_file_mib * _MIB,
        told=relay.wake,
        direct=direct,
        keeper=BookKeeper(
            parts,
            context.clock,
            version=await asyncio.to_thread(code_version),
            every_s=settings.auditor_books_keep_s,
            trust=timedelta(hours=settings.auditor_books_trust_h),
        ),
    )
    await auditor.start()
    while not context.stop_event.is_set():
        await auditor.take_in()
        context.set_health("books_compared", auditor.compared)
    await auditor.keep()


async def _tell_progress(
    context: ServiceContext[AuditorSettings],
    auditor: JournalAuditor,
    store: PostgresJournalStore,
    reader: LogReader,
    relay: OutboxRelay,
) -> None:
    """Show at ``/readyz`` and on the log how far the audit is, on the log only what is new."""
    lag = METRICS.gauge("audit_lag_records", "Records on the log that are not read yet")
    told: AuditProgressed | None = None
    while not context.stop_event.is_set():
        await _pause(context, context.settings.auditor_progress_s)
        with contextlib.suppress(LogUnavailableError, *LOST_ERRORS):
            behind = await reader.lag()
            lag.set(behind)
            progress = await store.progress(auditor.facts)
            context.set_health("lag_records", behind)
            context.set_health("entries_checked", progress.entries_checked)
            context.set_health("entries_published", progress.entries_published)
            context.set_health("rounds_verified", progress.rounds_verified)
            context.set_health("rounds_booked", progress.rounds_booked)
            context.set_health("findings", progress.findings)
            if progress != told:
                await store.tell(progress, context.clock.now())
                relay.wake()
                told = progress


async def _compare_leaves(
    context: ServiceContext[AuditorSettings],
    auditor: JournalAuditor,
    store: PostgresJournalStore,
    relay: OutboxRelay,
) -> None:
    """Hold the ledger's own leaves against those that were published, over and over."""
    settings = context.settings
    found = METRICS.counter("audit_rewritten_total", "Entries that the ledger's database changed")
    is_told = False
    leaves = LedgerLeaves(settings.postgres_dsn, settings.schema_of("ledger"), store)
    while not context.stop_event.is_set():
        await _pause(context, settings.auditor_compare_s)
        try:
            rewritten, erased = await leaves.step(auditor.facts.size)
        except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError) as error:
            # A deployment may keep the auditor away from the ledger's database altogether.
            if not is_told:
                context.log.warning("the ledger's leaves cannot be read", error=str(error))
            is_told = True
            context.set_health("ledger_leaves", value=False)
            continue
        except _PASSING as error:
            context.log.warning("the ledger's leaves were not read", error=repr(error))
            continue
        context.set_health("ledger_leaves", value=True)
        if erased:
            await store.add_erased(erased)
        if rewritten:
            codes = await store.add_found(rewritten, context.clock.now())
            found.inc(len(codes))
            relay.wake()


async def _pause(context: ServiceContext[AuditorSettings], seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await context.stop_event.wait()


def main() -> None:
    """Run until a signal; exit code 1 after a failure."""
    run_service("auditor", run, load(AuditorSettings))


if __name__ == "__main__":
    main()
