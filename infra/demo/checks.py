"""What must hold at the end of the day; one that does not makes the demo fail."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.demo.figures import supplied_by_round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.demo.facts import Facts, Phrase

_LISTED = 3


@dataclass(frozen=True, slots=True)
class Check:
    """A guarantee and whether it held.

    Attributes:
        name: Stable name, for exit messages and tests.
        ok: Whether it held.
        says: What is guaranteed.
        detail: The numbers that it was judged by.
    """

    name: str
    ok: bool
    says: Phrase
    detail: str


def checks_of(facts: Facts) -> tuple[Check, ...]:
    """Return every guarantee with its verdict."""
    return (
        *_round_checks(facts),
        *_order_checks(facts),
        *_money_checks(facts),
        *_premium_checks(facts),
        *_service_checks(facts),
    )


def _round_checks(facts: Facts) -> Iterator[Check]:
    rounds = [row["round_id"] for row in facts.rounds]
    wrong = [item for item in rounds if not _verified(facts, item)]
    yield Check(
        "rounds_verified",
        bool(rounds) and not wrong,
        (
            "every round was verified here from its public file",
            "每一轮均已在本机用公开文件独立核验",
        ),
        f"{len(rounds) - len(wrong)} / {len(rounds)}{_named(wrong)}",
    )
    unseen = [row["round_id"] for row in facts.rounds if row.get("verified") is not True]
    bad = [item for item in facts.findings if not item["ok"]]
    told = [f"{item['kind']}: {item['summary']['en']}" for item in bad]
    yield Check(
        "auditor_agrees",
        bool(rounds) and not unseen and not bad,
        ("the auditor says the same of every round", "审计服务对每一轮得出同样结论"),
        f"{len(rounds) - len(unseen)} / {len(rounds)}{_named(unseen)}{_named(told)}",
    )
    seqs = [row["seq"] for row in facts.rounds]
    whole = bool(seqs) and seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    closed = [row["round_id"] for row in facts.rounds if row["state"] != "closed"]
    yield Check(
        "rounds_whole",
        whole and not closed,
        ("rounds follow one another and all are closed", "轮次连续且全部完结"),
        f"{seqs[0] if seqs else '-'}..{seqs[-1] if seqs else '-'}{_named(closed)}",
    )


def _verified(facts: Facts, round_id: str) -> bool:
    verdict = facts.verdicts.get(round_id)
    return verdict is not None and verdict.ok


def _order_checks(facts: Facts) -> Iterator[Check]:
    orders = [*facts.offers, *facts.demands]
    listed = Counter(order["order_id"] for order in orders)
    sent = {item.order_id for item in facts.attempts if item.kind in {"offer", "demand"}}
    receipts = {
        str(item.order_id)
        for item in facts.attempts
        if item.outcome == "accepted" and item.kind in {"offer", "demand"}
    }
    lost = sorted(receipts - listed.keys())
    twice = [item for item, count in listed.items() if count > 1]
    strangers = sorted(listed.keys() - receipts - set(facts.trial_orders))
    unanswered = sum(item.outcome == "lost" for item in facts.attempts)
    yield Check(
        "orders_none_lost",
        bool(sent) and not lost and not twice and not strangers and not unanswered,
        (
            "every order with a receipt is there, exactly once, and no other",
            "每一份有回执的订单都在，且只有一份，别无其他",
        ),
        f"{len(receipts):,} = {len(receipts & listed.keys()):,}{_named(lost + twice + strangers)}"
        + (f"; {unanswered} without an answer" if unanswered else ""),
    )
    waiting = [order["order_id"] for order in orders if order["state"] == "accepted"]
    yield Check(
        "orders_settled",
        not waiting,
        ("no order is left waiting for its money", "没有订单仍在等待资金冻结"),
        f"{len(waiting)}{_named(waiting)}",
    )
    differ = [first for first, again in facts.resent if first != again]
    yield Check(
        "resent_once",
        not differ,
        (
            "an order sent again with its key is the same order",
            "以同一幂等键重发的订单仍是同一订单",
        ),
        f"{len(facts.resent) - len(differ)} / {len(facts.resent)}",
    )
    taken = [trial.name[0] for trial in facts.trials if not trial.refused]
    yield Check(
        "wrong_orders_refused",
        not taken,
        ("every wrong order was refused with its reason", "每一份错误订单均被拒绝并说明原因"),
        f"{len(facts.trials) - len(taken)} / {len(facts.trials)}{_named(taken)}",
    )


def _money_checks(facts: Facts) -> Iterator[Check]:
    money = facts.money
    by_round = {row["round_id"]: row["payment"] or 0 for row in facts.rounds}
    by_allocation: Counter[str] = Counter()
    for item in facts.allocations:
        by_allocation[item["round_id"]] += item["payment"]
    captured = Counter(money.captured_by_round)
    linked = Counter(money.links_by_round)
    spent = by_allocation + linked
    differ = [
        item
        for item in sorted({*by_round, *spent, *captured})
        if not by_round.get(item, 0) == spent[item] == captured[item]
    ]
    yield Check(
        "payments_agree",
        not differ,
        (
            "round by round: payments = allocations and links = money captured by the ledger",
            "逐轮一致：成交额 = 分配与链路金额 = 账本扣款",
        ),
        f"{sum(by_round.values()):,} = {spent.total():,} = {captured.total():,}" + _named(differ),
    )
    out = money.escrow + money.paid + money.fees + money.refunded + money.links
    yield Check(
        "captures_kept",
        money.captured == out,
        (
            "captured = escrow + paid to providers + fees + refunds + links",
            "扣款 = 托管余额 + 已付供给方 + 手续费 + 退款 + 链路",
        ),
        f"{money.captured:,} = {out:,}",
    )
    people = money.enterprises + money.providers
    there = people + money.escrow + money.fees + money.links + money.fund - money.charges_due
    yield Check(
        "money_kept",
        money.deposited == there,
        ("deposits = all balances together", "入金 = 全部账户余额之和"),
        f"{money.deposited:,} = {there:,}",
    )
    yield Check(
        "deliveries_taken",
        not facts.refused_deliveries,
        ("every delivery that a provider reported was taken", "供给方上报的交付全部被接受"),
        f"{facts.delivered:,}{_named(sorted(facts.refused_deliveries))}",
    )
    ids = Counter(item["allocation_id"] for item in facts.allocations)
    expected = sum(row["allocations"] or 0 for row in facts.rounds)
    yield Check(
        "allocations_once",
        len(ids) == ids.total() == expected,
        ("every allocation is there, exactly once", "每一笔分配都在，且只有一笔"),
        f"{len(ids):,} = {expected:,}",
    )
    yield Check(
        "ledger_audit",
        facts.audit.ok,
        (
            "the ledger's audit: sums zero, no overdraft, nothing oversold, log consistent",
            "账本审计：借贷平衡、无透支、无超卖、日志一致",
        ),
        "; ".join(facts.audit.lines) or "-",
    )


def _premium_checks(facts: Facts) -> Iterator[Check]:
    money = facts.money
    told: Counter[str] = Counter()
    credited = 0
    short = []
    for row in facts.shares:
        for share in row["shares"]:
            told[row["round_id"]] += share["charges"]
            credited += share["credits"]
            if share["charges"] < share["credits"]:
                short.append(row["round_id"])
    counted = dict[str | None, dict[str, tuple[int, int]]]()
    wrong = []
    for row in facts.shares:
        for share in row["shares"]:
            region = share["region"]
            if region not in counted:
                counted[region] = supplied_by_round(facts, region)
            came = (share["tflops_hours"], share["tflops_hours_domestic"])
            if counted[region].get(row["round_id"], (0, 0)) != came:
                wrong.append(row["round_id"])
    yield Check(
        "shares_told",
        not wrong,
        (
            "every domestic share told of a round is what its allocations add up to",
            "每轮公布的国产占比均与其分配合计一致",
        ),
        f"{len(facts.shares) - len(wrong)} / {len(facts.shares)}{_named(wrong)}",
    )
    differ = [
        item
        for item in sorted({*told, *money.charges_by_round})
        if told[item] != money.charges_by_round.get(item, 0)
    ]
    yield Check(
        "premiums_agree",
        not short and not differ,
        (
            "round by round: charges of premiums = those booked, and at least the credits",
            "逐轮一致：溢价收取额 = 账本入账额，且不少于补贴额",
        ),
        f"{told.total():,} = {money.charges:,} >= {credited:,}{_named([*short, *differ])}",
    )
    yield Check(
        "fund_never_short",
        money.fund_least >= 0 and money.fund == money.charges - money.credited,
        (
            "the policy fund holds charges less credits, and was never below zero",
            "政策资金 = 溢价收取额 − 补贴额，且从未为负",
        ),
        f"{money.fund:,} = {money.charges:,} - {money.credited:,}; min {money.fund_least:,}",
    )


def _service_checks(facts: Facts) -> Iterator[Check]:
    behind = [f"{name} {count}" for name, count in facts.lag.items() if count]
    yield Check(
        "nothing_pending",
        bool(facts.lag) and not behind,
        ("every service has read and sent everything", "所有服务均已处理并发出全部消息"),
        ", ".join(behind) or "0",
    )
    yield Check(
        "no_dead_letters",
        facts.dead_letters == 0,
        ("no record was unreadable", "没有无法读取的消息"),
        str(facts.dead_letters),
    )
    killed = Counter(facts.killed)
    down = [item.name for item in facts.processes if not item.running]
    wrong = [
        f"{item.name} {item.starts}"
        for item in facts.processes
        if item.starts != 1 + killed[item.name]
    ]
    yield Check(
        "services_up",
        bool(facts.processes) and not down and not wrong,
        (
            "every service runs, and none ended unless it was killed on purpose",
            "所有服务均在运行，除人为终止外无一退出",
        ),
        f"{len(facts.processes) - len(down)} / {len(facts.processes)}{_named(down + wrong)}",
    )


def _named(items: list[str]) -> str:
    """Return the first few of what is wrong, for the detail of a check."""
    if not items:
        return ""
    more = f", +{len(items) - _LISTED}" if len(items) > _LISTED else ""
    return f" ({', '.join(items[:_LISTED])}{more})"
