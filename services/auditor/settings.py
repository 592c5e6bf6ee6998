"""Settings of the auditor, from the environment."""

import socket
from typing import Annotated

from pydantic import Field

from services.kit.settings import KitSettings


class AuditorSettings(KitSettings):
    """What the auditor needs to know besides the kit's settings.

    Attributes:
        auditor_holder: Name under which it holds the lease: the same after a restart,
            different for another instance.
        auditor_lease_s: Seconds after which another instance may take over.
        auditor_check_s: Real seconds that the check of a round may take.
        auditor_file_mib: Largest round file that is unpacked.
    """

    auditor_holder: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default_factory=socket.gethostname
    )
    auditor_lease_s: Annotated[float, Field(ge=1, le=300)] = 10.0
    auditor_check_s: Annotated[float, Field(gt=0, le=3600)] = 300.0
    auditor_file_mib: Annotated[int, Field(ge=1, le=4096)] = 512
