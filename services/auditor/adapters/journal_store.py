"""The store of the journal's audit: everything in the auditor's own schema, one commit a batch."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from schemas.shares import PremiumAssigned
from schemas.transparency import AuditProgressed
from schemas.types import period_of
from services.auditor.adapters.capacity_store import PostgresCapacityStore, put_capacity
from services.auditor.adapters.erasure_store import put_erased, put_erasures
from services.auditor.adapters.queries import QUERIES
from services.auditor.crash import crash_point
from services.auditor.journal_findings import finding_event, finding_id, progress_event, severity_of
from services.auditor.journal_state import (
    Charge,
    Edge,
    ErasureSeen,
    HeadSeen,
    JournalFacts,
    Payments,
    RoundAudit,
)
from services.kit.postgres import advance_all, append_outbox, assert_lease, claim_positions
from services.kit.telemetry import METRICS
from suanli.check_booking import Claim, Facts, allocation_told, facts_of
from suanli.check_journal import Account, Books

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from schemas.events import AllocationMade
    from schemas.links import LinkCharged
    from services.auditor.journal_state import Charges, Found, JournalChanges
    from services.kit.postgres import Conn, Pool
    from services.kit.records import Positions
    from suanli.check_booking import Allocated, Place

TOPICS = ("journal-entries", "checkpoints", "allocations", "offers", "participants")
# Beyond this many, findings say nothing new, and the topic is not to be flooded.
FINDINGS_MAX = 1_000
_UNTOLD = METRICS.counter("audit_findings_untold_total", "Findings beyond the most that are told")
_HASH = 32


class PostgresJournalStore:
    """`services.auditor.journal_state.JournalStore` on Postgres.

    Args:
        pool: Pool of the auditor's schema.
        lease: Name of the lease.
        epoch: Fencing epoch with which this process holds it.
    """

    def __init__(self, pool: Pool, *, lease: str, epoch: int) -> None:
        self._pool = pool
        self._capacity = PostgresCapacityStore(pool)
        self._lease = lease
        self._epoch = epoch

    @property
    def capacity(self) -> PostgresCapacityStore:
        """Return what is kept of chips."""
        return self._capacity

    async def start(self) -> tuple[Positions, JournalFacts, Edge]:
        """Claim the positions; return them and where the journal stands."""
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            positions = await claim_positions(conn, TOPICS, self._epoch)
            text = await conn.fetchval(QUERIES.journal_facts)
            row = await conn.fetchrow(QUERIES.last_tile)
        facts = JournalFacts(**json.loads(text)) if text else JournalFacts()
        edge = Edge() if row is None else Edge(row["n"], *_tile(row))
        return positions, facts, edge

    async def hashes(self, indices: Iterable[int]) -> dict[int, bytes]:
        """Return the kept leaf hashes of entries."""
        wanted = list(indices)
        rows = await self._pool.fetch(QUERIES.tiles, list({index // 256 for index in wanted}))
        tiles = {row["n"]: _tile(row)[1] for row in rows}
        return {
            index: tiles[index // 256][index % 256]
            for index in wanted
            if index % 256 < len(tiles.get(index // 256, ()))
        }

    async def tile(self, n: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Return (tree before it, leaf hashes) of a tile that there is."""
        (row,) = await self._pool.fetch(QUERIES.tiles, [n])
        return _tile(row)

    async def waiting(self, first: int, count: int) -> dict[int, bytes]:
        """Return the waiting entries of ``count`` places from the first."""
        return _contents(await self._pool.fetch(QUERIES.waiting, first, first + count))

    async def waiting_at(self, indices: Iterable[int]) -> dict[int, bytes]:
        """Return the waiting entries of some places."""
        return _contents(await self._pool.fetch(QUERIES.waiting_at, list(indices)))

    async def first_waiting(self) -> int | None:
        """Return the place of the first waiting entry."""
        found: int | None = await self._pool.fetchval(QUERIES.first_waiting)
        return found

    async def books(self, accounts: set[str], holds: set[str], ids: set[str]) -> Books:
        """Return what earlier entries left behind, of these alone."""
        rows = await self._pool.fetch(QUERIES.accounts, list(accounts))
        held = await self._pool.fetch(QUERIES.holds, list(holds))
        seen = await self._pool.fetch(QUERIES.seen, list(ids))
        return Books(
            {
                row["account"]: Account(
                    row["unit"], row["version"], json.loads(row["sums"]), json.loads(row["off"])
                )
                for row in rows
            },
            {row["hold_id"]: row["amount"] for row in held},
            {row["entry_id"] for row in seen},
        )

    async def heads(self, sizes: Iterable[int]) -> dict[int, HeadSeen]:
        """Return the heads of these sizes that were published."""
        return _heads(await self._pool.fetch(QUERIES.heads, list(sizes)))

    async def heads_ahead(self, size: int, until: int) -> dict[int, HeadSeen]:
        """Return the heads in (size, until] that no entry has reached."""
        return _heads(await self._pool.fetch(QUERIES.heads_ahead, size, until))

    async def claims(self, places: Iterable[Place]) -> dict[Place, Claim]:
        """Return the money in escrow of these."""
        wanted = list(places)
        rows = await self._pool.fetch(
            QUERIES.claims, [place[0] for place in wanted], [place[1] for place in wanted]
        )
        return _claims(rows)

    async def claims_of(self, round_id: str) -> dict[Place, Claim]:
        """Return the money in escrow of a round."""
        return _claims(await self._pool.fetch(QUERIES.claims_of, round_id))

    async def claims_waiting(self, before: int, limit: int) -> dict[Place, Claim]:
        """Return money that waits for premiums and was last moved by an entry before a place."""
        return _claims(await self._pool.fetch(QUERIES.claims_waiting, before, limit))

    async def rounds(self, round_ids: Iterable[str]) -> dict[str, RoundAudit]:
        """Return how far these rounds are."""
        rows = await self._pool.fetch(QUERIES.rounds, list(round_ids))
        return {row["round_id"]: _round(row) for row in rows}

    async def open_rounds(self, limit: int) -> list[RoundAudit]:
        """Return rounds of which something can be compared, the oldest first."""
        return [_round(row) for row in await self._pool.fetch(QUERIES.open_rounds, limit)]

    async def payments(self, round_id: str) -> Payments:
        """Return what each demand pays by the round's file."""
        rows = await self._pool.fetch(QUERIES.payments, round_id)
        return Payments(
            *({row["demand_id"]: row[name] for row in rows}
              for name in ("payment", "tariffs", "rents"))
        )  # fmt: skip

    async def charges(self, round_id: str, kind: str) -> tuple[Charges, Charges]:
        """Return a round's premiums (``premium``) or charges (``link``): by file and by topic."""
        found: dict[str, Charges] = {"file": {}, "topic": {}}
        for row in await self._pool.fetch(QUERIES.charges, round_id):
            if row["kind"] == kind:
                facts = Facts(row["amount"], row["digest"])
                found[row["source"]][row["subject"]] = Charge(row["party"], facts)
        return found["file"], found["topic"]

    async def allocations(self, round_id: str, source: str) -> dict[Allocated, Facts]:
        """Return a round's allocations, by ``file`` or by ``topic``."""
        rows = await self._pool.fetch(QUERIES.allocations, round_id, source)
        return {
            (row["demand_id"], row["offer_id"], row["pool"], row["first_period"]): Facts(
                row["payment"], row["digest"]
            )
            for row in rows
        }

    async def told(self, round_id: str) -> list[dict[str, Any]]:
        """Return a round's allocations as their topic told them."""
        return [json.loads(row["told"]) for row in await self._pool.fetch(QUERIES.told, round_id)]

    async def told_at(self, places: Iterable[Place]) -> list[dict[str, Any]]:
        """Return the allocations of some demands in rounds, as their topic told them.

        With them is their ``premium``, as the file says.
        """
        wanted = list(places)
        rows = await self._pool.fetch(
            QUERIES.told_at, [place[0] for place in wanted], [place[1] for place in wanted]
        )
        return [json.loads(row["told"]) | {"premium": row["premium"]} for row in rows]

    async def progress(self, facts: JournalFacts) -> AuditProgressed:
        """Return how far the audit is."""
        row = await self._pool.fetchrow(QUERIES.audit_counts)
        assert row is not None
        cosigned = await self._pool.fetchval(QUERIES.cosigned, facts.head_size, facts.head_root)
        told_at = datetime.fromisoformat(facts.head_told_at) if facts.head_told_at else None
        return AuditProgressed(
            market_id="exchange",
            rounds_verified=row["verified"],
            rounds_refuted=row["refuted"],
            rounds_booked=row["booked"],
            entries_checked=facts.size,
            entries_published=max(facts.size, facts.reach),
            head_size=facts.head_size,
            head_root=facts.head_root or None,
            head_told_at=told_at,
            cosignatures=cosigned,
            findings=row["findings"],
        )

    async def commit(
        self, before: Positions, after: Positions, changes: JournalChanges, now: datetime
    ) -> list[str]:
        """Write a batch in one transaction; return the codes of findings that are new.

        Raises:
            StaleWriterError: if another process has taken over.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            await advance_all(conn, before, after, self._epoch)
            await conn.execute(QUERIES.put_journal_facts, json.dumps(asdict(changes.facts)))
            await _put_entries(conn, changes)
            await _put_heads(conn, changes)
            await _put_rounds(conn, changes)
            await put_capacity(conn, changes)
            await _put_claims(conn, changes)
            await put_erasures(conn, changes)
            crash_point("journal_before_commit")
            codes = await _put_found(conn, changes.found, now)
        crash_point("journal_after_commit")
        return codes

    async def add_found(self, found: Sequence[Found], now: datetime) -> list[str]:
        """Write findings that no batch brought; return the codes of those that are new."""
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            return await _put_found(conn, found, now)

    async def unordered(self, limit: int) -> list[ErasureSeen]:
        """Return stored erasures for which no order is stored, and that were not told."""
        rows = await self._pool.fetch(QUERIES.unordered, limit)
        return [ErasureSeen(**dict(row)) for row in rows]

    async def add_erased(self, erased: Sequence[ErasureSeen]) -> None:
        """Keep erasures that the ledger's database shows, each once."""
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            await put_erased(conn, erased)

    async def verdicts(self, round_ids: Iterable[str]) -> dict[str, bool]:
        """Return round -> whether its file obeys every rule, of those that were judged."""
        rows = await self._pool.fetch(QUERIES.verdicts, list(round_ids))
        return {row["round_id"]: row["ok"] for row in rows}

    async def tell(self, progress: AuditProgressed, now: datetime) -> None:
        """Queue the event about the progress."""
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            await append_outbox(conn, [progress_event(progress, now)])


async def _put_entries(conn: Conn, changes: JournalChanges) -> None:
    if changes.tiles:
        await conn.execute(
            QUERIES.put_tiles,
            list(changes.tiles),
            [b"".join(nodes) for nodes, _ in changes.tiles.values()],
            [hashes for _, hashes in changes.tiles.values()],
        )
    if changes.seen:
        await conn.execute(QUERIES.put_seen, list(changes.seen), list(changes.seen.values()))
    if changes.waiting:
        rows = changes.waiting
        await conn.execute(QUERIES.put_waiting, list(rows), list(rows.values()))
    if changes.taken:
        await conn.execute(QUERIES.drop_waiting, changes.taken)
    books = changes.books
    if books is None:
        return
    accounts = sorted(books.accounts.items())
    await conn.execute(
        QUERIES.put_accounts,
        [name for name, _ in accounts],
        [account.unit for _, account in accounts],
        [account.version for _, account in accounts],
        [json.dumps(account.sums) for _, account in accounts],
        [json.dumps(account.off) for _, account in accounts],
    )
    held = {hold: amount for hold, amount in books.holds.items() if amount}
    await conn.execute(QUERIES.put_holds, list(held), list(held.values()))
    await conn.execute(QUERIES.drop_holds, [hold for hold in books.holds if hold not in held])


async def _put_heads(conn: Conn, changes: JournalChanges) -> None:
    heads = list(changes.heads.values())
    if heads:
        await conn.execute(
            QUERIES.put_heads,
            [head.size for head in heads],
            [head.root for head in heads],
            [head.signed for head in heads],
            [head.told_at for head in heads],
            [head.fits for head in heads],
        )
    for row in changes.cosigned:
        await conn.execute(QUERIES.put_cosigned, *row)


async def _put_rounds(conn: Conn, changes: JournalChanges) -> None:
    rows = [_told_row(body) for body in changes.allocations]
    if rows:
        columns = map(list, zip(*rows, strict=True))
        await conn.execute(QUERIES.put_allocations, "topic", *columns)
    if changes.charges:
        told = [_charge_row(body) for body in changes.charges]
        await conn.execute(QUERIES.put_charges, "topic", *map(list, zip(*told, strict=True)))
    if changes.premiums:
        places = map(list, zip(*changes.premiums, strict=True))
        await conn.execute(QUERIES.put_premiums, *places, list(changes.premiums.values()))
    rounds = sorted(changes.rounds.values(), key=lambda row: row.round_id)
    if not rounds:
        return
    await conn.execute(
        QUERIES.put_rounds,
        [row.round_id for row in rounds],
        [row.market_id for row in rounds],
        [row.seq for row in rounds],
        [None if row.offers_through is None else json.dumps(row.offers_through) for row in rounds],
        [row.booked_at for row in rounds],
        [row.allocations_compared for row in rounds],
        [row.capacity_compared for row in rounds],
        [row.payments_compared for row in rounds],
        [row.assessed for row in rounds],
    )
    await conn.execute(
        QUERIES.drop_payments, [row.round_id for row in rounds if row.payments_compared]
    )
    compared = [row.round_id for row in rounds if row.allocations_compared]
    await conn.execute(QUERIES.drop_file_allocations, compared)
    await conn.execute(QUERIES.drop_charges, compared)


async def _put_claims(conn: Conn, changes: JournalChanges) -> None:
    kept = {place: claim for place, claim in changes.claims.items() if place not in changes.settled}
    if kept:
        claims = kept.values()
        await conn.execute(
            QUERIES.put_claims,
            [place[0] for place in kept],
            [place[1] for place in kept],
            [claim.taken for claim in claims],
            [claim.payer for claim in claims],
            [json.dumps(claim.went) for claim in claims],
            [claim.index for claim in claims],
            [json.dumps(claim.credited) for claim in claims],
            [json.dumps(claim.charged) for claim in claims],
            [claim.moved for claim in claims],
            [place in changes.waits for place in kept],
        )
    if changes.settled:
        gone = sorted(changes.settled)
        await conn.execute(QUERIES.drop_claims, [one[0] for one in gone], [one[1] for one in gone])
    touched = {place[0] for place in changes.settled} | set(changes.rounds)
    if touched:
        await conn.execute(QUERIES.drop_told, list(touched))


async def _put_found(conn: Conn, wanted: Sequence[Found], now: datetime) -> list[str]:
    """Write findings and queue their events, each once and no more than a bounded number."""
    if not wanted:
        return []
    left = max(0, FINDINGS_MAX - await conn.fetchval(QUERIES.count_found))
    _UNTOLD.inc(max(0, len(wanted) - left))
    codes, events = [], []
    for found in wanted[:left]:
        known = finding_id(found)
        done = await conn.execute(QUERIES.put_found, known, found.code, severity_of(found), now)
        if done == "INSERT 0 1":
            codes.append(found.code)
            events.append(finding_event(found, now))
    await append_outbox(conn, events)
    return codes


def _told_row(body: AllocationMade) -> tuple[Any, ...]:
    text = body.model_dump_json()
    (demand, offer, pool, first), facts = allocation_told(json.loads(text))
    return body.round_id, demand, offer, pool, first, facts.payment, facts.digest, text


def _charge_row(body: PremiumAssigned | LinkCharged) -> tuple[Any, ...]:
    if isinstance(body, PremiumAssigned):
        rows = [(period_of(item.start), 1, item.amount) for item in body.periods]
        told = ("premium", body.allocation_id, body.provider_id, body.amount)
    else:
        rows = [(period_of(item.start), item.gb, item.price) for item in body.periods]
        subject = f"{body.demand_id} {body.source}>{body.destination}"
        told = ("link", subject, body.enterprise_id, body.payment)
    return body.round_id, *told, facts_of(rows).digest


def _tile(row: asyncpg.Record) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    return _cut(row["nodes"]), _cut(row["hashes"])


def _cut(raw: bytes) -> tuple[bytes, ...]:
    return tuple(raw[at : at + _HASH] for at in range(0, len(raw), _HASH))


def _contents(rows: Iterable[asyncpg.Record]) -> dict[int, bytes]:
    return {row["leaf_index"]: bytes(row["content"]) for row in rows}


def _heads(rows: Iterable[asyncpg.Record]) -> dict[int, HeadSeen]:
    return {row["size"]: HeadSeen(**dict(row)) for row in rows}


def _claims(rows: Iterable[asyncpg.Record]) -> dict[Place, Claim]:
    return {
        (row["round_id"], row["demand_id"]): Claim(
            int(row["taken"]),
            row["payer"],
            json.loads(row["went"]),
            row["entry"],
            json.loads(row["credited"]),
            json.loads(row["charged"]),
            row["moved"],
        )
        for row in rows
    }


def _round(row: asyncpg.Record) -> RoundAudit:
    through = row["offers_through"]
    ends = None if through is None else tuple((one[0], one[1]) for one in json.loads(through))
    return replace(RoundAudit(**{**dict(row), "offers_through": None}), offers_through=ends)
