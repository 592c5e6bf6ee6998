"""What the ledger needs of the world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from services.core.errors import Message
from services.kit.errors import KitError

if TYPE_CHECKING:
    from services.core.merkle import Frontier
    from services.kit.kafka import Positions, Record
    from services.ledger.state import Batch, Keys, View


class StoreFailedError(KitError):
    """The database did not answer, or its answer was lost; what is stored must be read again."""

    def __init__(self, reason: str) -> None:
        """Name what the database said last."""
        super().__init__(
            "kit.store_failed",
            Message(
                f"the database must confirm, was {reason}",
                f"数据库应确认提交，实为：{reason}",
            ),
            field="postgres",
            value=reason,
            allowed="a confirmed transaction",
        )


class Log(Protocol):
    """A reader of some topics, from positions that the ledger keeps."""

    async def read(self, max_records: int = 500, timeout_ms: int = 500) -> list[Record]:
        """Return the next records, in order per partition; empty after ``timeout_ms``."""
        ...

    def positions(self) -> Positions:
        """Return a copy of (topic, partition) -> offset of the next record."""
        ...

    async def seek(self, positions: Positions) -> None:
        """Read again from these positions."""
        ...

    async def end_offsets(self) -> Positions:
        """Return (topic, partition) -> offset that the next record to be written will have."""
        ...


class Store(Protocol):
    """The ledger's database; the one writer's view of it."""

    async def positions(self) -> Positions:
        """Return where the log has been read to, claimed for this writer's epoch."""
        ...

    async def log_head(self) -> tuple[Frontier, int]:
        """Return the frontier of the transparency log, and the size of its last checkpoint."""
        ...

    async def waiting(self) -> list[Record]:
        """Return the records that wait, those of halted markets left out."""
        ...

    async def load(self, keys: Keys) -> View:
        """Return what is stored about these keys."""
        ...

    def prepare(self, batch: Batch) -> None:
        """Do ahead what a commit of the batch can have done before the one under way is done."""
        ...

    async def commit(self, batch: Batch, before: Positions, after: Positions) -> None:
        """Write a batch and move the positions, in one transaction.

        Raises:
            StaleWriterError: if another writer has taken over.
        """
        ...

    def forget(self) -> None:
        """Drop everything cached; what is stored is read again."""
        ...
