from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from suanli.check_messages import CHECK_TITLES, SUBJECTS
from suanli.checker import main, verify, verify_round_file
from tests.unit.sdk import rounds
from tests.unit.sdk.rounds import Json

SOURCE = Path(__file__).parents[3] / "services" / "sdk" / "src"


def codes(book: Json, result: Json, **changes: object) -> set[str]:
    """Verify with digests that fit, so that only what the test changed is wrong."""
    rules = rounds.rules()
    result = {
        **result,
        "book_digest": rounds.digest(book),
        "rules_digest": rounds.digest(rules),
        **changes,
    }
    return {problem.code for problem in verify(book, rules, result).problems}


def round_file(book: Json, rules: Json, result: Json) -> bytes:
    document = {"format": "suanli.round.v1", "book": book, "rules": rules, "result": result}
    return json.dumps(document, ensure_ascii=False).encode()


def test_verify_accepts_the_round_worked_out_by_hand() -> None:
    report = verify(*rounds.hand_made())
    assert report.problems == ()
    assert report.ok
    assert report.welfare == rounds.WELFARE
    assert report.bound == rounds.BOUND
    assert report.gap_ppm == rounds.GAP_PPM
    assert report.counts["demands_accepted"] == 3
    assert report.counts["chip_hours"] == 17
    assert [name for name, _, _ in report.checks] == list(CHECK_TITLES)
    assert all(ok for _, ok, _ in report.checks)


def test_verify_accepts_a_round_in_which_nothing_is_open() -> None:
    book = rounds.book([], [], [])
    result = rounds.empty_result(book, {}, {"prices": {}, "bound": 0})
    report = verify(book, rounds.rules(), result)
    assert report.ok
    assert report.gap_ppm == 0


def test_verify_does_not_change_its_input() -> None:
    given = rounds.hand_made()
    before = json.dumps(given)
    verify(*given)
    assert json.dumps(given) == before


def test_verify_refuses_another_book_or_other_rules() -> None:
    book, rules, result = rounds.hand_made()
    other_book = rounds.changed(book, ("offers", 1, "rounds_waited"), 1)
    assert [p.code for p in verify(other_book, rules, result).problems] == ["digest.book"]
    other_rules = {**rules, "seed": 2}
    assert [p.code for p in verify(book, other_rules, result).problems] == ["digest.rules"]


# --- books --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("pools", 1, "key"), "z1/a", "book.sorted"),
        (("pools", 0, "chip"), "b", "book.pool_key"),
        (("offers", 1, "id"), "off_a", "book.sorted"),
        (("offers", 0, "pool"), "z3/a", "book.unknown_pool"),
        (("offers", 0, "ask"), 1050, "book.ask_off_tick"),
        (("demands", 1, "id"), "dem_a", "book.sorted"),
        (("demands", 2, "alternatives", 1, "index"), 0, "book.sorted"),
        (("demands", 2, "alternatives", 1, "pools"), ["z2/a", "z1/a"], "book.sorted"),
        (("demands", 2, "alternatives", 1, "pools"), ["z1/a", "z9/a"], "book.unknown_pool"),
        (("demands", 4, "linked_to"), "dem_x", "book.unknown_link"),
        (("periods",), 169, "format.type"),
        (("demands", 0, "shape"), "gang", "format.type"),
        (("demands", 0, "alternatives"), [], "format.type"),
        (("demands", 0, "alternatives", 0, "chips_min"), 5, "format.range"),
        (("demands", 0, "alternatives", 0, "duration"), 0, "format.range"),
        (("demands", 0, "alternatives", 0, "deadline"), 1000, "format.range"),
        (("demands", 0, "alternatives", 0, "chip_hours"), 8, "format.shape"),
        (("demands", 1, "alternatives", 0, "chips_by_period"), [2, 2, 2], "format.range"),
        (("demands", 1, "alternatives", 0, "duration"), 1, "format.shape"),
    ],
)
def test_verify_refuses_a_book_that_contradicts_itself(
    path: tuple[str | int, ...], value: object, code: str
) -> None:
    book, _, result = rounds.hand_made()
    found = codes(rounds.changed(book, path, value), result)
    assert code in found


def test_verify_holds_an_urgent_round_to_its_cap() -> None:
    book, rules, result = rounds.hand_made()
    dearest = max(row["limit"] for item in book["demands"] for row in item["alternatives"])
    urgent = {**book, "mobilisation": {"id": "mob_a", "price_cap": dearest}}
    assert "book.limit_above_cap" not in codes(urgent, result)
    lower = {**book, "mobilisation": {"id": "mob_a", "price_cap": dearest - 1}}
    assert "book.limit_above_cap" in codes(lower, result)
    odd = {**book, "mobilisation": {"id": "mob_a", "cap": dearest}}
    assert "format.field" in codes(odd, result)
    # What was sealed is what was cleared: another cap is another book.
    assert [p.code for p in verify(urgent, rules, result).problems] == ["digest.book"]


def test_verify_holds_orders_and_prices_to_the_limits_in_force() -> None:
    book, rules, result = rounds.hand_made()
    limits = [row["limit"] for item in book["demands"] for row in item["alternatives"]]
    asks = [item["ask"] for item in book["offers"]]
    dearest = max(*limits, *asks, *(price for row in result["prices"].values() for price in row))

    def under(chip: str, floor: int, cap: int) -> dict[str, Any]:
        params = {"chip": chip, "floor": floor, "cap": cap}
        row = {"id": "caps", "version": 1, "kind": "price_limits", "params": params}
        return {**book, "policies": [row]}

    # What was sealed is what was cleared: other limits are another book.
    kept = under("", min(asks), dearest)
    assert [p.code for p in verify(kept, rules, result).problems] == ["digest.book"]
    assert "policy.limits" in codes(under("", 0, max(limits) - 1), result)
    assert "policy.limits" in codes(under("", min(asks) + 1, dearest), result)
    prices = {pool: [dearest + rules["tick"]] * len(row) for pool, row in result["prices"].items()}
    assert "policy.cap" in codes(kept, {**result, "prices": prices})
    # Limits of another class by name do not concern these chips.
    assert [p.code for p in verify(under("x", 0, 0), rules, result).problems] == ["digest.book"]
    odd = {**book, "policies": [{**kept["policies"][0], "kind": "wishes"}]}
    assert "format.type" in codes(odd, result)


def test_verify_lets_nothing_be_kept_out_that_no_policy_keeps_out() -> None:
    book, rules, result = rounds.hand_made()
    limits = [row["limit"] for item in book["demands"] for row in item["alternatives"]]
    cap = max(*limits, *(price for row in result["prices"].values() for price in row))
    params = {"chip": "", "floor": 0, "cap": cap}
    policy = {"id": "caps", "version": 1, "kind": "price_limits", "params": params}
    dear = rounds.offer("off_x", "z1/a", cap + 100, 1000, [1])
    eager = rounds.demand("dem_x", "block", rounds.block(["z1/a"], cap + 1, 1, 1))

    def keeping(
        *offers: Json,
        demands: Sequence[Json] = (),
        policies: Sequence[Json] = (policy,),
    ) -> Json:
        told = {"offers": list(offers), "demands": list(demands)}
        return {**book, "policies": list(policies), "kept_out": told}

    right = keeping(dear, demands=[eager])
    assert [p.code for p in verify(right, rules, result).problems] == ["digest.book"]
    assert "policy.kept_out" in codes(keeping({**dear, "ask": cap}), result)
    assert "policy.kept_out" in codes(keeping(book["offers"][0]), result)
    assert "policy.kept_out" in codes(keeping(demands=[book["demands"][0]]), result)
    assert "policy.kept_out" in codes(keeping(dear, policies=()), result)
    odd = {**eager, "alternatives": [{**eager["alternatives"][0], "chips": -1}]}
    assert "format.type" in codes(keeping(demands=[odd]), result)
    assert "format.field" in codes({**right, "kept_out": {"offers": []}}, result)


# --- feasibility --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "new", "code"),
    [
        (0, ("dem_a", "off_a", "z1/a", 1000, [4, 4, 4]), "demand.block_run"),
        (0, ("dem_a", "off_a", "z1/a", 1000, [4, 0, 4]), "demand.block_run"),
        (0, ("dem_a", "off_a", "z1/a", 1000, [4, 3]), "demand.block_chips"),
        (0, ("dem_a", "off_a", "z1/a", 1000, [1, 1]), "demand.block_chips"),
        (0, ("dem_a", "off_a", "z1/a", 1000, [5, 5]), "offer.capacity"),
        (0, ("dem_a", "off_a", "z1/a", 1001, [4, 4]), "offer.capacity"),
        (0, ("dem_a", "off_a", "z2/a", 1000, [4, 4]), "allocation.pool"),
        (0, ("dem_a", "off_a", "z1/a", 1002, [4, 4]), "allocation.window"),
        (0, ("dem_a", "off_a", "z1/a", 999, [4, 4]), "allocation.horizon"),
        (0, ("dem_a", "off_a", "z1/a", 1000, [4, 4, 0]), "allocation.chips"),
        (0, ("dem_a", "off_a", "z1/a", 1000, []), "allocation.chips"),
        (0, ("dem_x", "off_a", "z1/a", 1000, [4, 4]), "allocation.demand"),
        (0, ("dem_a", "off_x", "z1/a", 1000, [4, 4]), "allocation.offer"),
        (0, ("dem_b", "off_a", "z1/a", 1000, [4, 4]), "demand.pool"),
        (0, ("dem_b", "off_a", "z1/a", 1000, [1, 1, 1]), "demand.window"),
        (1, ("dem_a", "off_c", "z2/a", 1000, [2, 2]), "demand.block_pool"),
        (1, ("dem_b", "off_c", "z2/a", 1000, [2]), "offer.block"),
        (1, ("dem_b", "off_c", "z2/a", 1000, [2, 1]), "offer.block"),
        (1, ("dem_b", "off_c", "z2/a", 1000, [3, 2]), "demand.chips"),
        (1, ("dem_c", "off_z", "z1/a", 1000, [1]), "allocation.sorted"),
        (1, ("dem_a", "off_a", "z1/a", 1000, [2, 2]), "allocation.sorted"),
        (3, ("dem_c", "off_b", "z1/a", 1001, [4]), "demand.chip_hours"),
        (3, ("dem_c", "off_b", "z1/a", 1002, [1]), "demand.chips"),
    ],
)
def test_verify_refuses_an_allocation_that_breaks_a_rule(
    index: int, new: tuple[str, str, str, int, list[int]], code: str
) -> None:
    book, _, result = rounds.hand_made()
    assert code in codes(
        book, rounds.changed(result, ("allocations", index), rounds.allocation(*new))
    )


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        # dem_d joins dem_a of its group; dem_e is in while dem_d is out.
        ((3, "alternative"), 0, "demand.group"),
        ((4, "alternative"), 0, "demand.link"),
        ((2, "alternative"), 0, "demand.pool"),
        ((2, "alternative"), 1, "demand.alternative"),
        ((2, "alternative"), None, "demand.alternative"),
        ((5, "alternative"), 0, "demand.alternative"),
    ],
)
def test_verify_refuses_demands_that_may_not_be_in_together(
    path: tuple[int | str, ...], value: object, code: str
) -> None:
    book, _, result = rounds.hand_made()
    if code == "demand.group":
        added = rounds.allocation("dem_d", "off_b", "z1/a", 1001, [2])
    else:
        added = rounds.allocation("dem_e", "off_a", "z1/a", 1000, [1])
    if code in {"demand.group", "demand.link"}:
        result["allocations"].append(added)
    assert code in codes(book, rounds.changed(result, ("demands", *path), value))


# --- prices and money ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("z1/a", 0), 2001, "price.tick"),
        (("z1/a",), [2000, 2100], "price.periods"),
        (("z3/a",), [0, 0, 0], "price.pool"),
        # dem_a pays 4 x (2000 + 4100) = 24400 > 24000; each period alone may pass the limit.
        (("z1/a", 1), 4100, "rule_1.block"),
        # dem_c pays 2300 > 2200 in 1002.
        (("z1/a", 2), 2300, "rule_1.demand"),
        # off_b receives 1900 < 2000 in 1000; the block off_c 1400 < 1500 in 1001.
        (("z1/a", 0), 1900, "rule_1.offer"),
        (("z2/a", 1), 1400, "rule_1.offer"),
    ],
)
def test_verify_refuses_prices_at_which_somebody_loses(
    path: tuple[str | int, ...], value: object, code: str
) -> None:
    book, _, result = rounds.hand_made()
    assert code in codes(book, rounds.changed(result, ("prices", *path), value))


def test_verify_lets_a_block_pass_its_limit_in_one_period_of_its_run() -> None:
    # 4 x (2000 + 4000) = 24000 is exactly the limit value of dem_a.
    book, _, result = rounds.hand_made()
    found = codes(book, rounds.changed(result, ("prices", "z1/a", 1), 4000))
    assert "rule_1.block" not in found
    assert "rule_1.demand" not in found


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (("demands", 0, "reason", "code"), "linked_order_out"),
        (("demands", 0, "reason", "code"), "exclusive_group"),
        (("demands", 0, "reason", "code"), "paradoxically_rejected"),
        (("demands", 5, "reason", "code"), "filled"),
        (("offers", 3, "reason", "code"), "filled"),
    ],
)
def test_verify_refuses_a_reason_that_the_round_refutes(
    path: tuple[str | int, ...], code: str
) -> None:
    book, _, result = rounds.hand_made()
    assert codes(book, rounds.changed(result, path, code)) == {"order.reason"}


# --- certificate --------------------------------------------------------------------------------


def test_verify_refuses_a_bound_that_its_prices_do_not_give() -> None:
    book, _, result = rounds.hand_made()
    changed = rounds.changed(result, ("certificate", "bound"), rounds.WELFARE)
    assert codes(book, changed) == {"certificate.bound"}


# --- files --------------------------------------------------------------------------------------


def test_verify_round_file_accepts_bytes_and_a_path(tmp_path: Path) -> None:
    data = round_file(*rounds.hand_made())
    file = tmp_path / "round.json"
    file.write_bytes(data)
    assert verify_round_file(data).ok
    assert verify_round_file(file) == verify_round_file(str(file)) == verify_round_file(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "format.not_json"),
        (b"\xff\xfe{}", "format.not_json"),
        (b"[" * 100_000, "format.not_json"),
        (b'{"a":' * 100_000, "format.not_json"),
        (b"9" * 5_000, "format.not_json"),
        (b"NaN", "format.type"),
        (b"[1, 2]", "format.type"),
        (b'{"format": "suanli.round.v2"}', "format.name"),
        (b'{"format": "suanli.round.v1", "format": "suanli.round.v1"}', "format.duplicate_key"),
    ],
)
def test_verify_round_file_refuses_what_is_no_round_file(data: bytes, code: str) -> None:
    report = verify_round_file(data)
    assert not report.ok
    assert code in {problem.code for problem in report.problems}


def test_verify_round_file_refuses_fields_given_twice() -> None:
    data = round_file(*rounds.hand_made())
    twice = data.replace(b'"welfare": 25000', b'"welfare": 1, "welfare": 25000')
    assert [p.code for p in verify_round_file(twice).problems] == ["format.duplicate_key"]


@pytest.mark.parametrize(
    "number", [b"25000.0", b"2.5e4", b"NaN", b"-Infinity", b"true", b'"25000"']
)
def test_verify_round_file_refuses_every_number_that_is_no_integer(number: bytes) -> None:
    data = round_file(*rounds.hand_made())
    changed = data.replace(b'"welfare": 25000', b'"welfare": ' + number)
    assert [p.code for p in verify_round_file(changed).problems] == ["format.type"]


def test_verify_round_file_reports_a_file_that_is_not_there() -> None:
    assert [p.code for p in verify_round_file("no/such.json").problems] == ["format.unreadable"]
    assert [p.code for p in verify_round_file("\0").problems] == ["format.unreadable"]


def test_problems_are_told_in_two_languages() -> None:
    book, rules, result = rounds.hand_made()
    (problem,) = verify(book, rules, {**result, "welfare": 1}).problems
    assert problem.where == "result.welfare"
    assert problem.detail_en == "result.welfare: the welfare must be 25000, was 1"
    assert problem.detail_zh == "result.welfare:福利应为 25000,实际为 1"
    assert (problem.expected, problem.found) == ("25000", "1")


def test_a_file_that_is_wrong_everywhere_gives_a_short_report() -> None:
    book, rules, result = rounds.hand_made()
    book["offers"] = [None] * 5_000
    report = verify(book, rules, result)
    assert len(report.problems) == 200
    assert report.counts["problems"] >= 5_000


def test_checker_runs_on_the_standard_library_alone(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    book, rules, result = rounds.hand_made()
    good.write_bytes(round_file(book, rules, result))
    bad.write_bytes(round_file(book, rules, {**result, "welfare": 1}))
    # -S leaves out site-packages, so an import of anything installed would fail.
    command = [sys.executable, "-S", "-m", "suanli.checker", "--lang", "en"]
    run = subprocess.run(
        [*command, str(good), str(bad)],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    assert "VERIFIED" in run.stdout
    assert "the welfare must be 25000, was 1" in run.stdout


def test_main_tells_apart_right_wrong_and_unreadable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "good.json"
    good.write_bytes(round_file(*rounds.hand_made()))
    bad = tmp_path / "bad.json"
    bad.write_bytes(b"{}")
    assert main([str(good), "--lang", "zh"]) == 0
    assert "核验通过" in capsys.readouterr().out
    assert main([str(good), str(bad), "-o", "json"]) == 1
    listed = json.loads(capsys.readouterr().out)
    assert [item["ok"] for item in listed] == [True, False]
    assert listed[0]["gap_ppm"] == rounds.GAP_PPM
    assert main([str(tmp_path / "none.json")]) == 2


def test_the_worked_example_of_the_documentation_verifies() -> None:
    text = (SOURCE.parents[2] / "docs" / "reference" / "round-file.md").read_text(encoding="utf-8")
    report = verify_round_file(text.split("```json\n")[1].split("```")[0].encode())
    assert report.ok
    assert (report.welfare, report.bound, report.gap_ppm) == (8_000, 10_000, 200_000)


def test_every_code_in_the_source_has_its_words() -> None:
    # A code without words would raise where it is first reported.
    source = "".join(file.read_text("utf-8") for file in (SOURCE / "suanli").glob("check*.py"))
    used = set(
        re.findall(
            r'"((?:format|book|digest|allocation|offer|demand|price|rule_[12]|order'
            r'|regret|welfare|certificate|link|policy|share|allowance|holding)\.[a-z_]+)"',
            source,
        )
    )
    assert used - {
        f"book.{name}"
        for name in (
            *(
                "pools",
                "offers",
                "demands",
                "links",
                "mobilisation",
                "policies",
                "kept_out",
                "allowances",
                "held",
            ),
        )
    } == set(SUBJECTS)
