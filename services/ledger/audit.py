"""The audit: everything that the ledger promises, recomputed from its rows.

It trusts neither the service nor the database's constraints: sums, balances, holds, capacity
and the transparency log are worked out again. It only reads, in one snapshot, so it may run
beside the service.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services.kit.postgres import Queries, connect
from services.ledger.audit_log import scrub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from pydantic import SecretStr

    from services.kit.postgres import Conn

QUERIES = Queries.load(Path(__file__).parent / "adapters")
_PROBLEMS_MAX = 20


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """One promise.

    Attributes:
        code: Stable name.
        en: The promise in English.
        zh: The promise in Chinese.
        checked: How many things were looked at, 0 if that has no number.
        problems: What breaks it, at most 20.
    """

    code: str
    en: str
    zh: str
    checked: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Return whether it is kept."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The outcome of an audit.

    Attributes:
        schema: Schema that was audited.
        checks: All promises.
        size: Entries of the transparency log.
        root: Its root, hexadecimal.
        captured: Micro-yuan that rounds took into escrow.
        paid: Micro-yuan that deliveries took out of it, fees included, refunds not.
    """

    schema: str
    checks: tuple[AuditCheck, ...]
    size: int
    root: str
    captured: int
    paid: int

    @property
    def ok(self) -> bool:
        """Return whether every promise is kept."""
        return all(check.ok for check in self.checks)

    def lines(self, *, chinese: bool = False) -> tuple[str, ...]:
        """Return the report as lines of text."""
        said = []
        for check in self.checks:
            text = check.zh if chinese else check.en
            count = f" ({check.checked})" if check.checked else ""
            said.append(f"{'ok  ' if check.ok else 'FAIL'} {text}{count}")
            said += [f"     {problem}" for problem in check.problems]
        said.append(f"log size {self.size}, root {self.root}")
        return tuple(said)


async def audit(dsn: str | SecretStr, schema: str) -> AuditReport:
    """Audit a ledger.

    Args:
        dsn: Database; the user must be allowed to act as the schema's regulator, or own it.
        schema: Schema of the ledger, prefix included.

    Raises:
        asyncpg.PostgresError: if the schema is not there or may not be read.
    """
    async with snapshot(dsn, schema) as conn:
        return await _audit(conn, schema)


@contextlib.asynccontextmanager
async def snapshot(dsn: str | SecretStr, schema: str) -> AsyncIterator[Conn]:
    """Open a connection that sees one snapshot of a ledger, all rows, and writes nothing."""
    conn = await connect(dsn, schema)
    try:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            # Row-level security hides rows from an owner without a policy; the regulator has one.
            if await conn.fetchval(QUERIES.may_set_role, f"{schema}_regulator"):
                await conn.execute(f'SET LOCAL ROLE "{schema}_regulator"')
            yield conn
    finally:
        await conn.close()


async def _audit(conn: Conn, schema: str) -> AuditReport:
    facts = await conn.fetchrow(QUERIES.audit_facts)
    assert facts is not None
    checks = [
        AuditCheck(code, en, zh, facts[count] if count else 0, await _broken(conn, queries))
        for code, en, zh, count, queries in _RULES
    ]
    frontier, problems = await scrub(conn, QUERIES)
    checks.append(
        AuditCheck(
            "log_consistent",
            "log consistent: entries match hashes, rows and tiles, roots match checkpoints",
            "日志一致：条目与哈希、数据行及树块相符，根与检查点相符",
            frontier.size,
            problems,
        )
    )
    return AuditReport(
        schema,
        tuple(checks),
        frontier.size,
        frontier.root().hex(),
        facts["captured"],
        facts["paid"],
    )


_RULES = (
    (
        "sums_zero",
        "sums are zero per unit and layer; every transfer has its postings",
        "每个单位与层的合计为零；每笔转账都有分录",
        "transfers",
        ("audit_sums", "audit_transfers_without_postings", "audit_keys"),
    ),
    (
        "counters",
        "every account is the sum of its postings, without a hole in its history",
        "每个账户等于其分录之和，历史无缺口",
        "accounts",
        ("audit_counters", "audit_histories"),
    ),
    (
        "free_balance",
        "no negative free balance, holds counted",
        "计入冻结后无负的可用余额",
        "accounts",
        ("audit_free", "audit_debts", "audit_reversals"),
    ),
    (
        "holds",
        "every hold resolved at most once, for no more than it held; open ones are the demands'",
        "每笔冻结至多处理一次且不超额；未处理的即各需求当前的冻结",
        "holds",
        (
            "audit_holds_resolved_twice",
            "audit_holds_posted_beyond",
            "audit_open_holds",
            "audit_done",
        ),
    ),
    (
        "capacity",
        "no oversold period",
        "没有超卖的时段",
        "offer_periods",
        ("audit_oversold", "audit_capacity", "audit_shared_capacity"),
    ),
    (
        "rounds",
        "every round captured what its allocations cost; escrow is what is not settled",
        "每轮划转恰为其分配的价款；托管余额等于尚未结算之数",
        "rounds",
        (
            "audit_payments",
            "audit_captures",
            "audit_deliveries",
            "audit_settlements",
            "audit_resales",
            "audit_open_periods",
            "audit_escrow",
            "audit_premiums",
        ),
    ),
    (
        "outbox",
        "outbox without a gap, entries published in their order",
        "发件箱无缺口，条目按顺序发布",
        "outbox_last",
        ("audit_outbox", "audit_journal_unpublished"),
    ),
    (
        "no_halt",
        "no market is halted",
        "没有市场被停止记账",
        "",
        ("audit_halts",),
    ),
)
"""(code, promise in English and Chinese, fact that counts it, statements that break it)."""


async def _broken(conn: Conn, names: Iterable[str]) -> tuple[str, ...]:
    problems: list[str] = []
    for name in names:
        for row in await conn.fetch(QUERIES[name]):
            facts = ", ".join(f"{key} {value}" for key, value in row.items())
            problems.append(f"{name.removeprefix('audit_')}: {facts}")
    return tuple(problems[:_PROBLEMS_MAX])
