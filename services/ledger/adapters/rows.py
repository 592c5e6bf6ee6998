"""Between the ledger's values and rows of its tables."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

from services.core.postings import Layer, Transfer, TransferKind
from services.core.settlement import Terms
from services.ledger.capacity_state import OfferVersion, Raise
from services.ledger.erasure_state import Erasable, ErasureOrder
from services.ledger.journal import transfer_digest
from services.ledger.state import (
    Allocation,
    Booked,
    DemandHold,
    Halt,
    MoneyOrder,
    OpenPeriod,
    Participant,
    PeriodRow,
    TermsRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from services.core.postings import Posting
    from services.kit.postgres import Conn, Queries
    from services.ledger.state import Batch

    Row: TypeAlias = asyncpg.Record


_ALLOCATION = (
    "id",
    "round_id",
    "market_id",
    "demand_id",
    "enterprise_id",
    "offer_id",
    "provider_id",
    "offer_version",
    "pool",
    "payment",
    "body_hash",
)
_ROUND = ("round_id", "market_id", "seq", "digest", "records", "payment", "market_time")
_SETTLEMENT = (
    "settlement_id",
    "allocation_id",
    "body_hash",
    "lapsed",
    "paid",
    "provider_fee",
    "enterprise_fee",
    "refund",
    "penalty",
    "compensation",
    "provider_owes",
    "enterprise_owes",
    "transfers",
)
_TERMS = (
    "provider_fee_ppm",
    "enterprise_fee_ppm",
    "penalty_ppm",
    "compensation_ppm",
    "report_periods",
    "version",
)
_HELD = ("offer_id", "period", "capacity", "stated", "chips")
_NEITHER = (None, None)
_POSTED = Layer.POSTED
_WAITING = (
    "topic",
    "partition",
    "log_offset",
    "market_id",
    "timestamp_ms",
    "key",
    "value",
    "header_names",
    "header_values",
)


def participants(found: Iterable[Row]) -> dict[str, Participant]:
    """Return participants by id."""
    return {row["id"]: Participant(**dict(row)) for row in found}


def demands(found: Iterable[Row]) -> dict[str, DemandHold]:
    """Return holds by order id."""
    return {row["order_id"]: DemandHold(**dict(row)) for row in found}


def offers(found: Iterable[Row]) -> dict[str, tuple[OfferVersion, ...]]:
    """Return the versions of each offer."""
    grouped: dict[str, list[OfferVersion]] = defaultdict(list)
    for row in found:
        grouped[row["offer_id"]].append(OfferVersion(**dict(row)))
    return {offer_id: tuple(versions) for offer_id, versions in grouped.items()}


def allocations(found: Iterable[Row]) -> dict[str, Allocation]:
    """Return allocations by id, with their periods."""
    made = {}
    for row in found:
        fields = dict(row)
        columns = [fields.pop(name) for name in ("periods", "chips", "prices", "premiums")]
        made[row["id"]] = Allocation(
            terms=Terms(**{name: fields.pop(name) for name in _TERMS}),
            periods=tuple(PeriodRow(*period) for period in zip(*columns, strict=True)),
            **fields,
        )
    return made


def open_periods(found: Iterable[Row]) -> dict[tuple[str, int], OpenPeriod]:
    """Return open periods by (allocation, period)."""
    return {
        (row["allocation_id"], row["period"]): OpenPeriod(row["chips"], row["price"], row["due"])
        for row in found
    }


def terms(found: Iterable[Row]) -> dict[str, tuple[TermsRow, ...]]:
    """Return the terms of each market, by version."""
    grouped: dict[str, list[TermsRow]] = defaultdict(list)
    for row in found:
        kept = Terms(**{name: row[name] for name in _TERMS})
        grouped[row["market_id"]].append(
            TermsRow(row["market_id"], row["from_seq"], kept, row["body_hash"])
        )
    return {market_id: tuple(rows) for market_id, rows in grouped.items()}


def money_orders(found: Iterable[Row]) -> dict[str, MoneyOrder]:
    """Return orders about money by id."""
    return {row["id"]: MoneyOrder(**dict(row)) for row in found}


def booked(found: Iterable[Row]) -> dict[UUID, Booked]:
    """Return transfers to be taken back, by id."""
    made = {}
    for row in found:
        fields = dict(row)
        # On its own line: the value of an assignment is made before its key.
        entry_id = fields.pop("id")
        made[entry_id] = Booked(**fields)
    return made


def erasures(found: Iterable[Row]) -> dict[str, ErasureOrder]:
    """Return orders to erase by id."""
    return {row["id"]: ErasureOrder(**dict(row)) for row in found}


def erasable(found: Iterable[Row]) -> dict[UUID, Erasable]:
    """Return entries to be erased by id."""
    made = {}
    for row in found:
        fields = dict(row)
        entry_id = fields.pop("id")
        made[entry_id] = Erasable(**fields)
    return made


def halts(found: Iterable[Row]) -> dict[str, Halt]:
    """Return halts by market."""
    return {row["market_id"]: Halt(**dict(row)) for row in found}


def digests(found: Iterable[Row]) -> dict[UUID, bytes]:
    """Return the digests of transfers by id."""
    made = {}
    for row in found:
        fields = dict(row)
        about = [fields.pop(name) for name in ("market_id", "round_id", "order_id")]
        purpose = fields.pop("purpose")
        kind = TransferKind(fields.pop("kind"))
        made[row["id"]] = transfer_digest(Transfer(kind=kind, **fields), purpose, *about)
    return made


def leaves(batch: Batch) -> list[tuple[Any, ...]]:
    """Return the rows of the leaves: what the transfer's row does not say of the entry."""
    made, recorded_at = [], batch.recorded_at
    for entry, leaf in zip(batch.entries, batch.leaves, strict=True):
        postings = entry.postings
        first, debit, credit = postings[0], postings[-2], postings[-1]
        pending = _NEITHER if first.layer is _POSTED else _balances(*postings[:2])
        posted = _balances(debit, credit) if debit.layer is _POSTED else _NEITHER
        made.append(
            (
                leaf.place,
                recorded_at,
                debit.account_version,
                credit.account_version,
                *posted,
                *pending,
                leaf.entry,
                leaf.salt,
                entry.cause,
            )
        )
    return made


def _balances(debit: Posting, credit: Posting) -> tuple[int, int]:
    return debit.balance_after, credit.balance_after


def transfers(batch: Batch, numbers: Mapping[str, int]) -> list[tuple[Any, ...]]:
    """Return the rows of the transfers."""
    made = []
    for entry, leaf in zip(batch.entries, batch.leaves, strict=True):
        id_, kind, debit, credit, unit, amount, pending_id, reverses = entry.transfer
        made.append(
            (
                leaf.place,
                amount,
                entry.occurred_at,
                None if pending_id else entry.expires_at,
                entry.held,
                entry.expires_at if pending_id else None,
                numbers[debit],
                numbers[credit],
                id_,
                pending_id,
                reverses,
                kind,
                entry.purpose,
                unit,
                entry.market_id,
                entry.round_id,
                entry.order_id,
            )
        )
    return made


async def write_erasures(conn: Conn, queries: Queries, batch: Batch) -> None:
    """Write what became of orders to erase, and erase."""
    orders = batch.erasures
    if not orders:
        return
    await conn.execute(
        queries.add_erasure_orders,
        [order.id for order in orders],
        [order.body_hash for order in orders],
        [order.refusal for order in orders],
    )
    done = [order for order in orders if order.entry_id is not None]
    await conn.execute(
        queries.erase_entries,
        [order.id for order in done],
        [order.entry_id for order in done],
        [order.reason for order in done],
    )


async def write_market(conn: Conn, queries: Queries, batch: Batch) -> None:
    """Write holds, offers, rounds, allocations, deliveries and halts."""
    if batch.demands:
        held = batch.demands
        await conn.execute(
            queries.save_demands,
            [d.order_id for d in held],
            [d.market_id for d in held],
            [d.participant_id for d in held],
            [d.version for d in held],
            [d.need for d in held],
            [d.amount for d in held],
            [d.hold_id for d in held],
            [d.closed for d in held],
            [d.submitted_hash for d in held],
            [d.log_partition for d in held],
            [d.log_offset for d in held],
            [d.interruptible for d in held],
            [d.expires_at for d in held],
        )
    await _copy(conn, "offer_version", OfferVersion.__slots__, batch.offers)
    await _move_capacity(conn, queries, batch)
    # What is sold has to be held before, what is sold on to be allocated before that.
    own = [row for row in batch.held_new if "/" in row[2]]
    await _copy_rows(conn, "capacity_hold", _HELD, own)
    await _copy_rows(
        conn,
        "settlement_terms",
        ("market_id", "from_seq", "body_hash", *_TERMS),
        [(t.market_id, t.from_seq, t.body_hash, *_values(t.terms)) for t in batch.terms],
    )
    await _copy_rows(
        conn,
        "round_booked",
        (*_ROUND, "fee_ppm", *_TERMS[1:-1], "terms_version"),
        [(*(getattr(r, name) for name in _ROUND), *_values(r.terms)) for r in batch.rounds],
    )
    columns = [
        "id",
        "round_id",
        "market_id",
        "demand_id",
        "enterprise_id",
        "offer_id",
        "provider_id",
        "offer_version",
        "pool",
        "payment",
        "body_hash",
        "resale_of",
        "links",
    ]
    await _copy(conn, "allocation", columns, batch.allocations)
    await _copy_rows(
        conn,
        "allocation_period",
        ("allocation_id", "period", "offer_id", "offer_version", "chips", "price", "premium"),
        [
            (a.id, p.period, a.offer_id, a.offer_version, p.chips, p.price, p.premium)
            for a in batch.allocations
            for p in a.periods
        ],
    )
    resold = [row for row in batch.held_new if "/" not in row[2]]
    await _copy_rows(conn, "capacity_hold", _HELD, resold)
    await _write_settlements(conn, batch)
    await _copy(conn, "market_halt", ("market_id", "round_id", "code", "problem"), batch.halts)


async def _move_capacity(conn: Conn, queries: Queries, batch: Batch) -> None:
    """Write what is freed and raised, before what is held, which may be of what was freed."""
    await _copy(conn, "capacity_raise", Raise._fields, batch.raises)
    if batch.held_moved:
        places = zip(*batch.held_moved, strict=True)
        chips, stated = zip(*batch.held_moved.values(), strict=True)
        await conn.execute(queries.move_capacity, *map(list, places), list(chips), list(stated))


async def _write_settlements(conn: Conn, batch: Batch) -> None:
    settled = batch.settlements
    await _copy_rows(
        conn,
        "settlement",
        _SETTLEMENT,
        [
            (
                s.id,
                s.allocation_id,
                s.body_hash,
                s.lapsed,
                *(getattr(s.split, name) for name in _SETTLEMENT[4:9]),
                s.compensation,
                s.provider_owes,
                s.enterprise_owes,
                list(s.transfers),
            )
            for s in settled
        ],
    )
    await _copy_rows(
        conn,
        "settled_period",
        ("allocation_id", "period", "settlement_id", "chips", "price", "delivered"),
        [
            (s.allocation_id, p.period, s.id, p.chips, p.price, p.delivered)
            for s in settled
            for p in s.periods
        ],
    )
    await _copy_rows(
        conn,
        "money_order",
        ("order_ref", "body_hash", "transfer_id", "refusal"),
        [(m.id, m.body_hash, m.transfer_id, m.refusal) for m in batch.money_orders],
    )


def _values(terms: Terms) -> tuple[int | None, ...]:
    return tuple(getattr(terms, name) for name in _TERMS)


async def write_waiting(conn: Conn, queries: Queries, batch: Batch) -> None:
    """Keep the records that begin to wait, drop those that have been booked."""
    kept = [(item.record, item.envelope) for item in batch.waiting]
    await _copy_rows(
        conn,
        "waiting_record",
        [
            "topic",
            "partition",
            "log_offset",
            "market_id",
            "timestamp_ms",
            "key",
            "value",
            "header_names",
            "header_values",
        ],
        [
            (
                record.topic,
                record.partition,
                record.offset,
                getattr(envelope.data, "market_id", ""),
                record.timestamp_ms,
                record.key,
                record.value,
                [name for name, _ in record.headers],
                [raw for _, raw in record.headers],
            )
            for record, envelope in kept
        ],
    )
    if batch.waited:
        await conn.execute(queries.remove_waited, *map(list, zip(*batch.waited, strict=True)))


async def _copy(conn: Conn, table: str, columns: Sequence[str], items: Iterable[object]) -> None:
    await _copy_rows(
        conn, table, columns, [tuple(getattr(item, name) for name in columns) for item in items]
    )


async def _copy_rows(
    conn: Conn, table: str, columns: Sequence[str], records: list[tuple[Any, ...]]
) -> None:
    if records:
        await conn.copy_records_to_table(table, records=records, columns=list(columns))
