"""An export, audited without any exchange; and every way to falsify one, found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.core.merkle import Frontier, leaf_hash
from services.core.tlog.checkpoints import Checkpoint
from services.core.tlog.notes import KeyKind
from services.core.tlog.openings import log_entry
from services.kit.signing import NoteSigner
from suanli.cli import build_app

SIGNER = NoteSigner("suanli-exchange/test", bytes(range(32)))
WITNESS = NoteSigner("regulator.example/w", bytes(32), KeyKind.COSIGNATURE_ED25519)
OTHER = NoteSigner("other.example/w", bytes(32), KeyKind.COSIGNATURE_ED25519)
LAB, BANK = "cny:lab", "bank"


def entry(index: int) -> bytes:
    """Return the canonical bytes of a deposit of 5, the next in the log."""
    sides = [(BANK, 5, 5 * (index + 1)), (LAB, -5, -5 * (index + 1))]
    body = {
        "amount": 5,
        "entry_id": f"{index:08}-0000-8000-8000-000000000000",
        "kind": "single",
        "leaf_index": index,
        "postings": [
            {
                "account": account,
                "account_version": index + 1,
                "amount": amount,
                "balance_after": balance,
                "layer": "posted",
            }
            for account, amount, balance in sides
        ],
        "purpose": "deposit",
        "salt": f"{index:064x}",
        "unit": "CNY-micro",
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def head(entries: list[bytes], signer: NoteSigner = SIGNER) -> dict[str, Any]:
    root = Frontier().extend(leaf_hash(log_entry(one)) for one in entries).root()
    note = signer.sign(str(Checkpoint(SIGNER.verifier.name, len(entries), root)))
    return {"size": len(entries), "root": root.hex(), "note": str(note)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    entries = [entry(index) for index in range(300)]
    heads = [head(entries), head(entries[:7])]
    (tmp_path / "journal.jsonl").write_bytes(b"".join(one + b"\n" for one in entries))
    (tmp_path / "heads.jsonl").write_text("".join(json.dumps(one) + "\n" for one in heads))
    text = str(heads[0]["note"])
    cosigned = WITNESS.cosign(text.split("\n\n", maxsplit=1)[0] + "\n", 1_790_000_000)
    (tmp_path / "checkpoint").write_text(text + str(cosigned.line()), encoding="utf-8")
    for name in ("offers", "allocations", "rounds"):
        (tmp_path / f"{name}.jsonl").touch()
    return tmp_path


def audit(folder: Path, *words: str, signer: NoteSigner = SIGNER) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the checks by code."""
    given = ["audit", "--offline", str(folder), "--log-key", str(signer.verifier), "-o", "json"]
    done = CliRunner(env={"LANG": "C.UTF-8"}).invoke(build_app(), [*given, *words])
    found = json.loads(done.stdout) if done.exit_code < 2 else {"ledger": []}
    return done.exit_code, {item["check"]: item for item in found["ledger"]}


def test_an_honest_export_passes_with_the_keys_alone(folder: Path) -> None:
    code, found = audit(folder, "--witness", str(WITNESS.verifier))
    assert code == 0, found
    assert found["log"]["checked"] == 300
    assert found["heads"]["checked"] == 3


def _edit(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new, 1))


def _lines(file: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


@pytest.mark.parametrize(
    ("falsify", "code", "problem"),
    [
        (lambda f: _edit(f / "journal.jsonl", b'"amount":5,', b'"amount":6,'), "sums", "entry 0"),
        (lambda f: _lines(f / "journal.jsonl", lambda x: x[:-1]), "log", "beyond the 299 entries"),
        (lambda f: _lines(f / "journal.jsonl", lambda x: x[:4] + x[5:]), "log", "entry 4: says"),
        (
            lambda f: _lines(f / "journal.jsonl", lambda x: [*x[:2], x[3], x[2], *x[4:]]),
            "log",
            "entry 2: says that it is entry 3",
        ),
        (lambda f: _edit(f / "heads.jsonl", b'"size": 7', b'"size": 8'), "heads", "head of size 8"),
        (
            lambda f: _edit(f / "checkpoint", b"\n300\n", b"\n301\n"),
            "heads",
            "the signature of suanli-exchange/test must fit",
        ),
    ],
    ids=["amount", "tail", "row", "swap", "head", "checkpoint"],
)
def test_a_falsified_export_is_found(
    folder: Path, falsify: Callable[[Path], None], code: str, problem: str
) -> None:
    falsify(folder)
    exit_code, found = audit(folder)
    assert exit_code == 1
    assert any(problem in text for text in found[code]["problems"]), found[code]


def erase(folder: Path, index: int, commitment: str = "") -> None:
    """Put what stands in the place of an erased entry into the export."""

    def replaced(lines: list[bytes]) -> list[bytes]:
        body = {
            "commitment": commitment or hashlib.sha256(lines[index][:-1]).hexdigest(),
            "entry_id": f"{index:08}-0000-8000-8000-000000000000",
            "leaf_index": index,
        }
        return [*lines[:index], json.dumps(body).encode() + b"\n", *lines[index + 1 :]]

    _lines(folder / "journal.jsonl", replaced)


def test_erased_entries_are_counted_their_leaves_verified_and_balances_go_on(folder: Path) -> None:
    for index in (0, 7, 8, 120):
        erase(folder, index)
    code, found = audit(folder, "--witness", str(WITNESS.verifier))
    assert code == 0, found
    assert found["erased"]["checked"] == 4
    assert "leaf" in found["erased"]["promise_en"]
    assert found["log"]["checked"] == 300


def _balance(folder: Path) -> None:
    _edit(folder / "journal.jsonl", b'"balance_after":-45,', b'"balance_after":-46,')


def _gap(folder: Path) -> None:
    _lines(folder / "journal.jsonl", lambda lines: lines[:9] + lines[11:])


@pytest.mark.parametrize(
    ("commitment", "falsify", "code", "problem"),
    [
        ("5f" * 32, None, "log", "head of size 7: root"),
        # Behind an erased entry the balance is believed once, not twice.
        ("", _balance, "balances", "entry 8: cny:lab posted"),
        # A gap that no erased entry explains.
        ("", _gap, "balances", "entry 9: cny:lab has posting"),
    ],
    ids=["another leaf", "a balance", "a gap"],
)
def test_an_erasure_hides_nothing_else(
    folder: Path,
    commitment: str,
    falsify: Callable[[Path], None] | None,
    code: str,
    problem: str,
) -> None:
    erase(folder, 3, commitment)
    if falsify is not None:
        falsify(folder)
    exit_code, found = audit(folder)
    assert exit_code == 1
    assert any(problem in text for text in found[code]["problems"]), found[code]


def test_a_rewritten_journal_needs_the_keys_of_the_log_and_of_the_witness(folder: Path) -> None:
    entries = [entry(index) for index in range(200)]
    forged = NoteSigner(SIGNER.verifier.name, bytes([7] * 32))
    (folder / "journal.jsonl").write_bytes(b"".join(one + b"\n" for one in entries))
    (folder / "heads.jsonl").write_text(json.dumps(head(entries, forged)) + "\n")
    (folder / "checkpoint").write_text(head(entries, forged)["note"], encoding="utf-8")
    code, found = audit(folder)
    assert (code, found["log"]["ok"], found["heads"]["ok"]) == (1, True, False)
    # The log's own key can rewrite it all; not so that a witness says it saw that.
    (folder / "heads.jsonl").write_text(json.dumps(head(entries)) + "\n")
    (folder / "checkpoint").write_text(head(entries)["note"], encoding="utf-8")
    assert audit(folder)[0] == 0
    code, found = audit(folder, "--witness", str(WITNESS.verifier))
    assert code == 1
    assert "must be cosigned by regulator.example/w" in found["heads"]["problems"][0]


def test_another_witness_or_no_whole_export_is_told(folder: Path) -> None:
    assert audit(folder, "--witness", str(OTHER.verifier))[0] == 1
    assert audit(folder, "--witness", "none")[0] == 2
    (folder / "offers.jsonl").unlink()
    assert audit(folder)[0] == 2
