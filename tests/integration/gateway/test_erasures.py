"""Erasing over the API: who may, what is told, and what the gateway still shows afterwards."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from schemas.erasures import ErasureOrdered, ErasureRefused, JournalEntryErased
from schemas.events import Reason
from schemas.transparency import JournalEntrySalted
from services.core.merkle import Frontier, leaf_hash, verify_inclusion
from services.core.tlog.openings import log_entry
from services.core.tlog.proofs import ProofFile
from services.core.tlog.tiles import unpack_bundle
from suanli.check_journal import is_erased, read_entry
from tests.integration.gateway.conftest import NOW, Market
from tests.integration.gateway.test_log import MINE, contents, hashes, signed
from tests.integration.gateway.test_reports import entry

pytestmark = pytest.mark.integration
Json = dict[str, Any]


def deposit(index: int, balance: int, cause: str = "cause") -> JournalEntrySalted:
    """Return the deposit of 5 that leaves this balance."""
    made = entry(index, "single", [("bank", "posted", 5), (MINE, "posted", -5)]).model_dump()
    for posting, after in zip(made["postings"], (balance, -balance), strict=True):
        posting |= {"balance_after": after, "account_version": index + 1}
    more = {
        "entry_id": f"{index:08}-0000-8000-8000-000000000000",
        "purpose": "deposit",
        "salt": f"{index:064x}",
        "occurred_at": NOW,
        "cause": cause,
    }
    return JournalEntrySalted.model_validate(made | more)


def stub(content: bytes, index: int, erasure_id: str) -> JournalEntryErased:
    """Return what stands in the place of an entry."""
    return JournalEntryErased(
        commitment=hashlib.sha256(content).hexdigest(),
        entry_id=f"{index:08}-0000-8000-8000-000000000000",
        erased_at=NOW,
        erasure_id=erasure_id,
        leaf_index=index,
        occurred_at=NOW,
    )


def asked(index: int, content: bytes) -> Json:
    return {
        "entry_id": f"{index:08}-0000-8000-8000-000000000000",
        "confirm": leaf_hash(log_entry(content)).hex(),
        "reason": "case 7",
    }


async def test_an_entry_is_ordered_erased_once_and_what_cannot_be_is_refused_at_once(
    market: Market,
) -> None:
    gateway = market.gateway
    await gateway.publish(deposit(0, 5), deposit(1, 10))
    before = await contents(market, 2)

    async def order(body: Json, key: str = "e1") -> tuple[int, Json]:
        headers = {"Idempotency-Key": key}
        reply = await gateway.call("POST", "/v1/erasures", body, headers=headers)
        return reply.status_code, reply.json()

    wanted = asked(0, before[0])
    status, receipt = await order(wanted)
    assert (status, receipt["topic"]) == (202, "participants"), receipt
    assert await order(wanted) == (202, receipt)
    erasure_id = str(receipt["erasure_id"])
    for body, code in (
        (wanted | {"confirm": "5f" * 32}, "erasure.not_confirmed"),
        (asked(1, before[1]), "erasure.last_movement"),
        (wanted | {"entry_id": "9" * 8 + wanted["entry_id"][8:]}, "not_found"),
    ):
        status, problem = await order(body, key=code)
        assert (status, problem["code"]) == (404 if code == "not_found" else 409, code)
        assert problem["errors"][0]["value"]

    async def state() -> Json:
        reply = await gateway.call("GET", f"/v1/erasures/{erasure_id}", key=market.regulator)
        return dict(reply.json())

    shown = await gateway.eventually(state, lambda found: found.get("state") == "ordered")
    assert (shown["reason"], shown["ordered_by"]) == ("case 7", "operator")
    # The event that is on the log is the whole order.
    sent = ErasureOrdered(
        erasure_id=erasure_id,
        entry_id=wanted["entry_id"],
        leaf_hash=wanted["confirm"],
        participant_id="operator",
        reason="case 7",
    )
    assert receipt["sha256"] == hashlib.sha256(sent.model_dump_json().encode()).hexdigest()
    await gateway.publish(stub(before[0], 0, erasure_id))
    shown = await gateway.eventually(state, lambda found: found["state"] == "erased")
    assert (shown["leaf_index"], shown["refusal"]) == (0, None)
    assert (await order(wanted | {"reason": "again"}, key="e2"))[1]["code"] == "erasure.erased"
    refused = ErasureRefused(
        erasure_id="era_" + "b" * 26,
        entry_id=wanted["entry_id"],
        participant_id="operator",
        reason=Reason(code="erasure.erased", en="gone", zh="已抹除"),
    )
    await gateway.publish(refused)

    async def listed() -> list[Json]:
        return list((await gateway.call("GET", "/v1/erasures")).json()["items"])

    found = await gateway.eventually(listed, lambda items: len(items) == 2)
    assert [one["state"] for one in found] == ["refused", "erased"]


async def test_nothing_shows_what_was_erased_and_proofs_and_balances_stay(market: Market) -> None:
    gateway = market.gateway
    paid = {"amount": 5, "reference": "a name and a bank account"}
    path = "/v1/participants/enterprise-1/deposits"
    reply = await gateway.call("POST", path, paid, headers={"Idempotency-Key": "d1"})
    cause = str(reply.json()["event_id"])
    await gateway.publish(deposit(0, 5, cause), deposit(1, 10), deposit(2, 15))
    before = await contents(market, 3)
    root = Frontier().extend(hashes(before)).root()
    await gateway.publish(signed(root, 3), stub(before[0], 0, "era_" + "a" * 26))

    async def first() -> Json:
        items = (await gateway.call("GET", "/v1/journal?limit=500")).json()["items"]
        return dict(read_entry(items[0]["entry"].encode())[0])

    erased = await gateway.eventually(first, is_erased)
    assert not {"postings", "amount", "salt", "cause"} & erased.keys()
    after = await contents(market, 3)
    assert after[1:] == before[1:]
    assert [read_entry(one)[1] for one in after] == hashes(before)

    # The bundle, the proof and the head are what they were, the proof for the party to it too.
    bundle = await gateway.call("GET", "/v1/log/tile/entries/000.p/3")
    assert unpack_bundle(bundle.content) == [log_entry(one) for one in before]
    for key in (market.enterprise, market.regulator):
        proof = await gateway.call("GET", f"/v1/log/proof/{erased['entry_id']}", key=key)
        file = ProofFile.parse(proof.content)
        assert file.extra == log_entry(before[0])
        assert verify_inclusion(0, 3, hashes(before)[0], file.proof, root)
    hidden = await gateway.call("GET", "/v1/log/proof/0", key=market.provider)
    assert hidden.status_code == 404

    account = (await gateway.call("GET", "/v1/account", key=market.enterprise)).json()
    assert account["posted"] == 15
    entries = (await gateway.call("GET", "/v1/account/entries", key=market.enterprise)).json()
    assert [one["purpose"] for one in entries["items"]] == ["deposit", "deposit", "erased"]
    assert [one["amount"] for one in entries["items"]] == [5, 5, 5]
    # Neither the projection nor what was asked for has the words any more.
    kept = await gateway.pool.fetchval(
        "SELECT count(*) FROM idempotency WHERE request::text ~ 'name'"
    )
    assert kept == 0
    again = await gateway.call("POST", path, paid, headers={"Idempotency-Key": "d1"})
    assert again.json()["code"] == "idempotency_key_reused"


async def test_a_gateway_that_reads_the_journal_after_an_erasure_has_the_same_log_and_balance(
    market: Market,
) -> None:
    gateway = market.gateway
    content = deposit(0, 5).model_dump_json().encode()
    # As a compacted topic has it: the entry itself is nowhere.
    await gateway.publish(stub(content, 0, "era_" + "a" * 26), deposit(1, 10))
    after = await contents(market, 2)
    root = Frontier().extend(leaf_hash(log_entry(one)) for one in (content, after[1])).root()
    await gateway.publish(signed(root, 2))

    async def checkpoint() -> int:
        return (await gateway.call("GET", "/v1/log/checkpoint", key="")).status_code

    assert await gateway.eventually(checkpoint, lambda status: status == 200) == 200
    account = (await gateway.call("GET", "/v1/account", key=market.enterprise)).json()
    assert account["posted"] == 10
    query = "SELECT sum(entries) = 2 AND max(last_leaf) = 1 FROM journal_hour"
    assert await gateway.pool.fetchval(query)
