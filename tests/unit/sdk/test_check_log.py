"""The client's own look at signed heads and proof files, against what Go signed and proved."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from services.core.merkle import Frontier, leaf_hash
from services.core.tlog.checkpoints import Checkpoint
from services.core.tlog.openings import log_entry
from services.core.tlog.proofs import ProofFile
from services.kit.signing import NoteSigner
from suanli.check_log import Key, LogError, check_heads, check_proof, read_head
from suanli.ed25519 import verify, verify_slowly

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "tlog.json").read_text(encoding="utf-8")
)
LOG, WITNESS = Key.parse(VECTORS["log_key"]), Key.parse(VECTORS["witness_key"])
SIGNER = NoteSigner("suanli-exchange/test", bytes(range(32)))
MINE = Key.parse(str(SIGNER.verifier))
# RFC 8032, section 7.1, tests 1 and 2.
RFC = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
        "",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
        "72",
    ),
]


@pytest.mark.parametrize(("public", "signature", "message"), RFC)
def test_signatures_of_the_rfc_fit_and_changed_ones_do_not(
    public: str, signature: str, message: str
) -> None:
    key, raw, said = bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message)
    for check in (verify, verify_slowly):
        assert check(key, raw, said)
        assert not check(key, raw, said + b"x")
        for at in (0, 31, 32, 63):
            assert not check(key, raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :], said)
        assert not check(key[:-1], raw, said)
        assert not check(key, raw[:-1], said)
        # A scalar past the order would be a second signature of the same message.
        order = 2**252 + 27742317777372353535851937790883648493
        more = (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")
        assert not check(key, raw[:32] + more, said)


def test_heads_that_go_signed_and_a_witness_cosigned_are_read() -> None:
    for tree in VECTORS["trees"]:
        head = read_head(tree["checkpoint"], LOG, [WITNESS])
        assert (head.size, base64.b64encode(head.root).decode()) == (tree["size"], tree["root"])
        assert [name for name, _ in head.witnesses] == [WITNESS.name]
        assert read_head(tree["checkpoint"], LOG).witnesses == ()


@pytest.mark.parametrize("old", ["\n5\n", "suanli", "\u2014 ", "H0aX", "\n\n"])
def test_a_head_with_another_text_or_signature_is_refused(old: str) -> None:
    note = VECTORS["trees"][3]["checkpoint"]
    new = {"\n5\n": "\n6\n", "suanli": "Suanli", "H0aX": "H0aY"}.get(old, "\n")
    with pytest.raises(LogError):
        read_head(note.replace(old, new, 1), LOG)
    with pytest.raises(LogError, match=r"must be of|must be signed"):
        read_head(note, MINE)


def proof_file(entry: bytes, index: int = 1, logged: bytes | None = None) -> bytes:
    """Return the proof of an entry between two others."""
    entries = [log_entry(b"{}"), log_entry(entry) if logged is None else logged, log_entry(b"[]")]
    leaves = [leaf_hash(one) for one in entries]
    root = Frontier().extend(leaves).root()
    note = SIGNER.sign(str(Checkpoint(MINE.name, 3, root)))
    return str(ProofFile(index, (leaves[0], leaves[2]), note, entry)).encode()


ENTRY = b'{"amount":5,"leaf_index":1,"salt":"00"}'


def test_a_proof_file_shows_its_entry_and_no_other() -> None:
    proved = check_proof(proof_file(ENTRY), MINE)
    assert (proved.index, proved.head.size, proved.entry["amount"]) == (1, 3, 5)
    # The commitment alone proves that something is there, not what.
    hidden = check_proof(proof_file(log_entry(ENTRY), logged=log_entry(ENTRY)), MINE)
    assert (hidden.entry, hidden.logged) == (None, log_entry(ENTRY))
    good = proof_file(ENTRY).decode()
    packed = base64.b64encode(ENTRY).decode()
    for bad in (
        good.replace(packed, base64.b64encode(ENTRY.replace(b"5", b"6")).decode()),
        good.replace("index 1", "index 0"),
        good.replace("index 1", "index 01"),
        good.replace("\n3\n", "\n4\n"),
        good.replace("@v1", "@v2"),
        good.replace(f"extra {packed}\n", ""),
        good.split("\n\n")[0],
        "",
    ):
        with pytest.raises(LogError):
            check_proof(bad.encode(), MINE)
    with pytest.raises(LogError, match="must say that it is entry"):
        check_proof(proof_file(ENTRY.replace(b":1,", b":2,")), MINE)
    with pytest.raises(LogError, match="UTF-8"):
        check_proof(b"\xff", MINE)


def test_heads_are_signed_from_the_first_signed_one_on() -> None:
    def listed(size: int, *, signed: bool = True, root: bytes = bytes(32)) -> dict[str, Any]:
        note = str(SIGNER.sign(str(Checkpoint(MINE.name, size, bytes(32)))))
        return {"size": size, "root": root.hex(), "note": note if signed else None}

    good = [listed(9), listed(5), listed(2, signed=False)]
    assert (check_heads(good, MINE).problems, check_heads(good, MINE).checked) == ([], 2)
    for bad in ([listed(5), listed(9, signed=False)], [listed(5, root=bytes([1] * 32))], []):
        assert check_heads(bad, MINE).problems
    assert check_heads([listed(5)], LOG).problems


def test_keys_that_are_none_are_refused() -> None:
    for bad in ("", "a+b", "a+00000000+AAAA", VECTORS["log_key"].replace("1f46", "1f47")):
        with pytest.raises(LogError):
            Key.parse(bad)
