"""Secrets of webhooks in the database: sealed, sealed anew when keys change, lost without them."""

from __future__ import annotations

from base64 import b64encode

import pytest
from pydantic import SecretStr

from services.gateway.adapters.webhook_secrets import WebhookSecrets
from services.gateway.errors import UnavailableError
from services.kit.errors import SettingsError
from services.kit.sealing import Sealer
from suanli.webhooks import verify
from tests.integration.gateway.conftest import Gateway, Market
from tests.integration.gateway.receiving import receiving
from tests.integration.gateway.test_webhooks import SETTINGS, added, allowing

OLD = SETTINGS["gateway_webhook_keys"].get_secret_value()
NEW = f"k2:{b64encode(b'2' * 32).decode()}"
NEW_SETTING = SecretStr(NEW)


def with_keys(gateway: Gateway, keys: str) -> WebhookSecrets:
    return WebhookSecrets(gateway.pool, Sealer.parse(keys))


async def in_base(gateway: Gateway) -> list[tuple[str | None, bytes]]:
    rows = await gateway.pool.fetch("SELECT key_id, secret FROM webhook_secret ORDER BY webhook_id")
    return [(row["key_id"], row["secret"]) for row in rows]


async def test_secrets_are_sealed_follow_the_keys_and_sign_as_before(market: Market) -> None:
    async with allowing(market.gateway) as gateway, receiving() as receiver:
        made = await added(gateway, receiver, market.enterprise)
        name = made["webhook"]["webhook_id"]
        (plain,) = await with_keys(gateway, OLD).of(name)
        assert made["secret"] == "whsec_" + b64encode(plain).decode()
        ((key, sealed),) = await in_base(gateway)
        assert (key, plain in sealed) == ("k1", False)

        # One of before that was never sealed, and one whose time is over.
        await gateway.pool.execute(
            "INSERT INTO webhook_secret (webhook_id, secret, created_at, valid_until) VALUES"
            " ($1, $2, now() - interval '2 h', now() + interval '1 h'),"
            " ($1, $2, now() - interval '3 h', now() - interval '1 h')",
            *(name, b"p" * 32),
        )
        assert await with_keys(gateway, OLD).of(name) == [plain, b"p" * 32]
        assert await with_keys(gateway, f"{NEW},{OLD}").seal_all() == 2
        assert {key for key, _ in await in_base(gateway)} == {"k2"}
        assert await with_keys(gateway, NEW).seal_all() == 0
        assert await with_keys(gateway, NEW).of(name) == [plain, b"p" * 32]

        # A gateway that has not heard of the new key says so, and one that has signs as before.
        path = f"/v1/webhooks/{name}/ping"
        refused = await gateway.call("POST", path, key=market.enterprise)
        assert (refused.status_code, refused.json()["code"]) == (503, "webhook.secret_unreadable")
    renewed = allowing(market.gateway, gateway_webhook_keys=NEW_SETTING)
    async with renewed as gateway, receiving() as receiver:
        await gateway.pool.execute("UPDATE webhook SET url = $1", receiver.url())
        await gateway.call("POST", path, key=market.enterprise)
        headers, body = receiver.taken[-1]
        assert verify(made["secret"], headers, body)["type"] == "webhook.ping"


async def test_a_gateway_does_not_start_without_the_keys_of_what_is_sealed(
    market: Market,
) -> None:
    async with allowing(market.gateway) as gateway, receiving() as receiver:
        one = await added(gateway, receiver, market.enterprise)
        two = await added(gateway, receiver, market.enterprise)
    before = await in_base(gateway)
    for keys in ("", NEW):
        with pytest.raises(SettingsError, match="with the key k1"):
            await with_keys(gateway, keys).seal_all()
    other = f"{NEW},k1:{b64encode(b'o' * 32).decode()}"
    with pytest.raises(SettingsError, match="as it was when it sealed"):
        await with_keys(gateway, other).seal_all()
    assert await in_base(gateway) == before

    # Whoever can write to the database cannot give one webhook another's secret.
    names = [made["webhook"]["webhook_id"] for made in (one, two)]
    await gateway.pool.execute(
        "UPDATE webhook_secret AS t SET secret = s.secret FROM webhook_secret AS s"
        " WHERE t.webhook_id = $1 AND s.webhook_id = $2",
        *names,
    )
    with pytest.raises(UnavailableError):
        await with_keys(gateway, OLD).of(names[0])
