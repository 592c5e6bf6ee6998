"""The feed of the streams in the gateway's own schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from schemas import events
from schemas.market import RoundRules
from schemas.streams import OrderStatusTold, PoolPricesTold, RoundTold
from services.core.phases import schedule_of
from services.gateway.adapters.queries import SQL
from services.gateway.stream_ports import FeedItem, FeedState, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from services.gateway.ports import Sent
    from services.kit.postgres import Conn, Pool

# A batch tells first how rounds went, then orders, then what is whole only with them.
_TOPICS = ("rounds", "order-status", "allocations")
_STAGES: dict[type[events.Event], Literal["sealed", "cleared", "closed"]] = {
    events.RoundSealed: "sealed",
    events.RoundCleared: "cleared",
    events.RoundClosed: "closed",
}
_TOLD: tuple[type[events.Event], ...] = (*_STAGES, events.RoundPrices, events.OrderStatusChanged)
# Its source, stream, kind, market, participant, subject and body.
Row = tuple[str, str, str, str, str | None, str, str]


async def put_told(conn: Conn, by_type: Mapping[type[events.Event], Sequence[Sent]]) -> None:
    """Add what a batch of the log tells to the feed, each record once.

    Call it last: a round's fills are read from the allocations that are there by then.
    """
    found = [sent for kind in _TOLD for sent in by_type.get(kind, ())]
    if not found:
        return
    rules = await _rules(conn, found)
    known = {
        (row["topic"], row["partition"]): row["next_offset"]
        for row in await conn.fetch(SQL.stream_sources)
    }
    ends = dict(known)
    rows: list[Row] = []
    for sent in sorted(found, key=_place):
        place = (sent.position.topic, sent.position.partition)
        if sent.position.offset < known.get(place, 0):
            continue
        ends[place] = sent.position.offset + 1
        if isinstance(sent.envelope.data, events.RoundClosed):
            await _put_rows(conn, rows)
            rows = []
            await conn.execute(SQL.put_stream_fills, sent.envelope.data.round_id)
        rows += _rows(sent, rules)
    await _put_rows(conn, rows)
    moved = [(*place, end) for place, end in ends.items() if known.get(place) != end]
    await conn.executemany(SQL.put_stream_source, moved)


async def _put_rows(conn: Conn, rows: Sequence[Row]) -> None:
    if rows:
        await conn.execute(SQL.put_stream_events, *map(list, zip(*rows, strict=True)))


def _place(sent: Sent) -> tuple[int, int, int]:
    position = sent.position
    return _TOPICS.index(position.topic), position.partition, position.offset


async def _rules(conn: Conn, found: Sequence[Sent]) -> dict[str, RoundRules]:
    """Return the rules of the markets whose rounds are told."""
    told: set[str] = set()
    for sent in found:
        data: Any = sent.envelope.data
        if type(data) in _STAGES:
            told.add(data.market_id)
    rows = await conn.fetch(SQL.round_rules, sorted(told)) if told else []
    return {row["market_id"]: RoundRules.model_validate_json(row["rules"]) for row in rows}


def _next(rules: RoundRules | None, at: datetime) -> tuple[datetime | None, datetime | None]:
    """Return when the next round is frozen, if it is, and cut."""
    if rules is None:
        return None, None
    schedule = schedule_of(rules, at)
    return (schedule.freezes_at if rules.freeze_s else None), schedule.cut_at


def _rows(sent: Sent, rules: Mapping[str, RoundRules]) -> Iterable[Row]:
    data: Any = sent.envelope.data
    event_id = sent.envelope.id
    if isinstance(data, events.OrderStatusChanged):
        told = OrderStatusTold(
            **dict(data), occurred_at=sent.envelope.occurred_at
        ).model_dump_json()
        whose = data.participant_id
        yield event_id, "orders", "status", data.market_id, whose, data.order_id, told
    elif isinstance(data, events.RoundPrices):
        for curve in data.pools:
            told = PoolPricesTold(
                round_id=data.round_id,
                market_id=data.market_id,
                first_period=data.first_period,
                **dict(curve),
            ).model_dump_json()
            source = f"{event_id}/{curve.pool}"
            yield source, "prices", "prices", data.market_id, None, curve.pool, told
    else:
        stage = _STAGES[type(data)]
        freeze_at, cut_at = _next(rules.get(data.market_id), data.market_time)
        told = RoundTold(
            round_id=data.round_id,
            market_id=data.market_id,
            seq=int(data.round_id.rpartition(":")[2]),
            stage=stage,
            market_time=data.market_time,
            next_freeze_at=freeze_at,
            next_cut_at=cut_at,
        ).model_dump_json()
        yield event_id, "rounds", stage, data.market_id, None, data.round_id, told


class PostgresFeed:
    """The feed.

    Args:
        pool: Pool that sees everything, for what this process tells its listeners.
        reader: Pool that reads with the caller's eyes, for what one caller missed.
    """

    def __init__(self, pool: Pool, reader: Pool) -> None:
        self._pool = pool
        self._reader = reader

    async def state(self) -> FeedState:
        """Return where it stands."""
        row = await self._pool.fetchrow(SQL.stream_state)
        assert row is not None, "the head of the feed must be there, was none"
        return FeedState(row["feed"], row["next_seq"] - 1, row["kept_from"])

    async def after(self, seq: int, limit: int) -> list[FeedItem]:
        """Return what follows a number, whoever it is for."""
        return [_item(row) for row in await self._pool.fetch(SQL.stream_after, seq, limit)]

    async def page(self, watch: Watch, seq: int, limit: int) -> list[FeedItem]:
        """Return what follows a number and is wanted, read with the caller's eyes."""
        common = (watch.stream, seq, watch.market_id, watch.subject, limit)
        if watch.participant_id is None:
            found = await self._reader.fetch(SQL.stream_page_all, *common)
        else:
            found = await self._reader.fetch(SQL.stream_page_own, *common, watch.participant_id)
        return [_item(row) for row in found]

    async def prune(self, days: int) -> None:
        """Delete some of what is older than so many days."""
        await self._pool.execute(SQL.prune_stream, days)


def _item(row: asyncpg.Record) -> FeedItem:
    return FeedItem(
        row["seq"],
        row["stream"],
        row["kind"],
        row["market_id"],
        row["participant_id"],
        row["subject"],
        row["body"],
    )
