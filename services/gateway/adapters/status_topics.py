"""The topics on which participants are answered, each its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.adapters.queries import SQL
from services.gateway.app.direct import STATUS_TOPIC
from services.gateway.errors import UnavailableError
from services.kit.errors import KitError
from services.kit.log_access import LogAccess
from services.kit.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.kit.postgres import Pool
    from services.kit.settings import KitSettings

# Answers are told once; what an order is can be read from the API for ever.
_CONFIG = {"cleanup.policy": "delete", "retention.ms": str(7 * 24 * 3600 * 1000)}


def status_topic(participant_id: str) -> str:
    """Return the topic on which a participant is answered, without prefix."""
    return f"{STATUS_TOPIC}.{participant_id}"


async def create_status_topics(access: LogAccess, participant_ids: Collection[str]) -> None:
    """Create the topics that are missing.

    Raises:
        KitError: if the broker refused or did not answer.
    """
    await access.ensure_topics([status_topic(one) for one in participant_ids], _CONFIG)


class StatusTopics:
    """Sees to it that whoever's records are read can be answered.

    An answer without a topic would hold up those behind it in the outbox.

    Args:
        settings: Where the broker is.
        pool: Pool of the gateway's schema.
    """

    def __init__(self, settings: KitSettings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._known: set[str] = set()

    async def ensure(self, participant_id: str) -> None:
        """Create a participant's topic if it is missing.

        Raises:
            UnavailableError: if it is missing and the broker did not create it.
        """
        if participant_id in self._known:
            return
        try:
            await create_status_topics(LogAccess(self._settings), [participant_id])
        except KitError as error:
            raise UnavailableError(
                "direct.status_topic",
                error.message,
                field="participant_id",
                value=participant_id,
                allowed=f"one with a topic {status_topic(participant_id)}; ask the operator",
            ) from error
        self._known.add(participant_id)

    async def ensure_all(self) -> None:
        """Create the topics of all that have a key; tell in the log if that fails."""
        log = get_logger("gateway.direct")
        found = [row["participant_id"] for row in await self._pool.fetch(SQL.signing_participants)]
        if not found:
            return
        try:
            await create_status_topics(LogAccess(self._settings), found)
        except KitError as error:
            topics = [status_topic(one) for one in found]
            log.warning("status topics may be missing", topics=topics, error=str(error))
            return
        self._known.update(found)
