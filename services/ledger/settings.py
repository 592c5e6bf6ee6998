"""Settings of the ledger."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from services.core.tlog.notes import SecretKey
from services.kit.settings import KitSettings


class LedgerSettings(KitSettings):
    """What the ledger needs to know beside the kit's settings.

    Attributes:
        ledger_owner_dsn: Login that owns the schema, for migrations alone; then
            ``SUANLI_POSTGRES_DSN`` may be a login that is only a member of the schema's roles
            ``_writer`` and ``_regulator``. Without it the service's login owns the schema.
        ledger_migrates: Whether the ledger brings its schema up to date when it starts. If not,
            `suanli-exchange migrate` did, and the ledger has no credential of the owner at all.
        ledger_batch_records_max: Records of one commit at most; larger is faster and later.
        ledger_poll_ms: Wait for records of a poll.
        ledger_checkpoint_every_s: Seconds between tree heads while the log grows.
        ledger_origin: Name of the transparency log, first line of its checkpoints.
        ledger_log_key: Secret key of the log, ``PRIVATE+KEY+...`` named as the origin; without it
            heads are published without a signature.
        ledger_scrub_every_s: Seconds between looks at the next 1,024 entries of the log in the
            database, from the first to the last and over again; 0 = never.
        ledger_witnesses: Witnesses to be asked, ``key url`` each, separated by commas.
        ledger_holder: Name of this instance in the lease; the same after a restart.
        ledger_outbox_keep_h: Hours that sent records stay in the outbox.
        ledger_lease_s: Seconds after which a silent instance may be replaced.
    """

    ledger_owner_dsn: SecretStr | None = None
    ledger_migrates: bool = True
    ledger_batch_records_max: Annotated[int, Field(ge=1, le=20_000)] = 5_000
    ledger_poll_ms: Annotated[int, Field(ge=1, le=10_000)] = 50
    ledger_checkpoint_every_s: Annotated[float, Field(gt=0, le=3600)] = 2.0
    ledger_origin: Annotated[str, Field(pattern=r"^[!-~]{1,100}$")] = "suanli-exchange/ledger"
    ledger_log_key: SecretStr | None = None
    ledger_scrub_every_s: Annotated[float, Field(ge=0, le=86_400)] = 2.0
    ledger_witnesses: Annotated[str, Field(max_length=20_000)] = ""
    ledger_holder: Annotated[str, Field(min_length=1, max_length=100)] = "ledger-0"
    ledger_outbox_keep_h: Annotated[float, Field(ge=0.01, le=8760)] = 24.0
    ledger_lease_s: Annotated[float, Field(gt=0, le=300)] = 10.0

    @model_validator(mode="after")
    def _check_log(self) -> Self:
        key = self.ledger_log_key
        if key is not None and SecretKey.parse(key.get_secret_value()).name != self.ledger_origin:
            raise ValueError("SUANLI_LEDGER_LOG_KEY named as SUANLI_LEDGER_ORIGIN says")
        return self
