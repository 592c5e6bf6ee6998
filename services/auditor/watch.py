"""Starts the market watch beside the auditor's other work, with a lease of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from services.auditor.adapters.watch_store import MIGRATIONS, PostgresWatchStore
from services.auditor.surveillance import TOPICS, MarketWatch
from services.kit.kafka import LogReader
from services.kit.postgres import LeaseKeeper, OutboxRelay, create_pool, make_ready

if TYPE_CHECKING:
    from services.auditor.settings import AuditorSettings
    from services.kit.kafka import LogWriter
    from services.kit.run import ServiceContext

LINGER_S = 0.1
"""How long readers wait for company of what came alone: nobody waits for the auditor's commits."""
OUTBOX_KEEP = timedelta(days=1)
"""How long what the auditor told stays in its outboxes."""

_LEASE = "surveillance"
_CONNECTIONS_MAX = 4


async def watch_markets(context: ServiceContext[AuditorSettings], writer: LogWriter) -> None:
    """Watch all markets until the context stops.

    Args:
        context: The auditor's process.
        writer: Its writer, started.

    Raises:
        StaleWriterError: if another process takes the lease; a restart waits for it again.
    """
    settings = context.settings
    schema = settings.schema_of("surveillance")
    await make_ready(settings.postgres_dsn, schema, MIGRATIONS)
    pool = await create_pool(settings.postgres_dsn, schema, max_size=_CONNECTIONS_MAX)
    context.on_close(pool.close)
    keeper = LeaseKeeper(pool, _LEASE, settings.auditor_holder, settings.auditor_lease_s)
    epoch = await context.take_lease(keeper)
    if epoch is None:
        return
    context.spawn(
        "surveillance-relay", OutboxRelay(pool, writer, keep=OUTBOX_KEEP).run(context.stop_event)
    )
    reader = LogReader(settings, TOPICS, linger_s=LINGER_S)
    context.on_close(reader.stop)
    store = PostgresWatchStore(pool, lease=_LEASE, epoch=epoch)
    await MarketWatch(store, reader, context.clock).run(context.stop_event)
