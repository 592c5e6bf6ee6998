"""The witness protocol (C2SP tlog-witness), answered by the client's witness."""

from __future__ import annotations

import threading
from http import HTTPStatus
from pathlib import Path

import pytest

from services.core.merkle import consistency_proof, leaf_hash, root
from services.core.tlog.checkpoints import AddCheckpoint, Checkpoint, cosignatures
from services.core.tlog.notes import Note, Signature, VerifierKey
from services.kit.signing import NoteSigner, verify
from suanli.check_log import Key, LogError
from suanli.witness import Answer, Cosigner, CosignerError, Witness

LOG = NoteSigner("suanli-exchange/test", bytes(range(32)))
KEY = Key.parse(str(LOG.verifier))
NAME = "regulator.example/w"
LEAVES = [leaf_hash(b"%d" % n) for n in range(20)]


@pytest.fixture
def cosigner(tmp_path: Path) -> Cosigner:
    return Cosigner.open(tmp_path / "key", NAME)


@pytest.fixture
def witness(tmp_path: Path, cosigner: Cosigner) -> Witness:
    return Witness(tmp_path, cosigner, [KEY], lambda: 1_790_000_000.5)


def head(size: int, leaves: list[bytes] = LEAVES, signer: NoteSigner = LOG) -> Note:
    return signer.sign(str(Checkpoint(signer.verifier.name, size, root(leaves[:size]))))


def request(old: int, size: int, leaves: list[bytes] = LEAVES) -> bytes:
    proof = consistency_proof(old, leaves[:size]) if 0 < old < size else ()
    return str(AddCheckpoint(old, tuple(proof), head(size, leaves))).encode()


def is_at(answer: Answer, size: int) -> bool:
    return answer == Answer(HTTPStatus.CONFLICT, f"{size}\n".encode(), "text/x.tlog.size")


def test_what_extends_the_last_head_is_cosigned(
    witness: Witness, cosigner: Cosigner, tmp_path: Path
) -> None:
    for old, size in ((0, 3), (3, 8), (8, 8), (8, 20)):
        answer = witness.add_checkpoint(request(old, size))
        assert answer.status == 200, answer
        line = Signature.parse(answer.body.decode().removesuffix("\n"))
        note = head(size).with_signatures([line])
        (found,) = cosignatures(note, [VerifierKey.parse(cosigner.verifier)], verify)
        assert found.time == 1_790_000_000
    # A new process goes on where the old one was.
    again = Witness(tmp_path, Cosigner.open(tmp_path / "key", NAME), [KEY])
    assert is_at(again.add_checkpoint(request(0, 20)), 20)
    last = again.last(KEY)
    assert last is not None
    assert last.size == 20


def test_nobody_can_show_it_another_history(witness: Witness) -> None:
    assert witness.add_checkpoint(request(0, 8)).status == 200
    other = [leaf_hash(b"other"), *LEAVES[1:]]
    assert is_at(witness.add_checkpoint(request(0, 12)), 8)
    assert is_at(witness.add_checkpoint(request(7, 12)), 8)
    # Another root for the size that it has; and another log that grew past it.
    assert is_at(witness.add_checkpoint(request(8, 8, other)), 8)
    assert witness.add_checkpoint(request(8, 12, other)).status == 422
    # The log went back: the log must say that it knows, and is then told no.
    assert is_at(witness.add_checkpoint(request(0, 5)), 8)
    assert witness.add_checkpoint(request(8, 5)).status == 400
    assert witness.add_checkpoint(request(8, 12)).status == 200


def test_requests_that_are_none_are_refused_by_kind(witness: Witness) -> None:
    good = request(0, 8)
    stranger = NoteSigner("stranger.example", bytes(32))
    forged = NoteSigner(LOG.verifier.name, bytes(32))
    cases = [
        (b"", 400),
        (b"\xff", 400),
        (b"new 0\n\n" + good.split(b"\n\n", 1)[1], 400),
        (good.replace(b"old 0", b"old 00"), 400),
        (good.replace(b"old 0\n", b"old 0\n" + (b"A" * 43 + b"=\n") * 64), 400),
        (good.replace(b"old 0", b"old 9"), 400),
        (str(AddCheckpoint(0, (), head(8, signer=stranger))).encode(), 404),
        (str(AddCheckpoint(0, (), head(8, signer=forged))).encode(), 403),
        (good.replace(b"\n8\n", b"\n9\n"), 403),
        # Of nothing, nothing can be proved.
        (str(AddCheckpoint(0, (bytes(32),), head(8))).encode(), 422),
    ]
    for body, status in cases:
        assert witness.add_checkpoint(body).status == status, body
    assert witness.last(KEY) is None


def test_of_two_histories_at_once_one_is_cosigned(witness: Witness) -> None:
    other = [leaf_hash(b"other"), *LEAVES[1:]]
    bodies = [request(0, 8), request(0, 8, other)] * 8
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda body=body: answers.append(witness.add_checkpoint(body)))
        for body in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [409] * 15


def test_a_changed_memory_is_not_believed(witness: Witness, tmp_path: Path) -> None:
    assert witness.add_checkpoint(request(0, 8)).status == 200
    (file,) = tmp_path.glob("*.checkpoint")
    file.write_text(file.read_text(encoding="utf-8").replace("\n8\n", "\n4\n"), encoding="utf-8")
    with pytest.raises(LogError):
        witness.add_checkpoint(request(4, 12))


def test_a_key_is_kept_for_its_owner_alone_and_under_one_name(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = Cosigner.open(path, NAME)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Cosigner.open(path, NAME).verifier == made.verifier
    assert str(VerifierKey.parse(made.verifier)) == made.verifier
    for name in ("other", "a b", "a+b", ""):
        with pytest.raises(CosignerError):
            Cosigner.open(path if name == "other" else tmp_path / "new", name)
