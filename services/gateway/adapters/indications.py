"""Indications in the gateway's own schema, and the child process that makes them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from schemas.indications import IndicativePriceView, LikelihoodView
from schemas.orders import OfferTerms
from schemas.types import OrderState, period_of, period_start
from services.core.codec import book_to_dict, canonical_json
from services.core.eligibility import max_spend
from services.core.indication import indication_from_dict, plan_to_dict
from services.core.orders import DemandOrder, OfferOrder
from services.core.reasons import why
from services.gateway.adapters import rows
from services.gateway.adapters.queries import SQL
from services.kit.logging import get_logger
from services.kit.workers import Worker, WorkerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from services.core.book import Book
    from services.core.holdings import Held
    from services.core.indication import Indication, Plan
    from services.core.orders import Order, PeriodChips
    from services.gateway.indication_ports import Made
    from services.kit.postgres import Pool

_WORKER = "services.gateway.adapters.indicating_worker"
# A large book is cleared three times, and the child gives way to everything else on the machine.
_ANSWER_S_MAX = 600.0
# A quote reads them each time: half a second of the processor.
_OWN_MAX = 5_000


async def projected_orders(pool: Pool, market_id: str, demand_of: str | None) -> Sequence[Order]:
    """Return the orders that the next round may take, as the gateway has read them.

    Args:
        pool: Pool, with the eyes of whoever asks.
        market_id: The market.
        demand_of: Whose demand alone, no more than 5,000 of it; ``None`` for all orders.
    """
    most = None if demand_of is None else _OWN_MAX
    found = await pool.fetch(SQL.projected_orders, market_id, demand_of, most)
    fills = await pool.fetch(SQL.projected_fills, market_id, demand_of)

    def parse() -> list[Order]:
        chips: dict[str, list[tuple[int, int]]] = defaultdict(list)
        pools: dict[str, set[str]] = defaultdict(set)
        for row in fills:
            chips[row["order_id"]].append((period_of(row["start"]), row["chips"]))
            pools[row["order_id"]].add(row["pool"])
        return [
            _order(row, market_id, tuple(sorted(chips[row["order_id"]])), pools) for row in found
        ]

    # A large book is seconds of parsing: not on the loop that all callers share.
    return await asyncio.to_thread(parse)


class PostgresIndications:
    """`services.gateway.indication_ports.Indications` on the gateway's schema.

    Args:
        pool: Pool that sees everybody's orders: what is told of them all is public.
        reader: Pool that reads with the caller's eyes.
    """

    def __init__(self, pool: Pool, reader: Pool) -> None:
        self._pool = pool
        self._reader = reader

    async def orders(self, market_id: str) -> Sequence[Order]:
        """Return the orders that the next round may take, as the gateway has read them."""
        return await projected_orders(self._pool, market_id, None)

    async def held(self, market_id: str, now: datetime) -> Held:
        """Return what accounts have of a market, in hours that begin after an instant."""
        return rows.held(await self._pool.fetch(SQL.held_by_all, market_id, now))

    async def suspended(self) -> Mapping[str, str]:
        """Return participants that may not trade."""
        return {row["participant_id"]: "" for row in await self._pool.fetch(SQL.suspended)}

    async def age_s(self, market_id: str) -> float | None:
        """Return how many real seconds ago an indication was made, by whichever gateway."""
        found: float | None = await self._pool.fetchval(SQL.indication_age, market_id)
        return found

    async def put(self, made: Made) -> None:
        """Keep an indication in place of the one before, unless that one is newer."""
        found = made.found
        async with self._pool.acquire() as conn, conn.transaction():
            told = (made.market_id, made.seq, made.as_of, made.cpu_ms)
            if await conn.fetchval(SQL.put_indication, *told) is None:
                return
            await conn.execute(SQL.drop_indicative_prices, made.market_id)
            await conn.execute(SQL.drop_likelihoods, made.market_id)
            prices = [(r.pool, r.period, r.price, r.low, r.high) for r in found.prices]
            if prices:
                columns = map(list, zip(*prices, strict=True))
                await conn.execute(SQL.put_indicative_prices, made.market_id, *columns)
            orders = [(r.order_id, r.filled_ppm, r.share_ppm, r.books) for r in found.likelihoods]
            if orders:
                columns = map(list, zip(*orders, strict=True))
                await conn.execute(SQL.put_likelihoods, made.market_id, *columns)

    async def prices(
        self, market_id: str, *, pool: str | None, after: tuple[str, int] | None, limit: int
    ) -> list[IndicativePriceView]:
        """Return prices by pool and period; none once the round that they are of was sealed."""
        place = after or (None, None)
        found = await self._pool.fetch(SQL.indicative_prices, market_id, pool, *place, limit)
        return [
            IndicativePriceView(
                market_id=market_id,
                period=period_start(row["period"]),
                **{name: row[name] for name in ("pool", "price", "low", "high", "seq", "as_of")},
            )
            for row in found
        ]

    async def likelihood(self, order_id: str) -> LikelihoodView | None:
        """Return how likely an order is filled; ``None`` if that is not known now."""
        row = await self._reader.fetchrow(SQL.likelihood, order_id)
        return None if row is None else LikelihoodView(**dict(row))


def _order(
    row: asyncpg.Record, market_id: str, taken: PeriodChips, pools: Mapping[str, set[str]]
) -> Order:
    order_id, participant_id = row["order_id"], row["participant_id"]
    state, terms = OrderState(row["state"]), rows.terms_of(row)
    reason = why("in_the_book")
    if isinstance(terms, OfferTerms):
        return OfferOrder(
            id=order_id,
            market_id=market_id,
            participant_id=participant_id,
            body_sha256="",
            version=row["version"],
            state=state,
            why=reason,
            allocated=taken,
            terms=terms,
        )
    hours = sum(chips for _, chips in taken)
    return DemandOrder(
        id=order_id,
        market_id=market_id,
        participant_id=participant_id,
        body_sha256="",
        version=row["version"],
        state=state,
        why=reason,
        allocated=taken,
        chip_hours=hours,
        terms=terms,
        # What was paid is not kept with the order; what is held for it is what it can still pay.
        hold=max_spend(terms) if row["hold_amount"] is None else row["hold_amount"],
        alternative=0 if taken and len(terms.alternatives) == 1 else None,
        pinned_pools=tuple(sorted(pools[order_id])) if taken else (),
    )


class ChildProjector:
    """`services.gateway.indication_ports.Projector` in a child process of the lowest priority.

    Args:
        memory_mib: Address space of the child at most.
        command: What to start in place of the child.
    """

    def __init__(self, memory_mib: int, command: Sequence[str] | None = None) -> None:
        self._worker = Worker(command or (sys.executable, "-m", _WORKER, str(memory_mib)))
        self._log = get_logger("indications")

    async def indicate(self, book: Book, tick: int, plan: Plan) -> tuple[Indication, int] | None:
        """Return an indication and the processor's milliseconds it took, ``None`` if it failed."""
        content = await asyncio.to_thread(lambda: canonical_json(book_to_dict(book)))
        asked = canonical_json({"tick": tick} | plan_to_dict(plan))
        try:
            told = json.loads(await self._worker.ask([content, asked], _ANSWER_S_MAX))
        except WorkerError as error:
            # A forecast that fails costs nobody an order; the next one starts a new child.
            self._log.warning("indication failed", round_id=book.round_id, cause=str(error))
            return None
        return indication_from_dict(told["indication"]), int(told["cpu_ms"])

    async def close(self) -> None:
        """End the child process."""
        await self._worker.kill()
