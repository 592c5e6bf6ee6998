"""The ledger and a regulator's witness over HTTP: cosigned heads, and no second history."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.codec import decode
from schemas.transparency import CheckpointCosigned
from services.core.tlog.checkpoints import Checkpoint, cosignatures
from services.core.tlog.notes import Note, Signature, VerifierKey
from services.kit.outbox import headers_from_json
from services.kit.signing import verify
from services.ledger.adapters.witness import parse_witnesses
from services.ledger.publisher import Publisher
from suanli.check_log import Key
from suanli.cli.witness import serve
from suanli.witness import BODY_BYTES_MAX, Cosigner, Witness
from tests.integration.ledger.conftest import Tree
from tests.unit.sdk.test_witness import LOG, head, request

pytestmark = pytest.mark.integration
NAME = "regulator.example/w"


@contextmanager
def running(folder: Path, tree: Tree) -> Iterator[str]:
    """Serve a witness of the tree's log; give the setting that names it."""
    cosigner = Cosigner.open(folder / "key", NAME)
    witness = Witness(folder, cosigner, [Key.parse(str(tree.signer.verifier))])
    with serve(witness, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"{cosigner.verifier} http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def publisher(tree: Tree, setting: str) -> Publisher:
    return Publisher(tree.log, tree.signer, None, parse_witnesses(setting))


async def test_each_head_is_cosigned_also_after_a_restart_of_either(
    tree: Tree, tmp_path: Path
) -> None:
    key = VerifierKey.parse(Cosigner.open(tmp_path / "key", NAME).verifier)
    for _ in range(2):
        with running(tmp_path, tree) as setting:
            first = publisher(tree, setting)
            for count in (3, 300):
                await tree.add(count)
                assert await first.beat() is not None
                assert first.refused == ""
    rows = await tree.owner.fetch(
        "SELECT s.size, s.note, c.line FROM signed_checkpoint AS s JOIN cosignature AS c "
        "USING (size) ORDER BY size"
    )
    assert [row["size"] for row in rows] == [3, 303, 306, 606]
    for row in rows:
        line = Signature.parse(row["line"].removesuffix("\n"))
        note = Note.parse(row["note"]).with_signatures([line])
        assert [one.key for one in cosignatures(note, [key], verify)] == [key]
    events = await tree.owner.fetch("SELECT headers, value FROM outbox ORDER BY seq")
    told = [decode(row["value"], headers_from_json(row["headers"])).data for row in events]
    assert [e.size for e in told if isinstance(e, CheckpointCosigned)] == [3, 303, 306, 606]


async def test_a_head_is_published_without_a_witness_that_does_not_answer(
    tree: Tree, tmp_path: Path
) -> None:
    with running(tmp_path, tree) as setting:
        pass
    await tree.add(3)
    async with asyncio.timeout(10):
        assert await publisher(tree, setting).beat() is not None
    assert await tree.owner.fetchval("SELECT count(*) FROM cosignature") == 0
    # Once there is one, it is asked for the head that stands.
    with running(tmp_path, tree) as setting:
        again = publisher(tree, setting)
        for _ in range(2):
            assert await again.beat() is None
            assert await tree.owner.fetchval("SELECT count(*) FROM cosignature") == 1


async def test_a_second_history_under_the_same_key_is_not_cosigned_and_is_a_finding(
    tree: Tree, tmp_path: Path
) -> None:
    shown = other_history(tree, 5)
    with running(tmp_path, tree) as setting:
        # A regulator was shown another head of the same size, signed with the log's own key.
        witness = parse_witnesses(setting)[0]

        async def no_proof(_old: int, _size: int) -> tuple[bytes, ...]:
            return ()

        assert await witness.cosign(shown, 5, no_proof) is not None
        await tree.add(5)
        ours = publisher(tree, setting)
        await ours.beat()
        assert f"the root that {NAME} cosigned for 5 entries" in ours.refused
        await tree.add(4)
        await ours.beat()
        assert f"the first 5 entries as {NAME} cosigned them" in ours.refused
    assert await tree.owner.fetchval("SELECT count(*) FROM cosignature") == 0
    topics = await tree.owner.fetch("SELECT topic FROM outbox WHERE topic = 'findings'")
    assert len(topics) == 2


def other_history(tree: Tree, size: int) -> Note:
    return tree.signer.sign(str(Checkpoint(tree.signer.verifier.name, size, bytes(32))))


async def test_a_log_that_lost_what_a_witness_saw_is_a_finding(tree: Tree, tmp_path: Path) -> None:
    shown = other_history(tree, 9)
    with running(tmp_path, tree) as setting:

        async def no_proof(_old: int, _size: int) -> tuple[bytes, ...]:
            return ()

        assert await parse_witnesses(setting)[0].cosign(shown, 9, no_proof) is not None
        await tree.add(5)
        ours = publisher(tree, setting)
        await ours.beat()
        assert f"the 9 entries that {NAME} cosigned" in ours.refused


def test_one_command_runs_a_witness_that_answers_over_http(tmp_path: Path) -> None:
    words = ["witness", "run", "--name", NAME, "--dir", str(tmp_path / "w"), "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "suanli", *words, "--log-key", str(LOG.verifier)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        verifier, url = process.stdout.readline().split()
        for path, body, status in (
            ("/add-checkpoint", request(0, 8), 200),
            ("/add-checkpoint", request(0, 12), 409),
            ("/add-checkpoint", b"x" * (BODY_BYTES_MAX + 1), 413),
            ("/other", request(8, 12), 404),
        ):
            found, answer = post(url + path, body)
            assert found == status, answer
            if status == 200:
                line = Signature.parse(answer.decode().removesuffix("\n"))
                note = head(8).with_signatures([line])
                assert cosignatures(note, [VerifierKey.parse(verifier)], verify)
    finally:
        process.terminate()
        process.communicate()


def post(url: str, body: bytes) -> tuple[int, bytes]:
    request_ = urllib.request.Request(url, data=body, method="POST")  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request_, timeout=10) as reply:  # noqa: S310
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
