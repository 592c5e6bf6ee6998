"""What is refused leaves no trace on the log or in the schema."""

from __future__ import annotations

from schemas.types import Role
from tests.integration.gateway.conftest import OPERATOR_KEY, Market, offer
from tests.unit.gateway.bad_inputs import BAD_INPUTS


async def test_every_bad_input_is_refused_and_nothing_of_it_reaches_the_log(
    market: Market,
) -> None:
    gateway = market.gateway
    keys = {
        Role.PROVIDER: market.provider,
        Role.ENTERPRISE: market.enterprise,
        Role.OPERATOR: OPERATOR_KEY,
    }
    for number, bad in enumerate(BAD_INPUTS):
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"bad-{number}"}
        headers |= bad.headers
        raw = isinstance(bad.body, bytes)
        reply = await gateway.call(
            "POST",
            bad.path,
            None if raw else bad.body,
            key=keys[bad.role],
            headers=headers,
            **({"content": bad.body} if raw else {}),
        )
        assert (reply.status_code, reply.json()["code"]) == (bad.status, bad.code), bad.name
    assert await gateway.pool.fetchval("SELECT count(*) FROM orders") == 0
    assert await gateway.pool.fetchval("SELECT count(*) FROM idempotency") == 0
    good = await gateway.submit("offers", offer(), market.provider, "good")
    # The first record of its topic: no bad input took an offset before it.
    assert good.json()["offset"] == 0
