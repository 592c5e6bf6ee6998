"""The end of the day in the terminal: what was traded, what it cost, and whether it all holds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Group
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from infra.demo import words
from infra.demo.figures import Lot, by_chip, by_region, share_ppm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from infra.demo.checks import Check
    from infra.demo.facts import Facts, Phrase
    from infra.demo.figures import Figures

_SOFT = "grey58"
_TRIAL_COLUMNS = 30


class Summary:
    """Draws the summary.

    Args:
        facts: The day.
        figures: Its numbers.
        checks: Its guarantees.
        language: ``en`` or ``zh``.
    """

    def __init__(
        self, facts: Facts, figures: Figures, checks: Sequence[Check], language: str
    ) -> None:
        self._facts = facts
        self._figures = figures
        self._checks = checks
        self._index = 1 if language == "zh" else 0

    def __rich__(self) -> RenderableType:
        """Return the summary."""
        return Group(
            self._title("The day", "当日概览"),
            self._day(),
            self._title("Orders", "订单"),
            self._orders(),
            self._title(
                "Average price, yuan per chip-hour, and share sold", "均价（元/卡时）与成交率"
            ),
            self._prices(),
            self._title("Money, yuan", "资金（元）"),
            self._money(),
            self._title("Speed and memory", "速度与内存"),
            self._speed(),
            self._title("Wrong on purpose", "故意的错误订单"),
            self._trials(),
            self._title("Guarantees", "保证"),
            self._guarantees(),
        )

    def _say(self, english: str, chinese: str) -> str:
        return (english, chinese)[self._index]

    def _pick(self, phrase: Phrase) -> str:
        return phrase[self._index]

    def _title(self, english: str, chinese: str) -> RenderableType:
        return Group("", Rule(Text(self._say(english, chinese), style="bold"), align="left"))

    def _pairs(self, rows: Sequence[tuple[str, str, str | Text]]) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style=_SOFT, no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(style=_SOFT)
        for row in rows:
            table.add_row(*row)
        return table

    def _day(self) -> Table:
        figures, facts = self._figures, self._facts
        hours = words.percent(share_ppm(figures.chip_hours_domestic, figures.chip_hours) / 1e6)
        worth = words.percent(share_ppm(figures.tflops_hours_domestic, figures.tflops_hours) / 1e6)
        verified = sum(item.ok for item in facts.verdicts.values())
        worst = words.percent_of_ppm(figures.gap_worst_ppm)
        mean = words.percent_of_ppm(figures.gap_mean_ppm)
        return self._pairs(
            [
                (
                    self._say("rounds verified", "轮次核验"),
                    f"{verified} / {len(facts.rounds)}",
                    self._say(
                        "by code that shares nothing with the solver", "由与求解器无关的程序完成"
                    ),
                ),
                (self._say("each of them", "逐轮结果"), "", self._verdicts()),
                (self._say("chip-hours sold", "成交卡时"), f"{figures.chip_hours:,}", ""),
                (
                    self._say("welfare, yuan", "社会福利（元）"),
                    words.yuan(figures.welfare),
                    "",
                ),
                (
                    self._say("gap at most", "差距不超过"),
                    words.percent_of_ppm(figures.gap_ppm),
                    self._say(
                        f"mean of the rounds {mean}, worst {worst} ({figures.gap_worst_round}, "
                        f"{words.yuan(figures.gap_worst)} yuan)",
                        f"各轮平均 {mean}，最大 {worst}（{figures.gap_worst_round}，"
                        f"{words.yuan(figures.gap_worst)} 元）",
                    ),
                ),
                (
                    self._say("domestic share", "国产占比"),
                    hours,
                    self._say(f"of chip-hours; {worth} of TFLOPS-hours", f"按卡时；按算力 {worth}"),
                ),
                *self._asked(),
            ]
        )

    def _asked(self) -> list[tuple[str, str, str]]:
        """Return what came of the shares that the regulator asked for."""
        found = [share for row in self._facts.shares for share in row["shares"]]
        if not found:
            return []
        kept = sum(not share["shortfall"] for share in found)
        region = self._pick(words.region(found[0]["region"]))
        least = ", ".join(f"{bp / 100:g} %" for bp in sorted({row["share_bp"] for row in found}))
        most = words.yuan(max(share["premium"] for share in found), 4)
        note = self._say(
            f"rounds in {region}: {least}; premium up to {most} yuan per TFLOPS-hour",
            f"轮（{region}）：{least}；溢价至多 {most} 元/TFLOPS 时",
        )
        return [(self._say("share asked, kept", "占比要求达成"), f"{kept} / {len(found)}", note)]

    def _verdicts(self) -> Text:
        """Return every round's number with the checker's verdict."""
        text = Text()
        for row in self._facts.rounds:
            verdict = self._facts.verdicts.get(row["round_id"])
            text.append(f"{row['seq']} ")
            text.append(_mark(ok=verdict is not None and verdict.ok))
            text.append("  ")
        return text

    def _orders(self) -> Table:
        states = [
            name
            for name in words.STATES
            if any(counts.get(name) for counts in self._figures.states.values())
        ]
        table = Table(box=None, pad_edge=False, header_style=_SOFT, padding=(0, 2, 0, 0))
        table.add_column("")
        for name in states:
            table.add_column(self._pick(words.STATES[name]), justify="right")
        table.add_column(self._say("all", "合计"), justify="right")
        titles = {
            "offer": self._say("offers", "供给报价"),
            "demand": self._say("demands", "需求报价"),
        }
        for side, title in titles.items():
            counts = self._figures.states[side]
            cells = [f"{counts.get(name, 0):,}" for name in states]
            table.add_row(title, *cells, f"{sum(counts.values()):,}")
        return table

    def _prices(self) -> Table:
        facts, figures = self._facts, self._figures
        regions = list(dict.fromkeys(zone["region"] for zone in facts.market["zones"]))
        names = words.chip_names(facts.market)
        whole, within = by_chip(figures.pools), by_chip(figures.day_pools)
        regional = by_region(figures.day_pools)
        table = Table(box=None, pad_edge=False, header_style=_SOFT, padding=(0, 2, 0, 0))
        table.add_column("")
        table.add_column("")
        for region in regions:
            table.add_column(self._pick(words.named(words.REGIONS, region)), justify="right")
        table.add_column(self._say("all", "合计"), justify="right")
        table.add_column(self._say("sold", "成交率"), justify="right")
        for chip in facts.market["chips"]:
            kind = words.DOMESTIC if chip["domestic"] else words.FOREIGN
            lots = [figures.pools.get((region, chip["id"])) for region in regions]
            average = whole.get(chip["id"], Lot()).price
            table.add_row(
                names[chip["id"]],
                Text(self._pick(kind), style=_SOFT),
                *(_price(None if lot is None else lot.price) for lot in lots),
                _price(average),
                words.percent(within.get(chip["id"], Lot()).fill),
            )
        fills = [words.percent(regional.get(region, Lot()).fill) for region in regions]
        everywhere = words.percent(sum(within.values(), Lot()).fill)
        table.add_row(
            Text(self._say("share sold", "成交率"), style=_SOFT), "", *fills, "", everywhere
        )
        return table

    def _money(self) -> Table:
        money = self._facts.money
        rows = [
            (self._say("deposited", "入金"), money.deposited, ""),
            (self._say("reserved by holds", "累计冻结"), money.held, ""),
            (self._say("given back", "退回"), money.released, ""),
            (
                self._say("captured by rounds", "轮次扣款"),
                money.captured,
                self._say("= escrow + paid + fees + links", "= 托管 + 已付 + 手续费 + 链路"),
            ),
            (
                self._say("paid to providers", "付给供给方"),
                money.paid,
                self._say(
                    f"for {self._facts.delivered:,} reported deliveries",
                    f"共 {self._facts.delivered:,} 次交付",
                ),
            ),
            (self._say("fees", "手续费"), money.fees, ""),
            (self._say("for links", "链路费用"), money.links, ""),
            (
                self._say("charged for premiums", "收取溢价"),
                money.charges,
                self._say("to imported supply", "由进口供给支付"),
            ),
            (
                self._say("credited by premiums", "发放补贴"),
                money.credited,
                self._say(
                    f"to domestic supply; {words.yuan(money.fund, 2)} left for hours to come",
                    f"发给国产供给；余 {words.yuan(money.fund, 2)} 用于后续交付",
                ),
            ),
            (
                self._say("in escrow", "托管余额"),
                money.escrow,
                self._say("delivered after the day", "当日之后交付"),
            ),
        ]
        return self._pairs([(name, words.yuan(amount, 2), note) for name, amount, note in rows])

    def _speed(self) -> RenderableType:
        facts, figures = self._facts, self._figures
        sent = Counter(item.outcome for item in facts.attempts)
        wait, http, solve = figures.wait_s, figures.http_ms, figures.solve_ms
        pairs = self._pairs(
            [
                (
                    self._say("order to allocation", "下单到分配"),
                    f"{wait.p50:.2f} s",
                    self._say(
                        f"median; 99 % in {wait.p99:.1f} s; includes waiting for a round",
                        f"中位；99 % 在 {wait.p99:.1f} 秒内；含等待轮次",
                    ),
                ),
                (
                    self._say("order to receipt", "下单到回执"),
                    f"{http.p50:.0f} ms",
                    self._say(
                        f"median; 99 % in {http.p99:.0f} ms", f"中位；99 % 在 {http.p99:.0f} 毫秒内"
                    ),
                ),
                (
                    self._say("clearing a round", "每轮出清"),
                    f"{solve.p50:.0f} ms",
                    self._say(
                        f"median; longest {solve.most:.0f} ms", f"中位；最长 {solve.most:.0f} 毫秒"
                    ),
                ),
                (
                    self._say("orders and changes", "订单与修改"),
                    f"{sent['accepted']:,}",
                    self._say(
                        f"accepted; {sent['refused']} refused, {sent['lost']} lost",
                        f"已接受；{sent['refused']} 被拒绝，{sent['lost']} 丢失",
                    ),
                ),
                (
                    self._say("memory at most", "内存峰值"),
                    words.megabytes(facts.peak_bytes),
                    ", ".join(
                        f"{self._pick(words.named(words.SERVICES, item.name))} "
                        f"{words.megabytes(item.peak_bytes)}"
                        for item in facts.processes
                    ),
                ),
                (
                    self._say("time", "用时"),
                    f"{facts.took_s.get('all', 0.0):.0f} s",
                    ", ".join(
                        f"{self._pick(words.named(words.PHASES, name))} {seconds:.0f} s"
                        for name, seconds in facts.took_s.items()
                        if name != "all"
                    ),
                ),
            ]
        )
        if not facts.killed:
            return pairs
        names = ", ".join(self._pick(words.named(words.SERVICES, name)) for name in facts.killed)
        return Group(
            pairs, Text(self._say(f"killed with kill -9: {names}", f"以 kill -9 终止：{names}"))
        )

    def _trials(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=1)
        table.add_column(width=_TRIAL_COLUMNS)
        table.add_column(style=_SOFT)
        for trial in self._facts.trials:
            table.add_row(_mark(ok=trial.refused), self._pick(trial.name), self._pick(trial.said))
        return table

    def _guarantees(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=1)
        table.add_column(ratio=3)
        table.add_column(ratio=2, style=_SOFT, overflow="fold")
        for check in self._checks:
            table.add_row(_mark(ok=check.ok), self._pick(check.says), check.detail)
        return table


def _mark(*, ok: bool) -> Text:
    return Text("✓", style="green") if ok else Text("✗", style="bold red")


def _price(price: int | None) -> str:
    return "-" if price is None else words.yuan(price, 2)
