"""Logins at the broker that participants make for themselves, on a broker with SASL and ACLs."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from playwright.async_api import Browser, expect
from pydantic import SecretStr

from services.gateway import direct_access
from services.gateway.adapters import direct_logins as adapters
from services.gateway.main import build
from services.gateway.settings import GatewaySettings
from services.kit.errors import LogUnavailableError
from services.kit.log_access import AccessRefusedError, LogAccess
from suanli.direct import DirectAccess
from tests.conftest import Stack
from tests.integration.gateway.conftest import OPERATOR_KEY, Gateway, Market
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_pages_trade import entered, seen

pytestmark = pytest.mark.integration
PASSWORD = "the password of the tests"
LOGIN = "/v1/participants/provider-1/direct-login"
ACCESS = "/v1/participants/provider-1/direct-access"


@dataclass(frozen=True)
class Desk:
    """A gateway that may change logins, by a login of its own."""

    market: Market
    gateway: Gateway
    app: Any
    address: str

    async def mine(self, method: str, expect: int = 200) -> Any:  # noqa: ANN401 - JSON
        reply = await self.gateway.call(method, LOGIN, key=self.market.provider)
        assert reply.status_code == expect, reply.text
        return reply.json()

    async def allow(self, *, allowed: bool = True) -> Any:  # noqa: ANN401 - JSON
        reply = await self.gateway.call(
            "PUT", ACCESS, {"access": "allowed" if allowed else "withheld"}
        )
        assert reply.status_code == 200, reply.text
        return reply.json()

    def producer(self, made: Any) -> AIOKafkaProducer:  # noqa: ANN401 - JSON
        return AIOKafkaProducer(
            bootstrap_servers=self.address,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username=made["login"]["user"],
            sasl_plain_password=made["password"],
        )

    async def write(self, made: Any) -> None:  # noqa: ANN401 - JSON
        async with self.producer(made) as producer:
            await producer.send_and_wait(made["login"]["write_topic"], b"{}")

    async def lets(self, made: Any, *, enter: bool) -> None:  # noqa: ANN401 - JSON
        """Wait until the broker lets a login in, or no more: it hears of both after the quorum."""
        async with asyncio.timeout(10):
            while await self._enters(made) is not enter:  # noqa: ASYNC110 - a broker cannot be awaited
                await asyncio.sleep(0.05)

    async def _enters(self, made: Any) -> bool:  # noqa: ANN401 - JSON
        producer = self.producer(made)
        try:
            await producer.start()
        except KafkaConnectionError:
            return False
        finally:
            await producer.stop()
        return True


@pytest_asyncio.fixture
async def desk(stack: Stack, market: Market) -> AsyncIterator[Desk]:
    if not stack.direct_bootstrap:
        pytest.skip("needs the embedded broker")
    old = market.gateway
    user = f"{old.settings.topic_prefix}login-desk"
    await LogAccess(old.settings).make_administrator(user, PASSWORD)
    settings = GatewaySettings.model_validate(
        old.settings.model_dump()
        | {
            "gateway_access_user": user,
            "gateway_access_password": SecretStr(PASSWORD),
            "gateway_access_bootstrap": stack.direct_bootstrap,
            "gateway_access_security": "sasl_plaintext",
            "gateway_direct_brokers": stack.direct_bootstrap,
        }
    )
    app = build(settings, old.clock, old.service, old.reader, old.writer)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield Desk(market, replace(old, http=http, settings=settings), app, stack.direct_bootstrap)
    access = LogAccess(old.settings)
    for name in (user, f"{old.settings.topic_prefix}direct.provider-1"):
        await access.revoke(name)


async def test_a_provider_makes_renews_and_ends_its_login_and_each_is_on_record(desk: Desk) -> None:
    assert (await desk.mine("POST", 409))["code"] == "direct.not_allowed"
    shown = await desk.allow()
    assert (shown["allowed"], shown["self_service"], shown["state"]) == (True, True, "none")

    first = await desk.mine("POST", 201)
    assert first["login"]["state"] == "active"
    assert first["login"]["brokers"] == desk.address
    await desk.write(first)
    elsewhere = first | {"login": first["login"] | {"write_topic": "offers"}}
    with pytest.raises(TopicAuthorizationFailedError):
        await desk.write(elsewhere)
    second = await desk.mine("POST", 201)
    await desk.write(second)
    await desk.lets(first, enter=False)
    shown = await desk.mine("GET")
    assert shown["state"] == "active"
    assert shown["changed_by"].startswith("key_")
    assert second["password"] not in str(shown)

    for _ in range(2):
        assert (await desk.mine("DELETE"))["state"] == "none"
    await desk.lets(second, enter=False)
    acts = (await desk.gateway.call("GET", "/v1/admin-acts", key=OPERATOR_KEY)).json()["items"]
    mine = [(one["act"], one["outcome"]) for one in acts if "direct" in one["act"]]
    assert mine[::-1] == [
        ("make_direct_login", "refused"),
        ("allow_direct_access", "done"),
        *[("make_direct_login", "done")] * 2,
        *[("end_direct_login", "done")] * 2,
    ]


async def test_whoever_is_suspended_or_no_longer_allowed_loses_its_login(desk: Desk) -> None:
    gateway, logins = desk.gateway, desk.app.state.api.direct_logins
    await desk.allow()
    made = await desk.mine("POST", 201)
    standing = "/v1/participants/provider-1/standing"
    reply = await gateway.call("PUT", standing, {"status": "suspended", "reason": "r"})
    assert reply.status_code == 202, reply.text
    await logins.sweep()
    await desk.lets(made, enter=False)
    assert (await desk.mine("GET"))["state"] == "none"
    assert (await desk.mine("POST", 403))["code"] == "auth.suspended"
    by_operator = await gateway.call("POST", LOGIN)
    assert by_operator.json()["code"] == "direct.not_allowed"

    await gateway.call("PUT", standing, {"status": "active", "reason": "r"})
    await logins.sweep()
    made = await desk.mine("POST", 201)
    await desk.lets(made, enter=True)
    assert (await desk.allow(allowed=False))["state"] == "none"
    await desk.lets(made, enter=False)
    assert (await desk.mine("POST", 409))["code"] == "direct.not_allowed"


async def test_a_login_from_before_there_was_a_book_is_noted_and_ended_like_any_other(
    desk: Desk,
) -> None:
    gateway, logins = desk.gateway, desk.app.state.api.direct_logins
    user = f"{gateway.settings.topic_prefix}direct.provider-1"
    granted: dict[str, Any] = {"login": {"user": user}, "password": "granted long ago"}
    rights = [("write", "offers.direct")]
    await LogAccess(gateway.settings).grant(user, granted["password"], rights)
    await logins.note()
    shown = await desk.mine("GET")
    assert (shown["allowed"], shown["state"], shown["changed_by"]) == (True, "active", "operator")
    await logins.sweep()
    await desk.lets(granted, enter=True)
    standing = "/v1/participants/provider-1/standing"
    await gateway.call("PUT", standing, {"status": "suspended", "reason": "r"})
    # What is known already is left as it is.
    await logins.note()
    await logins.sweep()
    await desk.lets(granted, enter=False)
    assert (await desk.mine("GET"))["state"] == "none"


async def test_the_operator_allows_and_the_provider_makes_its_login_on_their_pages(
    desk: Desk, browser: Browser
) -> None:
    async with served(desk.gateway) as base:
        page = await entered(browser, base, OPERATOR_KEY, "zh")
        await page.goto("/office/participants/provider-1")
        await page.get_by_role("button", name="允许直连").click()
        await expect(page.locator("#broker")).to_contain_text("是")
        await seen(page, "participant-zh")

        page = await entered(browser, base, desk.market.provider, "en")
        await page.goto("/keys")
        await page.get_by_role("button", name="Make a login").click()
        password = await page.locator("#login-password").text_content()
        made = {"login": await desk.mine("GET"), "password": password}
        await desk.write(made)
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.locator("summary", has_text="client.properties").click()
        await page.get_by_role("button", name="Copy client.properties").click()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert f'password="{password}"' in copied
        await seen(page, "keys-login-en")
        await page.goto("/keys")
        assert str(password) not in await page.content()
        # A form of another site is refused, as everywhere.
        forged = await page.request.post("/keys/direct", form={"proof": "x"})
        assert forged.status == 403
        await page.get_by_role("link", name="中文").click()
        await seen(page, "keys-login-zh")
        await page.get_by_role("button", name="撤销 ").click()
        await expect(page.get_by_role("button", name="建立登录凭据")).to_be_visible()
        await desk.lets(made, enter=False)


def suanli(home: Path, url: str, key: str, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SUANLI_")}
    more = {
        "SUANLI_API_URL": url,
        "SUANLI_API_KEY": key,
        "SUANLI_CONFIG": str(home / "config.json"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "suanli", "direct", *words],
        env=kept | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


async def test_the_command_line_allows_makes_shows_and_ends_a_login(
    desk: Desk, tmp_path: Path
) -> None:
    provider, file = desk.market.provider, tmp_path / "direct.env"
    async with served(desk.gateway) as url:

        async def direct(key: str, *words: str) -> str:
            return (await asyncio.to_thread(suanli, tmp_path, url, key, *words)).stdout

        assert "provider-1" in await direct(OPERATOR_KEY, "allow", "provider-1")
        printed = await direct(provider, "new-password")
        assert json.loads(await direct(provider, "login", "-o", "json"))["state"] == "active"
        await direct(provider, "new-password", "--file", str(file))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        kept = file.read_text(encoding="utf-8")
        assert kept != printed
        told = [dict(line.split("=", 1) for line in one.splitlines()) for one in (printed, kept)]
        old, new = (DirectAccess.of(one) for one in told)
        for access, may_enter in ((old, False), (new, True)):
            login = {"user": access.user, "write_topic": access.topic}
            made = {"login": login, "password": access.password}
            await desk.lets(made, enter=may_enter)
        await direct(provider, "end-login")
        rows = await direct(provider, "login", "-o", "csv")
        assert "none" in rows.splitlines()[1].split(",")
        withheld = await direct(OPERATOR_KEY, "withhold", "provider-1", "-o", "json")
        assert json.loads(withheld)["allowed"] is False


async def test_a_making_that_breaks_off_leaves_a_login_that_somebody_knows_of(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.allow()
    grant = LogAccess.grant

    async def lost(self: LogAccess, *given: Any) -> None:  # noqa: ANN401 - as it is called
        await grant(self, *given)
        raise LogUnavailableError("broker", "connection lost", 10.0)

    with monkeypatch.context() as patched:
        patched.setattr(LogAccess, "grant", lost)
        assert (await desk.mine("POST", 503))["code"] == "direct.broker"
    assert (await desk.mine("GET"))["state"] == "unfinished"
    made = await desk.mine("POST", 201)
    assert made["login"]["state"] == "active"
    await desk.write(made)


async def test_two_changes_of_one_login_at_once_are_one_after_the_other_or_refused(
    desk: Desk,
) -> None:
    await desk.allow()
    begun, going = asyncio.Event(), asyncio.Event()
    book = adapters.PostgresLoginBook(desk.gateway.service)

    async def slow() -> None:
        begun.set()
        await going.wait()

    making = asyncio.create_task(book.making("provider-1", "key_a", slow))
    await begun.wait()
    for method in ("POST", "DELETE"):
        assert (await desk.mine(method, 409))["code"] == "direct.login_busy"
    going.set()
    assert await making


async def test_the_login_desk_changes_participants_alone_and_the_server_tool_knows_of_it(
    desk: Desk,
) -> None:
    settings = desk.gateway.settings
    prefix = settings.topic_prefix
    access = settings.access()
    assert access is not None
    only = LogAccess(access, users_from=f"{prefix}direct.")
    attempts: list[Callable[[], Awaitable[Any]]] = [
        lambda: only.grant(f"{prefix}login-desk", "another password", []),
        lambda: only.revoke(f"{prefix}login-desk"),
        lambda: only.make_administrator("mine", "another password"),
    ]
    for attempt in attempts:
        with pytest.raises(AccessRefusedError, match="no user that begins"):
            await attempt()
    granted = await direct_access.grant(settings, "provider-1")
    shown = await desk.mine("GET")
    assert (shown["allowed"], shown["state"], shown["changed_by"]) == (True, "active", "operator")
    assert shown["user"] == granted.user
    assert await direct_access.end_login(settings, "provider-1")
    assert not await direct_access.end_login(settings, "provider-1")
    assert await direct_access.revoke(settings, "provider-1") is False
    assert (await desk.mine("GET"))["allowed"] is False


async def test_a_gateway_without_that_right_says_what_the_operator_runs(market: Market) -> None:
    gateway = market.gateway
    await gateway.call("PUT", ACCESS, {"access": "allowed"})
    shown = (await gateway.call("GET", LOGIN, key=market.provider)).json()
    assert (shown["self_service"], shown["state"]) == (False, "unknown")
    for method in ("POST", "DELETE"):
        refused = await gateway.call(method, LOGIN, key=market.provider)
        assert refused.status_code == 409
        assert "suanli-exchange direct grant provider-1" in refused.json()["detail"]
        assert refused.json()["code"] == "direct.not_here"
