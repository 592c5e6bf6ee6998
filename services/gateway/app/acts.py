"""Reading the record of what was asked for under the scopes that are recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.app.rights import require_sight

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.identity import AdminActView
    from services.gateway.identity_ports import Acts
    from services.gateway.ports import Principal


class ActsReading:
    """The record of acts, as far as the caller may see it.

    Args:
        acts: The record.
    """

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def acts(
        self,
        principal: Principal,
        *,
        participant_id: str | None,
        since: datetime | None,
        before: int | None,
        limit: int,
    ) -> list[AdminActView]:
        """Return the caller's acts, or anybody's to those who see all; latest first.

        Raises:
            NotFoundError: if another one's are asked for.
        """
        if participant_id is not None:
            require_sight(principal, participant_id, "participant_id", participant_id)
        elif not principal.sees_all:
            participant_id = principal.participant_id
        return await self._acts.acts(
            participant_id=participant_id, since=since, before=before, limit=limit
        )
