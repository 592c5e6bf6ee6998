"""Claims of many callers in one statement: each is its own, and one that fails fails alone."""

from __future__ import annotations

import asyncio
import uuid

import asyncpg

from services.gateway.adapters.intents import PostgresIntents
from services.gateway.app.once import intent_of, make_intent
from services.gateway.ports import Claim, Done, Intent
from tests.integration.gateway.conftest import Gateway

WHO = ("first", "second", "third", "fourth", "fifth")


async def test_callers_share_statements_and_none_takes_or_spoils_what_is_anothers(
    gateway: Gateway,
) -> None:
    intents = PostgresIntents(gateway.pool)
    good = make_intent("k1", "test", {"n": 1})
    # Postgres' JSON has no such character; nothing that is validated gets this far with it.
    bad = Intent("k2", good.sha256, '{"text":"\\u0000"}')

    async def claimed(who: str, *wanted: Intent) -> list[Claim]:
        return await intents.claim(who, str(uuid.uuid4()), wanted)

    async def same_key(who: str) -> bool:
        (claim,) = await claimed(who, good)
        return claim.mine

    # One key of five participants is five keys; five claims of one of them are one.
    found = await asyncio.gather(*(same_key(who) for who in WHO for _ in range(5)))
    assert [sum(found[at : at + 5]) for at in range(0, 25, 5)] == [1] * 5

    wanted = [claimed(who, bad if who == "third" else make_intent("k2", "a", {})) for who in WHO]
    outcomes = await asyncio.gather(*wanted, return_exceptions=True)
    assert isinstance(outcomes[2], asyncpg.DataError)
    assert [one for one in outcomes if not isinstance(one, BaseException)] == [
        [Claim(mine=True)]
    ] * 4

    # Whoever comes later sees the first body and its reply.
    done = [Done(who, [("k1", '"\\u0000"' if who == "second" else f'"{who}"')], []) for who in WHO]
    kept = await intents.complete(done)
    assert [type(error) for error in kept if error is not None] == [
        asyncpg.UntranslatableCharacterError
    ]
    seen = await asyncio.gather(*(claimed(who, good) for who in WHO))
    assert [one.reply for (one,) in seen] == [
        None if who == "second" else f'"{who}"' for who in WHO
    ]
    assert {one.mine for (one,) in seen} == {False}


async def test_a_claim_is_taken_over_by_the_same_wish_however_it_is_written(
    gateway: Gateway,
) -> None:
    intents = PostgresIntents(gateway.pool)
    token = str(uuid.uuid4())
    wish = intent_of("k3", '{"n":1,"operation":"test"}')
    assert (await intents.claim("first", token, [wish]))[0].mine
    await intents.expire([("first", token, "k3")])
    other = intent_of("k3", '{"n":2,"operation":"test"}')
    assert not (await intents.claim("first", str(uuid.uuid4()), [other]))[0].mine
    # As a gateway of another version may write it.
    same = intent_of("k3", '{"operation": "test", "n": 1}')
    assert (await intents.claim("first", str(uuid.uuid4()), [same]))[0].mine
