"""Settings of the auditor, from the environment."""

import socket
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.kit.settings import KitSettings
from suanli.check_log import Key


class AuditorSettings(KitSettings):
    """What the auditor needs to know besides the kit's settings.

    Attributes:
        auditor_holder: Name under which it holds the lease: the same after a restart,
            different for another instance.
        auditor_lease_s: Seconds after which another instance may take over.
        auditor_check_s: Real seconds that the check of a round may take.
        auditor_file_mib: Largest round file that is unpacked.
        auditor_log_key: Verifier key of the transparency log, ``name+id+key``; without it the
            roots of heads are checked and their signatures are not.
        auditor_witness_keys: Verifier keys of witnesses, separated by commas; their
            cosignatures are verified and counted.
        auditor_gap_s: Real seconds after which an entry that others followed is missing; as long
            as a ledger that was stopped in the middle may take to come back.
        auditor_progress_s: Real seconds between two events about the audit's progress.
        auditor_compare_s: Real seconds between two looks at the ledger's own leaves, 5,120 each,
            as the regulator of its schema; 0: none.
        auditor_books_keep_s: Real seconds after which what the comparison of books knows is kept
            again, so that a start reads what came since.
        auditor_books_trust_h: Hours for which a start goes on with it, counted from when the log
            was last read from its beginning; 0: each start reads all of it.
    """

    auditor_holder: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default_factory=socket.gethostname
    )
    auditor_lease_s: Annotated[float, Field(ge=1, le=300)] = 10.0
    auditor_check_s: Annotated[float, Field(gt=0, le=3600)] = 300.0
    auditor_file_mib: Annotated[int, Field(ge=1, le=4096)] = 512
    auditor_log_key: Annotated[str, Field(max_length=4_000)] = ""
    auditor_witness_keys: Annotated[str, Field(max_length=40_000)] = ""
    auditor_gap_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    auditor_progress_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    auditor_compare_s: Annotated[float, Field(ge=0, le=3600)] = 2.0
    auditor_books_keep_s: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    auditor_books_trust_h: Annotated[float, Field(ge=0, le=8760)] = 168.0

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        self.log_key()
        self.witness_keys()
        return self

    def log_key(self) -> Key | None:
        """Return the log's verifier key, if there is one.

        Raises:
            LogError: if it is none.
        """
        return Key.parse(self.auditor_log_key) if self.auditor_log_key else None

    def witness_keys(self) -> tuple[Key, ...]:
        """Return the witnesses' verifier keys.

        Raises:
            LogError: if one is none.
        """
        found = self.auditor_witness_keys.split(",")
        return tuple(Key.parse(text.strip()) for text in found if text.strip())
