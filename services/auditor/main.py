"""The auditor as a process: ``python -m services.auditor.main``; it serves all markets."""

from __future__ import annotations

from services.auditor.adapters.checker import ChildChecker
from services.auditor.adapters.postgres import MIGRATIONS, PostgresStore
from services.auditor.app import TOPIC, Auditor
from services.auditor.settings import AuditorSettings
from services.auditor.watch import watch_markets
from services.kit.kafka import LogReader, LogWriter
from services.kit.postgres import LeaseKeeper, OutboxRelay, create_pool, migrate
from services.kit.run import ServiceContext, run_service
from services.kit.settings import load

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
    await migrate(settings.postgres_dsn, schema, MIGRATIONS)
    pool = await create_pool(settings.postgres_dsn, schema, max_size=_CONNECTIONS_MAX)
    context.on_close(pool.close)
    keeper = LeaseKeeper(pool, _LEASE, settings.auditor_holder, settings.auditor_lease_s)
    epoch = await keeper.acquire(context.stop_event)
    if epoch is None:
        return
    context.on_close(keeper.release)
    context.spawn("lease", keeper.keep(context.stop_event))
    writer = LogWriter(settings)
    await writer.start()
    context.on_close(writer.stop)
    relay = OutboxRelay(pool, writer)
    context.spawn("relay", relay.run(context.stop_event))
    context.spawn("surveillance", watch_markets(context, writer))
    reader = LogReader(settings, [TOPIC])
    context.on_close(reader.stop)
    auditor = Auditor(
        PostgresStore(pool, lease=_LEASE, epoch=epoch),
        reader,
        ChildChecker(settings.auditor_check_s),
        context.clock,
        file_bytes_max=settings.auditor_file_mib * _MIB,
    )
    context.ready("rounds", ready=True)
    await auditor.run(context.stop_event)


def main() -> None:
    """Run until a signal; exit code 1 after a failure."""
    run_service("auditor", run, load(AuditorSettings))


if __name__ == "__main__":
    main()
