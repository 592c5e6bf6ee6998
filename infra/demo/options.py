"""What the demo can be asked to do."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAY_H = 24
_DAY_MIN = 2.0
_ORDERS_MAX = 9_000
"""The traces hold some ten thousand requests for a whole day."""
_SPEED_MAX = 3_600.0


@dataclass(frozen=True, slots=True)
class Options:
    """What to run.

    Attributes:
        hours: Length of the market day.
        orders: How many demands to send.
        speed: Market seconds per real second.
        may_slow: Whether a busy machine gets a slower day; not if the pace was asked for.
        round_every_s: Cadence of the rounds on the market's clock.
        effort: Search budget of a round, deterministic units.
        chaos: Whether every service is killed once.
        keep: Whether the exchange is left running.
        report: Where the HTML report goes.
        language: ``en`` or ``zh``.
        state_dir: Folder of the exchange, wiped first.
    """

    hours: int
    orders: int
    speed: float
    may_slow: bool
    round_every_s: int
    effort: int
    chaos: bool
    keep: bool
    report: Path
    language: str
    state_dir: Path


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Return the options of a command line; ends the program if they are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.demo",
        description=(
            "A market day of real requests through the real exchange, every round verified. "
            "真实请求在真实系统中的一个交易日，逐轮核验。"
        ),
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--speed", type=float, help="market seconds per real second 时钟倍速")
    pace.add_argument("--minutes", type=float, help="real minutes that the day takes 全程分钟数")
    parser.add_argument("--orders", type=int, default=3000, help="demands to send 需求数")
    parser.add_argument("--hours", type=int, default=_DAY_H, help="market hours 市场小时数")
    parser.add_argument(
        "--round-minutes", type=int, default=60, help="market minutes per round 轮次间隔"
    )
    parser.add_argument("--effort", type=int, default=1, help="search budget 求解力度")
    parser.add_argument(
        "--chaos", action="store_true", help="kill -9 every service once 逐一终止服务"
    )
    parser.add_argument("--keep", action="store_true", help="leave the exchange running 结束后保留")
    parser.add_argument("--report", type=Path, help="HTML report 报告路径")
    parser.add_argument("--lang", choices=("en", "zh"), help="language 语言")
    parser.add_argument("--state-dir", type=Path, default=Path("var/demo"), help="data 数据目录")
    given = parser.parse_args(arguments)
    _check(parser, given)
    minutes = given.minutes or _DAY_MIN * given.hours / _DAY_H
    return Options(
        hours=given.hours,
        orders=given.orders,
        speed=given.speed or given.hours * 60 / minutes,
        may_slow=given.speed is None and given.minutes is None,
        round_every_s=given.round_minutes * 60,
        effort=given.effort,
        chaos=given.chaos,
        keep=given.keep,
        report=given.report or given.state_dir / "report.html",
        language=given.lang or _language(),
        state_dir=given.state_dir,
    )


def _check(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    orders_max = _ORDERS_MAX * given.hours // _DAY_H
    bounds: tuple[tuple[str, float, float, float], ...] = (
        ("--hours", given.hours, 1, _DAY_H),
        ("--orders", given.orders, 1, orders_max),
        ("--round-minutes", given.round_minutes, 1, 24 * 60),
        ("--effort", given.effort, 1, 1000),
        ("--speed", 1.0 if given.speed is None else given.speed, 1e-3, _SPEED_MAX),
        (
            "--minutes",
            _DAY_MIN if given.minutes is None else given.minutes,
            given.hours * 60 / _SPEED_MAX,
            1e6,
        ),
    )
    for name, value, low, high in bounds:
        if not low <= value <= high:
            parser.error(f"{name} must be {low:g} to {high:g}, was {value:g}")


def _language() -> str:
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((name for name in names if name), "")
    return "zh" if locale.lower().startswith("zh") else "en"
