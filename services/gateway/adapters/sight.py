"""Whose eyes a request is read with: row-level security, set for each connection that it takes.

The gateway's own checks say first what a caller may see. If one of them is missing, the database
still shows the caller nothing that belongs to others.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from schemas.types import Role
from services.gateway.adapters.queries import SQL
from services.kit.logging import get_logger
from services.kit.postgres import connect, create_pool

if TYPE_CHECKING:
    from pydantic import SecretStr

    from services.gateway.ports import Principal
    from services.kit.postgres import Conn, Pool

# No participant's id is like these; the second only stands for a role here.
NOBODY = ""
EVERYBODY = "*"
_SEE_ALL = frozenset({Role.REGULATOR, Role.OPERATOR})
_sight: ContextVar[str] = ContextVar("sight", default=NOBODY)


def see_nothing() -> None:
    """Begin a request: until its caller is known, it sees what is public."""
    _sight.set(NOBODY)


def see_as(principal: Principal) -> None:
    """Read on with a caller's eyes."""
    # By the role and not by what the application makes of it, which this is to be a check on.
    _sight.set(EVERYBODY if principal.role in _SEE_ALL else principal.participant_id)


async def reader_pool(dsn: SecretStr, schema: str, *, max_size: int) -> Pool:
    """Return a pool whose connections read with the eyes of whoever takes them."""
    reader, overseer = f"{schema}_reader", f"{schema}_overseer"
    conn = await connect(dsn, schema)
    try:
        may = await conn.fetchval(SQL.may_set_role, reader)
    finally:
        await conn.close()
    if not may:
        get_logger("gateway").warning("no reader role, reading as the login user", role=reader)
        return await create_pool(dsn, schema, max_size=max_size)

    async def identify(conn: Conn) -> None:
        sight = _sight.get()
        if sight == EVERYBODY:
            await conn.execute(SQL.identify, overseer, NOBODY)
        else:
            await conn.execute(SQL.identify, reader, sight)

    return await create_pool(dsn, schema, max_size=max_size, role=reader, setup=identify)
