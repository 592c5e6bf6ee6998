"""Logins at the broker: what the exchange knows of them, and the broker that has them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from services.core.errors import Message
from services.gateway.adapters.queries import SQL
from services.gateway.adapters.status_topics import status_topic
from services.gateway.app.direct_logins import TOPIC_OF, user_of
from services.gateway.direct_login_ports import Known
from services.gateway.errors import BusyError, UnavailableError
from services.kit.errors import KitError, LogUnavailableError
from services.kit.log_access import LogAccess

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine
    from typing import Any, TypeVar

    from schemas.types import Role
    from services.gateway.direct_login_ports import Look, Work
    from services.kit.postgres import Conn, Pool
    from services.kit.settings import KitSettings

    _T = TypeVar("_T")

# Changes at a time in one gateway: each holds a connection while the broker is asked.
_CHANGES_MAX = 2
# Shorter than the 30 s after which the database ends a transaction that does nothing.
_BROKER_S_MAX = 20.0


class PostgresLoginBook:
    """What the exchange knows of logins, in the gateway's schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._changes = asyncio.Semaphore(_CHANGES_MAX)

    async def known(self, participant_id: str) -> Known:
        """Return what is known of a participant's login."""
        row = await self._pool.fetchrow(SQL.direct_access, participant_id)
        return Known() if row is None else Known(*row.values())

    async def allow(self, participant_id: str, by: str, *, is_allowed: bool) -> None:
        """Allow a participant a login, or no longer."""
        await self._pool.execute(SQL.allow_direct, participant_id, is_allowed, by)

    async def making(self, participant_id: str, by: str, work: Work) -> bool:
        """Note that a login is being made, do it, note that it is; ``False`` if it may not be.

        Raises:
            BusyError: if it is being changed already.
        """
        async with self._changes, self._pool.acquire() as conn:
            async with conn.transaction():
                if not await _may(conn, participant_id):
                    return False
                await conn.execute(SQL.begin_direct_login, participant_id, by)
            async with conn.transaction():
                # Whoever was suspended in between has nothing made.
                if not await _may(conn, participant_id):
                    return False
                await work()
                await conn.execute(SQL.finish_direct_login, participant_id, by)
        return True

    async def ending(self, participant_id: str, work: Work, *, if_due: bool) -> None:
        """End a login and note it; with ``if_due`` only one that must not be.

        Raises:
            BusyError: if it is being changed already.
        """
        async with self._changes, self._pool.acquire() as conn, conn.transaction():
            row = await _held(conn, participant_id)
            if if_due and (row is None or row["may"] or row["login"] == "none"):
                return
            await work()
            await conn.execute(SQL.end_direct_login, participant_id)

    async def unnoted(self, logins: Collection[str]) -> list[str]:
        """Return the participants among these of whose login nothing is known."""
        rows = await self._pool.fetch(SQL.direct_logins_unnoted, list(logins))
        return [row["participant_id"] for row in rows]

    async def noting(self, participant_id: str, by: str, look: Look) -> None:
        """Note a login that is there, if ``look`` still finds it: whoever made it allowed it.

        Raises:
            BusyError: if it is being changed already.
        """
        async with self._changes, self._pool.acquire() as conn, conn.transaction():
            await conn.execute(SQL.note_direct_access, participant_id, by)
            row = await _held(conn, participant_id)
            if row is not None and row["login"] == "none" and await look():
                await conn.execute(SQL.finish_direct_login, participant_id, by)

    async def due(self) -> list[str]:
        """Return some of those who have a login and may not: suspended, or not allowed."""
        return [row["participant_id"] for row in await self._pool.fetch(SQL.direct_logins_due)]


async def _may(conn: Conn, participant_id: str) -> bool:
    row = await _held(conn, participant_id)
    return row is not None and bool(row["may"])


async def _held(conn: Conn, participant_id: str) -> asyncpg.Record | None:
    """Return what is known, and let nobody else change it until the transaction is over."""
    try:
        return await conn.fetchrow(SQL.hold_direct_login, participant_id)
    except asyncpg.LockNotAvailableError as error:
        raise BusyError(
            "direct.login_busy",
            Message(
                "login: must not be under change, was; ask again in a moment",
                "登录凭据：正在更改，请稍后重试",
            ),
            field="login",
            value="under change",
            allowed="not under change",
        ) from error


class BrokerLogins:
    """Logins of participants at the broker, and of nobody else.

    Args:
        settings: The broker, as whoever may change logins reaches it.
    """

    def __init__(self, settings: KitSettings) -> None:
        self._prefix = settings.topic_prefix
        self._settings = settings
        self._made: LogAccess | None = None

    @property
    def _access(self) -> LogAccess:
        # Its client has threads of its own, so it is made when it is needed, and once.
        if self._made is None:
            self._made = LogAccess(self._settings, users_from=user_of(self._prefix, ""))
        return self._made

    async def has_login(self, participant_id: str) -> bool:
        """Return whether the broker would take a password of it.

        Raises:
            UnavailableError: if the broker refused or did not answer.
        """
        return await _asked(self._access.can_log_in(user_of(self._prefix, participant_id)))

    async def logins(self) -> set[str]:
        """Return the participants of which the broker would take a password.

        Raises:
            UnavailableError: if the broker refused or did not answer.
        """
        begin = user_of(self._prefix, "")
        return {user.removeprefix(begin) for user in await _asked(self._access.logins(begin))}

    async def make(self, participant_id: str, role: Role, password: str) -> None:
        """Let it log in by this password alone, to write its topic and read its answers.

        Raises:
            UnavailableError: if the broker refused or did not answer.
        """
        rights = [("write", TOPIC_OF[role]), ("read", status_topic(participant_id))]
        await _asked(self._access.grant(user_of(self._prefix, participant_id), password, rights))

    async def end(self, participant_id: str) -> bool:
        """Take its rights and its password; return whether it had any.

        Raises:
            UnavailableError: if the broker refused or did not answer.
        """
        return await _asked(self._access.revoke(user_of(self._prefix, participant_id)))


async def _asked(asked: Coroutine[Any, Any, _T]) -> _T:
    try:
        async with asyncio.timeout(_BROKER_S_MAX):
            return await asked
    except TimeoutError as error:
        late = LogUnavailableError("the broker", "no answer", _BROKER_S_MAX)
        raise _unavailable(late) from error
    except KitError as error:
        raise _unavailable(error) from error


def _unavailable(error: KitError) -> UnavailableError:
    return UnavailableError(
        "direct.broker",
        Message(
            f"the broker did not change or show logins: {error.message.en}",
            f"消息系统未能更改或显示登录凭据：{error.message.zh}",
        ),
        field=error.field,
        value=error.value,
        allowed=error.allowed,
    )
