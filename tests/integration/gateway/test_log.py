"""The transparency log as the gateway serves it, from entries that it read itself."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest

from schemas.transparency import CheckpointCosigned, CheckpointSigned, JournalEntrySalted
from services.core.merkle import Frontier, leaf_hash, verify_consistency, verify_inclusion
from services.core.tlog import notes
from services.core.tlog.checkpoints import Checkpoint, cosignatures
from services.core.tlog.notes import KeyKind, Note
from services.core.tlog.openings import log_entry
from services.core.tlog.proofs import ProofFile
from services.core.tlog.tiles import unpack_bundle
from services.kit.signing import NoteSigner, verify
from tests.integration.gateway.conftest import LOG_SIGNER, Market
from tests.integration.gateway.test_reports import entry

MINE, OTHER = "cny:enterprise-1", "collateral:provider-1"
KEY = LOG_SIGNER.verifier


def salted(index: int, *accounts: str) -> JournalEntrySalted:
    first, second = accounts or ("bank", MINE)
    made = entry(index, "single", [(first, "posted", 5), (second, "posted", -5)])
    more = {"entry_id": str(uuid.UUID(int=index)), "salt": f"{index:064x}"}
    return JournalEntrySalted.model_validate(made.model_dump() | more)


def signed(root: bytes, size: int) -> CheckpointSigned:
    text = str(Checkpoint(KEY.name, size, root))
    note = str(LOG_SIGNER.sign(text))
    return CheckpointSigned(origin=KEY.name, size=size, root=root.hex(), note=note)


async def contents(market: Market, count: int) -> list[bytes]:
    """Return the journal's entries once there are that many."""

    async def look() -> Any:  # noqa: ANN401 - JSON
        return (await market.gateway.call("GET", "/v1/journal?limit=500")).json()["items"]

    found = await market.gateway.eventually(look, lambda items: len(items) == count)
    return [item["entry"].encode() for item in found]


def hashes(entries: list[bytes]) -> list[bytes]:
    return [leaf_hash(log_entry(one)) for one in entries]


@pytest.fixture
def made() -> list[JournalEntrySalted]:
    return [salted(n) for n in range(299)] + [salted(299, MINE, OTHER)]


async def test_what_is_served_verifies_with_the_logs_key_alone(
    market: Market, made: list[JournalEntrySalted]
) -> None:
    gateway = market.gateway
    assert (await gateway.call("GET", "/v1/log/checkpoint", key="")).status_code == 404
    # The last come first: the tree grows only as far as there is no gap.
    await gateway.publish(*reversed(made))
    entries = await contents(market, 300)
    leaves = hashes(entries)
    root, older = Frontier().extend(leaves).root(), Frontier().extend(leaves[:7]).root()
    witness = NoteSigner("regulator.example/w", bytes(32), KeyKind.COSIGNATURE_ED25519)
    head = signed(root, 300)
    cosigned = witness.cosign(str(Checkpoint(KEY.name, 300, root)), 1_790_000_000)
    said = CheckpointCosigned(
        origin=KEY.name,
        size=300,
        root=root.hex(),
        witness=witness.verifier.name,
        line=str(cosigned.line()),
    )
    await gateway.publish(signed(older, 7), head, said)

    async def checkpoint() -> str:
        return (await gateway.call("GET", "/v1/log/checkpoint", key="")).text

    text = await gateway.eventually(checkpoint, lambda found: "regulator.example" in found)
    note = Note.parse(text)
    assert notes.verified(note, [KEY], verify) == (KEY,)
    assert cosignatures(note, [witness.verifier], verify) == (cosigned,)
    assert Checkpoint.parse(note.text) == Checkpoint(KEY.name, 300, root)
    assert (await gateway.call("GET", "/v1/log/key", key="")).json()["key"] == str(KEY)

    tile = await gateway.call("GET", "/v1/log/tile/0/001.p/44", key="")
    assert tile.content == b"".join(leaves[256:300])
    full = await gateway.call("GET", "/v1/log/tile/0/000", key="")
    assert full.content == b"".join(leaves[:256])
    assert "immutable" in full.headers["cache-control"]
    bundle = await gateway.call("GET", "/v1/log/tile/entries/001.p/44")
    assert unpack_bundle(bundle.content) == [log_entry(one) for one in entries[256:]]
    for path in ("0/001", "0/001.p/45", "2/000", "0/1", "0/../1", "entries/002"):
        assert (await gateway.call("GET", f"/v1/log/tile/{path}")).status_code == 404, path

    step = (await gateway.call("GET", "/v1/log/consistency?old_size=7", key="")).json()
    proof = [base64.b64decode(one) for one in step["proof"]]
    assert verify_consistency(7, step["size"], older, root, proof)
    path = (await gateway.call("GET", "/v1/log/inclusion/5?size=7", key="")).json()
    assert verify_inclusion(
        5, 7, leaves[5], [base64.b64decode(one) for one in path["proof"]], older
    )
    for wrong in ("consistency?old_size=7&size=301", "inclusion/7?size=7", "inclusion/300"):
        assert (await gateway.call("GET", f"/v1/log/{wrong}", key="")).status_code == 404, wrong


async def test_a_participant_gets_the_proofs_of_its_own_entries(
    market: Market, made: list[JournalEntrySalted]
) -> None:
    gateway = market.gateway
    await gateway.publish(*made)
    entries = await contents(market, 300)
    root = Frontier().extend(hashes(entries)).root()
    mine = f"/v1/log/proof/{made[0].entry_id}"
    await gateway.publish(signed(Frontier().extend(hashes(entries)[:1]).root(), 1))

    async def proved() -> int:
        return (await gateway.call("GET", mine, key=market.enterprise)).status_code

    await gateway.eventually(proved, lambda status: status == 200)
    # No signed head covers the last one yet.
    assert (await gateway.call("GET", "/v1/log/proof/299")).status_code == 409
    await gateway.publish(signed(root, 300))

    async def all_proved() -> int:
        return (await gateway.call("GET", "/v1/log/proof/299")).status_code

    await gateway.eventually(all_proved, lambda status: status == 200)
    file = ProofFile.parse((await gateway.call("GET", mine, key=market.enterprise)).content)
    assert (file.index, file.extra) == (0, entries[0])
    leaf = leaf_hash(log_entry(entries[0]))
    assert verify_inclusion(0, 300, leaf, file.proof, root)
    # To others it does not exist.
    assert (await gateway.call("GET", mine, key=market.provider)).status_code == 404
    assert (await gateway.call("GET", mine, key="")).status_code == 401
    # Where another's account is in it, that it is there is proved, not what it says.
    for key in (market.enterprise, market.provider):
        reply = await gateway.call("GET", "/v1/log/proof/299", key=key)
        assert ProofFile.parse(reply.content).extra == log_entry(entries[299])
    regulators = await gateway.call("GET", "/v1/log/proof/299", key=market.regulator)
    assert ProofFile.parse(regulators.content).extra == entries[299]
    assert (await gateway.call("GET", "/v1/log/proof/300")).status_code == 404
    reply = await gateway.call("GET", "/v1/log/tile/entries/000", key=market.enterprise)
    assert reply.status_code == 403


@pytest.mark.parametrize("fault", ["log.root", "log.forked", "log.signature"])
async def test_no_head_is_served_that_the_entries_or_another_head_contradict(
    market: Market, made: list[JournalEntrySalted], fault: str
) -> None:
    gateway = market.gateway
    await gateway.publish(*made[:3])
    root = Frontier().extend(hashes(await contents(market, 3))).root()
    heads = {
        "log.root": [signed(bytes(32), 3)],
        "log.forked": [signed(root, 3), signed(bytes(32), 3)],
        "log.signature": [signed(root, 3).model_copy(update={"note": signed(bytes(32), 3).note})],
    }
    await gateway.publish(*heads[fault])

    async def refused() -> int:
        return (await gateway.call("GET", "/v1/log/checkpoint", key="")).status_code

    # A first head alone may be read, and served, before the one that contradicts it.
    assert await gateway.eventually(refused, lambda status: status == 503) == 503
    assert (await gateway.call("GET", "/v1/log/checkpoint", key="")).json()["code"] == fault
