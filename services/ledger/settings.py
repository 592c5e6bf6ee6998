"""Settings of the ledger."""

from typing import Annotated

from pydantic import Field

from services.kit.settings import KitSettings


class LedgerSettings(KitSettings):
    """What the ledger needs to know beside the kit's settings.

    Attributes:
        ledger_batch_records_max: Records of one commit at most; larger is faster and later.
        ledger_poll_ms: Wait for records of a poll.
        ledger_checkpoint_every_s: Seconds between tree heads while the log grows.
        ledger_origin: Name of the transparency log, first line of its checkpoints.
        ledger_holder: Name of this instance in the lease; the same after a restart.
        ledger_outbox_keep_h: Hours that sent records stay in the outbox.
        ledger_lease_s: Seconds after which a silent instance may be replaced.
    """

    ledger_batch_records_max: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    ledger_poll_ms: Annotated[int, Field(ge=1, le=10_000)] = 50
    ledger_checkpoint_every_s: Annotated[float, Field(gt=0, le=3600)] = 2.0
    ledger_origin: Annotated[str, Field(pattern=r"^[!-~]{1,100}$")] = "suanli-exchange/ledger"
    ledger_holder: Annotated[str, Field(min_length=1, max_length=100)] = "ledger-0"
    ledger_outbox_keep_h: Annotated[float, Field(ge=0.01, le=8760)] = 24.0
    ledger_lease_s: Annotated[float, Field(gt=0, le=300)] = 10.0
