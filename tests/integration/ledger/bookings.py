"""Bookings as SQL: rows that keep every rule but for what a test makes of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import asyncpg

REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)
HOLD = uuid.UUID(int=1)

# What a booking adds: leaf and transfer, the commitment worked out of both unless one is given.
BOOK = """
CREATE FUNCTION {0}.book(l {0}.leaf, t {0}.transfer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  debit text := (SELECT name FROM {0}.account WHERE id = t.debit_id);
  credit text := (SELECT name FROM {0}.account WHERE id = t.credit_id);
BEGIN
  l.entry := coalesce(l.entry, convert_to(E'suanli.leaf.v2\\n', 'UTF8') || sha256(
    {0}.journal_opening(t.leaf_idx, t.id, t.kind, t.amount, t.pending_amount, t.occurred_at,
      t.unit, t.purpose, t.market_id, t.round_id, t.order_id, coalesce(t.pending_id, t.reverses),
      l.cause, l.opening, debit, credit, l.debit_version, l.credit_version, l.debit_posted,
      l.credit_posted, l.debit_pending, l.credit_pending)), 'x');
  INSERT INTO {0}.leaf (idx, debit_version, credit_version, debit_posted, credit_posted,
    debit_pending, credit_pending, entry, opening, cause) VALUES (l.idx, l.debit_version,
    l.credit_version, l.debit_posted, l.credit_posted, l.debit_pending, l.credit_pending, l.entry,
    l.opening, l.cause);
  INSERT INTO {0}.transfer SELECT (t).*;
END $$
"""

DEPOSIT = uuid.UUID(int=9)


def sql_of(values: dict[str, object]) -> str:
    """Return values as a row for `jsonb_populate_record`."""
    pairs = (f"'{name}', {value}" for name, value in values.items())
    return f"jsonb_build_object({', '.join(pairs)})"


def booking_sql(transfer: dict[str, object], leaf: dict[str, object]) -> str:
    """Return a booking with the columns given, which are SQL."""
    told = {"opening": "sha256('salt')", "cause": "'test'"} | leaf
    asked = {"purpose": "'test'", "unit": "'CNY-micro'", "occurred_at": "now()"} | transfer
    return (
        f"SELECT book(jsonb_populate_record(NULL::leaf, {sql_of(told)}), "
        f"jsonb_populate_record(NULL::transfer, {sql_of(asked)}));"
    )


SETUP = (
    """
INSERT INTO participant VALUES ('lab', 'enterprise', 'Lab', NULL, 'active'),
  ('cloud', 'provider', 'Cloud', NULL, 'active');
INSERT INTO account (id, name, participant_id, unit, floor_zero) VALUES
  (1, 'bank', NULL, 'CNY-micro', false),
  (2, 'cny:lab', 'lab', 'CNY-micro', true),
  (3, 'escrow:jjj', NULL, 'CNY-micro', true),
  (4, 'hours:lab', 'lab', 'chip-hour', true);
"""
    + booking_sql(
        {
            "leaf_idx": 0,
            "id": f"'{DEPOSIT}'",
            "kind": "'single'",
            "debit_id": 1,
            "credit_id": 2,
            "amount": 100,
        },
        {
            "idx": 0,
            "debit_version": 1,
            "credit_version": 1,
            "debit_posted": 100,
            "credit_posted": -100,
        },
    )
    + booking_sql(
        {
            "leaf_idx": 1,
            "id": f"'{HOLD}'",
            "kind": "'hold'",
            "debit_id": 2,
            "credit_id": 3,
            "amount": 40,
        },
        {
            "idx": 1,
            "debit_version": 2,
            "credit_version": 1,
            "debit_pending": 40,
            "credit_pending": -40,
        },
    )
    + """
INSERT INTO checkpoint (size, root, frontier, note)
  VALUES (2, sha256('root'), sha256('root'), 'note');
INSERT INTO demand_hold VALUES ('dem_1', 'jjj', 'lab', 1, 40, 40,
  '00000000-0000-0000-0000-000000000001', false, sha256('d'), 0, 0);
INSERT INTO offer_version VALUES ('off_1', 1, 0, 0, 'jjj', 'cloud', 'z/c', 100, 110, 10, 5,
  sha256('o'));
INSERT INTO round_booked VALUES ('jjj:1', 'jjj', 1, sha256('r'), 1, 30, 0, now());
INSERT INTO allocation VALUES ('al_1', 'jjj:1', 'jjj', 'dem_1', 'lab', 'off_1', 'cloud', 1, 'z/c',
  30, sha256('a'));
INSERT INTO allocation_period VALUES ('al_1', 100, 'off_1', 1, 6, 5);
INSERT INTO settlement VALUES
  ('s_whole', 'al_1', sha256('v'), false, 30, 0, 0, 0, 0, 0, 0, 0, '{}'),
  ('s_part', 'al_1', sha256('w'), false, 15, 0, 0, 15, 3, 0, 3, 0, '{}'),
  ('s_none', 'al_1', sha256('x'), true, 0, 0, 0, 30, 6, 2, 0, 0, '{}');
INSERT INTO transfer_done VALUES ('00000000-0000-0000-0000-000000000006', 0);
INSERT INTO consumer_offset (topic, partition, next_offset, epoch) VALUES ('demand', 0, 5, 1);
"""
)


@dataclass
class Roles:
    """Acts as one role after another on one connection."""

    conn: asyncpg.Connection
    schema: str

    async def writer(self, sql: str) -> None:
        await self._as(f"{self.schema}_writer", sql)

    async def regulator(self, sql: str) -> None:
        await self._as(f"{self.schema}_regulator", sql)

    async def owner(self, sql: str) -> None:
        await self._as(None, sql)

    async def count(self, role: str, table: str, identity: str | None = None) -> int:
        await self.conn.execute(f'SET LOCAL ROLE "{self.schema}_{role}"')
        if identity is not None:
            await self.conn.execute(
                "SELECT set_config('suanli.participant_id', $1, true)", identity
            )
        return int(await self.conn.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608

    async def _as(self, role: str | None, sql: str) -> None:
        await self.conn.execute(f'SET LOCAL ROLE "{role}"' if role else "SET LOCAL ROLE NONE")
        async with self.conn.transaction():
            await self.conn.execute(sql)


def leaf_sql(idx: int) -> str:
    return (
        f"INSERT INTO leaf (idx, debit_version, credit_version, entry) VALUES "  # noqa: S608
        f"({idx}, 1, 1, 'c{idx}');"
    )


def transfer_sql(
    kind: str, amount: int, leaf: dict[str, object] | None = None, /, **columns: object
) -> str:
    """Return a transfer from the lab to the escrow that resolves the hold, as far as it says.

    Columns of the leaf are given in ``leaf``; what they say by default follows from the rest.
    """
    asked: dict[str, object] = {
        "leaf_idx": 2,
        "id": f"'{uuid.UUID(int=77)}'",
        "kind": f"'{kind}'",
        "debit_id": 2,
        "credit_id": 3,
        "amount": amount,
    } | columns
    posted = amount if kind in ("single", "post", "reversal") else None
    pending = {"hold": amount, "post": -40, "void": -40, "expire": -40}.get(kind)
    steps = (posted is not None) + (pending is not None)
    # Versions and balances after the deposit and the hold.
    before = {1: (1, 100, 0), 2: (2, -100, 40), 3: (1, 0, -40), 4: (0, 0, 0)}
    told: dict[str, object] = {"idx": 2}
    for side, sign in (("debit", 1), ("credit", -1)):
        version, has, holds = before.get(int(str(asked[f"{side}_id"])), (0, 0, 0))
        told[f"{side}_version"] = version + steps
        told[f"{side}_posted"] = "NULL" if posted is None else has + sign * posted
        told[f"{side}_pending"] = "NULL" if pending is None else holds + sign * pending
    return booking_sql(asked, told | (leaf or {}))


def reversal_sql(leaf: dict[str, object] | None = None, /, **columns: object) -> str:
    """Return the reversal of the lab's deposit of 100, as far as it says, once the hold is void."""
    mirrored: dict[str, object] = {
        "debit_id": 2,
        "credit_id": 1,
        "reverses": f"'{DEPOSIT}'",
    }
    changed = mirrored | columns
    amount = int(str(changed.pop("amount", 100)))
    sql = transfer_sql("reversal", amount, leaf or {"debit_version": 4}, **changed)
    return transfer_sql("void", 0, **RESOLVES) + again(sql)


def again(sql: str) -> str:
    """Return a booking once more, under another id and at the next place in the log."""
    other = sql.replace(f"'{uuid.UUID(int=77)}'", f"'{uuid.UUID(int=78)}'")
    return other.replace("idx', 2,", "idx', 3,")


def third(sql: str) -> str:
    """Return the second of two bookings once more, under another id and at the next place."""
    other = sql[sql.index("SELECT", 1) :].replace(f"'{uuid.UUID(int=78)}'", "gen_random_uuid()")
    return other.replace("idx', 3,", "idx', 4,")


RESOLVES = {"pending_id": f"'{HOLD}'", "pending_amount": 40}
