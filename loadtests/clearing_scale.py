"""Clearing at scale: welfare, bound, gap, time and memory from 1,000 to 1,000,000 demands.

Each method runs in a process of its own on the same seeded book (`clearing_large_books`). The
peers: first come first fit (what a queue does), and HiGHS and CP-SAT on the whole model, GLOP and
PDLP on its relaxation, for as long as ours took and at least `PEER_SECONDS_MIN`; none of these can
even be given a book above `MODEL_DEMANDS_MAX` in a useful time. The gap of each is to the least
bound that any method proved. The book with links, which two demands in five use, has a bound of
its own. The curve shows how the gap fell with time.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIZES = (1_000, 10_000, 100_000)
EFFORTS = {1_000: 2, 10_000: 6, 100_000: 5, 1_000_000: 60}
PEER_SECONDS_MIN = 10.0
MODEL_DEMANDS_MAX = 10_000
CURVES = Path("var") / "clearing-scale.svg"
_LEVELS = (5.0, 2.0, 1.0)
_PEERS = ("HiGHS", "CP-SAT", "GLOP", "PDLP")
# Solvers look at their clock between steps that can be long; past this they are stopped.
_OVERTIME_S = 120.0


def main(*arguments: str) -> Iterator[str]:
    """Measure the given sizes; yield the lines to print."""
    yield (
        f"{'demands':>9} {'method':<22} {'welfare':>15} {'bound':>15} {'gap %':>7} {'seconds':>8}"
        f" {'to 5 %':>7} {'to 2 %':>7} {'to 1 %':>7} {'MiB':>7}"
    )
    curves: dict[str, list[tuple[float, float]]] = {}
    for size in [int(word) for word in arguments] or SIZES:
        rows = [_apart("ours", size, 0.0), _apart("fcfs", size, 0.0)]
        if size <= MODEL_DEMANDS_MAX:
            seconds = max(PEER_SECONDS_MIN, rows[0]["seconds"])
            rows += [_apart(name, size, seconds) for name in _PEERS]
        bound = min(row["bound"] for row in rows if row["bound"])
        for row in rows:
            yield _line(size, row, bound)
        curves[f"{size:,}"] = [
            (at, 100 * (bound - welfare) / bound) for at, welfare in rows[0]["curve"]
        ]
        stages = ", ".join(f"{name} {spent:.2f} s" for name, spent in rows[0]["stages"].items())
        yield f"{'':>9} of ours: {stages}"
        linked = _apart("links", size, 0.0)
        yield _line(size, linked, linked["bound"])
    CURVES.parent.mkdir(exist_ok=True)
    CURVES.write_text(_drawn(curves), encoding="utf-8")
    yield f"gap over time: {CURVES}"


def _apart(method: str, size: int, seconds: float) -> dict[str, Any]:
    """Run one method in a process of its own; a method that dies or hangs found nothing."""
    command = [sys.executable, "-m", "loadtests.clearing_methods", method, str(size), str(seconds)]
    limit = 2 * seconds + _OVERTIME_S if seconds else None
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return _nothing(f"{method}, stopped", limit or 0.0)
    # What a solver prints comes before the line of JSON, or after it.
    rows = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(json.loads(rows[-1])) if rows else _nothing(f"{method}, {done.returncode}", 0.0)


def _nothing(method: str, seconds: float) -> dict[str, Any]:
    return {
        "method": method, "welfare": None, "bound": None,
        "seconds": seconds, "mib": 0, "curve": [], "stages": {},
    }  # fmt: skip


def _line(size: int, row: dict[str, Any], bound: int) -> str:
    welfare, own = row["welfare"], row["bound"]
    reached = []
    for level in _LEVELS:
        times = [at for at, found in row["curve"] if 100 * (bound - found) <= level * bound]
        reached.append(f"{times[0]:.2f}" if times else "-")
    return (
        f"{size:>9} {row['method']:<22}"
        f" {'-' if welfare is None else f'{welfare / 1e6:,.0f}':>15}"
        f" {'-' if own is None else f'{own / 1e6:,.0f}':>15}"
        f" {'-' if welfare is None else f'{100 * (bound - welfare) / bound:.3f}':>7}"
        f" {row['seconds']:>8.2f} {reached[0]:>7} {reached[1]:>7} {reached[2]:>7} {row['mib']:>7}"
    )


def _drawn(curves: dict[str, list[tuple[float, float]]]) -> str:
    """Return an SVG of the gap in percent over seconds, both axes logarithmic."""
    width, height, left, bottom = 720, 420, 60, 40
    points = [point for row in curves.values() for point in row if point[1] > 0]
    x0, x1 = math.log10(min(p[0] for p in points)), math.log10(max(p[0] for p in points))
    y0, y1 = math.log10(0.3), math.log10(max(10.0, *(p[1] for p in points)))

    def place(at: float, gap: float) -> tuple[float, float]:
        x = left + (math.log10(at) - x0) / max(x1 - x0, 1e-9) * (width - left - 20)
        y = (1 - (math.log10(max(gap, 0.3)) - y0) / (y1 - y0)) * (height - bottom - 20) + 20
        return x, y

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for gap in (0.5, 1, 2, 5, 10):
        if gap <= 10**y1:
            y = place(10**x0, gap)[1]
            parts.append(f'<path d="M{left} {y:.1f}H{width - 20}" stroke="#ddd"/>')
            parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{gap} %</text>')
    for exponent in range(math.ceil(x0), math.floor(x1) + 1):
        x = place(10**exponent, 1)[0]
        parts.append(f'<path d="M{x:.1f} 20V{height - bottom}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{height - 20}" text-anchor="middle">{10.0**exponent:g} s</text>'
        )
    for n, (name, row) in enumerate(curves.items()):
        colour = ("#1b6ca8", "#c2571a", "#3a7d44", "#7a3b8f")[n % 4]
        path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in row)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = place(*row[-1])
        parts.append(
            f'<text x="{x:.1f}" y="{y - 6:.1f}" text-anchor="end" fill="{colour}">{name}</text>'
        )
    parts.append(
        f'<text x="{left}" y="14">certified gap over seconds from the book to the selection</text>'
    )
    return "\n".join([*parts, "</svg>", ""])
