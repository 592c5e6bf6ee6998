from __future__ import annotations

import io
from datetime import timedelta

import pytest
from rich.console import Console

from infra.demo.board import Board
from infra.demo.checks import checks_of
from infra.demo.figures import Lot, figures_of
from infra.demo.live import View, round_line
from infra.demo.summary import Summary
from services.kit.clock import ManualClock, ScaledClock
from tests.unit.demo.days import MARKET, SENT, SHARE, START, YUAN, make_facts, shared_facts, verdict


def _board() -> Board:
    real = ManualClock(SENT + timedelta(seconds=10))
    facts = make_facts()
    board = Board(
        market=MARKET | {"rules": {"round_every_s": 3600}},
        start=START,
        hours=3,
        clock=ScaledClock(SENT, START, 720.0, real),
        total=9,
        attempts=list(facts.attempts),
        trials=list(facts.trials),
    )
    board.rounds = {row["seq"]: row for row in facts.rounds}
    board.verdicts = {"m:1": verdict(1), "m:2": verdict(2, ok=False)}
    board.trades = [{"home": Lot(20, 12, 36 * YUAN)}, {}, {"home": Lot(20, 2, 8 * YUAN)}]
    board.book = {"demands": 1234, "demands_waiting": 7, "offers": 88}
    board.memory = {"kafka": 160 * 2**20, "matching": 0}
    board.lag = {"matching": 41}
    board.tell(("something happened", "有事发生"))
    return board


def _drawn(drawing: object, width: int) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, height=40, legacy_windows=False, no_color=True)
    console.print(drawing)
    return out.getvalue()


def test_the_screen_shows_round_book_prices_verdicts_and_services() -> None:
    screen = _drawn(View(_board(), "en"), 130)
    for text in ("02:00 Beijing", "Round 3 closed", "5 / 9", "1,234", "41", "160 MB", "down"):
        assert text in screen, text
    assert "3.14" in screen, "average price of 14 chip-hours for 44 yuan"
    assert "something happened" in screen
    assert "verified 1 / 3" in screen
    assert "✓" in screen
    assert "✗" in screen


@pytest.mark.parametrize("width", [80, 100, 108, 126, 200])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_column_is_cut_at_any_width(width: int, language: str) -> None:
    board = _board()
    board.shares = {f"m:{seq}": [SHARE | {"share_bp": 6_750}] for seq in (1, 2, 3)}
    board.verdicts["m:3"] = verdict(3)
    board.attempts, board.total = board.attempts * 641, 9_612
    assert "…" not in _drawn(View(board, language), width)


def test_the_screen_shows_the_domestic_share_of_rounds_against_the_one_asked() -> None:
    board = _board()
    board.shares = {"m:1": [SHARE], "m:3": [SHARE | {"tflops_hours_domestic": 80}]}
    screen = _drawn(View(board, "en"), 130)
    assert "75.0 (70 %)" in screen
    assert screen.count("50.0 (70 %)") == 2, "beside its round and, as the latest, above"
    assert "50.0 (70 %)" in _drawn(View(board, "en"), 80)
    line = round_line(board.rounds[1], board, "en")
    assert line.endswith("domestic 75.0 (70 %) at 0.0000 yuan/TFLOPS-hour")


def test_the_screen_can_be_drawn_before_anything_has_happened() -> None:
    board = _board()
    board.rounds, board.verdicts, board.trades = {}, {}, []
    board.book, board.memory, board.lag = {}, {}, {}
    board.attempts.clear()
    assert "the market is open" in _drawn(View(board, "en"), 130)


def test_a_round_whose_results_are_not_all_there_is_not_shown_yet() -> None:
    board = _board()
    board.rounds[3] = board.rounds[3] | {"file": {"state": "partial"}}
    assert [row["seq"] for row in board.closed] == [1, 2]


def test_progress_stops_at_the_end_of_the_day() -> None:
    board = _board()
    assert board.progress() == pytest.approx(2 / 3)
    board.hours = 1
    assert board.progress() == 1.0


def test_a_round_is_one_line_where_there_is_no_terminal() -> None:
    board = _board()
    for language in ("en", "zh"):
        line = round_line(board.rounds[1], board, language)
        assert "\n" not in line
        assert "20.00 %" in line


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_summary_ends_with_every_guarantee(language: str) -> None:
    facts = make_facts(killed=("matching",))
    checks = checks_of(facts)
    text = _drawn(Summary(facts, figures_of(facts), checks, language), 110)
    assert text.count("✓") >= len(checks) - 1
    assert "✗" in text, "matching was killed and did not start again"
    assert "56.00" in text
    assert "Home <1>" in text


def test_the_summary_tells_how_often_a_share_was_kept_and_what_premiums_moved() -> None:
    facts = shared_facts()
    text = _drawn(Summary(facts, figures_of(facts), checks_of(facts), "en"), 120)
    assert "1 / 2" in text
    assert "70 %, 80 %; premium up to 0.0300 yuan" in text
    assert "credited by premiums" in text
