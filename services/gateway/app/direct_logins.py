"""Logins at the broker: allowed by the operator, made and ended by the participant itself.

The broker has the logins, and the database who may have one. A making is noted before the broker
is asked and again when it has answered, so that whatever breaks in between leaves a login that
somebody knows of. Whoever may have none any longer loses it within seconds, whichever gateway was
told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.direct_logins import DirectLoginCreated, DirectLoginView
from schemas.types import Role
from services.core.errors import Message
from services.gateway.app.direct import STATUS_TOPIC
from services.gateway.app.keys import OPERATOR_ID, require_admin_of
from services.gateway.app.rights import require_role
from services.gateway.errors import BusyError, ConflictError, UnavailableError, not_found

if TYPE_CHECKING:
    from schemas.api import ParticipantView
    from schemas.direct_logins import DirectAccessSet, LoginState
    from services.gateway.direct_login_ports import Broker, Known, LoginBook
    from services.gateway.ports import Directory, Principal
    from services.gateway.signing_key_ports import Answerable

TOPIC_OF = {Role.PROVIDER: "offers.direct", Role.ENTERPRISE: "demand.direct"}
"""Where each role writes its signed records."""
_USER_PART = "direct."
_PASSWORD_BYTES = 32
# A page is shown without it rather than late.
_LOOK_S_MAX = 3.0
# What a suspended participant writes is refused from the first moment; its login goes soon after.
_SWEEP_EVERY_S = 5.0
# Sweeps from one look at all logins of the broker to the next: five minutes.
_LOOK_EVERY = 60


@dataclass(frozen=True, slots=True)
class Where:
    """Where participants find the broker.

    Attributes:
        brokers: ``host:port``, several separated by commas; empty if that is not told.
        topic_prefix: What the names of topics and users begin with.
    """

    brokers: str
    topic_prefix: str


def user_of(topic_prefix: str, participant_id: str) -> str:
    """Return the name that a participant logs in to the broker with."""
    # An id holds no dot, so no participant can be named like a user of the exchange.
    return f"{topic_prefix}{_USER_PART}{participant_id}"


def new_password() -> str:
    """Return a password that nobody can guess."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


class DirectLogins:
    """Logins of participants at the broker.

    Args:
        directory: Participants.
        book: What the exchange knows of logins.
        broker: What has them; ``None`` if this gateway may not change them.
        answerable: Topics on which participants are answered.
        where: Where participants find the broker.
    """

    def __init__(
        self,
        directory: Directory,
        book: LoginBook,
        broker: Broker | None,
        answerable: Answerable,
        where: Where,
    ) -> None:
        self._directory = directory
        self._book = book
        self._broker = broker
        self._answerable = answerable
        self._where = where

    async def show(self, principal: Principal, participant_id: str) -> DirectLoginView:
        """Return a participant's login, without its password, which nobody has.

        Raises:
            NotFoundError: if there is no such participant that trades, or it is another one's.
        """
        return await self._view(await self._trader(principal, participant_id))

    async def allow(
        self, principal: Principal, participant_id: str, wanted: DirectAccessSet
    ) -> DirectLoginView:
        """Allow a participant a login, or no longer, which ends the one that it has.

        Raises:
            ForbiddenError: if the caller is not the operator.
            NotFoundError: if there is no such participant that trades.
        """
        require_role(principal, Role.OPERATOR)
        who = await self._trader(principal, participant_id)
        await self._book.allow(
            participant_id, principal.key_id, is_allowed=wanted.access == "allowed"
        )
        if wanted.access == "withheld":
            # The sweep does it, if this does not.
            with contextlib.suppress(UnavailableError, BusyError):
                await self._end(participant_id, if_due=True)
        return await self._view(who)

    async def make(self, principal: Principal, participant_id: str) -> DirectLoginCreated:
        """Make a participant's login, or a new password for it; the old one opens nothing more.

        Raises:
            NotFoundError: if there is no such participant that trades, or it is another one's.
            ForbiddenError: if the caller is suspended.
            ConflictError: if this gateway may not change logins, or the participant may have none.
            BusyError: if the login is being changed already.
            UnavailableError: if the broker did not do it; to ask again is harmless.
        """
        who = await self._trader(principal, participant_id)
        require_role(principal, Role.PROVIDER, Role.ENTERPRISE, Role.OPERATOR)
        broker = self._broker
        if broker is None:
            raise _not_here(participant_id)
        if not (await self._book.known(participant_id)).is_allowed:
            raise _not_allowed(participant_id)
        # Before the login: who can write must be answerable.
        await self._answerable.ensure(participant_id)
        password = new_password()

        async def work() -> None:
            await broker.make(participant_id, who.role, password)

        if not await self._book.making(participant_id, principal.key_id, work):
            raise _not_allowed(participant_id)
        return DirectLoginCreated(login=await self._view(who, has_login=True), password=password)

    async def end(self, principal: Principal, participant_id: str) -> DirectLoginView:
        """End a participant's login; again, it stays ended.

        Raises:
            NotFoundError: if there is no such participant that trades, or it is another one's.
            ConflictError: if this gateway may not change logins.
            BusyError: if the login is being changed already.
            UnavailableError: if the broker did not do it; to ask again is harmless.
        """
        who = await self._trader(principal, participant_id)
        if self._broker is None:
            raise _not_here(participant_id)
        await self._end(participant_id, if_due=False)
        return await self._view(who, has_login=False)

    async def run(self, stop: asyncio.Event, store_errors: tuple[type[Exception], ...]) -> None:
        """End logins that must not be until ``stop`` is set; what fails is tried again."""
        sweeps = 0
        while self._broker is not None and not stop.is_set():
            with contextlib.suppress(UnavailableError, *store_errors):
                if sweeps % _LOOK_EVERY == 0:
                    await self.note()
                sweeps += 1
                await self.sweep()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_EVERY_S):
                    await stop.wait()

    async def note(self) -> None:
        """Note the logins that the broker has and nobody here knows of, so that a sweep sees them.

        They were granted at the server before there was a book of them.

        Raises:
            UnavailableError: if the broker refused or did not answer.
        """
        broker = self._broker
        if broker is None:
            return
        for participant_id in await self._book.unnoted(await broker.logins()):
            look = functools.partial(broker.has_login, participant_id)
            # Whoever changes it now notes it.
            with contextlib.suppress(BusyError):
                await self._book.noting(participant_id, OPERATOR_ID, look)

    async def sweep(self) -> None:
        """End the logins of whoever is suspended or not allowed any longer.

        Raises:
            UnavailableError: if the broker refused or did not answer.
        """
        for participant_id in await self._book.due():
            # Whoever changes it now was asked to, and is seen again by the next sweep.
            with contextlib.suppress(BusyError):
                await self._end(participant_id, if_due=True)

    async def _end(self, participant_id: str, *, if_due: bool) -> None:
        broker = self._broker
        if broker is None:
            return

        async def work() -> None:
            await broker.end(participant_id)

        await self._book.ending(participant_id, work, if_due=if_due)

    async def _trader(self, principal: Principal, participant_id: str) -> ParticipantView:
        found = await require_admin_of(self._directory, principal, participant_id)
        if found.role not in TOPIC_OF:
            raise not_found("participant_id", participant_id)
        return found

    async def _view(
        self, who: ParticipantView, *, has_login: bool | None = None
    ) -> DirectLoginView:
        participant_id, prefix = who.participant_id, self._where.topic_prefix
        known = await self._book.known(participant_id)
        if has_login is None:
            has_login = await self._has_login(participant_id)
        state = _state(known, has_login=has_login, is_ours=self._broker is not None)
        is_told = state in ("active", "unfinished") and known.login != "none"
        return DirectLoginView(
            participant_id=participant_id,
            allowed=known.is_allowed,
            self_service=self._broker is not None,
            state=state,
            changed_at=known.at if is_told else None,
            changed_by=known.by if is_told else None,
            brokers=self._where.brokers,
            user=user_of(prefix, participant_id),
            write_topic=f"{prefix}{TOPIC_OF[who.role]}",
            status_topic=f"{prefix}{STATUS_TOPIC}.{participant_id}",
        )

    async def _has_login(self, participant_id: str) -> bool | None:
        if self._broker is None:
            return None
        try:
            async with asyncio.timeout(_LOOK_S_MAX):
                return await self._broker.has_login(participant_id)
        except (TimeoutError, UnavailableError):
            return None


def _state(known: Known, *, has_login: bool | None, is_ours: bool) -> LoginState:
    if has_login is None:
        # Without a look at the broker: what was granted before there was a book is noted only by a
        # gateway that may look.
        return "unknown" if is_ours or known.login != "active" else "active"
    if not has_login:
        return "none"
    return "unfinished" if known.login == "making" else "active"


def _not_here(participant_id: str) -> ConflictError:
    command = f"suanli-exchange direct grant {participant_id}"
    return ConflictError(
        "direct.not_here",
        Message(
            "login: must be made by the operator at the server, since this gateway may not change "
            f"logins; the command is: {command}",
            f"登录凭据：本网关无权更改，须由运营方在服务器上建立，命令为：{command}",
        ),
        field="login",
        value="here",
        allowed=command,
    )


def _not_allowed(participant_id: str) -> ConflictError:
    return ConflictError(
        "direct.not_allowed",
        Message(
            "participant_id: must be active and allowed to write to the broker, was "
            f"{participant_id}; ask the operator",
            f"participant_id：须为有效且获准直连消息系统，实为 {participant_id}；请联系运营方",
        ),
        field="participant_id",
        value=participant_id,
        allowed="one that the operator allows it",
    )
