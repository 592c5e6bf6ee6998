"""Which signing keys count is on the log: whoever has it alone knows, a new database too."""

from __future__ import annotations

import asyncio

from schemas.codec import decode
from schemas.signing_keys import SigningKeySet
from services.gateway.adapters.http import examples
from services.gateway.adapters.projection import LEASE, TOPICS, Projection
from services.gateway.main import MIGRATIONS
from services.kit.kafka import LogReader
from services.kit.postgres import LeaseKeeper, create_pool, migrate
from tests.integration.gateway.conftest import Gateway, Json, Market

KEYS = "/v1/participants/provider-1/signing-keys"
BODY: Json = examples.SIGNING_KEY_NEW.examples[0]
STANDING = (
    "SELECT participant_id, key_id, public_key, revoked_at IS NULL AS counts FROM signing_key"
)


async def told(gateway: Gateway, count: int) -> list[tuple[str, str]]:
    """Return (key, state) of what the log tells of keys, once it tells so much."""
    reader = LogReader(gateway.settings, ["participants"])
    await reader.start({})
    found: list[tuple[str, str]] = []
    try:
        async with asyncio.timeout(30):
            while len(found) < count:
                for record in await reader.read(timeout_ms=200):
                    data = decode(record.value, record.headers).data
                    if isinstance(data, SigningKeySet):
                        found.append((data.key_id, data.state))
    finally:
        await reader.stop()
    return found


async def test_a_database_made_anew_knows_from_the_log_which_keys_count(market: Market) -> None:
    gateway, mine = market.gateway, market.provider
    added = [await gateway.call("POST", KEYS, BODY, key=mine) for _ in range(2)]
    assert [reply.status_code for reply in added] == [201, 201], added[0].text
    key_id = added[0].json()["key_id"]
    assert set(await told(gateway, 2)) == {(key_id, "active")}

    revoked = await gateway.call("DELETE", f"{KEYS}/{key_id}", key=mine)
    assert revoked.status_code == 200, revoked.text
    assert (await told(gateway, 3))[-1] == (key_id, "revoked")
    again = await gateway.call("POST", KEYS, BODY, key=mine)
    assert again.json()["code"] == "direct.revoked_key"
    unknown = await gateway.call("DELETE", f"{KEYS}/dk_{'0' * 32}", key=mine)
    assert unknown.status_code == 404

    settings = gateway.settings.model_copy(
        update={"schema_prefix": f"{gateway.settings.schema_prefix}new_"}
    )
    schema = settings.schema_of("gateway")
    await migrate(settings.postgres_dsn, schema, MIGRATIONS)
    pool = await create_pool(settings.postgres_dsn, schema, max_size=4)
    stop = asyncio.Event()
    keeper = LeaseKeeper(pool, LEASE, "new")
    reading = asyncio.create_task(Projection(pool, LogReader(settings, TOPICS), keeper).run(stop))
    try:
        rows = await gateway.eventually(
            lambda: pool.fetch(STANDING), lambda rows: rows and not rows[0]["counts"]
        )
        assert [dict(row) for row in rows] == [
            dict(row) for row in await gateway.pool.fetch(STANDING)
        ]
        assert rows[0]["key_id"] == key_id
    finally:
        stop.set()
        await reading
        await pool.close()
