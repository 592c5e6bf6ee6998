"""Links between zones, period by period, as rounds priced and filled them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.links import LinkFlowView, LinkPriceView, RoundLinks
from schemas.types import period_of, period_start
from services.gateway.adapters.queries import SQL

if TYPE_CHECKING:
    from services.gateway.ports import Sent
    from services.kit.postgres import Conn, Pool


class PostgresLinks:
    """`services.gateway.link_ports.Links` on the gateway's schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def prices(
        self, market_id: str, *, first: int, end: int, after: tuple[str, int] | None, limit: int
    ) -> list[LinkPriceView]:
        """Return links by key and period in [first, end)."""
        key, period = after or (None, None)
        found = await self._pool.fetch(SQL.links, market_id, first, end, key, period, limit)
        return [
            LinkPriceView(
                market_id=row["market_id"],
                source=row["source"],
                destination=row["destination"],
                period=period_start(row["period"]),
                round_id=f"{row['market_id']}:{row['seq']}",
                tariff=row["tariff"],
                price=row["price"],
                gb=row["used"],
                gb_left=row["capacity"] - row["used"],
                gb_total=row["used_total"],
                rent_total=int(row["rent_total"]),
            )
            for row in found
        ]

    async def flows(self, market_id: str, *, first: int, end: int) -> list[LinkFlowView]:
        """Return each link's sums over the periods in [first, end)."""
        found = await self._pool.fetch(SQL.link_flows, market_id, first, end)
        return [
            LinkFlowView(
                source=row["source"],
                destination=row["destination"],
                gb=row["gb"],
                gb_left=row["gb_left"],
                rent=int(row["rent"]),
                surcharge_max=row["surcharge"],
                periods_congested=row["congested"],
                periods=row["periods"],
            )
            for row in found
        ]


async def put_links(conn: Conn, batch: list[Sent]) -> None:
    """Add up what a batch of records tells of links."""
    found = []
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, RoundLinks)
        seq, first = int(data.round_id.rpartition(":")[2]), period_of(data.first_period)
        found += [
            (
                data.market_id,
                seq,
                link.source,
                link.destination,
                first,
                link.tariff,
                list(link.prices),
                list(link.used),
                list(link.capacity),
            )
            for link in data.links
        ]
    await conn.executemany(SQL.put_round_link, found)
