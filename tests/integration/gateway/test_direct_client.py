"""Signed records by the client and the command line, over SASL, from the grant to the orders."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from services.gateway import direct_access
from services.gateway.main import build_direct
from suanli.direct import (
    DirectAccess,
    DirectError,
    DirectOrder,
    DirectOutcome,
    DirectProducer,
    RefusedError,
    UnansweredError,
)
from suanli.signing import SigningKey
from tests.conftest import Stack
from tests.integration.gateway.conftest import Gateway, Json, Market, offer
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_direct import _gateway_process

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
KEYS = "/v1/participants/provider-1/signing-keys"
MARKET = "jingjinji"


@dataclass
class Provider:
    """A provider with a grant and a key that nobody knows yet."""

    market: Market
    granted: direct_access.Granted
    bootstrap: str
    key: SigningKey = field(default_factory=SigningKey.generate)

    @property
    def gateway(self) -> Gateway:
        return self.market.gateway

    @property
    def variables(self) -> dict[str, str]:
        return {
            "SUANLI_DIRECT_BOOTSTRAP": self.bootstrap,
            "SUANLI_DIRECT_USER": self.granted.user,
            "SUANLI_DIRECT_PASSWORD": self.granted.password,
            "SUANLI_DIRECT_TOPIC": self.granted.write,
            "SUANLI_DIRECT_STATUS_TOPIC": self.granted.read,
        }

    @property
    def access(self) -> DirectAccess:
        return DirectAccess.of(self.variables)

    async def register(self) -> None:
        body = {"public_key": self.key.public_text, "proof": self.key.proof("provider-1")}
        reply = await self.gateway.call("POST", KEYS, body, key=self.market.provider)
        assert reply.status_code == 201, reply.text
        assert reply.json()["key_id"] == self.key.key_id

    async def orders(self) -> list[Json]:
        found: list[Json] = []
        cursor = ""
        while True:
            path = f"/v1/offers?limit=500{cursor}"
            page = (await self.gateway.call("GET", path, key=self.market.provider)).json()
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"


@pytest_asyncio.fixture
async def provider(stack: Stack, market: Market) -> AsyncIterator[Provider]:
    if not stack.direct_bootstrap:
        pytest.skip("needs the embedded broker")
    settings = market.gateway.settings
    granted = await direct_access.grant(settings, "provider-1")
    assert not granted.key_id
    yield Provider(market, granted, stack.direct_bootstrap)
    await direct_access.revoke(settings, "provider-1")


@asynccontextmanager
async def taken(provider: Provider) -> AsyncIterator[Provider]:
    """Take in what the provider writes, as the gateway does."""
    gateway, stop = provider.gateway, asyncio.Event()
    reader = build_direct(gateway.settings, gateway.clock, gateway.pool, gateway.writer)
    running = asyncio.create_task(reader.run(stop))
    yield provider
    stop.set()
    await running


@pytest_asyncio.fixture
async def taking(provider: Provider) -> AsyncIterator[Provider]:
    async with taken(provider):
        yield provider


def offers(count: int) -> list[DirectOrder]:
    return [DirectOrder(MARKET, offer(chips=at + 1)["terms"], f"k{at}") for at in range(count)]


async def sent(producer: DirectProducer, orders: list[DirectOrder]) -> list[DirectOutcome]:
    found = [outcome async for outcome in producer.send_many(orders)]
    return sorted(found, key=lambda one: one.index)


async def test_a_key_is_registered_by_who_has_its_secret_and_revoked_for_good(
    taking: Provider,
) -> None:
    gateway, mine, key = taking.gateway, taking.market.provider, taking.key
    body = {"public_key": key.public_text, "proof": key.proof("provider-1")}
    stolen = body | {"proof": key.proof("provider-2")}
    for who, path, sending, status, code in (
        (mine, KEYS, stolen, 422, "direct.proof"),
        (mine, KEYS, body | {"public_key": "AAAA"}, 422, "validation.invalid"),
        (taking.market.enterprise, KEYS, body, 404, "not_found"),
        (taking.market.regulator, KEYS.replace("provider", "regulator"), body, 422, "direct."),
    ):
        reply = await gateway.call("POST", path, sending, key=who)
        assert reply.status_code == status, reply.text
        assert reply.json()["code"].startswith(code), reply.text
    async with DirectProducer(taking.access, key, answer_s=0.5, attempts=2) as exchange:
        with pytest.raises(UnansweredError, match="registered"):
            await exchange.send(MARKET, offer()["terms"], idempotency_key="early")
    await taking.register()
    await taking.register()
    async with DirectProducer(taking.access, key) as exchange:
        receipt = await exchange.send(MARKET, offer()["terms"], idempotency_key="k1")
        again = await exchange.send(MARKET, offer()["terms"], idempotency_key="k1")
        assert receipt == again
        with pytest.raises(RefusedError) as refused:
            await exchange.send(MARKET, offer(chips=7)["terms"], idempotency_key="k1")
        assert refused.value.code
        assert refused.value.zh
        reply = await gateway.call("DELETE", f"{KEYS}/{key.key_id}", key=mine)
        assert reply.json()["revoked_at"]
        with pytest.raises(RefusedError, match="revoked") as refused:
            await exchange.send(MARKET, offer()["terms"], idempotency_key="k2")
        assert refused.value.code == "direct.revoked_key"
    assert (await gateway.call("POST", KEYS, body, key=mine)).status_code == 409
    listed = (await gateway.call("GET", KEYS, key=mine)).json()
    assert [one["key_id"] for one in listed] == [key.key_id]
    acts = (await gateway.call("GET", "/v1/admin-acts", key=mine)).json()["items"]
    assert [one["outcome"] for one in acts if one["act"] == "revoke_signing_key"] == ["done"]
    assert len(await taking.orders()) == 1
    wrong = replace(taking.access, password="another")
    with pytest.raises(DirectError, match=r"provider-1.*\n") as denied:
        async with DirectProducer(wrong, key):
            pass
    assert denied.value.field == "SUANLI_DIRECT_USER"
    nowhere = replace(taking.access, topic=taking.access.topic.replace("offers", "demand"))
    async with DirectProducer(nowhere, key) as exchange:
        with pytest.raises(DirectError, match="may write"):
            await exchange.send(MARKET, offer()["terms"])


def run(home: Path, provider: Provider, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    access = home / "direct.env"
    if not access.exists():
        lines = [f"{name}={value}\n" for name, value in provider.variables.items()]
        access.write_text("".join(lines), encoding="utf-8")
        access.chmod(0o600)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SUANLI_")}
    more = {
        "SUANLI_API_URL": url,
        "SUANLI_API_KEY": provider.market.provider,
        "SUANLI_CONFIG": str(home / "config.json"),
        "SUANLI_DIRECT_ACCESS": str(access),
        "SUANLI_DIRECT_KEY_FILE": str(home / "key.pem"),
        "SUANLI_MARKET": MARKET,
    }
    return subprocess.run(
        [sys.executable, "-m", "suanli", "direct", *words],
        env=kept | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command_line_makes_a_key_registers_it_sends_a_file_and_shows_answers(
    taking: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, odd = offer()["terms"], offer(chip="h9000")["terms"]
    file = tmp_path / "offers.yaml"
    file.write_text(yaml.safe_dump([good, odd, good]), encoding="utf-8")
    key_file = tmp_path / "key.pem"
    async with served(taking.gateway) as url:

        async def direct(*words: str) -> subprocess.CompletedProcess[str]:
            return await asyncio.to_thread(run, tmp_path, taking, url, *words)

        made = await direct("keygen", str(key_file), "-o", "json")
        key = SigningKey.load(key_file)
        assert json.loads(made.stdout)["key_id"] == key.key_id, made.stderr
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        registered = await direct("register", "-o", "json")
        assert json.loads(registered.stdout)["public_key"] == key.public_text, registered.stderr
        sending = await direct("send", str(file), "--key", "day-1", "-o", "json")
        assert sending.returncode == 1, sending.stderr
        rows = json.loads(sending.stdout)
        assert [bool(row["receipt"]) for row in rows] == [True, False, True]
        assert rows[1]["problem"]["errors"][0]["field"] == "terms.chip"
        assert "2 accepted, 1 refused" in sending.stderr
        page = (ROOT / "docs/guides/high-volume.md").read_text(encoding="utf-8")
        (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        names: dict[str, Any] = {}
        exec(program, names)  # noqa: S102 - our own page
        for name, text in taking.variables.items():
            monkeypatch.setenv(name, text)
        placed = await names["send_day"](MARKET, "day-1", [good, odd], key_file)
        assert placed == {"day-1-0": rows[0]["receipt"]["order_id"]}
        status = await direct("status", "-o", "json")
        outcomes = [one["outcome"] for one in json.loads(status.stdout)]
        assert (outcomes.count("accepted"), outcomes.count("refused")) == (3, 2)
    assert len(await taking.orders()) == 2


@pytest.mark.slow
async def test_two_hundred_orders_are_each_taken_once_though_the_gateway_is_killed_between(
    stack: Stack, provider: Provider
) -> None:
    await provider.register()
    orders = offers(200)
    doomed = await _gateway_process(stack, provider.gateway)
    async with DirectProducer(provider.access, provider.key, answer_s=10) as exchange:
        first = await asyncio.wait_for(exchange.send(MARKET, orders[0].terms), 60)
        sending = asyncio.create_task(sent(exchange, orders))
        await provider.gateway.eventually(
            lambda: provider.gateway.pool.fetchval("SELECT count(*) FROM outbox"), lambda n: n > 1
        )
        doomed.kill()
        await doomed.wait()
        async with taken(provider):
            found = await asyncio.wait_for(sending, 100)
    assert [one.error for one in found if one.error is not None] == []
    ids = {one.receipt["order_id"] for one in found if one.receipt is not None}
    assert len(ids) == 200
    shown = await provider.gateway.eventually(provider.orders, lambda rows: len(rows) >= 201)
    assert {row["order_id"] for row in shown} == ids | {first["order_id"]}
