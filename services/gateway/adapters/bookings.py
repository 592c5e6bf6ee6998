"""Journal entries, settlements, refusals and terms of settlement, from the log into the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.events import JournalEntryRecorded
from schemas.money import AllocationSettled, MoneyRefused, SettlementTermsSet
from schemas.shares import PremiumSettled
from services.core.postings import settlement_uuid
from services.gateway.adapters import log_tree
from services.gateway.adapters.queries import SQL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from services.gateway.ports import Sent
    from services.kit.postgres import Conn, Pool

_OF_SETTLEMENTS = frozenset(
    {
        "delivery_paid",
        "fee",
        "refund",
        "compensation",
        "penalty",
        "penalty_owed",
        "enterprise_fee",
        "enterprise_fee_owed",
    }
)
_PREMIUMS = frozenset({"premium_credit", "premium_charge", "premium_missed", "premium_owed"})
PURPOSES = _OF_SETTLEMENTS | _PREMIUMS
"""Purposes that only entries of settlements have."""
_LINKS = frozenset({"link_tariff", "link_rent"})


async def put_entries(conn: Conn, batch: list[Sent]) -> None:
    """Show journal entries: postings, balances, the journal's bytes, hours, parts of invoices."""
    entries = [
        (data, sent)
        for sent in batch
        if isinstance(data := sent.envelope.data, JournalEntryRecorded)
    ]
    found = [
        (
            data.entry_id,
            line,
            posting.account,
            data.unit,
            data.kind,
            data.purpose,
            posting.layer,
            posting.amount,
            posting.balance_after,
            data.market_id,
            data.round_id,
            data.order_id,
            data.leaf_index,
            sent.envelope.recorded_at,
            data.occurred_at or sent.envelope.occurred_at,
            data.pending_id,
        )
        for data, sent in entries
        for line, posting in enumerate(data.postings)
    ]
    await conn.execute(SQL.put_entries, *_columns(found))
    await log_tree.put_leaves(conn, batch)
    parts = [
        (data.entry_id, data.purpose, data.leaf_index, data.amount)
        for data, _ in entries
        if data.purpose in PURPOSES
    ]
    if parts:
        await conn.execute(SQL.put_settlement_entries, *_columns(parts))
    touched = [part[0] for part in parts] + [
        data.entry_id for data, _ in entries if data.kind == "reversal"
    ]
    if touched:
        await conn.execute(SQL.put_settlement_reversals, touched)
    await _put_links(conn, [data for data, _ in entries])


async def _put_links(conn: Conn, entries: list[JournalEntryRecorded]) -> None:
    """Show what rounds charged demands for links, and from whom it was captured."""
    charges = [
        (
            data.entry_id,
            data.purpose,
            data.leaf_index,
            data.amount,
            data.market_id,
            data.round_id,
            data.order_id,
        )
        for data in entries
        if data.purpose in _LINKS
    ]
    if charges:
        await conn.execute(SQL.put_link_entries, *_columns(charges))
    captures = [
        (data.order_id, data.round_id, data.postings[0].account)
        for data in entries
        if data.purpose == "hold_captured"
    ]
    if captures:
        await conn.execute(SQL.put_link_owners, *_columns(captures))


async def put_settlements(conn: Conn, batch: list[Sent]) -> None:
    """Show settlements, and which journal entries they are made of."""
    settled = [
        (data, sent.envelope.occurred_at)
        for sent in batch
        if isinstance(data := sent.envelope.data, AllocationSettled)
    ]
    rows = [
        (
            data.settlement_id,
            data.allocation_id,
            data.market_id,
            data.enterprise_id,
            data.provider_id,
            data.model_dump_json(),
            at,
        )
        for data, at in settled
    ]
    await conn.execute(SQL.put_settlements, *_columns(rows))
    await _put_parts(conn, [(data, purposes_of(data)) for data, _ in settled])


async def put_premiums(conn: Conn, batch: list[Sent]) -> None:
    """Note which journal entries the premiums of settlements are."""
    settled = [data for sent in batch if isinstance(data := sent.envelope.data, PremiumSettled)]
    await _put_parts(conn, [(data, _premium_purposes(data)) for data in settled])


async def _put_parts(
    conn: Conn, settled: Iterable[tuple[AllocationSettled | PremiumSettled, list[str]]]
) -> None:
    parts = [
        (
            str(settlement_uuid(purpose, data.settlement_id)),
            purpose,
            data.settlement_id,
            data.enterprise_id,
            data.provider_id,
        )
        for data, purposes in settled
        for purpose in purposes
    ]
    if parts:
        await conn.execute(SQL.put_settlement_parts, *_columns(parts))
        await conn.execute(SQL.put_settlement_reversals, [part[0] for part in parts])


def _premium_purposes(data: PremiumSettled) -> list[str]:
    amounts = {
        "premium_credit": data.credit,
        "premium_charge": data.charge,
        "premium_missed": data.charge_missed - data.owes,
        "premium_owed": data.owes,
    }
    assert amounts.keys() == _PREMIUMS
    return [purpose for purpose, amount in amounts.items() if amount]


def purposes_of(data: AllocationSettled) -> list[str]:
    """Return the purposes of the entries that a settlement was booked as."""
    amounts = {
        "delivery_paid": data.paid - data.provider_fee,
        "fee": data.provider_fee,
        "refund": data.refund,
        "compensation": data.compensation,
        "penalty": data.penalty - data.provider_owes - data.compensation,
        "penalty_owed": data.provider_owes,
        "enterprise_fee": data.enterprise_fee - data.enterprise_owes,
        "enterprise_fee_owed": data.enterprise_owes,
    }
    assert amounts.keys() == _OF_SETTLEMENTS
    return [purpose for purpose, amount in amounts.items() if amount]


async def put_refusals(conn: Conn, batch: list[Sent]) -> None:
    """Show orders about money that were refused."""
    found = [
        (data.order_ref, data.participant_id, data.model_dump_json(), sent.envelope.occurred_at)
        for sent in batch
        if isinstance(data := sent.envelope.data, MoneyRefused)
    ]
    await conn.executemany(SQL.put_refusal, found)


async def put_terms(conn: Conn | Pool, batch: list[Sent]) -> None:
    """Show terms of settlement."""
    found = [
        (data.market_id, data.version, data.model_dump_json(), sent.envelope.occurred_at)
        for sent in batch
        if isinstance(data := sent.envelope.data, SettlementTermsSet)
    ]
    await conn.executemany(SQL.put_settlement_terms, found)


def _columns(found: list[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*found, strict=True)]
