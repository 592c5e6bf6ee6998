"""What is true of an exchange after a simulation, read from its log, database and API."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from schemas import events
from schemas.codec import decode
from schemas.types import TERMINAL_STATES
from services.kit.kafka import LogReader, Record
from services.kit.settings import KitSettings

INTENTS = ("offers", "demand")
TOPICS = (*INTENTS, "order-status", "allocations", "journal-entries", "findings")
_TERMINAL = {state.value for state in TERMINAL_STATES}
_BEHIND = """
SELECT
  (SELECT coalesce(max(seq), 0) FROM matching.round)
    - (SELECT coalesce(max(seq), 0) FROM ledger.round_booked) AS rounds_unbooked,
  (SELECT count(*) FROM matching.round)
    - (SELECT count(DISTINCT round_id) FROM gateway.finding WHERE kind = 'round_verified' AND ok)
    AS rounds_unverified,
  (SELECT count(*) FROM matching.outbox WHERE sent_at IS NULL)
    + (SELECT count(*) FROM ledger.outbox WHERE sent_at IS NULL)
    + (SELECT count(*) FROM ledger.leaf) - (SELECT next_idx FROM ledger.journal_sent) AS unsent,
  (SELECT count(*) FROM gateway.orders WHERE submitted_at IS NOT NULL AND status_sequence < 0)
    AS unjudged,
  (SELECT count(*) FROM gateway.orders
    WHERE cancel_requested_at IS NOT NULL AND state <> ALL ($1)) AS uncancelled,
  (SELECT count(*) FROM matching.orders WHERE state = 'accepted') AS waiting,
  (SELECT count(*) FROM gateway.delivered_period)
    - (SELECT count(*) FROM ledger.settled_period AS p JOIN ledger.settlement AS s
      USING (settlement_id) WHERE NOT s.lapsed) AS unpaid,
  (SELECT count(*) FROM matching.orders AS o FULL JOIN ledger.demand_hold AS h USING (order_id)
    WHERE o.side IS DISTINCT FROM 'offer' AND o.hold_micro_yuan IS DISTINCT FROM h.amount)
    AS holds_apart,
  (SELECT count(*) FROM matching.orders AS o JOIN ledger.demand_hold AS h USING (order_id)
    WHERE o.state = ANY ($1) AND h.amount > 0) AS unreleased
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the checks look at.

    Attributes:
        log: Topic -> all its records.
        orders: Rows of matching's orders.
        intake: (topic, partition, offset) of every verdict.
        rounds: Rows of matching's rounds.
        holds: Rows of the ledger's holds.
    """

    log: dict[str, list[Record]]
    orders: dict[str, asyncpg.Record]
    intake: list[tuple[str, int, int]]
    rounds: list[asyncpg.Record]
    holds: dict[str, asyncpg.Record]

    def of(self, topic: str) -> list[events.Event]:
        """Return the events of a topic, each once; a repeat must be the same byte for byte."""
        seen: dict[str, tuple[bytes | None, events.Event]] = {}
        for record in self.log[topic]:
            envelope = decode(record.value, record.headers)
            known = seen.setdefault(envelope.id, (record.value, envelope.data))
            assert known[0] == record.value, f"{envelope.id} came with two bodies"
        return [event for _, event in seen.values()]


async def behind(dsn: str) -> dict[str, int]:
    """Return how much is still under way; all zeros once the exchange has healed."""
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(_BEHIND, list(_TERMINAL))
    finally:
        await connection.close()
    assert row is not None
    return dict(row)


async def gather(dsn: str, bootstrap: str) -> Facts:
    """Read everything."""
    connection = await asyncpg.connect(dsn)
    try:
        orders = await connection.fetch("SELECT * FROM matching.orders")
        intake = await connection.fetch("SELECT * FROM matching.intake")
        rounds = await connection.fetch("SELECT * FROM matching.round ORDER BY seq")
        holds = await connection.fetch("SELECT * FROM ledger.demand_hold")
    finally:
        await connection.close()
    return Facts(
        log=await _read(bootstrap),
        orders={row["order_id"]: row for row in orders},
        intake=[(row["topic"], row["partition"], row["record_offset"]) for row in intake],
        rounds=rounds,
        holds={row["order_id"]: row for row in holds},
    )


async def _read(bootstrap: str) -> dict[str, list[Record]]:
    reader = LogReader(KitSettings(kafka_bootstrap=bootstrap, _env_file=None), TOPICS)
    await reader.start({})
    found: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
    try:
        while await reader.lag():
            for record in await reader.read(5000, 500):
                found[record.topic].append(record)
    finally:
        await reader.stop()
    return found


def check_verdicts(facts: Facts, receipts: Sequence[dict[str, Any]]) -> None:
    """Assert that every record has one verdict and every receipt's order one life."""
    read = {
        (record.topic, record.partition, record.offset)
        for topic in INTENTS
        for record in facts.log[topic]
    }
    judged = [place for place in facts.intake if place[0] in INTENTS]
    assert sorted(judged) == sorted(read)
    for receipt in receipts:
        assert (receipt["topic"], receipt["partition"], receipt["offset"]) in read
        assert receipt["order_id"] in facts.orders
    lives: dict[str, list[events.OrderStatusChanged]] = defaultdict(list)
    for event in facts.of("order-status"):
        assert isinstance(event, events.OrderStatusChanged)
        lives[event.order_id].append(event)
    assert lives.keys() == facts.orders.keys()
    for order_id, life in lives.items():
        life.sort(key=lambda status: status.sequence)
        assert [status.sequence for status in life] == list(range(1, len(life) + 1)), order_id
        states = [status.state.value for status in life]
        assert not any(state in _TERMINAL for state in states[:-1]), (order_id, states)
        assert states[-1] == facts.orders[order_id]["state"]


def check_money(facts: Facts, deposited: int, accounts: Sequence[dict[str, Any]]) -> None:
    """Assert that money is where it should be, and that no ended order holds any."""
    paid: Counter[str] = Counter()
    made = [event for event in facts.of("allocations") if isinstance(event, events.AllocationMade)]
    assert len({event.allocation_id for event in made}) == len(made)
    for event in made:
        paid[event.demand_id] += event.payment
    entries = [
        event
        for event in facts.of("journal-entries")
        if isinstance(event, events.JournalEntryRecorded)
    ]
    assert sorted(entry.leaf_index for entry in entries) == list(range(len(entries)))
    captured: Counter[str] = Counter()
    for entry in entries:
        if entry.kind == "post" and entry.order_id is not None:
            captured[entry.order_id] += entry.amount
    assert +captured == +paid
    for order_id, hold in facts.holds.items():
        order = facts.orders[order_id]
        assert order["state"] in _TERMINAL, dict(order)
        assert (hold["amount"], order["hold_micro_yuan"]) == (0, 0), (dict(order), dict(hold))
    out = {"delivery_paid", "fee", "refund"}
    escrow = sum(paid.values()) - sum(entry.amount for entry in entries if entry.purpose in out)
    fees = sum(entry.amount for entry in entries if entry.purpose == "fee")
    assert sum(account["posted"] for account in accounts) == deposited - escrow - fees
    assert all(account["held"] == 0 for account in accounts), accounts


def check_rounds(facts: Facts) -> list[str]:
    """Assert that rounds follow one another, are whole and were found right; return their ids."""
    assert [row["seq"] for row in facts.rounds] == list(range(1, len(facts.rounds) + 1))
    ids = [row["round_id"] for row in facts.rounds if row["state"] == "PUBLISHED"]
    closed = [
        event.round_id for event in facts.of("allocations") if isinstance(event, events.RoundClosed)
    ]
    assert closed == ids
    verdicts = {
        event.round_id: event.ok
        for event in facts.of("findings")
        if isinstance(event, events.FindingRaised) and event.kind.startswith("round_")
    }
    assert verdicts == dict.fromkeys(ids, True)
    return ids
