"""Keys that expire, shared token buckets and the record of acts, on the real database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from schemas.codec import decode
from schemas.standing import ParticipantStandingSet
from services.gateway.adapters import sight
from services.gateway.adapters.acts import PostgresShares
from services.gateway.main import MIGRATIONS
from services.kit.kafka import LogReader
from tests.conftest import Stack
from tests.integration.gateway.conftest import Gateway, Market, offer
from tests.integration.migrating import schema_before


async def test_a_key_has_its_scopes_expires_and_tells_when_it_was_used(market: Market) -> None:
    gateway = market.gateway
    path = "/v1/participants/provider-1/keys"
    reply = await gateway.call(
        "POST", path, {"label": "bot", "expires_in_days": 2}, key=market.provider
    )
    assert reply.status_code == 201, reply.text
    made, secret = reply.json()["key"], reply.json()["api_key"]
    lives = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=2, minutes=-5) < lives <= timedelta(days=2)
    assert (made["scopes"], made["last_used_at"]) == (["read"], None)
    assert (await gateway.call("GET", "/v1/offers", key=secret)).status_code == 200
    refused = await gateway.submit("offers", offer(), secret, "k1")
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.missing_scope")

    listed = {one["key_id"]: one for one in (await gateway.call("GET", path)).json()}
    assert listed[made["key_id"]]["last_used_at"] is not None
    (first,) = (one for one in listed.values() if one["label"] == "first")
    assert first["scopes"] == ["read", "trade", "money", "admin"]
    assert (first["created_by"], made["created_by"]) == ("bootstrap", first["key_id"])

    await gateway.pool.execute(
        "UPDATE api_key SET expires_at = now() WHERE key_id = $1", made["key_id"]
    )

    async def status() -> int:
        return (await gateway.call("GET", "/v1/offers", key=secret)).status_code

    await gateway.eventually(status, lambda found: found == 401)


async def test_the_record_of_acts_only_grows_and_shows_each_his_own(market: Market) -> None:
    gateway = market.gateway
    path = "/v1/participants/provider-1/keys"
    await gateway.call("POST", path, {}, key=market.provider)
    await gateway.call("POST", path, {}, key=market.enterprise)
    acts = (await gateway.call("GET", "/v1/admin-acts")).json()["items"]
    seen = (await gateway.call("GET", "/v1/admin-acts", key=market.regulator)).json()["items"]
    for listed in (acts, seen):
        assert [(one["act"], one["outcome"], one["status"]) for one in listed] == [
            ("add_key", "refused", 404),
            ("add_key", "done", 201),
            *[("register", "done", 201)] * 3,
            ("define_market", "done", 202),
        ]
    assert acts[0]["participant_id"] == "enterprise-1"
    assert acts[-1]["credential_id"] == "bootstrap"
    assert len(acts[-1]["body_sha256"]) == 64
    own = (await gateway.call("GET", "/v1/admin-acts", key=market.provider)).json()["items"]
    assert [one["participant_id"] for one in own] == ["provider-1"]
    other = await gateway.call(
        "GET", "/v1/admin-acts?participant_id=enterprise-1", key=market.provider
    )
    assert other.status_code == 404
    # The database says the same: each reader sees his own, and nobody changes any.
    for identity, count in (("", 0), ("enterprise-1", 1), ("provider-2", 0), ("*", 6)):
        token = sight._sight.set(identity)
        for table in ("admin_act", "admin_act_end"):
            found = await gateway.reader.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
            assert found == count, (identity, table)
        sight._sight.reset(token)
    for table in ("admin_act", "admin_act_end"):
        for sql in (f"UPDATE {table} SET at = now()", f"DELETE FROM {table}", f"TRUNCATE {table}"):  # noqa: S608
            with pytest.raises(asyncpg.PostgresError, match="only grows"):
                await gateway.pool.execute(sql)
    with pytest.raises(asyncpg.PostgresError, match="permission denied"):
        await gateway.reader.execute("SELECT * FROM rate_bucket")


async def test_an_act_that_was_not_answered_is_unknown(market: Market) -> None:
    gateway = market.gateway
    await gateway.pool.execute(
        "INSERT INTO admin_act (participant_id, role, credential_id, scope, act, object)"
        " VALUES ('provider-1', 'provider', 'key_x', 'admin', 'add_key', '/')"
    )
    acts = (await gateway.call("GET", "/v1/admin-acts?limit=1")).json()["items"]
    assert (acts[0]["outcome"], acts[0]["status"]) == ("unknown", None)


async def test_gateways_that_draw_at_once_never_get_more_than_the_bucket_holds(
    gateway: Gateway,
) -> None:
    shares = PostgresShares(gateway.pool)
    # A rate of so little that nothing comes back while the test runs.
    drawn = await asyncio.gather(*(shares.take("b", 7, 1e-6, 100) for _ in range(40)))
    assert sum(taken for taken, _ in drawn) == 100
    await gateway.pool.execute("UPDATE rate_bucket SET filled_at = filled_at - interval '10 s'")
    taken, left = await shares.take("b", 30, 2.0, 100)
    assert taken in (20, 21)
    assert 0 <= left < 1
    await gateway.pool.execute("UPDATE rate_bucket SET filled_at = filled_at - interval '1 hour'")
    assert (await shares.take("b", 500, 2.0, 100))[0] == 100


OLD = """
INSERT INTO participant (participant_id, role, name, status, registered_at, log_offset)
SELECT role || '-1', role, role, 'active', now(), n
FROM unnest('{provider,enterprise,regulator,operator}'::text[]) WITH ORDINALITY AS r (role, n);
INSERT INTO api_key (key_id, participant_id, sha256, label)
SELECT 'key_' || role, participant_id, sha256(role::bytea), 'old' FROM participant;
"""


async def test_keys_from_before_keep_what_their_role_may_and_do_not_expire(stack: Stack) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0009") as before:
        await before.conn.execute(OLD)
        await before.upgrade()
        rows = await before.conn.fetch("SELECT key_id, scopes, expires_at FROM api_key")
        assert {row["key_id"]: (row["scopes"], row["expires_at"]) for row in rows} == {
            "key_provider": (["read", "trade", "money", "admin"], None),
            "key_enterprise": (["read", "trade", "admin"], None),
            "key_regulator": (["read", "govern", "admin"], None),
            "key_operator": (["read", "money", "govern", "admin"], None),
        }
        for wrong in ("{all}", "{}"):
            with pytest.raises(asyncpg.CheckViolationError):
                await before.conn.execute("UPDATE api_key SET scopes = $1::text::text[]", wrong)


async def test_who_is_suspended_reads_and_no_more_and_every_market_is_told(market: Market) -> None:
    gateway = market.gateway
    path = "/v1/participants/provider-1/standing"
    away = {"status": "suspended", "reason": "Deliveries are under investigation."}
    assert (await gateway.submit("offers", offer(), market.provider, "k1")).status_code == 202
    refused = [
        await gateway.call("PUT", path, away, key=market.provider),
        await gateway.call("PUT", path, away, key=market.enterprise),
        await gateway.call("PUT", "/v1/participants/nobody/standing", away),
        await gateway.call("PUT", "/v1/participants/regulator-1/standing", away),
        await gateway.call("PUT", path, {"status": "gone", "reason": " "}),
    ]
    assert [one.status_code for one in refused] == [403, 403, 404, 422, 422]
    assert refused[3].json()["code"] == "validation.no_trader"

    done = await gateway.call("PUT", path, away, key=market.regulator)
    assert done.status_code == 202, done.text
    assert done.json()["topic"] == "participants"

    async def submitted() -> httpx.Response:
        return await gateway.submit("offers", offer(), market.provider, "k2")

    told = await gateway.eventually(submitted, lambda reply: reply.status_code == 403)
    assert told.json()["code"] == "auth.suspended"
    mine = await gateway.call("GET", "/v1/participants/me", key=market.provider)
    assert mine.json()["status"] == "suspended"
    assert (await gateway.call("PUT", path, away | {"status": "active"})).status_code == 202
    await gateway.eventually(submitted, lambda reply: reply.status_code == 202)

    reader = LogReader(gateway.settings, ("policies",))
    await reader.start({})
    async with asyncio.timeout(30):
        seen = list[ParticipantStandingSet]()
        while len(seen) < 2:
            for record in await reader.read():
                data = decode(record.value, record.headers).data
                if isinstance(data, ParticipantStandingSet):
                    seen.append(data)
    await reader.stop()
    assert [(one.market_id, one.status) for one in seen] == [
        ("jingjinji", "suspended"),
        ("jingjinji", "active"),
    ]
