"""Matching as a process: ``python -m services.matching.main``, one market each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from services.kit.crash import RelayWriter
from services.kit.kafka import LogWriter
from services.kit.postgres import LeaseKeeper, OutboxRelay, create_pool, make_ready
from services.kit.run import ServiceContext, run_service
from services.kit.settings import load
from services.matching.adapters.kafka import open_reader
from services.matching.adapters.postgres import MIGRATIONS, PostgresStore
from services.matching.adapters.solver import ChildSolver
from services.matching.app.desk import Desk
from services.matching.app.intake import TOPICS
from services.matching.app.loop import Matching, Ports
from services.matching.crash import crash_point
from services.matching.settings import MatchingSettings

if TYPE_CHECKING:
    from services.kit.postgres import Pool

# Intake, relay, lease and a spare one.
_CONNECTIONS_MAX = 5


async def run(context: ServiceContext[MatchingSettings]) -> None:
    """Clear one market until the context stops; the lease decides which process does.

    Raises:
        StaleWriterError: if another process takes the lease; a restart waits for it again.
    """
    context.ready("market", ready=False)
    matching = await open_matching(context)
    if matching is None or not await matching.start(context.stop_event):
        return
    context.ready("market", ready=True)
    await matching.run(context.stop_event)


async def open_matching(context: ServiceContext[MatchingSettings]) -> Matching | None:
    """Take the lease and put the parts together; ``None`` if the context stopped before.

    The lease is renewed and the outbox relayed by tasks of the context.
    """
    settings = context.settings
    market_id = settings.matching_market
    schema = settings.schema_of(settings.matching_schema)
    await make_ready(settings.postgres_dsn, schema, MIGRATIONS)
    pool = await create_pool(settings.postgres_dsn, schema, max_size=_CONNECTIONS_MAX)
    context.on_close(pool.close)
    lease = f"market:{market_id}"
    keeper = LeaseKeeper(pool, lease, settings.matching_holder, settings.matching_lease_s)
    epoch = await context.take_lease(keeper)
    if epoch is None:
        return None
    relay = await _relay(context, pool)
    store = PostgresStore(
        pool,
        market_id=market_id,
        lease=lease,
        epoch=epoch,
        keep=timedelta(hours=settings.matching_outbox_keep_h),
    )
    solver = ChildSolver(
        solve_s=settings.matching_solve_s,
        check_s=settings.matching_check_s,
        memory_mib=settings.matching_memory_mib,
    )
    context.on_close(solver.close)
    own = settings.matching_market if settings.matching_partitions == "own" else None
    reader = await open_reader(settings, TOPICS, own)
    context.on_close(reader.stop)
    ports = Ports(
        store=store,
        log=reader,
        policies=await open_reader(settings, ("policies",), own),
        solver=solver,
        clock=context.clock,
        on_commit=relay.wake,
    )
    return Matching(
        Desk(market_id),
        ports,
        epoch=epoch,
        speed=settings.clock_speed if settings.clock_market_epoch else 1.0,
        batch_records=settings.matching_batch_records,
        is_stray_keeper=settings.matching_partitions == "all",
    )


async def _relay(context: ServiceContext[MatchingSettings], pool: Pool) -> OutboxRelay:
    writer = LogWriter(context.settings)
    await writer.start()
    context.on_close(writer.stop)
    relay = OutboxRelay(pool, RelayWriter(writer, crash_point))
    context.spawn("relay", relay.run(context.stop_event))
    return relay


def main() -> None:
    """Run until a signal; exit code 1 after a failure."""
    run_service("matching", run, load(MatchingSettings))


if __name__ == "__main__":
    main()
