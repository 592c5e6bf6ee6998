"""Ways to spoil a proof file: the client's checker refuses each, and so must the browser's."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from services.core.merkle import Frontier, leaf_hash
from services.core.tlog.checkpoints import Checkpoint
from services.core.tlog.openings import log_entry
from services.core.tlog.proofs import ProofFile
from services.core.tlog.tiles import inclusion_spans, roots
from services.kit.signing import NoteSigner
from suanli.check_log import Key, LogError, check_proof

SIGNER = NoteSigner("suanli-exchange/test", bytes(range(32)))
SIZE, PLACE = 12, 3


def _line(text: str, start: str, change: Callable[[str], str]) -> str:
    lines = text.split("\n")
    place = next(n for n, line in enumerate(lines) if line.startswith(start))
    lines[place] = start + change(lines[place].removeprefix(start))
    return "\n".join(lines)


def _flipped(packed: str) -> str:
    raw = bytearray(base64.b64decode(packed))
    raw[-1] ^= 1
    return base64.b64encode(bytes(raw)).decode()


def _head_line(text: str, place: int, change: Callable[[str], str]) -> str:
    head, gap, note = text.partition("\n\n")
    lines = note.split("\n")
    lines[place] = change(lines[place])
    return head + gap + "\n".join(lines)


def _path_line(text: str, change: Callable[[list[str]], list[str]]) -> str:
    head, gap, note = text.partition("\n\n")
    lines = head.split("\n")
    place = next(n for n, line in enumerate(lines) if line.startswith("index ")) + 1
    return "\n".join(lines[:place] + change(lines[place:])) + gap + note


SPOILT_PROOFS: dict[str, Callable[[str], str]] = {
    "another entry": lambda text: _line(text, "extra ", _flipped),
    "another place": lambda text: _line(text, "index ", lambda n: str(int(n) + 1)),
    "a place beyond": lambda text: _line(text, "index ", lambda _: "999"),
    "a padded place": lambda text: _line(text, "index ", lambda n: f"0{n}"),
    "another hash": lambda text: _path_line(text, lambda path: [_flipped(path[0]), *path[1:]]),
    "a hash less": lambda text: _path_line(text, lambda path: path[:-1]),
    "a hash more": lambda text: _path_line(text, lambda path: [*path, path[-1]]),
    "hashes turned round": lambda text: _path_line(text, lambda path: path[::-1]),
    "another origin": lambda text: _head_line(text, 0, lambda name: f"{name}2"),
    "another size": lambda text: _head_line(text, 1, lambda size: str(int(size) + 1)),
    "another root": lambda text: _head_line(text, 2, _flipped),
    "another signature": lambda text: _head_line(
        text, 4, lambda line: " ".join([*line.split(" ")[:2], _flipped(line.split(" ")[2])])
    ),
    "no signature": lambda text: text.rpartition("\n\n")[0] + "\n\n",
    "another format": lambda text: text.replace("tlog-proof@v1", "tlog-proof@v2", 1),
    "no entry": lambda text: "\n".join(
        line for line in text.split("\n") if not line.startswith("extra ")
    ),
}


@pytest.fixture(scope="module")
def proof() -> str:
    entries = [
        json.dumps({"leaf_index": n, "salt": f"{n:064x}"}, separators=(",", ":")).encode()
        for n in range(SIZE)
    ]
    leaves = [leaf_hash(log_entry(one)) for one in entries]
    root = Frontier().extend(leaves).root()
    note = SIGNER.sign(str(Checkpoint(SIGNER.verifier.name, SIZE, root)))
    path = tuple(roots(inclusion_spans(PLACE, SIZE), {(0, 0): b"".join(leaves)}))
    return str(ProofFile(PLACE, path, note, entries[PLACE]))


def test_the_proof_verifies_as_it_is(proof: str) -> None:
    check_proof(proof.encode(), Key.parse(str(SIGNER.verifier)))


@pytest.mark.parametrize("how", SPOILT_PROOFS)
def test_a_spoilt_proof_is_refused(proof: str, how: str) -> None:
    spoilt = SPOILT_PROOFS[how](proof)
    assert spoilt != proof
    with pytest.raises(LogError):
        check_proof(spoilt.encode(), Key.parse(str(SIGNER.verifier)))
