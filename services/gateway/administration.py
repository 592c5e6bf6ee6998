"""The operator's acts at the server: ``suanli-exchange participants``, ``keys`` and ``policy``.

They go through the use cases of the API, on the same log and database, and into the same record of
acts, under the credential ``server-cli``. No gateway need be up: what one shows it reads from the
database, which is written here too, and what others read is on the log.
"""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from schemas.identity import KeyNew, Scope
from schemas.policies import PolicyNew
from schemas.standing import StandingNew
from schemas.types import Role
from services.core.errors import DomainError
from services.gateway.adapters.acts import PostgresActs
from services.gateway.adapters.credentials import PostgresCredentials
from services.gateway.adapters.http.problems import status_of
from services.gateway.adapters.intents import PostgresIntents
from services.gateway.adapters.kafka import KafkaLog
from services.gateway.adapters.postgres import (
    PostgresDirectory,
    PostgresMarkets,
    PostgresReports,
)
from services.gateway.app.exchange import ExchangeCommands
from services.gateway.app.keys import OPERATOR_ID, KeyCommands
from services.gateway.app.once import Once
from services.gateway.app.scopes import scopes_of
from services.gateway.app.standing import Standing
from services.gateway.errors import not_found
from services.gateway.identity_ports import Act
from services.gateway.ports import Principal
from services.kit.clock import make_clock
from services.kit.kafka import LogWriter
from services.kit.postgres import create_pool
from services.kit.telemetry import make_traceparent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from schemas.api import ParticipantCreated, ParticipantNew, ParticipantView, Receipt
    from schemas.base import Model
    from schemas.identity import KeyCreated, KeyView
    from schemas.policies import MarketPolicySet, PolicyRule, PolicyView
    from schemas.standing import Status
    from services.kit.postgres import Pool
    from services.kit.settings import KitSettings

ResultT = TypeVar("ResultT")
CREDENTIAL = "server-cli"
_OPERATOR = Principal(OPERATOR_ID, Role.OPERATOR, CREDENTIAL, scopes=scopes_of(Role.OPERATOR))
_PAGE = 500
_SEND_S_MAX = 8.0
_DONE_STATUS = 200


class Administration:
    """What the operator does at the server.

    Args:
        settings: Where log and database are.
        pool: Pool of the gateway's schema.
        writer: Started writer of the log.
    """

    def __init__(self, settings: KitSettings, pool: Pool, writer: LogWriter) -> None:
        self._directory = PostgresDirectory(pool)
        self._acts = PostgresActs(pool)
        self._keys = KeyCommands(self._directory, PostgresCredentials(pool))
        log, clock, markets = KafkaLog(writer), make_clock(settings), PostgresMarkets(pool)
        self._exchange = ExchangeCommands(
            log,
            Once(log, PostgresIntents(pool), None),
            self._directory,
            self._keys,
            markets,
            PostgresReports(pool, None),
            clock,
            None,
        )
        self._markets = markets
        self._standing = Standing(log, self._directory, markets, clock, None)

    async def add(self, new: ParticipantNew) -> ParticipantCreated:
        """Admit a participant, as `ExchangeCommands.register` does."""
        work = self._exchange.register(_OPERATOR, new, make_traceparent())
        return await self._recorded("register", f"participants/{new.participant_id}", new, work)

    async def participants(self) -> list[ParticipantView]:
        """Return all participants in the order of their ids."""
        found: list[ParticipantView] = []
        after: str | None = None
        while page := await self._directory.participants(after=after, limit=_PAGE):
            found += page
            after = page[-1].participant_id
        return found

    async def set_standing(self, participant_id: str, status: Status, reason: str) -> Receipt:
        """Suspend a participant or let it trade again, as `Standing.set` does."""
        new = StandingNew(status=status, reason=reason)
        work = self._standing.set(_OPERATOR, participant_id, new, make_traceparent())
        where = f"participants/{participant_id}/standing"
        return await self._recorded("set_standing", where, new, work)

    async def add_key(self, participant_id: str, wanted: KeyNew) -> KeyCreated:
        """Make a further key of a participant, as `KeyCommands.add` does."""
        work = self._keys.add(_OPERATOR, participant_id, wanted)
        return await self._recorded("add_key", f"participants/{participant_id}/keys", wanted, work)

    async def keys(self, participant_id: str) -> list[KeyView]:
        """Return a participant's keys without their secrets."""
        return await self._keys.list(_OPERATOR, participant_id)

    async def revoke_key(self, participant_id: str, key_id: str) -> KeyView:
        """Revoke a key for good, as `KeyCommands.revoke` does."""
        work = self._keys.revoke(_OPERATOR, participant_id, key_id)
        where = f"participants/{participant_id}/keys/{key_id}"
        return await self._recorded("revoke_key", where, None, work)

    async def policies(self, market_id: str | None) -> list[PolicyView]:
        """Return every version of every policy, of one market or of all."""
        found: list[PolicyView] = []
        after: tuple[str, int] | None = None
        while page := await self._markets.policies(
            market_id=market_id, after=after, limit=_PAGE, state=None, where=None
        ):
            found += page
            last = page[-1].policy
            after = f"{last.market_id}/{last.policy_id}", last.version
        return found

    async def set_policy(
        self,
        regulator: str,
        market_id: str,
        policy_id: str,
        *,
        rule: PolicyRule | None,
        reason: str,
        from_round: int | None,
    ) -> MarketPolicySet:
        """Set the next version of a policy, as `ExchangeCommands.set_policy` does.

        Rules are a regulator's: it is set in the name of one, and the record of acts says that the
        server did it.

        Raises:
            NotFoundError: if there is no such regulator, or no such market.
        """
        view = await self._directory.participant(regulator)
        if view is None or view.role is not Role.REGULATOR:
            raise not_found("regulator", regulator)
        known, _ = await self._markets.all_policies(market_id)
        version = 1 + max((one.version for one in known if one.policy_id == policy_id), default=0)
        new = PolicyNew(
            market_id=market_id,
            policy_id=policy_id,
            version=version,
            in_force_from_round=from_round,
            rule=rule,
            reason=reason,
        )
        principal = Principal(regulator, Role.REGULATOR, CREDENTIAL)
        work = self._exchange.set_policy(principal, new, make_traceparent())
        await self._recorded("set_policy", "policies", new, work)
        known, _ = await self._markets.all_policies(market_id)
        return next(one for one in known if (one.policy_id, one.version) == (policy_id, version))

    async def _recorded(
        self, act: str, where: str, body: Model | None, work: Awaitable[ResultT]
    ) -> ResultT:
        """Do an act that is in the record before it is done, and then how it ended."""
        digest = None
        if body is not None:
            digest = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
        number = await self._acts.begin(Act(_OPERATOR, Scope.ADMIN, act, where, digest))
        try:
            done = await work
        except DomainError as error:
            await self._acts.end(number, status_of(error).value)
            raise
        await self._acts.end(number, _DONE_STATUS)
        return done


@asynccontextmanager
async def administering(settings: KitSettings) -> AsyncIterator[Administration]:
    """Connect to log and database for the length of the block.

    Raises:
        KitError: if the log cannot be reached.
        OSError: if the database cannot.
    """
    pool = await create_pool(settings.postgres_dsn, settings.schema_of("gateway"), max_size=2)
    try:
        writer = LogWriter(settings, send_s_max=_SEND_S_MAX)
        await writer.start()
        try:
            yield Administration(settings, pool, writer)
        finally:
            await writer.stop()
    finally:
        await pool.close()
