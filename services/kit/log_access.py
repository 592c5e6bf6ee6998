"""Who may log in to the broker, and what they may do there: SCRAM credentials, ACLs, topics.

By confluent-kafka's admin client, since aiokafka's has no such calls. The caller of these needs
the broker's rights to alter the cluster; a service that only reads and writes does not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from services.core.errors import Message
from services.kit.errors import KitError, LogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from concurrent.futures import Future

    from services.kit.settings import KitSettings

_REQUEST_S_MAX = 10.0
# The controller has it when it answers; brokers learn it a moment later.
_VISIBLE_TRIES, _VISIBLE_POLL_S = 100, 0.05
_MECHANISM = ScramMechanism.SCRAM_SHA_512
# Kafka's own default. More guard passwords that people choose; ours are 256 random bits.
_ITERATIONS = 4096
_ANY_HOST = "*"
_OPERATION_OF = {"write": AclOperation.WRITE, "read": AclOperation.READ}
_Filter: Any = AclBindingFilter
_ADMINISTERS = (AclOperation.ALTER, AclOperation.DESCRIBE)
"""What it takes to change users and rights, and to see them, of the cluster."""
_CLUSTER = "kafka-cluster"
_NAME_OF = {operation: name for name, operation in _OPERATION_OF.items()}


class AccessRefusedError(KitError):
    """The broker refused to change who may do what."""

    def __init__(self, what: str, reason: str) -> None:
        """Name what was wanted and what the broker said."""
        super().__init__(
            "kit.access_refused",
            Message(
                f"{what}: must be allowed by the broker, was refused: {reason}",
                f"{what}：被 Kafka 拒绝：{reason}",
            ),
            field=what,
            value=reason,
            allowed="an administrator of a broker with SASL and an authorizer",
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user may do.

    Attributes:
        user: Name that it logs in with.
        rights: (``read`` or ``write``, topic without prefix), sorted.
        can_log_in: Whether there is a credential.
    """

    user: str
    rights: tuple[tuple[str, str], ...]
    can_log_in: bool


class LogAccess:
    """Administers users of the broker; every call may be repeated.

    Args:
        settings: Where the broker is; the topic prefix is put before every topic.
        users_from: No user is touched whose name begins otherwise.
    """

    def __init__(self, settings: KitSettings, *, users_from: str = "") -> None:
        self._prefix = settings.topic_prefix
        self._users_from = users_from
        # Its own types are narrower than what it takes; what comes out is typed below.
        self._admin: Any = AdminClient(_options(settings))

    async def ensure_topics(self, topics: Iterable[str], config: Mapping[str, str]) -> None:
        """Create topics of one partition that are missing.

        Raises:
            AccessRefusedError: if the broker refused one.
            LogUnavailableError: if it did not answer.
        """
        wanted = [
            NewTopic(f"{self._prefix}{topic}", num_partitions=1, config=dict(config))
            for topic in topics
        ]
        if not wanted:
            return
        asked = self._admin.create_topics(wanted, request_timeout=_REQUEST_S_MAX)
        for topic, future in asked.items():
            await self._done(f"topic {topic}", future, passing=(KafkaError.TOPIC_ALREADY_EXISTS,))

    async def grant(self, user: str, password: str, rights: Collection[tuple[str, str]]) -> None:
        """Let a user log in by a password and have these rights, and no others.

        Args:
            user: Name of the user.
            password: A new password; one from before no longer opens a connection.
            rights: (``read`` or ``write``, topic without prefix).

        Raises:
            AccessRefusedError: if the broker refused.
            LogUnavailableError: if it did not answer.
        """
        await self._let(user, password, [self._binding(user, *right) for right in rights])

    async def make_administrator(self, user: str, password: str) -> None:
        """Let a user log in by a password and change who may do what, and nothing else.

        Raises:
            AccessRefusedError: if the broker refused.
            LogUnavailableError: if it did not answer.
        """
        await self._let(user, password, [_on_cluster(user, one) for one in _ADMINISTERS])

    async def _let(self, user: str, password: str, wanted: list[AclBinding]) -> None:
        self._require_ours(user)
        await self._require_administrator()
        granted = self._admin.create_acls(wanted, request_timeout=_REQUEST_S_MAX)
        for future in granted.values():
            await self._done(f"rights of {user}", future)
        excess = [found for found in await self._bindings(user) if found not in wanted]
        await self._forbid(user, excess)
        upsertion = UserScramCredentialUpsertion(
            user, ScramCredentialInfo(_MECHANISM, _ITERATIONS), password.encode()
        )
        await self._alter(user, upsertion)
        await self._until_listed(user, listed=True)

    async def revoke(self, user: str) -> bool:
        """Take all rights of a user and its credential; return whether there was any.

        Rights end at once, also on connections that are open.

        Raises:
            AccessRefusedError: if the broker refused.
            LogUnavailableError: if it did not answer.
        """
        self._require_ours(user)
        await self._require_administrator()
        found = await self._bindings(user)
        await self._forbid(user, found)
        known = user in await self._users()
        if known:
            deletion = UserScramCredentialDeletion(user, _MECHANISM)
            # Listed by a broker behind its controller, which has deleted it already.
            await self._alter(user, deletion, passing=(KafkaError.RESOURCE_NOT_FOUND,))
            await self._until_listed(user, listed=False)
        return known or bool(found)

    async def can_log_in(self, user: str) -> bool:
        """Return whether there is a password of a user.

        Raises:
            AccessRefusedError: if the broker refused.
            LogUnavailableError: if it did not answer.
        """
        await self._require_administrator()
        return user in await self._users([user])

    async def logins(self, user_prefix: str) -> set[str]:
        """Return the users whose names begin so and who have a password.

        Raises:
            AccessRefusedError: if the broker refused.
            LogUnavailableError: if it did not answer.
        """
        await self._require_administrator()
        return {user for user in await self._users() if user.startswith(user_prefix)}

    async def grants(self, user_prefix: str) -> list[Grant]:
        """Return the users whose names begin so, with what they may do.

        Raises:
            AccessRefusedError: if the broker refused.
            LogUnavailableError: if it did not answer.
        """
        users = await self.logins(user_prefix)
        bindings = await self._bindings(None)
        rights: dict[str, list[tuple[str, str]]] = {user: [] for user in users}
        for found in bindings:
            user = found.principal.removeprefix("User:")
            if user.startswith(user_prefix) and found.operation in _NAME_OF:
                right = (_NAME_OF[found.operation], found.name.removeprefix(self._prefix))
                rights.setdefault(user, []).append(right)
        return [
            Grant(user, tuple(sorted(rights[user])), can_log_in=user in users)
            for user in sorted(rights)
        ]

    def _require_ours(self, user: str) -> None:
        if not user.startswith(self._users_from):
            raise AccessRefusedError(f"user {user}", f"no user that begins {self._users_from}")

    async def _require_administrator(self) -> None:
        # Without these rights the lists below are empty, and librdkafka 2.16 aborts the process
        # when it is refused the list of users.
        asked = self._admin.describe_cluster(
            include_authorized_operations=True, request_timeout=_REQUEST_S_MAX
        )
        found = await self._done("cluster", asked)
        may = set(found.authorized_operations or ())
        if not set(_ADMINISTERS) <= may:
            raise AccessRefusedError("users and rights", "this user may not alter the cluster")

    async def _done(self, what: str, future: Future[Any], passing: Collection[int] = ()) -> Any:  # noqa: ANN401
        try:
            return await asyncio.wrap_future(future)
        except KafkaException as error:
            reason = error.args[0]
            if reason.code() in passing:
                return None
            if reason.code() < 0 or reason.retriable():
                # Below zero are the client's own: no connection, no answer in time.
                raise LogUnavailableError("broker", reason.str(), _REQUEST_S_MAX) from error
            # Some brokers put the whole request into the text.
            raise AccessRefusedError(what, f"{reason.name()}: {reason.str()[:120]}") from error

    def _binding(self, user: str, right: str, topic: str) -> AclBinding:
        return AclBinding(
            ResourceType.TOPIC,
            f"{self._prefix}{topic}",
            ResourcePatternType.LITERAL,
            f"User:{user}",
            _ANY_HOST,
            _OPERATION_OF[right],
            AclPermissionType.ALLOW,
        )

    async def _bindings(self, user: str | None) -> list[AclBinding]:
        wanted = _Filter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            None if user is None else f"User:{user}",
            None,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        asked = self._admin.describe_acls(wanted, request_timeout=_REQUEST_S_MAX)
        return list(await self._done("rights", asked))

    async def _forbid(self, user: str, found: Collection[AclBinding]) -> None:
        if not found:
            return
        filters = [
            _Filter(
                one.restype,
                one.name,
                one.resource_pattern_type,
                one.principal,
                one.host,
                one.operation,
                one.permission_type,
            )
            for one in found
        ]
        asked = self._admin.delete_acls(filters, request_timeout=_REQUEST_S_MAX)
        for future in asked.values():
            await self._done(f"rights of {user}", future)

    async def _users(self, some: list[str] | None = None) -> set[str]:
        asked = self._admin.describe_user_scram_credentials(some, request_timeout=_REQUEST_S_MAX)
        if some is None:
            return set(await self._done("users", asked))
        absent = (KafkaError.RESOURCE_NOT_FOUND,)
        return {user for user in some if await self._done(f"user {user}", asked[user], absent)}

    async def _until_listed(self, user: str, *, listed: bool) -> None:
        for _ in range(_VISIBLE_TRIES):
            if (user in await self._users()) is listed:
                return
            await asyncio.sleep(_VISIBLE_POLL_S)

    async def _alter(self, user: str, change: Any, passing: Collection[int] = ()) -> None:  # noqa: ANN401
        asked = self._admin.alter_user_scram_credentials([change], request_timeout=_REQUEST_S_MAX)
        await self._done(f"user {user}", asked[user], passing)


def _on_cluster(user: str, operation: AclOperation) -> AclBinding:
    return AclBinding(
        ResourceType.BROKER,
        _CLUSTER,
        ResourcePatternType.LITERAL,
        f"User:{user}",
        _ANY_HOST,
        operation,
        AclPermissionType.ALLOW,
    )


def _options(settings: KitSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "security.protocol": settings.kafka_security.upper(),
        # Its lines would stand among ours; the error of the call tells the same.
        "log_level": 0,
        # A wrong password is not tried a hundred times a second.
        "reconnect.backoff.ms": 1_000,
    }
    if settings.kafka_security != "plaintext":
        options |= {
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": settings.kafka_user,
            "sasl.password": settings.kafka_password.get_secret_value(),
        }
    if settings.kafka_security == "sasl_ssl" and settings.kafka_ca_file is not None:
        options["ssl.ca.location"] = str(settings.kafka_ca_file)
    return options
