"""A12: from an export and the keys alone, each kind of tampering with it is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.core.tlog.notes import KeyKind
from services.kit.signing import NoteSigner
from suanli.cli import build_app
from tests.unit.sdk import exports

Json = dict[str, Any]
WITNESS = NoteSigner("regulator.example/w", bytes(32), KeyKind.COSIGNATURE_ED25519)
FOREIGN = NoteSigner("other-exchange/test", bytes(range(32)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    exports.write(tmp_path)
    return tmp_path


def audit(folder: Path, *words: str) -> tuple[int, list[str]]:
    """Return the exit code and all problems, each after the name of what it is about."""
    given = ["audit", "--offline", str(folder), "-o", "json"]
    key = ["--log-key", str(exports.SIGNER.verifier)]
    done = CliRunner(env={"LANG": "C.UTF-8"}).invoke(build_app(), [*given, *key, *words])
    assert done.exit_code < 2, done.output
    found = json.loads(done.stdout)
    problems = [f"{it['check']}: {text}" for it in found["ledger"] for text in it["problems"]]
    problems += [
        f"{it['round_id']}: {text[0]}" for it in found["rounds"] for text in it["problems"]
    ]
    return done.exit_code, problems


def test_an_honest_export_with_a_round_passes(folder: Path) -> None:
    assert audit(folder) == (0, [])


def lines(folder: Path, name: str, change: Callable[[list[Json]], object]) -> None:
    """Change the lines of one of an export's lists."""
    rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    change(rows)
    exports.put(folder, name, rows)


def entry(folder: Path, index: int, change: Callable[[Json], object], *, sign: bool) -> None:
    """Change an entry, and sign the whole journal anew if asked."""
    entries = (folder / "journal.jsonl").read_bytes().splitlines()
    body = json.loads(entries[index])
    change(body)
    entries[index] = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    if sign:
        exports.sign(folder, entries)
    else:
        (folder / "journal.jsonl").write_bytes(b"".join(one + b"\n" for one in entries))


def cut(folder: Path, keep: Callable[[list[bytes]], list[bytes]]) -> None:
    """Drop or move entries."""
    entries = keep((folder / "journal.jsonl").read_bytes().splitlines())
    (folder / "journal.jsonl").write_bytes(b"".join(one + b"\n" for one in entries))


def dearer(body: Json) -> None:
    """Make a capture cost 5 more, sums right."""
    body["amount"] += 5
    for posting in body["postings"]:
        if posting["layer"] == "posted":
            posting["amount"] += 5 if posting["amount"] > 0 else -5
            posting["balance_after"] += 5 if posting["amount"] > 0 else -5


def to_another(body: Json) -> None:
    """Pay what escrow pays to a stranger, balances right."""
    body["postings"][1]["account"] = "cny:stranger"


def file(folder: Path, old: str, new: str) -> None:
    """Change a round's file."""
    path = folder / "rounds" / "jjj-spot-7.round.json"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("falsify", "problem"),
    [
        (lambda f: entry(f, 0, lambda e: e.update(amount=1), sign=False), "sums: entry 0: "),
        (lambda f: entry(f, 0, lambda e: e.update(purpose="x"), sign=False), "log: head of size 4"),
        (lambda f: entry(f, 0, lambda e: e.update(amount=1), sign=True), "sums: entry 0: "),
        (lambda f: cut(f, lambda rows: rows[:4] + rows[5:]), "log: entry 4: says that it is"),
        (lambda f: cut(f, lambda rows: [rows[1], rows[0], *rows[2:]]), "log: entry 0: says"),
        (lambda f: cut(f, lambda rows: rows[:-1]), "log: head of size 10: is beyond the 9"),
        (lambda f: file(f, '"bound": 27000', '"bound": 27001'), "jjj-spot:7: result.certificate"),
        (lambda f: file(f, '"payment": 8800', '"payment": 8799'), "jjj-spot:7: result.demands"),
        (
            lambda f: lines(f, "rounds", lambda rows: rows[0].update(welfare=1)),
            "jjj-spot:7: welfare: listed as 1",
        ),
        (
            lambda f: (f / "checkpoint").write_text(
                exports.head([b"{}"], FOREIGN)["note"], "utf-8"
            ),
            "heads: checkpoint: ",
        ),
        (
            lambda f: lines(f, "heads", lambda rows: rows[1].update(root="0" * 64)),
            "heads: head of size 4: what is signed",
        ),
        (
            lambda f: lines(f, "allocations", lambda rows: rows[1]["periods"][0].update(chips=9)),
            "capacity: off_c",
        ),
        (
            lambda f: lines(f, "allocations", lambda rows: rows[1].update(payment=1)),
            "rounds: jjj-spot:7 off_c for dem_b in z2/a from period 1000: the file says 8800",
        ),
        (
            lambda f: lines(f, "allocations", lambda rows: rows.pop(1)),
            "rounds: jjj-spot:7 off_c for dem_b in z2/a from period 1000: only in the round's file",
        ),
        (
            lambda f: lines(f, "allocations", lambda rows: rows[1].update(enterprise_id="x")),
            "rounds: jjj-spot:7 dem_b: taken from cny:e-dem_b, the enterprise is cny:x",
        ),
    ],
    ids=[
        "amount",
        "other word",
        "amount, signed anew",
        "dropped entry",
        "swapped entries",
        "truncated tail",
        "certificate",
        "payment in the file",
        "listed welfare",
        "foreign checkpoint",
        "root of a head",
        "oversold hour",
        "payment of an allocation",
        "dropped allocation",
        "enterprise of an allocation",
    ],
)
def test_each_kind_of_tampering_is_found(
    folder: Path, falsify: Callable[[Path], object], problem: str
) -> None:
    falsify(folder)
    code, problems = audit(folder)
    assert code == 1
    assert any(text.startswith(problem) for text in problems), problems


@pytest.mark.parametrize(
    ("index", "change", "problem"),
    [
        (
            5,
            dearer,
            "rounds: jjj-spot:7 dem_b: the round's file says 8800, the journal took 8805",
        ),
        (
            9,
            to_another,
            "rounds: jjj-spot:7 dem_a: escrow paid 16400 to cny:stranger, its allocations cost 0",
        ),
    ],
)
def test_a7_a_ledger_that_booked_otherwise_and_signed_it_is_found(
    folder: Path, index: int, change: Callable[[Json], None], problem: str
) -> None:
    entry(folder, index, change, sign=True)
    code, problems = audit(folder)
    assert code == 1
    assert problem in problems


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    exports.write_shared(tmp_path)
    return tmp_path


def test_an_honest_export_with_a_domestic_share_passes(shared: Path) -> None:
    assert audit(shared) == (0, [])
    # Exports of before have no list of shares.
    (shared / "shares.jsonl").unlink()
    assert audit(shared) == (0, [])


def dearer_premium(body: Json) -> None:
    """Move 5 more, sums right."""
    body["amount"] += 5
    for posting in body["postings"]:
        posting["amount"] += 5 if posting["amount"] > 0 else -5


@pytest.mark.parametrize(
    ("falsify", "problem"),
    [
        (
            lambda f: lines(f, "shares", lambda rows: rows[0]["shares"][0].update(premium=24)),
            "shares[share].premium: listed as 24, the file has 25",
        ),
        (
            lambda f: lines(f, "shares", list.clear),
            "shares[share]: listed as None, the file has there",
        ),
        (
            lambda f: entry(f, 4, dearer_premium, sign=True),
            "premiums: the round's file charges 6000, the journal assessed 6005",
        ),
        (
            lambda f: entry(f, 4, lambda e: e.update(round_id="jjj-spot:6"), sign=True),
            "premiums: the round's file charges 6000, the journal assessed 0",
        ),
        (
            lambda f: entry(f, 6, dearer_premium, sign=True),
            "dem_a: the policy fund paid 6005 to p-off_d, premiums come to 6000",
        ),
        (
            lambda f: entry(f, 6, lambda e: e.update(order_id="dem_b"), sign=True),
            "dem_a: the policy fund paid 0 to p-off_d, premiums come to 6000",
        ),
        (
            lambda f: cut(f, lambda rows: rows[:-1]),
            "dem_b: premiums charged 0 to p-off_i, they cost 6000",
        ),
    ],
    ids=["told", "not told", "assessed", "of another round", "credited", "credit moved", "charge"],
)
def test_premiums_told_or_booked_otherwise_are_found(
    shared: Path, falsify: Callable[[Path], object], problem: str
) -> None:
    falsify(shared)
    code, problems = audit(shared)
    assert code == 1
    assert any(text.endswith(problem) for text in problems), problems


def test_a_journal_rewritten_and_signed_anew_lacks_the_witness(folder: Path) -> None:
    note = (folder / "checkpoint").read_text(encoding="utf-8")
    cosigned = WITNESS.cosign(note.split("\n\n", maxsplit=1)[0] + "\n", 1_790_000_000)
    (folder / "checkpoint").write_text(note + str(cosigned.line()), encoding="utf-8")
    words = ("--witness", str(WITNESS.verifier))
    assert audit(folder, *words) == (0, [])
    # Another salt: an entry that nobody could tell from the one that was published.
    entry(folder, 3, lambda body: body.update(salt="5" * 64), sign=True)
    assert audit(folder) == (0, [])
    code, problems = audit(folder, *words)
    assert code == 1
    assert problems == ["heads: checkpoint of size 10: must be cosigned by regulator.example/w"]


def test_k_of_n_witnesses_make_an_export_final(folder: Path) -> None:
    others = [
        NoteSigner(f"w{n}.example/w", bytes([n] * 32), KeyKind.COSIGNATURE_ED25519)
        for n in range(1, 4)
    ]
    note = (folder / "checkpoint").read_text(encoding="utf-8")
    text = note.split("\n\n", maxsplit=1)[0] + "\n"
    lines_of = "".join(str(signer.cosign(text, 1_790_000_000).line()) for signer in others[:2])
    (folder / "checkpoint").write_text(note + lines_of, encoding="utf-8")
    words = [word for signer in others for word in ("--witness", str(signer.verifier))]
    assert audit(folder, *words, "--witnesses-needed", "2") == (0, [])
    code, problems = audit(folder, *words, "--witnesses-needed", "3")
    assert code == 1
    (problem,) = problems
    assert "must be cosigned by 3 of 3 witnesses, was by 2: it is not final" in problem
    # All, if nothing is said.
    assert audit(folder, *words)[0] == 1
    given = ["audit", "--offline", str(folder), "--log-key", str(exports.SIGNER.verifier)]
    done = CliRunner(env={"LANG": "C.UTF-8"}).invoke(
        build_app(), [*given, *words, "--witnesses-needed", "4"]
    )
    assert done.exit_code == 2


def test_money_that_moved_for_no_settlement_is_found(tmp_path: Path) -> None:
    exports.write_shared(tmp_path)
    # An export of before lists no settlements, and is not held against any.
    assert audit(tmp_path) == (0, [])
    for name in ("settlements", "terms"):
        exports.put(tmp_path, name, [])
    code, problems = audit(tmp_path)
    assert code == 1
    assert [text.split(" of ")[0].split()[-1] for text in problems] == [
        *("delivery_paid", "premium_credit", "delivery_paid", "premium_charge")
    ]
    assert all(text.endswith("is of no settlement") for text in problems)
