"""Findings about the journal: what they are called, what they say, the events that tell them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.codec import Envelope, derive_id, encode
from schemas.events import Event, FindingRaised, Reason
from schemas.registry import BY_MODEL
from services.kit.records import OutRecord

if TYPE_CHECKING:
    from schemas.transparency import AuditProgressed
    from services.auditor.journal_state import Found

SOURCE = "/suanli/auditor"
_PROBLEMS_MAX = 20
_TEXT_MAX = 1000

SENTENCES: dict[str, tuple[str, str]] = {
    "journal.entry": (
        "Entry {leaf_index} of the journal breaks a rule.",
        "日记账第 {leaf_index} 条违反规则。",
    ),
    "journal.republished": (
        "Entry {leaf_index} was published again with other bytes.",
        "日记账第 {leaf_index} 条重新公布时内容不同。",
    ),
    "journal.missing": (
        "Entry {leaf_index} is missing on the log; nothing after it can be checked.",
        "日志缺少第 {leaf_index} 条，其后内容无法核验。",
    ),
    "journal.unreadable": (
        "A record of {topic} is no event: partition {partition}, offset {offset}.",
        "主题 {topic} 中有无法识别的记录：分区 {partition}，偏移 {offset}。",
    ),
    "journal.rewritten": (
        "The ledger's database holds another entry {leaf_index} than was published.",
        "账本数据库中的第 {leaf_index} 条与已公布的不同。",
    ),
    "journal.erased": (
        "Entry {leaf_index} was erased, and nobody had ordered it.",
        "第 {leaf_index} 条已被抹除，而此前无人下令。",
    ),
    "head.root": (
        "The head of size {size} does not fit the entries that were published.",
        "大小为 {size} 的检查点与已公布的条目不符。",
    ),
    "head.forked": (
        "Two heads with different roots were published for size {size}.",
        "大小 {size} 公布了两个根不同的检查点。",
    ),
    "head.signature": (
        "The head of size {size} is not signed as it must be.",
        "大小为 {size} 的检查点签名不符合要求。",
    ),
    "round.allocations": (
        "The allocations of {round_id} are not those of its verified file.",
        "轮次 {round_id} 公布的分配与其已核验文件不符。",
    ),
    "round.premiums": (
        "The premiums told of {round_id} are not those of its verified file.",
        "轮次 {round_id} 公布的溢价与其已核验文件不符。",
    ),
    "round.links": (
        "The charges for links told of {round_id} are not those of its verified file.",
        "轮次 {round_id} 公布的链路费用与其已核验文件不符。",
    ),
    "round.levied": (
        "Premiums of {round_id} were charged or credited otherwise than its verified file says.",
        "轮次 {round_id} 的溢价收取或补贴与其已核验文件不符。",
    ),
    "round.payments": (
        "The journal booked {round_id} otherwise than its verified file says.",
        "轮次 {round_id} 的记账与其已核验文件不符。",
    ),
    "round.unbooked": (
        "A later round was booked, and {round_id} was not.",
        "后续轮次已记账，而轮次 {round_id} 未记账。",
    ),
    "round.parties": (
        "Money of {round_id} came from, or went to, somebody who was not allocated.",
        "轮次 {round_id} 的资金来自或付给了未获分配的一方。",
    ),
    "round.oversold": (
        "{round_id} gives out more than was offered.",
        "轮次 {round_id} 分配的数量超过报价。",
    ),
    "round.shared": (
        "With {round_id}, more chips of a resource were sold over all markets than it has.",
        "计入轮次 {round_id} 后，某一资源在各市场售出的芯片超过其总数。",
    ),
    "round.resold": (
        "{round_id} sells on what its seller had not bought, or through too many sales.",
        "轮次 {round_id} 转售了卖方未曾买到的时段，或转售次数过多。",
    ),
    "book.lost": (
        "The book of {round_id} leaves out {orders} that stood open on the log.",
        "轮次 {round_id} 的订单簿遗漏了日志中 {orders} 个有效订单。",
    ),
    "book.invented": (
        "The book of {round_id} has {orders} that did not stand open on the log.",
        "轮次 {round_id} 的订单簿含有日志中并不有效的 {orders} 个订单。",
    ),
    "book.terms": (
        "The book of {round_id} differs from the log in the terms of {orders}.",
        "轮次 {round_id} 的订单簿中有 {orders} 处条款与日志不符。",
    ),
    "book.status": (
        "By {round_id}, {orders} statuses were told that do not follow from the log.",
        "截至轮次 {round_id}，有 {orders} 个订单状态与日志推出的不符。",
    ),
    "book.manifest": (
        "{round_id} did not take in the records where the round before ended.",
        "轮次 {round_id} 读取的记录未与上一轮衔接。",
    ),
    "book.stalled": (
        "Rounds after {round_id} were told, but not its {missing}: no book can be compared now.",
        "{round_id} 之后的轮次已公布，而其 {missing} 未公布；补齐之前无法核对订单簿。",
    ),
    "direct.record": (
        "Order {order_id} names a signed record that is not on the log.",
        "订单 {order_id} 所指的签名记录不在日志中。",
    ),
    "direct.signature": (
        "Order {order_id} names a record that its key did not sign.",
        "订单 {order_id} 所指的记录并非由其密钥签名。",
    ),
    "direct.revoked": (
        "Order {order_id} was made of a record whose key was revoked before.",
        "订单 {order_id} 所依记录的密钥此前已吊销。",
    ),
    "direct.untold": (
        "Order {order_id} was made of a record whose key no event had told of.",
        "订单 {order_id} 所依记录的密钥此前未公布。",
    ),
    "direct.terms": (
        "Order {order_id} is not what its signed record says.",
        "订单 {order_id} 与其签名记录不符。",
    ),
}
"""Code -> the sentence in English and Chinese."""

# What may also come of a process that was down for long, and of a key from before keys were told.
_WARNINGS = frozenset({"journal.missing", "journal.unreadable", "direct.untold"})


def severity_of(found: Found) -> str:
    """Return ``critical``, or ``warning`` for what may have an innocent cause."""
    return "warning" if found.code in _WARNINGS else "critical"


def finding_id(found: Found) -> str:
    """Return the id of a finding; the same fault gives the same."""
    return f"{found.code}/{derive_id('auditor', found.code, found.key)}"


def finding_event(found: Found, now: datetime) -> OutRecord:
    """Return the record that tells a finding."""
    en, zh = SENTENCES[found.code]
    params = {"severity": severity_of(found), **found.evidence}
    event = FindingRaised(
        finding_id=finding_id(found),
        market_id=found.market_id,
        round_id=found.round_id,
        kind="journal_refuted",
        ok=False,
        summary=Reason(
            code=found.code, en=en.format(**params), zh=zh.format(**params), params=params
        ),
        problems=tuple(text[:_TEXT_MAX] for text in found.problems[:_PROBLEMS_MAX]),
    )
    return _record(event, event.finding_id, now)


def progress_event(progress: AuditProgressed, now: datetime) -> OutRecord:
    """Return the record that tells how far the audit is."""
    return _record(progress, derive_id("audit", progress.model_dump_json(), now.isoformat()), now)


def _record(event: Event, event_id: str, now: datetime) -> OutRecord:
    row = BY_MODEL[type(event)]
    key, value, headers = encode(
        Envelope(
            id=derive_id(row.type, event_id),
            source=SOURCE,
            occurred_at=now,
            recorded_at=datetime.now(UTC),
            participant_id="exchange",
            correlation_id=event_id[:200],
            causation_id="",
            traceparent="",
            data=event,
        )
    )
    return OutRecord(row.topic, key, value, headers)
