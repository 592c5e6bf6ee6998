"""Runs the demo from an empty folder to the verdict."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from infra.demo import closing, words, world
from infra.demo.board import Board
from infra.demo.chaos import Chaos
from infra.demo.checks import checks_of
from infra.demo.day import build_day, shorten
from infra.demo.emergency import Emergency
from infra.demo.figures import figures_of
from infra.demo.live import View, round_line
from infra.demo.meter import Memory, Meter
from infra.demo.opening import REGULATOR, admit, close_market, open_market
from infra.demo.outage import Outage
from infra.demo.pace import processor_share, slower_by
from infra.demo.report import report_html
from infra.demo.robots import Robots
from infra.demo.sender import Sender
from infra.demo.shares import DomesticShare
from infra.demo.summary import Summary
from infra.demo.trials import Trials
from infra.demo.watch import Watcher, measure
from infra.local.errors import LocalStackError
from infra.local.exchange import Exchange
from services.kit.logging import only_warnings
from suanli.client import AsyncClient
from suanli.errors import SuanliError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.demo.day import Day
    from infra.demo.facts import Facts, Json, Phrase
    from infra.demo.opening import Opening
    from infra.demo.options import Options

DAY_START = datetime(2026, 11, 23, 16, tzinfo=UTC)
"""Midnight of 24 November 2026 in Beijing."""

EXIT_OK, EXIT_BROKEN, EXIT_STOPPED = 0, 1, 130

# Real time from the start of the services to midnight on the market's clock: enough to start
# them, admit everybody and open the market. Where it is not, the day starts some hours later.
_LEAD_S = 10.0
_PREOPEN_S = 2.0
# The search is bounded by its deterministic effort. This bound is for a solver that hangs, and
# far off, so that a busy machine does not make a round fall back to the simple rule: one whose
# domestic share binds is cleared up to fifteen times, a second of one core each.
_SOLVE_S_MAX = 150.0
_FRAMES_PER_S = 3
_CONNECTIONS = 24
_GATHER_TRIES = 3
_PLAIN_COLUMNS = 110


@dataclass(frozen=True, slots=True)
class _Cast:
    """Everybody who takes part in the day."""

    board: Board
    sender: Sender
    robots: Robots
    trials: Trials
    emergency: Emergency
    share: DomesticShare
    outage: Outage
    watcher: Watcher
    memory: Memory
    chaos: Chaos
    meter: Meter


class Demo:
    """One run.

    Args:
        options: What to run.
        console: Where to print.
    """

    def __init__(self, options: Options, console: Console) -> None:
        self._options = options
        self._console = console
        self._exchange = Exchange(options.state_dir, durable=True)
        self._took_s: dict[str, float] = {}

    def run(self) -> int:
        """Run everything; return the exit code. The exchange is stopped at the end."""
        began_s = time.monotonic()
        try:
            self._start()
            facts = asyncio.run(self._day())
            self._took_s["all"] = time.monotonic() - began_s
            return self._judge(facts)
        finally:
            if self._options.keep and self._exchange.is_configured():
                up, down = (
                    f"{Path(sys.executable).name} -m infra.local.exchange {verb} "
                    f"--state-dir '{self._options.state_dir}'"
                    for verb in ("up", "down")
                )
                self._console.print(
                    self._say(
                        f"Left running at {self._exchange.api_url}; to stop it: {down}\n"
                        f"The operator's key: {up}",
                        f"系统保留运行：{self._exchange.api_url}；停止：{down}\n运营方密钥：{up}",
                    ),
                    soft_wrap=True,
                )
            else:
                with self._waiting("Stopping everything", "正在停止"), _uninterrupted():
                    self._exchange.down()

    def _say(self, english: str, chinese: str) -> str:
        return chinese if self._options.language == "zh" else english

    @contextmanager
    def _waiting(self, english: str, chinese: str) -> Iterator[None]:
        text = self._say(english, chinese)
        if self._console.is_terminal:
            with self._console.status(f"{text} …", spinner="line"):
                yield
        else:
            self._console.print(f"{text} …")
            yield

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began_s = time.monotonic()
        yield
        self._took_s[phase] = time.monotonic() - began_s

    # --- before the day -------------------------------------------------------------------

    def _start(self) -> None:
        self._console.print(
            self._say(
                "Suanli Exchange: one market day on this machine; nothing is simulated but time",
                "算力交易所：在本机跑完一个交易日，除时钟加速外无一模拟",
            ),
            style="bold",
        )
        # Before anything runs: what is measured is how busy others keep the machine.
        slower = self._slower()
        with self._timed("wipe"), self._waiting("Clearing the last run", "清除上次运行的数据"):
            self._exchange.wipe()
        with self._timed("stack"):
            if self._console.is_terminal:
                self._console.print(
                    self._say("Starting Kafka and Postgres …", "启动 Kafka 与 Postgres …")
                )
                self._exchange.start_stack()
            else:
                with self._waiting("Starting Kafka and Postgres", "启动 Kafka 与 Postgres"):
                    self._exchange.start_stack(quiet=True)
        speed = self._options.speed / slower
        lead = timedelta(seconds=_LEAD_S * slower * speed)
        self._exchange.configure(
            market_epoch=DAY_START - lead,
            clock_speed=speed,
            market_id=world.MARKET_ID,
            solve_s=_SOLVE_S_MAX,
        )
        with self._timed("services"), self._waiting("Starting the services", "启动各服务"):
            self._exchange.start_services()

    def _slower(self) -> float:
        slower = slower_by(processor_share()) if self._options.may_slow else 1.0
        if slower > 1.0:
            minutes = self._options.hours * 60 / self._options.speed * slower
            self._console.print(
                self._say(
                    f"This machine is busy: the day takes {minutes:.1f} minutes "
                    "(--minutes sets another pace)",
                    f"本机繁忙：全程放慢为 {minutes:.1f} 分钟（可用 --minutes 调整）",
                )
            )
        return slower

    def _build_day(self, start: datetime) -> Day:
        options = self._options
        whole = options.orders * 24 // options.hours
        # Twice as many as needed, since hours of the night are fewer than their share.
        day = build_day(start, demands=whole if options.hours == 24 else min(9_000, 2 * whole))
        return shorten(day, hours=options.hours, demands=options.orders)

    async def _day(self) -> Facts:
        clock = self._exchange.clock
        async with AsyncExitStack() as stack:
            anyone = await stack.enter_async_context(
                AsyncClient(self._exchange.api_url, connections=_CONNECTIONS, timeout_s=30.0)
            )
            operator = anyone.acting_as(self._exchange.config.operator_key)
            with self._timed("opening"), self._waiting("Opening the market", "开市准备"):
                day = await asyncio.to_thread(self._build_day, DAY_START)
                opening = await admit(operator, day)
                start = DAY_START
                while start <= clock.now():
                    start += timedelta(hours=1)
                if start != DAY_START:
                    day = await asyncio.to_thread(self._build_day, start)
                meter = Meter(self._exchange)
                await meter.start()
                stack.push_async_callback(meter.stop)
                market = world.market(
                    round_every_s=self._options.round_every_s, effort=self._options.effort
                )
                # Just before midnight: rounds of an empty market would show nothing.
                await clock.sleep_until(start - timedelta(seconds=_PREOPEN_S * clock.speed))
                await open_market(operator, market)
            return await self._trade(anyone, opening, day, market, meter)

    # --- the day --------------------------------------------------------------------------

    async def _trade(
        self, anyone: AsyncClient, opening: Opening, day: Day, market: Json, meter: Meter
    ) -> Facts:
        clock = self._exchange.clock
        sender = Sender(anyone, opening.keys, clock, day)
        robots = Robots(anyone, opening.keys, clock)
        board = Board(
            market=market,
            start=day.start,
            hours=self._options.hours,
            clock=clock,
            total=len(day.actions),
            attempts=sender.attempts,
        )
        trials = Trials(
            anyone,
            opening.keys,
            clock,
            start=day.start,
            hours=self._options.hours,
            tell=board.tell,
        )
        board.trials = trials.done
        watcher = Watcher(anyone, board, lambda row: self._closed(row, board, robots))
        operator = anyone.acting_as(self._exchange.config.operator_key)

        def tell(phrase: Phrase) -> None:
            board.tell(phrase)
            self._line(f"{words.clock(clock.now())} {self._say(*phrase)}")

        emergency = Emergency(anyone, operator, opening.keys, clock, tell)
        share = DomesticShare(anyone, opening.keys, clock, tell)
        outage = Outage(operator, market, clock, tell)
        memory = Memory(self._exchange)
        cast = _Cast(
            board, sender, robots, trials, emergency, share, outage, watcher, memory, Chaos(), meter
        )
        try:
            with self._live(board), self._timed("day"):
                await self._play(anyone, cast)
            with (
                self._timed("booking"),
                self._waiting("Waiting for the last bookings", "等待入账完成"),
            ):
                await robots.step()
                return await self._gather(anyone.acting_as(opening.keys[REGULATOR]), cast)
        finally:
            watcher.close()

    async def _play(self, anyone: AsyncClient, cast: _Cast) -> None:
        """Send the day's orders while everybody else does what they do, to the last round."""
        stop = asyncio.Event()
        start, hours = cast.board.start, self._options.hours

        def tell_killed(name: str, pid: int) -> None:
            cast.board.tell((f"kill -9 {pid} ({name})", f"kill -9 {pid}（{name}）"))
            self._line(f"kill -9 {pid} {name}")

        async def kill() -> None:
            if self._options.chaos:
                clock = self._exchange.clock
                await cast.chaos.run(
                    self._exchange, clock, start=start, hours=hours, tell=tell_killed
                )

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(cast.watcher.run(stop))
            verifying = group.create_task(cast.watcher.verify())
            group.create_task(cast.robots.run(stop))
            group.create_task(measure(cast.board, cast.meter, cast.memory, stop))
            trying = group.create_task(cast.trials.run(cast.sender.some_demand))
            killing = group.create_task(kill())
            flood = group.create_task(cast.emergency.run(start, hours))
            losing = group.create_task(cast.outage.run(start, hours))
            sharing = group.create_task(cast.share.run(start, hours))
            await cast.sender.run()
            await self._exchange.clock.sleep_until(start + timedelta(hours=hours))
            await asyncio.gather(trying, killing, flood, sharing, losing)
            await self._last_round(anyone, cast.board)
            stop.set()
            await watching
            await cast.watcher.verified()
            verifying.cancel()

    @contextmanager
    def _live(self, board: Board) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        view = View(board, self._options.language)
        with Live(view, console=self._console, screen=True, refresh_per_second=_FRAMES_PER_S):
            yield

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, soft_wrap=True)

    def _closed(self, row: Json, board: Board, robots: Robots) -> None:
        robots.rounds.append(row["round_id"])
        self._line(round_line(row, board, self._options.language))

    async def _last_round(self, anyone: AsyncClient, board: Board) -> None:
        """Have one more round cleared, which takes in all that was sent, and no other."""
        board.phase = ("the day is over, last bookings", "已收市，等待入账")
        operator = anyone.acting_as(self._exchange.config.operator_key)
        await closing.none_under_way(anyone, board)
        at = self._exchange.clock.now()
        await close_market(operator, board.market, closing.far_cadence_s(at))
        await closing.last_round_closed(anyone, board, at)

    async def _gather(self, client: AsyncClient, cast: _Cast) -> Facts:
        """Gather when all is quiet; again if a round came in between."""
        day = closing.Day(
            cast.board,
            cast.sender,
            cast.robots,
            cast.trials,
            cast.emergency,
            cast.outage,
            cast.memory,
            cast.meter,
            tuple(cast.chaos.killed),
            self._took_s,
        )
        market_id = str(day.board.market["id"])
        tries = 0
        while True:
            lag = await closing.quiet(day.meter)
            # On a busy machine the next round may come after all before everything is quiet.
            await cast.watcher.catch_up()
            facts = await closing.gather(self._exchange, client, day, lag)
            tries += 1
            newest = await closing.newest_round(client, market_id)
            if len(facts.rounds) == newest or tries == _GATHER_TRIES:
                return facts

    # --- after the day --------------------------------------------------------------------

    def _judge(self, facts: Facts) -> int:
        figures = figures_of(facts)
        checks = checks_of(facts)
        html = report_html(
            facts, figures, checks, world.list_prices(), language=self._options.language
        )
        self._options.report.parent.mkdir(parents=True, exist_ok=True)
        self._options.report.write_text(html, encoding="utf-8")
        self._console.print(Summary(facts, figures, checks, self._options.language))
        self._console.print()
        self._console.print(
            self._say(f"Report: {self._options.report}", f"报告：{self._options.report}"),
            soft_wrap=True,
            highlight=False,
        )
        broken = [check for check in checks if not check.ok]
        if not broken:
            self._console.print(
                self._say(f"All {len(checks)} guarantees held.", f"{len(checks)} 项保证全部满足。"),
                style="bold green",
            )
            return EXIT_OK
        names = ", ".join(check.name for check in broken)
        self._console.print(
            self._say(
                f"Not held: {names}. Logs: {self._exchange.state_dir / 'logs'}",
                f"未满足：{names}。日志：{self._exchange.state_dir / 'logs'}",
            ),
            style="bold red",
            soft_wrap=True,
        )
        return EXIT_BROKEN


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let what has begun to stop do so; a second Ctrl-C would leave processes behind."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run(options: Options) -> int:
    """Run the demo; return its exit code."""
    only_warnings()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_COLUMNS)
    # A plain `kill` stops it as Ctrl-C does: in order, leaving nothing behind.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return Demo(options, console).run()
    except KeyboardInterrupt:
        sys.stderr.write("stopped 已停止\n")
        return EXIT_STOPPED
    except LocalStackError as error:
        sys.stderr.write(f"{error.message.en}\n{error.message.zh}\n")
        return error.exit_code
    except SuanliError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BROKEN
    except ExceptionGroup as group:
        known, unknown = group.split((SuanliError, TimeoutError))
        if unknown is not None:
            raise
        for reason in known.exceptions if known is not None else ():
            sys.stderr.write(f"{reason}\n")
        sys.stderr.write(f"The logs are in {options.state_dir / 'logs'}\n")
        return EXIT_BROKEN
