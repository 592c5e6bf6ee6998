"""What mobilisations need of the gateway's store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.events import Event
    from schemas.mobilisation import MobilisationView


class Mobilisations(Protocol):
    """Declared needs as the log tells them."""

    async def put(self, data: Event, at: datetime) -> None:
        """Show what was proposed, declared or withdrawn, told again or not."""
        ...

    async def one(self, mobilisation_id: str, now: datetime) -> MobilisationView | None:
        """Return a mobilisation and where it stands at an instant of the market's clock."""
        ...

    async def listed(
        self, market_id: str | None, now: datetime, *, before: int | None, limit: int
    ) -> list[tuple[int, MobilisationView]]:
        """Return (sequence, mobilisation), latest first."""
        ...
