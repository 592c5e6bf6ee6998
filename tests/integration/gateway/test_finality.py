"""Witnessed finality: settled is final once k of n witnesses said so, and read all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from schemas import events
from schemas.transparency import CheckpointCosigned, CheckpointSigned
from services.core.merkle import Frontier, leaf_hash
from services.core.tlog.checkpoints import Checkpoint
from services.core.tlog.notes import KeyKind
from services.core.tlog.openings import logged
from services.gateway.main import build
from services.gateway.settings import GatewaySettings
from services.kit.signing import NoteSigner
from tests.integration.gateway.conftest import LOG_SIGNER, Gateway
from tests.integration.gateway.test_funds import DAY_1, Story, get, iso, keys_of, show, two_days

ORIGIN = LOG_SIGNER.verifier.name
WITNESSES = [
    NoteSigner.generate(f"witness-{n}.example/w", KeyKind.COSIGNATURE_ED25519) for n in range(3)
]
STATEMENT = f"/v1/account/statement?from={iso(0)}&to={iso(40)}"
INVOICE = f"/v1/account/invoices/{DAY_1}"


def roots(story: Story) -> dict[int, bytes]:
    """Return the root of every size of the story's log."""
    records = [one for one in story.ledger.outbox if one.topic == "journal-entries"]
    frontier, found = Frontier(), {}
    for record in records:
        frontier = frontier.extend([leaf_hash(logged(record.value))])
        found[frontier.size] = frontier.root()
    return found


def head(size: int, root: bytes) -> CheckpointSigned:
    note = str(LOG_SIGNER.sign(str(Checkpoint(ORIGIN, size, root))))
    return CheckpointSigned(origin=ORIGIN, size=size, root=root.hex(), note=note)


def cosigned(
    signer: NoteSigner, size: int, root: bytes, *, over: int = 0, time: int = 1_790_000_000
) -> CheckpointCosigned:
    """Return a cosignature; of another size if ``over`` says so, so that it does not fit."""
    line = str(signer.cosign(str(Checkpoint(ORIGIN, size + over, root)), time).line())
    name = signer.verifier.name
    return CheckpointCosigned(origin=ORIGIN, size=size, root=root.hex(), witness=name, line=line)


@asynccontextmanager
async def asking(gateway: Gateway, needed: int) -> AsyncIterator[Gateway]:
    """Give the same gateway, which asks for witnesses."""
    keys = ",".join(str(signer.verifier) for signer in WITNESSES)
    update: dict[str, Any] = {"gateway_witness_keys": keys, "gateway_witnesses_needed": needed}
    settings = gateway.settings.model_copy(update=update)
    app = build(settings, gateway.clock, gateway.pool, gateway.reader, gateway.writer)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield replace(gateway, http=http)


async def say(gateway: Gateway, *bodies: events.Event) -> None:
    """Publish heads and cosignatures and wait until they are read."""

    async def count() -> int:
        row = await gateway.pool.fetchrow(
            "SELECT sum(next_offset)::bigint AS n FROM consumer_offset WHERE topic = 'checkpoints'"
        )
        return 0 if row is None or row["n"] is None else int(row["n"])

    before = await count()
    await gateway.publish(*bodies)
    await gateway.eventually(count, lambda n: n >= before + len(bodies))


async def finals(gateway: Gateway, key: str) -> Sequence[bool]:
    """Return whether statement, invoice, and the first and last settlement are final."""
    statement = await get(gateway, STATEMENT, key)
    invoice = await get(gateway, INVOICE, key)
    assert (invoice["number"] is not None) == invoice["final"]
    settlements = (await get(gateway, "/v1/settlements?limit=50", key))["items"]
    ordered = sorted(settlements, key=lambda one: one["end_leaf"])
    assert all(one["end_leaf"] > 0 for one in ordered)
    return (statement["final"], invoice["final"], ordered[0]["final"], ordered[-1]["final"])


async def test_what_is_settled_is_final_under_a_head_that_k_of_n_witnesses_cosigned(
    gateway: Gateway,
) -> None:
    story, keys = two_days(), await keys_of(gateway)
    await show(gateway, story)
    root = roots(story)
    size = len(root)
    key = keys["lab"]
    # The same gateway that asks for no witness: the log alone decides.
    assert await finals(gateway, key) == (True, True, True, True)
    rule = (await gateway.http.get("/v1/log/finality")).json()
    assert (rule["needed"], rule["witnessed_size"]) == (0, None)
    settled = (await get(gateway, "/v1/settlements?limit=50", key))["items"]
    first = min(one["end_leaf"] for one in settled)
    async with asking(gateway, 2) as strict:
        # Read all the same, and nothing is called final.
        assert await finals(strict, key) == (False, False, False, False)
        heads = [head(n, root[n]) for n in (first, size)]
        one, other, _ = WITNESSES
        stranger = NoteSigner.generate("stranger.example/w", KeyKind.COSIGNATURE_ED25519)
        await say(
            gateway,
            *heads,
            cosigned(one, first, root[first]),
            cosigned(other, first, root[first]),
            # One witness twice, one that is not known, and one whose line does not fit: not two.
            cosigned(one, size, root[size]),
            cosigned(one, size, root[size], time=1_790_000_009),
            cosigned(stranger, size, root[size]),
            cosigned(other, size, root[size], over=1),
        )
        assert await finals(strict, key) == (False, False, True, False)
        rule = (await strict.http.get("/v1/log/finality")).json()
        assert (rule["needed"], rule["witnessed_size"], rule["log_size"]) == (2, first, size)
        assert len(rule["witnesses"]) == 3
        await say(gateway, cosigned(other, size, root[size]))
        assert await finals(strict, key) == (True, True, True, True)
        # Two histories: nothing is final any more.
        await say(gateway, head(first, bytes(32)))
        assert await finals(strict, key) == (False, False, False, False)
    async with asking(gateway, 3) as stricter:
        assert await finals(stricter, key) == (False, False, False, False)


async def test_a_cosigned_head_that_the_entries_do_not_give_makes_nothing_final(
    gateway: Gateway,
) -> None:
    story, keys = two_days(), await keys_of(gateway)
    await show(gateway, story)
    size = len(roots(story))
    forged = bytes(range(32))
    lines = [cosigned(signer, size, forged) for signer in WITNESSES]
    await say(gateway, head(size, forged), *lines)
    async with asking(gateway, 1) as strict:
        assert await finals(strict, keys["lab"]) == (False, False, False, False)


def test_more_witnesses_than_there_are_and_keys_of_a_log_are_refused() -> None:
    values: dict[str, Any] = {"gateway_log_key": str(LOG_SIGNER.verifier), "_env_file": None}
    one = str(WITNESSES[0].verifier)
    with pytest.raises(ValidationError, match="WITNESSES_NEEDED of at most 1"):
        GatewaySettings(gateway_witness_keys=f"{one},{one}", gateway_witnesses_needed=2, **values)
    with pytest.raises(ValidationError, match="kind 4 or 6"):
        GatewaySettings(gateway_witness_keys=str(LOG_SIGNER.verifier), **values)
    with pytest.raises(ValidationError, match="LOG_KEY"):
        GatewaySettings(gateway_witness_keys=one, gateway_witnesses_needed=1, _env_file=None)
