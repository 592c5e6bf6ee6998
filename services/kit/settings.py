"""Settings from the environment, a ``.env`` file or a secrets folder; nothing else.

A service adds its own fields to a subclass of `KitSettings`; all share the prefix
``SUANLI_``, so that one environment configures a whole stack.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AwareDatetime, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kit.errors import SettingsError

ENV_PREFIX = "SUANLI_"
SECRETS_DIR_VARIABLE = "SUANLI_SECRETS_DIR"

# The longest prefix that leaves room for the longest schema name in Postgres's 63 bytes.
_SCHEMA_PREFIX = r"^([a-z_][a-z0-9_]{0,39})?$"
_TOPIC_PREFIX = r"^[A-Za-z0-9._-]{0,100}$"

SettingsT = TypeVar("SettingsT", bound="KitSettings")


class KitSettings(BaseSettings):
    """What every service needs to know; a subclass adds what is its own.

    Attributes:
        kafka_bootstrap: ``host:port``, several separated by commas.
        kafka_security: ``plaintext``, ``sasl_plaintext`` or ``sasl_ssl`` (SCRAM-SHA-512).
        kafka_user: SCRAM user, needed unless plaintext.
        kafka_password: SCRAM password, needed unless plaintext.
        kafka_ca_file: Certificate authority for ``sasl_ssl``; the system's if not given.
        postgres_dsn: ``postgresql://user:password@host:port/database``.
        topic_prefix: Put before every topic name, for example ``test7.``.
        schema_prefix: Put before every schema name, for example ``test7_``.
        log_format: ``auto`` is ``console`` on a terminal, else ``json``.
        log_level: Lowest level that is written.
        health_host: Address of the health server.
        health_port: Its port; 0 lets the system choose.
        state_file: JSON file that tells pid and ports once the service listens.
        shutdown_s: Seconds that a graceful stop may take before tasks are cancelled.
        clock_market_epoch: Market instant at ``clock_real_epoch``; none = the real clock.
        clock_real_epoch: Real instant at which the market clock showed its epoch.
        clock_speed: Market seconds per real second.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        # A variable that is set to nothing is not set; shells and compose files do that.
        env_ignore_empty=True,
        # One .env configures a whole stack; each service reads what it knows.
        extra="ignore",
        frozen=True,
        # A failed check must not print what was in a secret.
        hide_input_in_errors=True,
    )

    kafka_bootstrap: Annotated[str, Field(pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$")] = (
        "127.0.0.1:9092"
    )
    kafka_security: Literal["plaintext", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    kafka_user: Annotated[str, Field(max_length=200)] = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_ca_file: Path | None = None
    postgres_dsn: SecretStr = SecretStr("postgresql://postgres@127.0.0.1:5432/postgres")
    topic_prefix: Annotated[str, Field(pattern=_TOPIC_PREFIX)] = ""
    schema_prefix: Annotated[str, Field(pattern=_SCHEMA_PREFIX)] = ""
    log_format: Literal["json", "console", "auto"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Field(ge=0, le=65535)] = 0
    state_file: Path | None = None
    shutdown_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    clock_market_epoch: AwareDatetime | None = None
    clock_real_epoch: AwareDatetime | None = None
    # 86,400 lets a market day pass in a second; past that, rounds no longer end in time.
    clock_speed: Annotated[float, Field(gt=0, le=86_400)] = 1.0

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.clock_market_epoch is None) != (self.clock_real_epoch is None):
            raise ValueError("SUANLI_CLOCK_MARKET_EPOCH and SUANLI_CLOCK_REAL_EPOCH both or none")
        if self.kafka_security != "plaintext" and not (
            self.kafka_user and self.kafka_password.get_secret_value()
        ):
            raise ValueError("SUANLI_KAFKA_USER and SUANLI_KAFKA_PASSWORD set, for SASL")
        return self

    def schema_of(self, service: str) -> str:
        """Return the Postgres schema of a service, prefix included."""
        return f"{self.schema_prefix}{service}"


def read(cls: type[SettingsT], *, env_file: Path | str | None = ".env") -> SettingsT:
    """Return the settings of the environment.

    Args:
        cls: Settings class of the service.
        env_file: File of further variables, which the environment overrides.

    Raises:
        SettingsError: naming each offending variable, its value and what is allowed.
    """
    secrets_dir = os.environ.get(SECRETS_DIR_VARIABLE)
    if secrets_dir and not Path(secrets_dir).is_dir():
        raise SettingsError(((SECRETS_DIR_VARIABLE, secrets_dir, "an existing folder"),))
    # Only BaseSettings knows these two; the typed constructor of the plugin does not.
    options: dict[str, Any] = {"_env_file": env_file, "_secrets_dir": secrets_dir or None}
    try:
        return cls(**options)
    except ValidationError as error:
        raise SettingsError(tuple(_problem(cls, found) for found in error.errors())) from None


def load(cls: type[SettingsT], *, env_file: Path | str | None = ".env") -> SettingsT:
    """Return the settings of the environment, or say what is wrong and exit with 2."""
    try:
        return read(cls, env_file=env_file)
    except SettingsError as error:
        for name, value, allowed in error.problems:
            sys.stderr.write(f"settings: {name} must be {allowed}, was {value}\n")
        raise SystemExit(2) from None


def _problem(cls: type[KitSettings], found: Any) -> tuple[str, str, str]:  # noqa: ANN401
    if not found["loc"]:
        return "settings", "not", str(found["ctx"]["error"])
    field = str(found["loc"][0])
    name = f"{ENV_PREFIX}{field.upper()}"
    if found["type"] == "missing":
        return name, "not set", "set"
    text = str(found["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if found["type"] == "string_pattern_mismatch":
        text = f"text that matches {found['ctx']['pattern']}"
    return name, _shown(cls, field, found["input"]), text


def _shown(cls: type[KitSettings], field: str, value: object) -> str:
    declared = cls.model_fields.get(field)
    if declared is not None and "Secret" in str(declared.annotation):
        return "a secret that is not shown"
    return repr(value)[:200]
