"""How a participant logs in to the broker, and what the exchange answers there."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict

from suanli.errors import FieldError, SuanliError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suanli.operations import Json

NAMES: Final = {
    "bootstrap": "SUANLI_DIRECT_BOOTSTRAP",
    "user": "SUANLI_DIRECT_USER",
    "password": "SUANLI_DIRECT_PASSWORD",
    "topic": "SUANLI_DIRECT_TOPIC",
    "status_topic": "SUANLI_DIRECT_STATUS_TOPIC",
}
"""Part of `DirectAccess` -> environment variable, as the operator's grant prints them."""
_SECURITIES: Final = ("SASL_SSL", "SASL_PLAINTEXT")
_REQUEST_MS: Final = 8_000


class DirectReceipt(TypedDict):
    """Where an order is on the log; the API's receipt."""

    order_id: str
    event_id: str
    topic: str
    partition: int
    offset: int
    sha256: str
    recorded_at: str
    market_id: str
    key_id: str | None
    signature: str | None


class DirectError(FieldError):
    """The broker did not do what was asked."""


class UnansweredError(DirectError):
    """It is not known what became of a record; the same key may be sent again."""


class RefusedError(SuanliError):
    """The exchange refused a record.

    Attributes:
        code: Stable code, such as ``direct.expired``.
        en: Why, in English.
        zh: Why, in Chinese.
        field: The offending field.
        value: Its value.
        allowed: What would do.
    """

    def __init__(self, answer: Json) -> None:
        """Keep what the answer says; the text is in both languages."""
        reason = answer.get("reason") or {}
        self.code = str(reason.get("code", ""))
        self.en = str(reason.get("en", ""))
        self.zh = str(reason.get("zh", ""))
        self.field = str(answer.get("field", ""))
        self.value = str(answer.get("value", ""))
        self.allowed = str(answer.get("allowed", ""))
        super().__init__(f"{self.en} [{self.code}]\n{self.zh}")

    def problem(self) -> Json:
        """Return the refusal as the API would put it."""
        row = {
            "field": self.field,
            "value": self.value,
            "allowed": self.allowed,
            "en": self.en,
            "zh": self.zh,
        }
        return {"code": self.code, "detail": self.en, "errors": [row]}


@dataclass(frozen=True, slots=True)
class DirectAccess:
    """What the operator's grant tells a participant.

    Attributes:
        bootstrap: Address of the broker, ``host:port``, several separated by commas.
        user: Name to log in with.
        password: Password.
        topic: Full name of the topic to write to.
        status_topic: Full name of the topic on which it is answered.
        security: ``SASL_SSL``, or ``SASL_PLAINTEXT`` on your own machine; empty chooses so.
        ca_file: PEM of the authorities that vouch for the broker; the system's if ``None``.
    """

    bootstrap: str
    user: str
    password: str = field(repr=False)
    topic: str
    status_topic: str
    security: str = ""
    ca_file: Path | None = None

    @classmethod
    def of(cls, values: Mapping[str, str] | None = None) -> Self:
        """Return the access in variables, those of the environment by default.

        Raises:
            DirectError: naming a variable that is absent or wrong.
        """
        found = os.environ if values is None else values
        for name in NAMES.values():
            if not found.get(name):
                raise DirectError(name, "absent", ("set as the grant says", "按授权所示设置"))
        security = found.get("SUANLI_DIRECT_SECURITY", "").upper()
        if security and security not in _SECURITIES:
            listed = " / ".join(_SECURITIES)
            raise DirectError("SUANLI_DIRECT_SECURITY", security, (listed, listed))
        ca_file = found.get("SUANLI_DIRECT_CA_FILE")
        return cls(
            **{part: found[name] for part, name in NAMES.items()},
            security=security,
            ca_file=Path(ca_file) if ca_file else None,
        )

    @property
    def participant_id(self) -> str:
        """Return who logs in: the user's name after its last dot."""
        return self.user.rpartition(".")[2]

    @property
    def direct_topic(self) -> str:
        """Return the topic without the exchange's prefix, as it is signed.

        Raises:
            DirectError: if it is none of them.
        """
        for name in ("offers.direct", "demand.direct"):
            if self.topic.endswith(name):
                return name
        allowed = ("a topic of signed records, as the grant says", "授权所示的签名记录主题")
        raise DirectError(NAMES["topic"], self.topic, allowed)

    def options(self) -> dict[str, Any]:
        """Return what aiokafka's clients are told.

        Raises:
            ModuleNotFoundError: if aiokafka is not installed.
        """
        from aiokafka.helpers import create_ssl_context  # noqa: PLC0415 - an extra

        servers = [one.strip() for one in self.bootstrap.split(",")]
        near = all(_is_loopback(one.rpartition(":")[0]) for one in servers)
        security = self.security or ("SASL_PLAINTEXT" if near else "SASL_SSL")
        options: dict[str, Any] = {
            "bootstrap_servers": servers,
            "security_protocol": security,
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
            "request_timeout_ms": _REQUEST_MS,
        }
        if security == "SASL_SSL":
            ca_file = None if self.ca_file is None else str(self.ca_file)
            options["ssl_context"] = create_ssl_context(cafile=ca_file)
        return options


async def why_not(access: DirectAccess) -> DirectError:
    """Return why the broker lets nobody in: aiokafka's clients keep that to their log."""
    from aiokafka.conn import create_conn  # noqa: PLC0415 - an extra
    from aiokafka.errors import (  # noqa: PLC0415
        AuthenticationFailedError,
        KafkaError,
        SaslAuthenticationFailed,
    )

    options = access.options()
    (first, *_) = options.pop("bootstrap_servers")
    host, _, port = first.rpartition(":")
    reached = (
        "the address of a broker with SCRAM that answers",
        "可连接且启用 SCRAM 的 Kafka 地址",
    )
    try:
        connection = await create_conn(host, int(port), **options)
        connection.close()
    except (AuthenticationFailedError, SaslAuthenticationFailed):
        allowed = (
            "let in with the password of the latest grant",
            "最近一次授权的密码可登录的用户",
        )
        return DirectError(NAMES["user"], access.user, allowed)
    except (KafkaError, OSError, ValueError, TimeoutError) as error:
        found = f"{access.bootstrap} ({type(error).__name__})"
        return DirectError(NAMES["bootstrap"], found, reached)
    return DirectError(NAMES["bootstrap"], access.bootstrap, reached)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
