"""Sections of the report that are tables, and the pieces that all sections share."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from infra.demo import words
from infra.demo.svg import both, tag

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from infra.demo.checks import Check
    from infra.demo.facts import Facts, Money, Phrase
    from infra.demo.figures import Figures, Spread

_TABLE: Phrase = ("The numbers", "数据表")


def section(title: Phrase, text: Phrase, *content: str) -> str:
    """Return a section with its heading and what it shows."""
    return tag("section", tag("h2", both(title)), tag("p", both(text)), *content)


def table(
    heads: Sequence[Phrase], rows: Sequence[Sequence[str]], *, texts: Collection[int] = (0,)
) -> str:
    """Return a table; cells are HTML.

    Args:
        heads: Titles of the columns.
        rows: Cells.
        texts: Columns that hold text; the others hold numbers.
    """

    def kind(index: int) -> str | None:
        return None if index in texts else "n"

    head = "".join(tag("th", both(name), class_=kind(i)) for i, name in enumerate(heads))
    body = "".join(
        tag("tr", *(tag("td", cell, class_=kind(i)) for i, cell in enumerate(row))) for row in rows
    )
    whole = tag("table", tag("thead", tag("tr", head)), tag("tbody", body))
    return tag("div", whole, class_="scroll")


def folded(content: str, title: Phrase = _TABLE) -> str:
    """Return something that opens when it is asked for."""
    return tag("details", tag("summary", both(title)), content)


def legend(*keys: tuple[str, Phrase]) -> str:
    """Return a legend: (classes of the sample, what it stands for)."""
    return tag(
        "div",
        *(tag("span", tag("i", class_=kind), both(text), class_="key") for kind, text in keys),
        class_="legend",
    )


def mark(ok: bool) -> str:  # noqa: FBT001 - a verdict is all that it shows
    """Return a verdict as a coloured word."""
    return (
        both(("ok", "通过"), class_="ok") if ok else both(("NOT verified", "未通过"), class_="no")
    )


def money(facts: Facts) -> str:
    """Return the section about where the money went."""
    money = facts.money
    rows: tuple[tuple[Phrase, int, Phrase], ...] = (
        (("deposited", "入金"), money.deposited, ("by the operator, play money", "模拟资金")),
        (
            ("reserved by holds", "累计冻结"),
            money.held,
            ("at each demand's limit price, before it enters the book", "按限价，先冻结后入订单簿"),
        ),
        (
            ("given back", "退回"),
            money.released,
            ("what a hold did not need", "冻结而未用的部分"),
        ),
        (
            ("captured by rounds", "轮次扣款"),
            money.captured,
            ("at the clearing price, into escrow", "按出清价，转入托管"),
        ),
        (
            ("paid to providers", "付给供给方"),
            money.paid,
            (
                f"for delivered hours; {facts.delivered:,} deliveries were reported",
                f"按已交付小时；共上报 {facts.delivered:,} 次交付",
            ),
        ),
        (("fees", "手续费"), money.fees, ("half a per cent of payments", "付款额的千分之五")),
        (
            ("for links", "链路费用"),
            money.links,
            ("tariffs and congestion rents of data and traffic", "数据与流量的资费与拥塞租金"),
        ),
        *_premiums(money),
        (
            ("in escrow at the end", "期末托管"),
            money.escrow,
            ("bought, to be delivered after the day's end", "已购买，当日之后交付"),
        ),
        (
            ("still reserved at the end", "期末仍冻结"),
            money.reserved,
            ("by demand that is still in the book", "仍在订单簿中的需求"),
        ),
    )
    cells = [[both(name), words.yuan(amount, 2), both(why)] for name, amount, why in rows]
    heads: list[Phrase] = [("", ""), ("yuan", "元"), ("", "")]
    return section(
        ("Where the money went", "资金去向"),
        (
            (
                f"From the ledger's journal: {money.entries:,} entries, each balanced and each a "
                "leaf of one Merkle log."
            ),
            f"取自账本日记账：{money.entries:,} 条凭证，逐条平衡，逐条写入同一 Merkle 日志。",
        ),
        table(heads, cells, texts=(0, 2)),
    )


def _premiums(money: Money) -> tuple[tuple[Phrase, int, Phrase], ...]:
    due = words.yuan(money.charges_due, 2)
    return (
        (
            ("charged for premiums", "收取溢价"),
            money.charges,
            (
                f"to imported supply; {due} with hours to come",
                f"由进口供给支付；其中 {due} 随后续交付支付",
            ),
        ),
        (
            ("credited by premiums", "发放补贴"),
            money.credited,
            ("to domestic supply, as it was delivered", "国产供给，随交付发放"),
        ),
        (
            ("in the policy fund at the end", "期末政策资金"),
            money.fund,
            ("for domestic hours to come", "用于后续国产交付"),
        ),
    )


def orders(facts: Facts, figures: Figures) -> str:
    """Return the section about what became of the orders."""
    names = list(words.STATES)
    heads: list[Phrase] = [("", ""), *(words.STATES[item] for item in names), ("all", "合计")]
    sides: tuple[tuple[str, Phrase], ...] = (
        ("offer", ("offers", "供给报价")),
        ("demand", ("demands", "需求报价")),
    )
    rows = [
        [
            both(title),
            *(f"{figures.states[side].get(item, 0):,}" for item in names),
            f"{sum(figures.states[side].values()):,}",
        ]
        for side, title in sides
    ]
    changes = [item for item in facts.attempts if item.kind in {"amend", "cancel"}]
    late = sum(item.outcome == "refused" for item in changes)
    door = sum(
        item.outcome == "refused" for item in facts.attempts if item.kind in {"offer", "demand"}
    )
    return section(
        ("What became of the orders", "订单去向"),
        (
            (
                f"{len(changes):,} demands were changed or withdrawn, {late:,} of them too late. "
                f"{door:,} orders were refused at the gateway."
            ),
            (
                f"{len(changes):,} 份需求被修改或撤回，其中 {late:,} 份为时已晚。"
                f"{door:,} 份订单在网关即被拒绝。"
            ),
        ),
        table(heads, rows),
        folded(_causes(figures), ("Why", "原因")),
    )


def _causes(figures: Figures) -> str:
    sides: dict[str, Phrase] = {"offer": ("offer", "供给"), "demand": ("demand", "需求")}
    rows = [
        [
            both(sides[cause.side]),
            both(words.named(words.STATES, cause.state)),
            tag("code", escape(cause.code)),
            both(cause.example),
            f"{cause.orders:,}",
        ]
        for cause in figures.reasons
    ]
    heads: list[Phrase] = [
        ("", ""),
        ("state", "状态"),
        ("reason", "原因代码"),
        ("what one of them was told", "其中一例的说明"),
        ("orders", "订单数"),
    ]
    return table(heads, rows, texts=range(4))


def refusals(facts: Facts) -> str:
    """Return the section about the orders that were wrong on purpose."""
    where: dict[str, Phrase] = {
        "gateway": ("at the gateway", "网关"),
        "book": ("before the book", "入簿前"),
    }
    rows = [
        [
            both(trial.name),
            both(words.named(where, trial.where)),
            tag("code", escape(trial.code)),
            both(trial.said),
            both(("refused", "已拒绝"), class_="ok")
            if trial.refused
            else both(("TAKEN", "被接受"), class_="no"),
        ]
        for trial in facts.trials
    ]
    heads: list[Phrase] = [
        ("what was wrong", "错误"),
        ("stopped", "拦截处"),
        ("code", "代码"),
        ("what the exchange said", "系统说明"),
        ("", ""),
    ]
    return section(
        ("Wrong on purpose", "故意的错误订单"),
        (
            "Each refusal names the field, its value and what is allowed.",
            "每次拒绝都指明字段、取值和允许范围。",
        ),
        table(heads, rows, texts=range(5)),
    )


def speed(facts: Facts, figures: Figures) -> str:
    """Return the section about time and memory."""
    wait, market = figures.wait_s, figures.wait_market_min
    rows: list[list[str]] = [
        [
            both(("order to first allocation, s", "下单到首次分配（秒）")),
            *_spread(wait, 2),
            both(
                (
                    f"{market.p50:,.0f} market minutes in the middle; waits for a round",
                    f"中位 {market.p50:,.0f} 市场分钟；含等待轮次",
                )
            ),
        ],
        [
            both(("order to receipt over HTTP, ms", "HTTP 下单到回执（毫秒）")),
            *_spread(figures.http_ms, 0),
            both(("receipt = written to the log", "回执即已写入日志")),
        ],
        [
            both(("clearing and checking a round, ms", "每轮求解与校验（毫秒）")),
            *_spread(figures.solve_ms, 0),
            "",
        ],
    ]
    heads: list[Phrase] = [
        ("time", "时间"),
        ("count", "次数"),
        ("median", "中位"),
        ("99 %", "99 %"),
        ("most", "最大"),
        ("", ""),
    ]
    memory = [
        [
            both(words.named(words.SERVICES, item.name)),
            words.megabytes(item.peak_bytes),
            str(item.starts),
        ]
        for item in facts.processes
    ]
    memory.append([both(("all at one time", "同时合计")), words.megabytes(facts.peak_bytes), ""])
    took = [
        "; ".join(
            f"{words.named(words.PHASES, name)[index]} {seconds:.1f} s"
            for name, seconds in facts.took_s.items()
        )
        for index in (0, 1)
    ]
    killed: Phrase = (
        f" Killed on purpose (kill -9): {', '.join(facts.killed)}.",
        f"人为终止（kill -9）：{'、'.join(facts.killed)}。",
    )
    return section(
        ("Speed and memory", "速度与内存"),
        (
            f"Measured on this machine: {took[0]}.{killed[0] if facts.killed else ''}",
            f"在本机实测：{took[1]}。{killed[1] if facts.killed else ''}",
        ),
        table(heads, rows, texts=(0, 5)),
        tag("h3", both(("Memory of each process at its peak", "各进程内存峰值"))),
        table([("process", "进程"), ("most", "峰值"), ("starts", "启动次数")], memory),
    )


def guarantees(checks: Sequence[Check]) -> str:
    """Return the section that lists every guarantee."""
    rows = [
        [
            both(("held", "满足"), class_="ok")
            if item.ok
            else both(("BROKEN", "未满足"), class_="no"),
            both(item.says),
            escape(item.detail),
        ]
        for item in checks
    ]
    heads: list[Phrase] = [("", ""), ("guarantee", "保证"), ("judged by", "依据")]
    return section(
        ("Guarantees", "保证"),
        (
            "Judged after the last round, once every service had read everything.",
            "在最后一轮之后、所有服务处理完毕时判定。",
        ),
        table(heads, rows, texts=range(3)),
    )


def footer(facts: Facts) -> str:
    """Return where the input is from."""
    text: Phrase = (
        (
            "Input: training jobs of Microsoft's Philly (CC-BY-4.0), GPU nodes and pods of "
            "Alibaba's 2023 cluster trace (Apache-2.0), published cloud prices. What is real, what "
            "is assumed: docs/concepts/demo-data.md. Verify a round yourself: "
            "GET /v1/rounds/{id}/file, then python -m suanli.checker FILE."
        ),
        (
            "数据来源：微软 Philly 训练作业（CC-BY-4.0）、阿里巴巴 2023 集群数据（Apache-2.0）、"
            "公开云价格。真实与假设之分见 docs/concepts/demo-data.md。自行核验一轮："
            "GET /v1/rounds/{id}/file，然后 python -m suanli.checker FILE。"
        ),
    )
    made: Phrase = (f"Market {facts.market['id']}.", f"市场 {facts.market['id']}。")
    return tag("footer", both((f"{text[0]} {made[0]}", text[1] + made[1])))


def _spread(spread: Spread, digits: int) -> list[str]:
    values = (spread.p50, spread.p99, spread.most)
    return [f"{spread.count:,}", *(f"{value:,.{digits}f}" for value in values)]
