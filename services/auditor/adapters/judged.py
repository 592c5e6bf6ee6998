"""What a verified round file says, kept for the journal to be compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.auditor.adapters.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from services.kit.postgres import Conn


async def put_judged(
    conn: Conn,
    round_id: str,
    market_id: str,
    payments: Mapping[str, int],
    allocations: Sequence[tuple[Any, ...]],
) -> None:
    """Keep what a verified round file says, for the journal to be compared with.

    Args:
        conn: Connection inside the transaction that writes the verdict.
        round_id: The round.
        market_id: Its market.
        payments: Demand -> micro-yuan.
        allocations: (demand, offer, pool, first period, payment, digest) of each.
    """
    seq = round_id.rpartition(":")[2]
    await conn.execute(QUERIES.put_judged, round_id, market_id, int(seq) if seq.isdecimal() else 0)
    await conn.execute(QUERIES.put_payments, round_id, list(payments), list(payments.values()))
    if allocations:
        demands, offers, pools, firsts, paid, digests = map(list, zip(*allocations, strict=True))
        count = len(allocations)
        await conn.execute(
            QUERIES.put_allocations,
            "file",
            [round_id] * count,
            demands,
            offers,
            pools,
            firsts,
            paid,
            digests,
            [None] * count,
        )
