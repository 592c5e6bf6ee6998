"""Machine code kept from an earlier process is that of the sources that are there now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.core.clearing.scale import moves, picks
from services.core.clearing.scale.compiled import stamp_of


def test_what_is_kept_goes_with_every_source_that_it_may_hold_code_of(tmp_path: Path) -> None:
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("LIMIT = 4\n")
    second.write_text("from a import LIMIT\n")
    before = stamp_of([first, second])
    assert stamp_of([second, first]) == before
    first.write_text("LIMIT = 8\n")
    assert stamp_of([first, second]) != before


def test_functions_of_all_files_are_kept_under_one_stamp() -> None:
    # Functions to the type checker; Numba's dispatchers once they are loaded.
    compiled: tuple[Any, ...] = (moves.anneal, picks.most_promising)
    kept = {function._cache._cache_file._source_stamp[1] for function in compiled}
    folder = Path(moves.__file__).parent
    beside = (folder.parent / "price_search.py", folder.parent.parent / "routes.py")
    assert kept == {stamp_of([*folder.glob("*.py"), *beside])}
