"""Connections to Postgres whose search path is one service's schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import asyncpg
from pydantic import SecretStr

from services.kit.retry import retry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from asyncpg.pool import PoolConnectionProxy

    from services.kit.pgtypes import Pool

    Setup = Callable[[PoolConnectionProxy[asyncpg.Record]], Coroutine[Any, Any, None]]

# A plan is made with the sizes that tables have then, and kept with its statement. One that was
# made for an empty table reads all of it for each row that it looks for, a thousandfold later; the
# statistics that would end this come after a minute or more.
_PLANS_LIVE_S = 10
# For statements whose rows are few and all known by their keys there is one right plan, whatever
# the sizes: then it need not be made again, and cannot be made wrong.
_BY_KEYS = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}

_SCHEMA = re.compile(r"^[a-z_][a-z0-9_]{0,62}$")

# What a server says while it starts, restarts or is full.
CONNECT_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ConnectionDoesNotExistError,
)

# What a server that was lost or restarts makes of work under way; the same work may be tried
# again on a new connection. InternalClientError: the connection was cut inside an answer.
LOST_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


def quote_schema(schema: str) -> str:
    """Return a schema's name quoted for SQL; only plain lower-case names are taken."""
    assert _SCHEMA.match(schema), f"schema must match {_SCHEMA.pattern}, was {schema!r}"
    return f'"{schema}"'


async def create_pool(
    dsn: str | SecretStr,
    schema: str,
    *,
    min_size: int = 1,
    max_size: int = 8,
    statement_timeout_s: float = 30.0,
    role: str | None = None,
    setup: Setup | None = None,
    plans_live_s: int | None = _PLANS_LIVE_S,
) -> Pool:
    """Return an open pool whose connections see only this schema.

    Args:
        dsn: Database.
        schema: Schema, prefix included; SQL then names its tables unqualified.
        min_size: Connections that are kept open.
        max_size: Connections at most.
        statement_timeout_s: Seconds after which the server cancels a statement.
        role: Role that connections act in; the login user's if not given.
        setup: Called with each connection that is taken from the pool.
        plans_live_s: Seconds after which a statement is planned anew; ``None`` where all that is
            asked for is found by its keys: no table is read whole then, and plans are kept.

    Raises:
        OSError: if the server cannot be reached within about 12 s.
        asyncpg.PostgresError: if it refuses the connection.
    """
    timeout_ms = str(round(statement_timeout_s * 1000))

    async def open_pool() -> Pool:
        return await asyncpg.create_pool(
            _plain(dsn),
            min_size=min_size,
            max_size=max_size,
            # A little later than the server's own, which gives the better message.
            command_timeout=statement_timeout_s + 5,
            # 0: for ever.
            max_cached_statement_lifetime=plans_live_s or 0,
            setup=setup,
            reset=None if setup is not None else _leave,
            server_settings=_server_settings(schema)
            | ({} if role is None else {"role": role})
            | (_BY_KEYS if plans_live_s is None else {})
            | {
                "statement_timeout": timeout_ms,
                # A writer that hangs inside a transaction must not block the next holder.
                "idle_in_transaction_session_timeout": timeout_ms,
            },
        )

    return await retry(open_pool, on=CONNECT_ERRORS)


async def _leave(_conn: asyncpg.Connection[asyncpg.Record]) -> None:
    """Leave a connection that comes back to the pool as it is.

    An open transaction is rolled back before this; beyond its transaction no statement of ours
    sets anything. To reset it nevertheless would cost every use a second round trip.
    """


async def connect(dsn: str | SecretStr, schema: str) -> asyncpg.Connection[asyncpg.Record]:
    """Return one connection without a statement timeout, for migrations and tools."""

    async def open_connection() -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(_plain(dsn), server_settings=_server_settings(schema))

    return await retry(open_connection, on=CONNECT_ERRORS)


def _server_settings(schema: str) -> dict[str, str]:
    return {
        "search_path": quote_schema(schema),
        "application_name": schema,
        # Our statements are short; compiling them costs more than it saves.
        "jit": "off",
        "timezone": "UTC",
    }


def _plain(dsn: str | SecretStr) -> str:
    return dsn.get_secret_value() if isinstance(dsn, SecretStr) else dsn
