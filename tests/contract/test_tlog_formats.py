"""The log's formats, held against Go's implementations of them in both directions.

``tests/vectors/tlog.json`` was made by Go (``go run . make`` in ``tests/contract/go/tlog``).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from services.core.merkle import Frontier, leaf_hash, verify_consistency, verify_inclusion
from services.core.tlog import notes, tiles
from services.core.tlog.checkpoints import (
    AddCheckpoint,
    Checkpoint,
    Cosignature,
    cosignatures,
    cosigned_message,
)
from services.core.tlog.notes import KeyKind, Note, NoteError, VerifierKey
from services.core.tlog.proofs import ProofFile
from services.core.tlog.tiles import TilePath
from services.kit.signing import NoteSigner, verify

TESTS = Path(__file__).parents[1]
GO = TESTS / "contract" / "go" / "tlog"
VECTORS: dict[str, Any] = json.loads((TESTS / "vectors" / "tlog.json").read_text(encoding="utf-8"))
LOG_KEY = VerifierKey.parse(VECTORS["log_key"])
WITNESS_KEY = VerifierKey.parse(VECTORS["witness_key"])
LARGEST = VECTORS["trees"][-1]["size"]


def entry(index: int) -> bytes:
    return f"entry {index}".encode()


@cache
def tree(size: int) -> dict[tuple[int, int], bytes]:
    """Return the tiles of the vectors' tree, grown in two steps."""
    leaves = [leaf_hash(entry(index)) for index in range(size)]
    found = tiles.grow(0, {}, leaves[: size // 3])
    before = size // 3
    tails = {level: hashes for (level, _), hashes in sorted(found.items())}
    return found | tiles.grow(before, tails, leaves[before:])


def test_keys_have_the_text_and_the_id_that_go_gives_them() -> None:
    assert str(LOG_KEY) == VECTORS["log_key"]
    assert str(WITNESS_KEY) == VECTORS["witness_key"]
    assert (LOG_KEY.kind, WITNESS_KEY.kind) == (KeyKind.ED25519, KeyKind.COSIGNATURE_ED25519)
    signer = NoteSigner.parse(VECTORS["log_secret_key"])
    assert signer.verifier == LOG_KEY
    assert signer.secret_text() == VECTORS["log_secret_key"]
    assert "not shown" in repr(notes.SecretKey.parse(VECTORS["log_secret_key"]))


@pytest.mark.parametrize("vector", VECTORS["trees"], ids=lambda vector: str(vector["size"]))
def test_what_go_signs_and_proves_is_what_this_code_makes(vector: dict[str, Any]) -> None:
    size, found = vector["size"], tree(LARGEST)
    note = Note.parse(vector["checkpoint"])
    head = Checkpoint.parse(note.text)
    assert (str(note), str(head)) == (vector["checkpoint"], note.text)
    assert notes.verified(note, [LOG_KEY, WITNESS_KEY], verify) == (LOG_KEY,)
    (cosigned,) = cosignatures(note, [LOG_KEY, WITNESS_KEY], verify)
    assert (cosigned.key, cosigned.line()) == (WITNESS_KEY, note.signatures[1])
    assert NoteSigner.parse(VECTORS["log_secret_key"]).sign(note.text).signatures == (
        note.signatures[0],
    )
    assert head.root == tiles.frontier_of(size, found).root()
    assert base64.b64encode(head.root).decode() == vector["root"]
    for step in vector["consistency"]:
        old = step["old_size"]
        proof = tiles.roots(tiles.consistency_spans(old, size), found)
        assert [base64.b64encode(one).decode() for one in proof] == step["proof"]
        old_root = tiles.frontier_of(old, found).root()
        assert verify_consistency(old, size, old_root, head.root, proof)
    for text in vector["inclusion"]:
        file = ProofFile.parse(text.encode())
        assert str(file) == text
        assert file.extra == entry(file.index)
        proof = tiles.roots(tiles.inclusion_spans(file.index, size), found)
        assert file.proof == tuple(proof)
        assert verify_inclusion(file.index, size, leaf_hash(file.extra), proof, head.root)


def test_tiles_and_bundles_are_gos_byte_for_byte() -> None:
    found = tree(LARGEST)
    assert len(found) == 273 + 1 + 2 + 1
    for text, packed in VECTORS["tiles"].items():
        path = TilePath.parse(text)
        assert path.level is not None
        assert path.width == tiles.width_in(LARGEST, path.level, path.n)
        assert found[path.level, path.n] == base64.b64decode(packed)
    for text, packed in VECTORS["bundles"].items():
        path = TilePath.parse(text)
        entries = [entry(path.n * 256 + at) for at in range(path.width)]
        assert tiles.pack_bundle(entries) == base64.b64decode(packed)
        assert tiles.unpack_bundle(base64.b64decode(packed)) == entries


def test_a_path_has_one_form() -> None:
    assert str(TilePath(None, 1234067)) == "entries/x001/x234/067"
    assert TilePath.parse("0/x001/x234/067.p/8") == TilePath(0, 1234067, 8)
    for text in ("0/67", "00/067", "0/x000/067", "0/067.p/0", "0/067.p/256", "64/000", "1/../2"):
        with pytest.raises(NoteError):
            TilePath.parse(text)


def made_here() -> dict[str, Any]:
    """Return what this code makes, in the shape that Go checks."""
    signer = NoteSigner("suanli-exchange/ledger", bytes(range(32)))
    witness = NoteSigner("regulator.example/w", bytes(32), KeyKind.COSIGNATURE_ED25519)
    sizes = (1, 2, 3, 6, 7, 255, 256, 257, 511, 513, 4097, 66_000)
    found = tree(LARGEST)
    trees = []
    for size in sizes:
        root = tiles.frontier_of(size, found).root()
        text = str(Checkpoint(signer.verifier.name, size, root))
        note = signer.sign(text).with_signatures([witness.cosign(text, 1_790_000_000).line()])
        steps = [
            {
                "old_size": old,
                "proof": [
                    base64.b64encode(one).decode()
                    for one in tiles.roots(tiles.consistency_spans(old, size), found)
                ],
            }
            for old in sizes
            if old <= size
        ]
        files = [
            str(
                ProofFile(
                    old - 1,
                    tuple(tiles.roots(tiles.inclusion_spans(old - 1, size), found)),
                    note,
                    entry(old - 1),
                )
            )
            for old in sizes
            if old <= size
        ]
        packed = base64.b64encode(root).decode()
        trees.append(
            {
                "size": size,
                "root": packed,
                "checkpoint": str(note),
                "consistency": steps,
                "inclusion": files,
            }
        )
    bundle = tiles.pack_bundle([entry(at) for at in range(512, 520)])
    edge = {(level, n): raw for (level, n), raw in found.items() if level or n > 271}
    return {
        "log_secret_key": signer.secret_text(),
        "log_key": str(signer.verifier),
        "witness_key": str(witness.verifier),
        "trees": trees,
        "tiles": {
            str(TilePath(level, n, len(raw) // 32)): base64.b64encode(raw).decode()
            for (level, n), raw in edge.items()
        },
        "bundles": {str(TilePath(None, 2, 8)): base64.b64encode(bundle).decode()},
    }


@pytest.mark.timeout(300)
def test_go_accepts_what_this_code_signs_and_proves(tmp_path: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed; tests/vectors/tlog.json holds what it made")
    program = tmp_path / "tlogcheck"
    # Modules are fetched once; a machine that cannot fetch them cannot run this.
    built = subprocess.run(
        [go, "build", "-mod=readonly", "-o", program, "."],
        cwd=GO,
        env={**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        pytest.skip(f"the Go program cannot be built here: {built.stderr.strip()[-300:]}")
    value = made_here()
    text = json.dumps(value)
    done = subprocess.run([program, "check"], input=text, capture_output=True, text=True)  # noqa: PLW1510 - judged below
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("12 trees, 156 proofs")
    value["trees"][-1]["inclusion"][0] = value["trees"][-1]["inclusion"][1].replace(
        "index 1", "index 2"
    )
    done = subprocess.run(  # noqa: PLW1510 - judged below
        [program, "check"], input=json.dumps(value), capture_output=True, text=True
    )
    assert done.returncode == 1


def test_a_note_is_taken_in_one_form_only() -> None:
    good = VECTORS["trees"][3]["checkpoint"]
    for bad in (
        good[:-1],
        good + "\n",
        good.replace("\n\n", "\n"),
        good.replace("\u2014 ", "- ", 1),
        good.replace("\u2014 s", "\u2014  s", 1),
        good + "\u2014 a+b AAAAAAA=\n",
        good.replace("ledger", "led\tger", 1),
        good + "\u2014 short AAAA\n",
    ):
        with pytest.raises(NoteError):
            Note.parse(bad)
    for text in ("a\n1\nAAAA\n", "a\n01\n" + "A" * 43 + "=\n", "\n1\n" + "A" * 43 + "=\n", "a\n"):
        with pytest.raises(NoteError):
            Checkpoint.parse(text)


def test_a_false_signature_of_a_known_key_refuses_the_note_and_others_are_ignored() -> None:
    note = Note.parse(VECTORS["trees"][3]["checkpoint"])
    other = Note(note.text.replace("5\n", "6\n", 1), note.signatures)
    with pytest.raises(NoteError, match="must fit the note"):
        notes.verified(other, [LOG_KEY], verify)
    with pytest.raises(NoteError, match="must fit the checkpoint"):
        cosignatures(other, [WITNESS_KEY], verify)
    stranger = NoteSigner("stranger.example", bytes(32))
    with pytest.raises(NoteError, match="must be signed by stranger"):
        notes.verified(note, [stranger.verifier], verify)
    both = note.with_signatures(stranger.sign(note.text).signatures)
    assert notes.verified(both, [LOG_KEY], verify) == (LOG_KEY,)
    assert notes.verified(both, [LOG_KEY, stranger.verifier], verify)[1] == stranger.verifier


def test_an_ml_dsa_cosignature_commits_to_the_name_and_the_head() -> None:
    secret = MLDSA44PrivateKey.generate()
    public = secret.public_key().public_bytes_raw()
    key = VerifierKey("regulator.example/pq", KeyKind.COSIGNATURE_ML_DSA_44, public)
    assert VerifierKey.parse(str(key)) == key
    text = str(Checkpoint("suanli-exchange/ledger", 5, bytes(32), ("extension",)))
    raw = secret.sign(cosigned_message(key, 7, text))
    line = Cosignature(key, 7, raw).line()
    note = NoteSigner("suanli-exchange/ledger", bytes(32)).sign(text).with_signatures([line])
    (found,) = cosignatures(Note.parse(str(note)), [key], verify)
    assert found == Cosignature(key, 7, raw)
    assert cosigned_message(key, 7, text) == (
        b"subtree/v1\n\x00\x14regulator.example/pq" + (7).to_bytes(8, "big")
        + b"\x16suanli-exchange/ledger" + bytes(8) + (5).to_bytes(8, "big") + bytes(32)
    )  # fmt: skip
    other = Note(text.replace("\n5\n", "\n6\n"), note.signatures)
    with pytest.raises(NoteError):
        cosignatures(other, [key], verify)


def test_a_request_to_a_witness_keeps_its_form() -> None:
    vector = VECTORS["trees"][6]
    proof = tuple(tiles.roots(tiles.consistency_spans(255, 256), tree(LARGEST)))
    request = AddCheckpoint(255, proof, Note.parse(vector["checkpoint"]))
    assert AddCheckpoint.parse(str(request).encode()) == request
    assert str(request).startswith("old 255\n")
    empty = AddCheckpoint(0, (), request.note)
    assert AddCheckpoint.parse(str(empty).encode()) == empty
    for bad in (
        b"old 01\n\n",
        b"new 1\n\n",
        b"old 1\n" + b"A" * 43 + b"=\n" * 64,
        b"old 1\nAAAA\n\n",
    ):
        with pytest.raises(NoteError):
            AddCheckpoint.parse(bad + str(request.note).encode())


def test_a_tree_of_any_size_has_the_frontier_of_its_leaves() -> None:
    found, frontier = tree(LARGEST), Frontier()
    for index in range(700):
        assert tiles.frontier_of(index, found) == frontier
        frontier = frontier.extend([leaf_hash(entry(index))])
    with pytest.raises(NoteError, match="must have"):
        tiles.frontier_of(LARGEST + 1, found)
