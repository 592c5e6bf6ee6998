"""``suanli-exchange participants`` and ``keys``: the operator's acts without the API."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from infra.local.topics import declared, delete_topics
from services.cli import app
from services.core.errors import DomainError
from services.gateway import administration
from tests.integration.gateway.conftest import OPERATOR_KEY, Market, demand


class Server:
    """Runs commands in a thread, with a gateway's log and database."""

    def __init__(self, market: Market) -> None:
        settings = market.gateway.settings
        self._runner = CliRunner(
            env={
                "SUANLI_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
                "SUANLI_POSTGRES_DSN": settings.postgres_dsn.get_secret_value(),
                "SUANLI_TOPIC_PREFIX": settings.topic_prefix,
                "SUANLI_SCHEMA_PREFIX": settings.schema_prefix,
            }
        )

    async def run(self, words: str, expect: int = 0) -> Result:
        return await self.invoke(words.split(), expect)

    async def invoke(self, words: list[str], expect: int = 0) -> Result:
        done = await asyncio.to_thread(self._runner.invoke, app, words)
        assert done.exit_code == expect, (words, done.output, done.exception)
        return done

    async def value(self, words: str, name: str) -> str:
        lines = (await self.run(words)).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)[name]


async def test_participants_are_admitted_suspended_and_given_keys_at_the_server(
    market: Market,
) -> None:
    gateway, server = market.gateway, Server(market)

    async def me(key: str) -> Any:  # noqa: ANN401 - a reply
        return await gateway.call("GET", "/v1/participants/me", key=key)

    add = "participants add acme-ai --role enterprise --name Acme --no-direct"
    first = await server.value(add, "SUANLI_API_KEY")
    assert (await me(first)).json()["role"] == "enterprise"
    placed = await gateway.submit("demand", demand(), first, "k1")
    assert placed.status_code == 202, placed.text
    # The same again gives a further key; other particulars are another participant's.
    assert await server.value(add, "SUANLI_API_KEY") != first
    other = await server.run(add.replace("Acme", "Other"), 1)
    assert isinstance(other.exception, DomainError)
    assert other.exception.code == "participant_exists"
    wrong = await server.run("participants add ACME! --role enterprise --name A --no-direct", 2)
    assert "participant_id: must fit" in wrong.stderr
    assert "ACME!" in wrong.stderr

    await server.run("participants suspend acme-ai --reason unpaid")
    assert (await me(first)).json()["status"] == "suspended"
    # A gateway remembers who is calling for a moment.
    await gateway.eventually(
        lambda: gateway.submit("demand", demand(), first, "k2"),
        lambda reply: reply.status_code == 403 and reply.json()["code"] == "auth.suspended",
    )
    listed = json.loads((await server.run("participants list --json")).stdout)
    assert {one["participant_id"]: one["status"] for one in listed} == {
        "acme-ai": "suspended",
        "enterprise-1": "active",
        "provider-1": "active",
        "regulator-1": "active",
    }
    await server.run("participants resume acme-ai --reason paid")
    assert (await me(first)).json()["status"] == "active"

    words = "keys create acme-ai --label bot --scope read --scope trade --days 9"
    made = await server.run(words)
    key, key_id = (line.split("=", 1)[1] for line in made.stdout.splitlines())
    assert (await me(key)).status_code == 200
    assert key_id in (await server.run("keys list acme-ai")).stdout
    await server.run(f"keys revoke acme-ai {key_id}")
    await gateway.eventually(lambda: me(key), lambda reply: reply.status_code == 401)
    refusal = await server.run("keys create acme-ai --scope govern", 1)
    assert isinstance(refusal.exception, DomainError)

    acts = (await gateway.call("GET", "/v1/admin-acts", key=OPERATOR_KEY)).json()["items"]
    mine = [one for one in acts if one["credential_id"] == administration.CREDENTIAL]
    assert [(one["act"], one["outcome"]) for one in reversed(mine)] == [
        ("register", "done"),
        ("register", "done"),
        ("register", "refused"),
        ("set_standing", "done"),
        ("set_standing", "done"),
        ("add_key", "done"),
        ("revoke_key", "done"),
        ("add_key", "refused"),
    ]


async def test_policies_are_set_on_a_regulators_order_at_the_server(market: Market) -> None:
    gateway, server = market.gateway, Server(market)
    words = ["policy", "set", "caps", "--market", "jingjinji", "--reason", "Prices ran away"]

    async def act(*more: str, expect: int = 0) -> Result:
        return await server.invoke([*words, *more], expect)

    rule = '{"kind": "price_limits", "chip": "h800", "cap": 20000000}'
    who = ["--regulator", "regulator-1"]
    await act("--rule", rule, *who)
    assert "version 2" in (await act("--rule", rule, *who, "--round", "5")).stdout
    stranger = await act("--rule", rule, "--regulator", "provider-1", expect=1)
    assert isinstance(stranger.exception, DomainError)
    assert (stranger.exception.field, stranger.exception.value) == ("regulator", "provider-1")
    odd = await act("--rule", rule.replace("h800", "tpu"), *who, expect=1)
    assert isinstance(odd.exception, DomainError)
    assert odd.exception.field == "rule.chip"
    words[1] = "withdraw"
    await act(*who, "--round", "7")
    shown = (await gateway.http.get("/v1/policies?market_id=jingjinji")).json()["items"]
    assert [(one["policy"]["version"], one["policy"]["set_by"]) for one in shown] == [
        (version, "regulator-1") for version in (1, 2, 3)
    ]
    assert shown[2]["policy"]["rule"] is None
    listed = json.loads((await server.run("policy list --market jingjinji --json")).stdout)
    assert listed == shown
    assert "withdrawn" in (await server.run("policy list")).stdout
    acts = (await gateway.call("GET", "/v1/admin-acts", key=OPERATOR_KEY)).json()["items"]
    mine = [one for one in acts if one["credential_id"] == administration.CREDENTIAL]
    assert [(one["act"], one["outcome"]) for one in mine].count(("set_policy", "done")) == 3


async def test_an_admitted_participant_may_write_to_the_broker_at_once(
    market: Market, request: pytest.FixtureRequest
) -> None:
    if not request.getfixturevalue("stack").direct_bootstrap:
        pytest.skip("needs the embedded broker")
    server = Server(market)
    made = await server.run("participants add cloud-b --role provider --name CloudB")
    told = dict(line.split("=", 1) for line in made.stdout.splitlines())
    prefix = market.gateway.settings.topic_prefix
    assert told["SUANLI_DIRECT_USER"] == f"{prefix}direct.cloud-b"
    assert told["SUANLI_DIRECT_TOPIC"] == f"{prefix}offers.direct"
    listed = (await server.run("direct list")).stdout
    assert f"{prefix}direct.cloud-b: read direct-status.cloud-b, write offers.direct" in listed
    await server.run("direct revoke cloud-b")


async def test_topics_that_are_missing_are_created_at_the_server_and_no_other(
    market: Market,
) -> None:
    server = Server(market)
    # Those of the gateway are there.
    assert (await server.run("topics")).stdout == ""
    fresh = f"t-{secrets.token_hex(4)}-"
    settings = market.gateway.settings.model_copy(update={"topic_prefix": fresh})
    server = Server(replace(market, gateway=replace(market.gateway, settings=settings)))
    try:
        created = (await server.run("topics")).stdout.split()
        assert sorted(created) == sorted(f"{fresh}{spec.name}" for spec in declared())
        assert (await server.run("topics")).stdout == ""
    finally:
        await delete_topics(settings.kafka_bootstrap, fresh)
