"""What reading links needs of the gateway's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from schemas.links import LinkFlowView, LinkPriceView


class Links(Protocol):
    """Links between zones, as rounds priced and filled them."""

    async def prices(
        self, market_id: str, *, first: int, end: int, after: tuple[str, int] | None, limit: int
    ) -> list[LinkPriceView]:
        """Return links by key and period in [first, end)."""
        ...

    async def flows(self, market_id: str, *, first: int, end: int) -> list[LinkFlowView]:
        """Return each link's sums over the periods in [first, end)."""
        ...
