"""Postgres is the commit point: the one place that services import for it.

Connections (`create_pool`), `migrate`, SQL files (`Queries`), positions in the log
(`advance_all`), leases (`LeaseKeeper`, `assert_lease`) and the outbox (`append_outbox`,
`OutboxRelay`).
"""

from __future__ import annotations

from services.kit.leases import (
    LeaseKeeper,
    acquire_lease,
    assert_lease,
    lease_left_s,
    release_lease,
    renew_lease,
)
from services.kit.logins import make_ready
from services.kit.migrations import check_migrated, migrate
from services.kit.outbox import OutboxRelay, Relay, append_outbox, prune_outbox
from services.kit.pgconnect import LOST_ERRORS, connect, create_pool
from services.kit.pgtypes import Conn, Pool
from services.kit.queries import Queries
from services.kit.tables import (
    KIT_TABLES_SQL,
    advance,
    advance_all,
    claim_positions,
    load_positions,
)

__all__ = [
    "KIT_TABLES_SQL",
    "LOST_ERRORS",
    "Conn",
    "LeaseKeeper",
    "OutboxRelay",
    "Pool",
    "Queries",
    "Relay",
    "acquire_lease",
    "advance",
    "advance_all",
    "append_outbox",
    "assert_lease",
    "check_migrated",
    "claim_positions",
    "connect",
    "create_pool",
    "lease_left_s",
    "load_positions",
    "make_ready",
    "migrate",
    "prune_outbox",
    "release_lease",
    "renew_lease",
]
