"""What a verified round file says, kept for the journal to be compared with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from services.auditor.adapters.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.auditor.ports import Money
    from services.kit.postgres import Conn


async def put_judged(conn: Conn, round_id: str, market_id: str, money: Money) -> None:
    """Keep what a verified round file says, for the journal to be compared with.

    Args:
        conn: Connection inside the transaction that writes the verdict.
        round_id: The round.
        market_id: Its market.
        money: What the file says.
    """
    seq = round_id.rpartition(":")[2]
    number = int(seq) if seq.isdecimal() else 0
    await conn.execute(QUERIES.put_judged, round_id, market_id, number, money.assessed)
    await conn.execute(QUERIES.put_settling_judged, round_id)
    if money.premium_hours:
        hours = [json.dumps(one) for one in money.premium_hours.values()]
        await conn.execute(QUERIES.put_settling_premiums, list(money.premium_hours), hours)
    if money.payments:
        await conn.execute(QUERIES.put_payments, round_id, *_columns(money.payments))
    count = len(money.allocations)
    if count:
        columns = _columns(money.allocations)
        rounds, none = [round_id] * count, [None] * count
        await conn.execute(QUERIES.put_allocations, "file", rounds, *columns, none)
    if money.charges:
        kinds, subjects, amounts, digests = _columns(money.charges)
        rounds, parties = [round_id] * len(kinds), [""] * len(kinds)
        rows = (rounds, kinds, subjects, parties, amounts, digests)
        await conn.execute(QUERIES.put_charges, "file", *rows)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return list(map(list, zip(*rows, strict=True)))
