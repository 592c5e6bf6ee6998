"""Logins at the broker: who may have one, and the texts that a program logs in by."""

from __future__ import annotations

import csv
import io
import json

import httpx
import pytest

from schemas.direct_logins import DirectLoginCreated, DirectLoginView
from schemas.types import Role
from services.gateway.app.direct_snippets import security_of, snippets
from tests.unit.gateway.memory import KEYS, MemoryGateway

LOGIN = "/v1/participants/provider-1/direct-login"
ACCESS = "/v1/participants/provider-1/direct-access"


async def _call(
    gateway: MemoryGateway, role: Role, method: str, path: str, body: object = None
) -> httpx.Response:
    async with gateway.http() as http:
        headers = {"Authorization": f"Bearer {KEYS[role]}"}
        return await http.request(method, path, json=body, headers=headers)


async def test_a_login_is_made_by_its_owner_once_the_operator_allows_it() -> None:
    gateway = MemoryGateway()
    refused = await _call(gateway, Role.PROVIDER, "POST", LOGIN)
    assert (refused.status_code, refused.json()["code"]) == (409, "direct.not_allowed")
    allowed = await _call(gateway, Role.OPERATOR, "PUT", ACCESS, {"access": "allowed"})
    assert (allowed.json()["allowed"], allowed.json()["state"]) == (True, "none")

    first = (await _call(gateway, Role.PROVIDER, "POST", LOGIN)).json()
    second = (await _call(gateway, Role.PROVIDER, "POST", LOGIN)).json()
    assert first["password"] != second["password"] == gateway.logins.passwords["provider-1"]
    shown = (await _call(gateway, Role.PROVIDER, "GET", LOGIN)).json()
    assert shown == second["login"]
    assert (shown["state"], shown["user"]) == ("active", "direct.provider-1")
    assert (shown["write_topic"], shown["status_topic"]) == (
        "offers.direct",
        "direct-status.provider-1",
    )
    assert "password" not in shown

    for _ in range(2):
        ended = await _call(gateway, Role.PROVIDER, "DELETE", LOGIN)
        assert (ended.status_code, ended.json()["state"]) == (200, "none")
    assert gateway.logins.passwords == {}


async def test_what_broke_half_way_is_shown_as_such() -> None:
    gateway = MemoryGateway()
    await gateway.logins.allow("provider-1", "operator", is_allowed=True)

    async def cut_off() -> None:
        gateway.logins.passwords["provider-1"] = "known to nobody"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await gateway.logins.making("provider-1", "key_a", cut_off)
    shown = (await _call(gateway, Role.PROVIDER, "GET", LOGIN)).json()
    assert shown["state"] == "unfinished"


async def test_the_login_of_whoever_may_have_none_any_longer_ends() -> None:
    gateway = MemoryGateway()
    for _ in range(2):
        await _call(gateway, Role.OPERATOR, "PUT", ACCESS, {"access": "allowed"})
        assert (await _call(gateway, Role.PROVIDER, "POST", LOGIN)).status_code == 201
        told = await _call(gateway, Role.OPERATOR, "PUT", ACCESS, {"access": "withheld"})
        assert (told.json()["allowed"], told.json()["state"]) == (False, "none")
        assert gateway.logins.passwords == {}


@pytest.mark.parametrize("withheld", [False, True])
async def test_a_login_from_before_there_was_a_book_ends_like_any_other(*, withheld: bool) -> None:
    gateway = MemoryGateway()
    logins, sweeper = gateway.logins, gateway.direct_logins()
    logins.passwords["provider-1"] = "granted long ago"
    if withheld:
        await logins.allow("provider-1", "operator", is_allowed=False)
    await sweeper.note()
    await sweeper.sweep()
    assert ("provider-1" in logins.passwords) is not withheld
    logins.suspended.add("provider-1")
    await sweeper.sweep()
    assert logins.passwords == {}


async def test_who_does_not_trade_has_no_login() -> None:
    gateway = MemoryGateway()
    for method in ("GET", "POST", "DELETE"):
        path = LOGIN.replace("provider-1", "regulator-1")
        reply = await _call(gateway, Role.REGULATOR, method, path)
        assert reply.status_code == 404


def _made(brokers: str) -> DirectLoginCreated:
    login = DirectLoginView(
        participant_id="cloud-b",
        allowed=True,
        self_service=True,
        state="active",
        brokers=brokers,
        user="x.direct.cloud-b",
        write_topic="x.offers.direct",
        status_topic="x.direct-status.cloud-b",
    )
    return DirectLoginCreated(login=login, password="p" * 43)


def test_every_form_of_a_login_says_the_same() -> None:
    texts = snippets(_made("kafka.example.org:9094"))
    lines = dict(line.split("=", 1) for line in texts["direct.env"].splitlines())
    assert lines["SUANLI_DIRECT_PASSWORD"] == "p" * 43
    plain = {name.removeprefix("SUANLI_DIRECT_").lower(): value for name, value in lines.items()}
    assert json.loads(texts["direct.json"]) == plain
    assert list(csv.DictReader(io.StringIO(texts["direct.csv"]))) == [plain]
    properties = texts["client.properties"]
    assert "security.protocol=SASL_SSL\n" in properties
    assert f'username="x.direct.cloud-b" password="{"p" * 43}";' in properties


def test_only_a_broker_of_the_own_machine_is_reached_without_tls() -> None:
    assert security_of("127.0.0.1:9094,localhost:9095") == "SASL_PLAINTEXT"
    assert security_of("127.0.0.1:9094,kafka:9094") == "SASL_SSL"
    assert security_of("[::1]:9094") == "SASL_PLAINTEXT"
