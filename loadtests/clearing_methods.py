"""One method of `loadtests.clearing_scale` on one book, in a process of its own."""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from typing import Any

import numpy as np

from loadtests.clearing_large_books import large_book
from loadtests.clearing_peers import whole_model
from loadtests.clearing_scale import EFFORTS
from services.core.book import Book, Rules
from services.core.clearing.presolve import tie_hash
from services.core.clearing.scale.ascent import ascend
from services.core.clearing.scale.board import Board, set_up, value_of
from services.core.clearing.scale.engine import at_least, clear_large, select
from services.core.clearing.scale.layout import lay_out
from services.core.clearing.scale.places import fill
from services.core.clearing.scale.respond import Responder
from services.core.codec import book_digest

_SEED = 1


def _ours(size: int, *, linked: bool = False) -> dict[str, Any]:
    # A small book first, so that loading the compiled code is not counted.
    clear_large(large_book(60, 1, linked=linked), Rules(effort=1))
    book = large_book(size, _SEED, linked=linked)
    rules = Rules(effort=EFFORTS.get(size, 5))
    # As in the child process that clears rounds, which knows the digest from the book's bytes.
    digest = book_digest(book)
    gc.collect()
    gc.disable()
    began = time.perf_counter()
    result = clear_large(book, rules, digest=digest)
    spent = time.perf_counter() - began
    curve, stages = _stages(book, rules)
    stages["prices, reasons, pairs, digest"] = spent - sum(stages.values())
    return {
        "method": f"ours, {'links, ' * linked}effort {rules.effort}", "welfare": result.welfare,
        "bound": result.certificate.bound, "seconds": spent, "curve": curve, "stages": stages,
    }  # fmt: skip


def _stages(book: Book, rules: Rules) -> tuple[list[tuple[float, int]], dict[str, float]]:
    """Run the stages one by one; return when which welfare was there, and seconds of each."""
    began = time.perf_counter()
    layout = lay_out(book, rules)
    laid = time.perf_counter()
    responder = Responder(layout)
    ascended = ascend(layout, responder, rules.ascent_steps, at_least(layout, rules.effort))
    risen = time.perf_counter()
    curve: list[tuple[float, int]] = []

    def watch(board: Board) -> None:
        curve.append((time.perf_counter() - began, int(value_of(board, True))))  # noqa: FBT003

    select(layout, ascended.prices, rules.effort, watch)
    searched = time.perf_counter()
    return curve, {
        "layout": laid - began, "bound": risen - laid, "search": searched - risen,
    }  # fmt: skip


def _first_come_first_fit(size: int) -> dict[str, Any]:
    """Serve the demands as they come, each at its cheapest place that still has room."""
    book = large_book(size, _SEED)
    layout = lay_out(large_book(60, 1), Rules())
    fill(set_up(layout, np.zeros(layout.shape, dtype=np.int64), ()), np.arange(60))
    began = time.perf_counter()
    layout = lay_out(book, Rules())
    dearest = int(layout.supplies.ask.max(initial=0))
    board = set_up(layout, np.full(layout.shape, dearest, dtype=np.int64), ())
    board.steering[:] = board.least
    # The queue's order stands for the order of arrival, which a book does not know.
    order = sorted(range(size), key=lambda d: tie_hash("arrival", layout.book.demands[d].id))
    fill(board, np.array(order))
    return {
        "method": "first come first fit", "welfare": int(value_of(board, True)),  # noqa: FBT003
        "bound": None, "seconds": time.perf_counter() - began, "curve": [], "stages": {},
    }  # fmt: skip


def _solver(name: str, size: int, seconds: float) -> dict[str, Any]:
    found = whole_model(large_book(size, _SEED), name, seconds)
    return {
        "method": found.name, "bound": found.bound, "seconds": found.seconds,
        "welfare": found.welfare, "curve": [], "stages": {},
    }  # fmt: skip


def main() -> None:
    """Print what a method reached as one line of JSON."""
    method, size, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    if method == "ours":
        row = _ours(size)
    elif method == "links":
        row = _ours(size, linked=True)
    elif method == "fcfs":
        row = _first_come_first_fit(size)
    else:
        row = _solver(method, size, seconds)
    row["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
