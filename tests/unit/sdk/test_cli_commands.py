from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import suanli
from suanli.cli import NOUNS, build_app
from suanli.cli.commands import tree

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "services/sdk/README.md", *sorted(ROOT.glob("docs/**/*.md"))]
runner = CliRunner()


@pytest.fixture(autouse=True)
def _no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUANLI_API_URL", "SUANLI_API_KEY", "SUANLI_MARKET", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setattr(sys, "argv", ["suanli"])


def _commands() -> dict[str, Json]:
    return {item["command"]: item for item in tree(build_app())}


def test_every_command_takes_output_and_language() -> None:
    for name, item in _commands().items():
        flags = {flag for parameter in item["parameters"] for flag in parameter["flags"]}
        assert {"--output", "-o", "--lang"} <= flags, name


def test_every_command_and_option_explains_itself_in_both_languages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Options of a module are built when it is first imported, so each language is a process.
    script = "from suanli.cli import main; main()"
    english, chinese = (
        json.loads(
            subprocess.run(
                [sys.executable, "-c", script, "commands", "--json", "--lang", lang],
                check=True,
                capture_output=True,
                env={"PYTHONPATH": str(ROOT / "services/sdk/src"), "PYTHONIOENCODING": "utf-8"},
            ).stdout
        )["commands"]
        for lang in ("en", "zh")
    )
    for one, other in zip(english, chinese, strict=True):
        pairs = [(one["help"], other["help"])]
        pairs += [
            (first["help"], second["help"])
            for first, second in zip(one["parameters"], other["parameters"], strict=True)
        ]
        for en, zh in pairs:
            assert en, one["command"]
            assert re.search(r"[\u4e00-\u9fff]|^al_|^off_", zh), (one["command"], zh)


def test_commands_as_json_hold_flags_choices_defaults_and_exit_codes() -> None:
    run = runner.invoke(build_app(), ["commands", "--json"])
    found = json.loads(run.stdout)
    assert found["exit_codes"]["3"] == "the exchange did not answer"
    create = next(item for item in found["commands"] if item["command"] == "suanli demand create")
    by_name = {parameter["name"]: parameter for parameter in create["parameters"]}
    assert by_name["shape"]["choices"] == ["block", "flow", "work"]
    assert by_name["shape"]["default"] == "block"
    assert by_name["chip"]["repeatable"]
    assert by_name["domestic"]["flags"] == ["--domestic", "--foreign"]
    assert by_name["api_url"]["env"] == "SUANLI_API_URL"
    assert {item["command"].split()[1] for item in found["commands"]} == set(NOUNS)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ("prices", "--api-url"),
        ("prices --api-url 127.0.0.1:8000", "--api-url"),
        ("prices --client no-such.json", "--client"),
        ("offers create --pool bj/t4 --chips 8 --ask 9.12345678 --start +1h --end +2h", "--ask"),
        ("offers create --pool bj --chips 8 --ask 9 --start +1h --end +2h", "--pool"),
        ("offers create --pool bj/t4 --chips 8 --ask 9 --start 8am --end +2h", "--start"),
        ("offers create --pool bj/t4 --ask 9 --start +1h --end +2h", "--chips"),
        ("offers create --file no-such.yaml", "--file"),
        ("demand create --chips 8 --hours 2 --limit 9 --earliest +1h --deadline +5h", "--chip"),
        (
            "demand create --chip t4 --chips 8 --limit 9 --earliest +1h --deadline +5h",
            "--hours",
        ),
        (
            "demand create --shape flow --chip t4 --chips 8 --hours 2 --limit 9 --earliest +1h",
            "--deadline",
        ),
        (
            "demand create --shape work --chip t4 --chips 8 --limit 9 --chip-hours 8 --hours 2",
            "--earliest",
        ),
        ("orders watch al_x", "ORDER"),
        ("rounds show twelve --api-url http://127.0.0.1:1", "ROUND"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_field_value_and_allowed(
    arguments: str, field: str
) -> None:
    run = runner.invoke(build_app(), shlex.split(arguments))
    assert run.exit_code == 2, run.output
    lines = run.stderr.splitlines()
    assert lines[0] == "wrong usage [usage]"
    assert lines[1] == f"  field    {field}"
    assert [line.split()[0] for line in lines[1:]] == ["field", "value", "allowed"]


@pytest.mark.parametrize("arguments", ["offers", "prices -o xml", "demand show", "nonsense", ""])
def test_a_command_that_does_not_parse_exits_with_2(arguments: str) -> None:
    assert runner.invoke(build_app(), shlex.split(arguments)).exit_code == 2


@pytest.mark.parametrize(
    ("shape", "sizes", "unused"),
    [
        ("flow", "--chips 8 --hours 2", "--hours"),
        ("flow", "--chips 8 --chip-hours 9", "--chip-hours"),
        ("work", "--chips 8 --chip-hours 9 --chips-min 2", "--chips-min"),
        ("block", "--chips 8 --hours 2 --chip-hours 9", "--chip-hours"),
    ],
)
def test_a_size_that_a_shape_does_not_have_is_refused(shape: str, sizes: str, unused: str) -> None:
    rest = "--chip t4 --limit 9 --earliest +1h --deadline +5h --print-terms"
    run = runner.invoke(build_app(), shlex.split(f"demand create --shape {shape} {sizes} {rest}"))
    assert run.exit_code == 2
    assert f"field    {unused}" in run.stderr
    assert f"left out: {shape} has no such size" in run.stderr


def test_terms_from_flags_are_those_of_the_api() -> None:
    run = runner.invoke(
        build_app(),
        shlex.split(
            "demand create --chip ascend-910b --chip mxc500 --region beijing --domestic "
            "--chips 8 --chips-min 4 --hours 6 --limit 12.5 --budget 600 --print-terms "
            "--earliest 2026-11-25T16:00+08:00 --deadline 2026-11-26T00:00:00Z"
        ),
    )
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout) == {
        "shape": {"type": "block", "chips": 8, "chips_min": 4, "duration": 6},
        "alternatives": [
            {
                "chips_any_of": ["ascend-910b", "mxc500"],
                "regions": ["beijing"],
                "limit": 12_500_000,
                "requirement": {"domestic": True},
            }
        ],
        "earliest": "2026-11-25T08:00:00Z",
        "deadline": "2026-11-26T00:00:00Z",
        "budget": 600_000_000,
    }


def test_flags_say_where_data_and_callers_are_and_what_notice_is_wanted() -> None:
    base = "demand create --chip t4 --limit 9 --earliest +1h --deadline +5h --print-terms "
    sends = (
        "--chips 8 --hours 2 --data-zone bj-haidian --data-gb 800 --user-zone bj-yizhuang "
        "--latency-ms-max 10 --traffic-gb 3"
    )
    found = json.loads(runner.invoke(build_app(), shlex.split(base + sends)).stdout)
    wanted = {"data_zone": "bj-haidian", "data_gb": 800, "traffic_gb_per_chip_hour": 3}
    assert wanted.items() <= found.items()
    yields = "--shape flow --chips 8 --priority interruptible --notice-hours 2"
    found = json.loads(runner.invoke(build_app(), shlex.split(base + yields)).stdout)
    assert (found["priority"], found["notice_periods"]) == ("interruptible", 2)


def test_a_flag_agrees_to_a_price_for_emergencies() -> None:
    offer = (
        "offers create --pool bj-haidian/t4 --chips 8 --ask 3.2 --start +2h --end +5h "
        "--resource-code CN.11.0108.BJ01-T4 --mobilisable 12.5 --print-terms"
    )
    found = json.loads(runner.invoke(build_app(), shlex.split(offer)).stdout)
    assert (found["mobilisable"], found["mobilisation_price"]) == (True, 12_500_000)


def test_a_market_is_named_only_where_there_are_several() -> None:
    schema = json.loads(runner.invoke(build_app(), ["commands", "--json"]).stdout)
    needed = [
        one["command"]
        for one in schema["commands"]
        for option in one["parameters"]
        if "--market" in option["flags"] and option["required"]
    ]
    assert needed == []


def test_terms_that_are_printed_can_be_read_back_from_a_file(tmp_path: Path) -> None:
    offer = (
        "offers create --pool bj-haidian/t4 --chips 8 --ask 3.2 --start +2h --end +5h --block "
        "--resource-code CN.11.0108.BJ01-T4 --print-terms"
    )
    first = runner.invoke(build_app(), shlex.split(offer))
    assert first.exit_code == 0, first.output
    path = tmp_path / "offer.json"
    path.write_text(first.stdout, encoding="utf-8")
    again = runner.invoke(build_app(), ["offers", "create", "--file", str(path), "--print-terms"])
    assert json.loads(again.stdout) == json.loads(first.stdout)


def test_importing_the_package_loads_no_http_client() -> None:
    script = (
        "import sys, suanli; assert 'httpx' not in sys.modules and 'typer' not in sys.modules; "
        "assert suanli.Client.__module__ == 'suanli.client'; assert 'httpx' in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        env={"PYTHONPATH": str(ROOT / "services/sdk/src")},
    )


def test_the_package_names_what_it_exports() -> None:
    assert set(suanli.__all__) <= set(dir(suanli))
    for name in suanli.__all__:
        assert getattr(suanli, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        suanli.nothing  # noqa: B018 - reading it is the test


# --- the pages --------------------------------------------------------------------------------


def _lines(page: Path) -> list[str]:
    """Return the `suanli ...` commands in the code blocks of a page."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```(?:sh|console)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    found = []
    for line in "\n".join(blocks).splitlines():
        for part in re.split(r"\s+(?:\||&&)\s+", line.removeprefix("$ ")):
            command = re.sub(r"^(?:\S+=\S+ )*(?:\.venv/bin/)?suanli ", "suanli ", part)
            if command.startswith("suanli "):
                found.append(command)
    return found


def _wrong(line: str, known: dict[str, Json]) -> str | None:
    words = shlex.split(line.partition(" > ")[0], comments=True)
    name = next((n for n in (" ".join(words[:3]), " ".join(words[:2])) if n in known), None)
    if name is None:
        return None if words[1:2] == ["--help"] else "no such command"
    parameters = known[name]["parameters"]
    flags = {flag: one for one in parameters for flag in one["flags"]}
    rest = words[len(name.split()) :]
    free = 0
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            free += 1
            continue
        flag, equals, value = word.partition("=")
        if flag not in flags:
            return f"no option {flag}"
        if flags[flag]["type"] == "flag":
            continue
        value = value if equals else (rest.pop(0) if rest else "")
        choices = flags[flag]["choices"]
        if not value or (choices and value not in choices):
            return f"{flag} must be {choices or 'given a value'}, was {value!r}"
    places = [one for one in parameters if one["kind"] == "argument"]
    needed = sum(one["required"] for one in places)
    if free < needed or (free > len(places) and not any(one["repeatable"] for one in places)):
        return f"{needed} to {len(places)} arguments, was {free}"
    return None


def test_every_command_in_the_pages_exists_and_parses() -> None:
    known = _commands()
    lines = [(page.relative_to(ROOT), line) for page in PAGES for line in _lines(page)]
    assert len(lines) > 20, "the pages show the command line"
    wrong = [f"{page}: {line}: {why}" for page, line in lines if (why := _wrong(line, known))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("suanli price", "no such command"),
        ("suanli prices --pol bj/t4", "no option --pol"),
        ("suanli prices -o xml", "must be"),
        ("suanli demand show", "1 to 1 arguments, was 0"),
        ("suanli demand show a b", "1 to 1 arguments, was 2"),
    ],
)
def test_the_check_of_the_pages_can_fail(line: str, why: str) -> None:
    assert why in str(_wrong(line, _commands()))
