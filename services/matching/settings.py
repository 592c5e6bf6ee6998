"""Settings of matching, from the environment."""

import socket
from typing import Annotated, Literal

from pydantic import Field

from services.kit.settings import KitSettings


class MatchingSettings(KitSettings):
    """What matching needs to know besides the kit's settings.

    Attributes:
        matching_market: The market that this process clears.
        matching_schema: Postgres schema, without prefix; one per market.
        matching_holder: Name under which it holds the lease: the same after a restart,
            different for another instance.
        matching_lease_s: Seconds after which another instance may take over.
        matching_partitions: ``all``: read every partition and dead-letter what no market's
            key leads to; ``own``: only those that the market's key leads to, and strays on
            others have no dead letter.
        matching_batch_records: Records per intake transaction at most.
        matching_solve_s: Real seconds that a solve may take before the fallback rule is used;
            0 = from the effort of the round.
        matching_check_s: Real seconds that the independent check may take.
        matching_memory_mib: Address space of the child process that solves.
        matching_outbox_keep_h: Hours that sent records stay in the outbox.
    """

    matching_market: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
    matching_schema: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "matching"
    matching_holder: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default_factory=socket.gethostname
    )
    matching_lease_s: Annotated[float, Field(ge=1, le=300)] = 10.0
    matching_partitions: Literal["all", "own"] = "all"
    matching_batch_records: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    matching_solve_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    matching_check_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    # OR-Tools and NumPy reserve far more address space than they use.
    matching_memory_mib: Annotated[int, Field(ge=512, le=1_048_576)] = 6_144
    matching_outbox_keep_h: Annotated[float, Field(ge=0.01, le=8760)] = 24.0
