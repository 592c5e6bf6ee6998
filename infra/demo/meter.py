"""Measures what the services do not tell of themselves: how far behind they are, and memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from infra.demo.books import money_of
from infra.local.exchange import KEEPER, SERVICES
from infra.local.topics import declared
from services.kit.postgres import Queries, connect
from services.kit.retry import retry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from infra.demo.facts import Money
    from infra.local.exchange import Exchange
    from services.kit.postgres import Conn

_QUERIES = Queries.load(Path(__file__).resolve().parent / "sql")
_PARTITIONS = {topic.name: topic.partitions for topic in declared()}

READS: dict[str, tuple[str, ...]] = {
    "gateway": (
        "participants",
        "policies",
        "offers",
        "demand",
        "holds",
        "order-status",
        "rounds",
        "allocations",
        "deliveries",
        "journal-entries",
        "settlements",
        "checkpoints",
        "findings",
        "surveillance-cases",
        "dead-letters",
    ),
    "matching": ("policies", "offers", "demand", "holds"),
    "ledger": ("participants", "policies", "offers", "demand", "allocations", "deliveries"),
    "auditor": (
        "rounds",
        "journal-entries",
        "checkpoints",
        "allocations",
        "offers",
        "participants",
        "settlements",
        "policies",
    ),
}
"""Topics that each service reads; a test compares them with the services' own."""


class Meter:
    """Compares what is on the log with what each service's schema says it has read.

    Args:
        exchange: A running exchange.

    Attributes:
        size: Records on the topics that are read, when the lag was last measured.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.size = 0
        self._exchange = exchange
        self._consumer = AIOKafkaConsumer(bootstrap_servers=exchange.stack.kafka_bootstrap)
        self._conn: Conn | None = None

    async def start(self) -> None:
        """Connect to the log and the database."""
        await self._consumer.start()
        self._conn = await connect(self._exchange.stack.postgres_dsn, "public")

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()
        if self._conn is not None:
            await self._conn.close()

    async def lag(self) -> dict[str, int]:
        """Return, by service, the records it has yet to read plus those it has yet to send."""
        assert self._conn is not None, "started first"
        ends = await self._ends(sorted({topic for topics in READS.values() for topic in topics}))
        self.size = sum(ends.values())
        behind = dict.fromkeys(READS, 0)
        at: dict[tuple[str, str, int], int] = {
            (row["service"], row["topic"], row["partition"]): row["next_offset"]
            for row in await self._conn.fetch(_QUERIES.positions)
        }
        for service, topics in READS.items():
            for (topic, partition), end in ends.items():
                if topic in topics:
                    behind[service] += max(0, end - at.get((service, topic, partition), 0))
        for row in await self._conn.fetch(_QUERIES.unsent):
            behind[row["service"]] += row["records"]
        return behind

    async def dead_letters(self) -> int:
        """Return the number of records that no service could take."""
        return sum((await self._ends(["dead-letters"])).values())

    async def published_at(self) -> dict[str, datetime]:
        """Return the real instant at which each round was published."""
        assert self._conn is not None, "started first"
        rows = await self._conn.fetch(_QUERIES.published)
        return {row["round_id"]: row["published_at"] for row in rows}

    async def money(self, market_id: str) -> Money:
        """Return the ledger's turnovers and balances."""
        assert self._conn is not None, "started first"
        async with self._conn.transaction(isolation="repeatable_read", readonly=True):
            # The ledger's rows are guarded; the regulator may see all of them.
            await self._conn.execute(_QUERIES.as_regulator)
            turnover, balances, by_round = [
                [dict(row) for row in await self._conn.fetch(_QUERIES[name])]
                for name in ("turnover", "balances", "by_round")
            ]
            least = await self._conn.fetchval(_QUERIES.fund_least, market_id)
            entries = await self._conn.fetchval(_QUERIES.leaves)
        return money_of(
            turnover,
            balances,
            by_round,
            fund_least=int(least),
            entries=int(entries),
            market_id=market_id,
        )

    async def _ends(self, topics: list[str]) -> dict[tuple[str, int], int]:
        wanted = [TopicPartition(topic, n) for topic in topics for n in range(_PARTITIONS[topic])]
        # A busy broker may be late with one answer; the next attempt gets it.
        found: Mapping[TopicPartition, int] = await retry(
            lambda: self._consumer.end_offsets(wanted), on=(KafkaError,)
        )
        return {(item.topic, item.partition): end for item, end in found.items()}


class Memory:
    """Memory of every process, and the most that was seen of each.

    Args:
        exchange: A running exchange.

    Attributes:
        now: Bytes by process.
        peaks: Most bytes by process.
        peak_bytes: Most bytes of all at one time.
        running: Whether each ran when last seen.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.now: dict[str, int] = {}
        self.peaks: dict[str, int] = {}
        self.peak_bytes = 0
        self.running: dict[str, bool] = {}

    def look(self) -> None:
        """Measure; takes some tens of milliseconds."""
        rows = self._exchange.status()
        self.running = {row.name: row.running for row in rows}
        self.now = {row.name: row.memory_bytes for row in rows} | {"demo": _own_bytes()}
        keeper = next((row.pid for row in rows if row.name == KEEPER), None)
        for row in rows:
            # A service that the keeper started again is its child, and is counted by itself.
            if row.name != KEEPER and row.pid is not None and _parent(row.pid) == keeper:
                self.now[KEEPER] -= row.memory_bytes
        for name, count in self.now.items():
            self.peaks[name] = max(count, self.peaks.get(name, 0))
        self.peak_bytes = max(self.peak_bytes, sum(self.now.values()))

    def starts(self) -> dict[str, int]:
        """Return how often each service was started: once, and by the keeper after each end."""
        log = self._exchange.stack.supervisor.log_path(KEEPER)
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        lines = text.splitlines()
        return {
            name: 1 + sum(line.endswith(f" {name} ended: start") for line in lines)
            for name in SERVICES
        }


def _own_bytes() -> int:
    """Return the memory of this program and its checking process, not of what it started."""
    own = psutil.Process(os.getpid())
    helpers = [
        child
        for child in own.children()
        # Services lead a session of their own; a helper is in ours.
        if _session(child.pid) == _session(own.pid)
    ]
    total = 0
    for process in (own, *helpers):
        try:
            full = process.memory_full_info()
            total += int(getattr(full, "pss", full.rss))
        except psutil.Error:
            continue
    return total


def _parent(pid: int) -> int | None:
    try:
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return None


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1
