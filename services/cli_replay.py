"""``suanli-exchange replay``: rounds cleared again: recorded ones, or those of a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli_participants import checked
from services.cli_rounds import Output, recorded, show_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.scenarios import Scenario
    from services.cli_rounds import Recorded
    from services.core.policy_study.tables import Cell

_COLUMNS = {
    "round_id": "round",
    "verdict": "verdict",
    "published": "published yuan",
    "again": "again yuan",
    "gap_ppm_published": "gap ppm published",
    "gap_ppm_again": "again",
    "problem": "problem",
}
_SENTENCES = {
    "scenario": "scenario",
    "round_id": "round",
    "holds": "holds",
    "say": "what must be seen",
    "found": "what is seen",
}
_GOOD = {"same", "within the gap"}
_SCENARIO = "suanli.scenario.v1"
_YAML = (".yaml", ".yml")


def replay(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES", help="Round files, scenarios, or folders. 轮次文件、情景或文件夹。"
        ),
    ],
    *,
    output: Output = "table",
) -> None:
    """Clear recorded rounds again, verify and compare them; or play scenarios (重放轮次或情景).

    Exit code 1 if a result breaks a rule, if old and new differ by more than their certified gaps,
    or if something is not seen that a scenario says must be.
    """
    scenarios = [path for path in _all(files) if path.suffix in _YAML]
    if not scenarios:
        rows = [_replayed(one) for one in recorded(files)]
        show_rows(rows, output, _COLUMNS)
        raise typer.Exit(0 if all(row["verdict"] in _GOOD for row in rows) else 1)
    if any(path.suffix not in _YAML for path in files if path.is_file()):
        raise typer.BadParameter("FILES must be round files or scenarios, was both")
    rows = [row for path in scenarios for row in _played(path)]
    show_rows(rows, output, _SENTENCES)
    raise typer.Exit(0 if all(row["holds"] for row in rows) else 1)


def _all(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield files, and of folders the scenarios; what only belongs to one is left out."""
    for path in paths:
        found = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        yield from (one for one in found if not path.is_dir() or _is_scenario(one))


def _is_scenario(path: Path) -> bool:
    found = _yaml(path)
    return isinstance(found, dict) and found.get("format") == _SCENARIO


def read_scenario(path: Path) -> Scenario:
    """Return a scenario; a market that is a name is a file beside it."""
    from schemas.scenarios import Scenario

    found = _yaml(path)
    if isinstance(found, dict) and isinstance(found.get("market"), str):
        found["market"] = _yaml(path.parent / str(found["market"]))
    return checked(lambda: Scenario.model_validate(found))


def _yaml(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise typer.BadParameter(f"{path} is not YAML: {error}") from error


def _played(path: Path) -> Iterator[dict[str, Cell]]:
    from services.core.codec import round_to_dict
    from services.core.scenarios.play import play
    from services.core.scenarios.seen import seen
    from suanli.checker import verify

    scenario = read_scenario(path)
    for one in checked(lambda: list(play(scenario))):
        value: Any = round_to_dict(one.book, one.rules, one.result)
        report = verify(value["book"], value["rules"], value["result"])
        named: dict[str, Cell] = {"scenario": path.stem, "round_id": one.book.round_id}
        problem = "" if report.ok else report.problems[0].detail_en
        yield named | {"holds": report.ok, "say": "The checker finds no fault.", "found": problem}
        for sentence in seen(one):
            told: dict[str, Cell] = {"holds": sentence.holds, "say": sentence.say}
            yield named | told | {"found": sentence.found}


def _replayed(one: Recorded) -> dict[str, Cell]:
    from services.core.clearing.clear import clear, gap_ppm
    from services.core.codec import result_to_dict
    from services.core.policy_study.compared import difference
    from suanli.checker import verify

    again = clear(one.book, one.rules)
    problem = ""
    for name, value in (("published", one.value["result"]), ("again", result_to_dict(again))):
        report = verify(one.value["book"], one.value["rules"], value)
        if not report.ok:
            problem = problem or f"{name}: {report.problems[0].detail_en}"
    published = one.result
    verdict = "refuted" if problem else difference(one.book, published, again)
    return {
        "round_id": one.book.round_id,
        "verdict": verdict,
        "published": published.welfare,
        "again": again.welfare,
        "gap_ppm_published": gap_ppm(one.book, published),
        "gap_ppm_again": gap_ppm(one.book, again),
        "problem": problem,
    }
