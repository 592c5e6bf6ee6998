"""The live view: one calm screen that is drawn from the board a few times a second."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Group
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from infra.demo import words
from infra.demo.spark import meter, sparkline

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from infra.demo.board import Board
    from infra.demo.facts import Json, Phrase

_BOX = "grey50"
_SOFT = "grey58"
_GOOD = "green"
_BAD = "bold red"
_DOMESTIC = "red3"
_FOREIGN = "dodger_blue2"
_SPARK = 40
_WIDE, _WIDEST = 108, 126
_SIDE, _SIDE_NARROW = 37, 30
"""Columns of the screen from which there is room for most and for all, and of the panels at the
side."""
_ROUNDS_SHOWN = 40  # what does not fit is cut below
_ORDER_ROWS = 9
_STAGES: dict[str, Phrase] = {
    "sealed": ("sealed, solving", "已封存，求解中"),
    "cleared": ("cleared, publishing", "已出清，发布中"),
    "closed": ("closed", "已完结"),
}


_ROUND_COLUMNS: tuple[tuple[Phrase, int], ...] = (
    (("round", "轮次"), 0),
    (("time", "时间"), 0),
    (("demand", "需求"), 0),
    (("filled", "成交"), 0),
    (("chip-h", "卡时"), _WIDE),
    (("welfare", "福利"), 0),
    (("gap <=", "差距 <="), 0),
    (("domestic (asked)", "国产（要求）"), _WIDEST),
    (("solve ms", "求解毫秒"), _WIDE),
    (("ok", "核验"), 0),
)
"""Head of each column of the rounds, and the width of the screen from which it is shown."""


class View:
    """Draws a board.

    Args:
        board: What to draw.
        language: ``en`` or ``zh``.
    """

    def __init__(self, board: Board, language: str) -> None:
        self._board = board
        self._index = 1 if language == "zh" else 0
        self._names = words.chip_names(board.market)
        self._width = _WIDEST

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the screen, with fewer columns where there is less room."""
        self._width = options.max_width
        side = _SIDE_NARROW if self._narrow else _SIDE
        layout = Layout()
        layout.split_column(
            Layout(self._header(), size=4),
            Layout(name="middle", size=max(len(self._names) + 1, _ORDER_ROWS) + 2),
            Layout(name="below"),
        )
        layout["middle"].split_row(Layout(self._orders(), size=side), Layout(self._prices()))
        layout["below"].split_row(Layout(self._rounds()), Layout(self._services(), size=side))
        yield layout

    @property
    def _narrow(self) -> bool:
        return self._width < _WIDE

    def _say(self, english: str, chinese: str) -> str:
        return (english, chinese)[self._index]

    def _short(self, english: str, shorter: str, chinese: str) -> str:
        return self._say(shorter if self._narrow else english, chinese)

    def _pick(self, phrase: Phrase) -> str:
        return phrase[self._index]

    def _panel(self, content: RenderableType, english: str, chinese: str) -> Panel:
        title = Text(self._say(english, chinese), style="bold")
        return Panel(content, title=title, title_align="left", border_style=_BOX, padding=(0, 1))

    # --- header ---------------------------------------------------------------------------

    def _header(self) -> RenderableType:
        board = self._board
        name = board.market["name_zh" if self._index else "name_en"]
        now = board.clock.now().astimezone(words.BEIJING)
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(ratio=1, no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_row(
            Text.assemble(
                ("Suanli Exchange 算力交易所", "bold"),
                ("  ", ""),
                ("" if self._narrow else str(name), _SOFT),
            ),
            Text.assemble(
                ("" if self._narrow else f"{now:%Y-%m-%d}  ", _SOFT),
                (f"{now:%H:%M}", "bold"),
                (self._say(" Beijing", " 北京时间"), _SOFT),
            ),
        )
        bar = meter(board.progress(), 12 if self._narrow else 30)
        table.add_row(
            Text.assemble((self._stage(), ""), ("", "")),
            Text.assemble((bar, "cyan"), (f" {100 * board.progress():3.0f} %", _SOFT)),
        )
        return Group(Text(""), table, Text(""))

    def _stage(self) -> str:
        board = self._board
        latest = board.latest
        if latest is None:
            return self._pick(board.phase)
        stage = self._pick(_STAGES[latest["state"]])
        round_text = self._say(f"Round {latest['seq']} {stage}", f"第 {latest['seq']} 轮{stage}")
        if board.progress() >= 1:
            return f"{round_text} · {self._pick(board.phase)}"
        left = self._next_seal() - board.clock.now()
        left_s = max(0.0, left.total_seconds() / board.clock.speed)
        return round_text + self._say(f" · next in {left_s:.1f} s", f" · 下一轮 {left_s:.1f} 秒后")

    def _next_seal(self) -> datetime:
        every_s = int(self._board.market["rules"]["round_every_s"])
        now = self._board.clock.now()
        past_s = now.timestamp() % every_s
        return now + timedelta(seconds=every_s - past_s)

    # --- orders ---------------------------------------------------------------------------

    def _orders(self) -> Panel:
        board = self._board
        counts = Counter((item.kind, item.outcome) for item in board.attempts)
        orders = counts["offer", "accepted"] + counts["demand", "accepted"]
        refused = sum(item.outcome == "refused" for item in board.attempts)
        filled = board.total_of("demands_filled")
        book = board.book
        table = _grid()
        rows: list[tuple[str, str | Text]] = [
            (
                self._say("sent", "已提交"),
                f"{len(board.attempts):,} / {board.total:,}",
            ),
            (self._say("per second", "每秒"), f"{board.rate():,.0f}"),
            (self._say("on the log", "已写入日志"), f"{orders:,}"),
            (
                self._short("refused (trials)", "refused", "拒绝（试错）"),
                f"{refused:,} ({sum(item.refused for item in board.trials)})",
            ),
            (self._say("live demand", "在簿需求"), f"{book.get('demands', 0):,}"),
            (
                self._short("waiting for money", "waiting", "等待冻结"),
                f"{book.get('demands_waiting', 0):,}",
            ),
            (self._say("live offers", "在簿供给"), f"{book.get('offers', 0):,}"),
            (self._short("demands filled", "filled", "成交需求"), f"{filled:,}"),
            (
                self._short("domestic (asked)", "domestic", "国产（要求）"),
                _share_cell(self._share()),
            ),
        ]
        for name, value in rows:
            table.add_row(Text(name, style=_SOFT), value)
        return self._panel(table, "Orders and book", "订单与订单簿")

    def _share(self) -> Json | None:
        closed = self._board.closed
        return self._board.share_of(closed[-1]) if closed else None

    # --- prices ---------------------------------------------------------------------------

    def _prices(self) -> Panel:
        board = self._board
        table = Table.grid(expand=True, padding=(0, 1))
        heads: list[Phrase] = [
            ("chip class", "芯片类别"),
            ("", ""),
            ("last", "最新"),
            ("by round", "逐轮"),
            ("average", "均价"),
            ("chip-h", "卡时"),
        ]
        for index, _ in enumerate(heads):
            table.add_column(
                justify="left" if index in {0, 1, 3} else "right",
                ratio=1 if index == 3 else None,
                no_wrap=True,
            )
        table.add_row(*(Text(self._pick(head), style=_SOFT) for head in heads))
        for chip in board.market["chips"]:
            kind = words.DOMESTIC if chip["domestic"] else words.FOREIGN
            style = _DOMESTIC if chip["domestic"] else _FOREIGN
            prices = board.prices(chip["id"])
            known = [price for price in prices if price is not None]
            sold = board.sold(chip["id"])
            name = Text(self._names[chip["id"]])
            if self._narrow:
                name.stylize(style)
            table.add_row(
                name,
                Text("" if self._narrow else self._pick(kind), style=style),
                f"{known[-1] / 1e6:.2f}" if known else "-",
                Text(sparkline(prices, 10 if self._narrow else _SPARK), style=style),
                "-" if sold.price is None else words.yuan(sold.price, 2),
                f"{sold.sold:,}",
            )
        return self._panel(table, "Clearing prices, yuan per chip-hour", "出清价（元/卡时）")

    # --- rounds ---------------------------------------------------------------------------

    def _rounds(self) -> Panel:
        board = self._board
        table = Table.grid(expand=True, padding=(0, 1))
        shown = [item for item in _ROUND_COLUMNS if item[1] <= self._width]
        for _ in shown:
            table.add_column(justify="right", no_wrap=True)
        table.add_row(*(Text(self._pick(head), style=_SOFT) for head, _ in shown))
        for row in reversed(board.closed[-_ROUNDS_SHOWN:]):
            cells = zip(self._round_cells(row), _ROUND_COLUMNS, strict=True)
            table.add_row(*(cell for cell, item in cells if item in shown))
        bound, welfare = board.total_of("bound"), board.total_of("welfare")
        gap = words.percent_of_ppm((bound - welfare) * 1_000_000 // bound) if bound else "-"
        verified = f"{sum(v.ok for v in board.verdicts.values())} / {len(board.closed)}"
        so_far = Text.assemble(
            ("" if self._narrow else self._say("so far: welfare ", "累计：福利 "), _SOFT),
            (words.yuan(welfare), "bold"),
            (self._say(" yuan, gap <= ", " 元，差距 <= "), _SOFT),
            (gap, "bold"),
            (self._say(", verified ", "，核验通过 "), _SOFT),
            (verified, "bold"),
        )
        return self._panel(Group(so_far, table), "Rounds", "轮次")

    def _round_cells(self, row: Json) -> list[RenderableType]:
        filled = (row["demands_filled"] or 0) + (row["demands_part_filled"] or 0)
        return [
            str(row["seq"]),
            words.clock(datetime.fromisoformat(row["market_time"])),
            f"{row['demands']:,}",
            f"{filled:,}",
            f"{row['chip_hours'] or 0:,}",
            words.yuan(row["welfare"] or 0),
            words.percent_of_ppm(row["gap_ppm"] or 0),
            _share_cell(self._board.share_of(row)),
            f"{row['solve_ms'] or 0:,}",
            self._mark(row["round_id"]),
        ]

    def _mark(self, round_id: str) -> Text:
        verdict = self._board.verdicts.get(round_id)
        if verdict is None:
            return Text("…", style=_SOFT)
        return Text("✓", style=_GOOD) if verdict.ok else Text("✗", style=_BAD)

    # --- services -------------------------------------------------------------------------

    def _services(self) -> Panel:
        board = self._board
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(ratio=1, no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        heads = ("", self._say("memory", "内存"), self._say("behind", "滞后"))
        table.add_row(*(Text(head, style=_SOFT) for head in heads))
        for name, count in board.memory.items():
            lag = f"{board.lag[name]:,}" if name in board.lag else ""
            shown = words.megabytes(count) if count else self._say("down", "停止")
            table.add_row(self._pick(words.named(words.SERVICES, name)), shown, lag)
        whole = sum(board.memory.values())
        table.add_row(
            Text(self._say("together", "合计"), style="bold"),
            Text(words.megabytes(whole), style="bold"),
            "",
        )
        lines: list[RenderableType] = [table]
        if board.unreachable:
            lines.append(Text(self._say("gateway away, retrying", "网关暂不可用，重试中")))
        for at, phrase in () if self._narrow else board.news:
            lines.append(
                Text.assemble((words.clock(at), _SOFT), " ", self._pick(phrase), overflow="fold")
            )
        return self._panel(Group(*lines), "Services", "服务")


def _grid() -> Table:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(ratio=1, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    return table


def _share_cell(share: Json | None) -> Text:
    """Return the domestic share that a round achieved and, in brackets, the one asked of it."""
    if share is None:
        return Text("-", style=_SOFT)
    text = words.share_of_asked(share)
    return Text(text, style=_BAD if share["shortfall"] else _GOOD)


def round_line(row: Json, board: Board, language: str) -> str:
    """Return a closed round as one line, for output that is not a terminal."""
    at = words.clock(datetime.fromisoformat(row["market_time"]))
    filled = (row["demands_filled"] or 0) + (row["demands_part_filled"] or 0)
    gap = words.percent_of_ppm(row["gap_ppm"] or 0)
    sent = f"{len(board.attempts):,}/{board.total:,}"
    share = board.share_of(row)
    asked = ("", "") if share is None else _share_words(share)
    if language == "zh":
        return (
            f"{at} 第{row['seq']:>3}轮  需求 {row['demands']:>4}  成交 {filled:>4}  "
            f"卡时 {row['chip_hours'] or 0:>6,}  福利 {words.yuan(row['welfare'] or 0):>10} 元  "
            f"差距<= {gap:>8}  {row['solve_ms'] or 0:>5} 毫秒  已提交 {sent}{asked[1]}"
        )
    return (
        f"{at} round {row['seq']:>3}  demand {row['demands']:>4}  filled {filled:>4}  "
        f"chip-hours {row['chip_hours'] or 0:>6,}  welfare {words.yuan(row['welfare'] or 0):>10}  "
        f"gap<= {gap:>8}  {row['solve_ms'] or 0:>5} ms  sent {sent}{asked[0]}"
    )


def _share_words(share: Json) -> Phrase:
    achieved, premium = words.share_of_asked(share), words.yuan(share["premium"], 4)
    return (
        f"  domestic {achieved} at {premium} yuan/TFLOPS-hour",
        f"  国产 {achieved} 溢价 {premium} 元/TFLOPS 时",
    )
