"""No one reads, amends or ends what is not theirs: every operation, every role, others' ids.

What `test_any_request` draws is wide; this walk is exact. It takes each operation of the contract,
puts in real ids of two participants who traded, and calls it as everybody else.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
from dataclasses import replace
from typing import Any, NamedTuple

from schemas.generate import ROOT
from suanli.signing import SigningKey
from tests.integration.gateway.conftest import OPERATOR_KEY, Gateway, Json, Market
from tests.integration.gateway.test_sight import HIDDEN, story
from tests.integration.gateway.test_webhooks import allowing

CONTRACT = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
OWNERS = ("provider-1", "enterprise-1")
DAY = "2026-11-24"
ISSUER = "https://issuer.example"
# What says nothing of whose a thing is. An id that stands neither here nor in `theirs` fails the
# walk: whoever adds an operation that takes one says there which of them is another's.
NEUTRAL: dict[str, str] = {
    "market_id": "jingjinji",
    "round_id": "jingjinji:1",
    "from": f"{DAY}T00:00:00Z",
    "to": "2026-11-25T00:00:00Z",
    "day": DAY,
    "kind": "surveillance",
    "table": "allocations",
    "format": "csv",
    "tile": "000.p/1",
    "chip": "ascend-910b",
    "chips": "1",
    "old_size": "0",
    "leaf_index": "0",
    "pool": "bj/a",
    # Anybody who reads may read it.
    "mobilisation_id": "mob_" + "a" * 26,
    # Those who may ask at all see each other's.
    "simulation_id": "sim_" + "a" * 26,
}
SHAPING = {
    *("limit", "cursor", "filter", "dry_run", "state", "window", "group", "levels", "region"),
    *("is_taken", "since", "after", "account", "side", "time", "round", "size", "topic"),
}
# Regulators and the operator act on what is others' by these, and by no others.
GOVERN = {
    "regulator": {
        *("set_standing", "change_case", "set_policy", "simulate_policy"),
        *("propose_mobilisation", "confirm_mobilisation", "end_mobilisation"),
    },
    "operator": {
        *("set_standing", "add_key", "revoke_key", "add_signing_key", "revoke_signing_key"),
        *("deposit", "withdraw", "move_collateral", "reverse", "erase", "register"),
        *("define_market", "set_settlement_terms", "redrive_dead_letter", "discard_dead_letter"),
        *("get_direct_login", "allow_direct_access", "make_direct_login", "end_direct_login"),
        *("add_member", "change_member", "remove_member", "delete_webhook", "simulate_policy"),
        *("propose_mobilisation", "confirm_mobilisation", "end_mobilisation"),
    },
}

Sent = Json | list[Json] | None


class Operation(NamedTuple):
    """An operation of the contract."""

    name: str
    method: str
    path: str
    inputs: tuple[Json, ...]
    body: Sent


def operations() -> list[Operation]:
    """Return every operation that asks who calls."""
    found = []
    for path, item in CONTRACT["paths"].items():
        for method, told in item.items():
            inputs = tuple(one for one in told.get("parameters", ()) if one["in"] != "header")
            if told.get("security"):
                found.append(
                    Operation(told["operationId"], method.upper(), path, inputs, example(told))
                )
    return found


def example(told: Json) -> Sent:
    """Return the example of an operation's body; None if it has none."""
    content = told.get("requestBody", {}).get("content", {}).get("application/json")
    shown: Sent = (content or {}).get("schema", {}).get("examples", [None])[0]
    return shown


def bodies(shown: Sent, theirs: dict[str, list[str]]) -> list[Sent]:
    """Return an example with others' ids wherever it has a field for one."""
    if not isinstance(shown, dict):
        return [shown]
    named = [name for name in shown if name in theirs]
    here = {"market_id": "jingjinji"} if "market_id" in shown else {}
    chosen = itertools.product(*(theirs[name] for name in named))
    return [shown | here | dict(zip(named, ids, strict=True)) for ids in chosen]


def calls(one: Operation, theirs: dict[str, list[str]]) -> list[tuple[str, Json]]:
    """Return path and query of an operation with each of others' ids that it can take."""
    values: dict[str, list[str | None]] = {}
    for told in one.inputs:
        name = told["name"]
        if name in theirs:
            values[name] = [*theirs[name], *([] if told.get("required") else [None])]
        elif name in NEUTRAL:
            values[name] = [NEUTRAL[name]] if told.get("required") else [None]
        else:
            assert name in SHAPING, f"{one.name}: say whose {name} is, in `theirs` or `NEUTRAL`"
    found = []
    for chosen in itertools.product(*values.values()):
        given = {name: value for name, value in zip(values, chosen, strict=True) if value}
        in_path = set(re.findall(r"\{(\w+)\}", one.path))
        path = re.sub(r"\{(\w+)\}", lambda name: given[name[1]], one.path)  # noqa: B023
        found.append((path, {name: value for name, value in given.items() if name not in in_path}))
    return found


async def belongings(market: Market) -> dict[str, list[str]]:
    """Let two participants trade, and return what is theirs by the name of its id."""
    gateway = market.gateway
    ids = await story(market)
    keys, signing, members = [], [], []
    for owner in OWNERS:
        path = f"/v1/participants/{owner}"
        made = await gateway.call("POST", f"{path}/keys", {"scopes": ["read"]})
        assert made.status_code == 201, made.text
        keys.append(made.json()["key"]["key_id"])
        key = SigningKey.generate()
        body = {"public_key": key.public_text, "proof": key.proof(owner)}
        made = await gateway.call("POST", f"{path}/signing-keys", body)
        assert made.status_code == 201, made.text
        signing.append(made.json()["key_id"])
        person = {"issuer": ISSUER, "subject": owner, "name": "Li"}
        made = await gateway.call("POST", f"{path}/members", person)
        assert made.status_code == 201, made.text
        members.append(made.json()["member_id"])
    hook = {"url": "http://127.0.0.1:9/", "events": ["orders.status"]}
    made = await gateway.call("POST", "/v1/webhooks", hook, key=market.enterprise)
    assert made.status_code == 201, made.text
    return {
        "participant_id": list(OWNERS),
        "order_id": [ids["off"], ids["dem"]],
        "key_id": [*keys, *signing],
        "member_id": members,
        "webhook_id": [made.json()["webhook"]["webhook_id"]],
        "message_id": ["msg_0123abcd-1"],
        "order_ref": ["wdr_" + "a" * 26],
        "allocation_id": ["al_" + "a" * 26],
        "entry": ["0"],
        "entry_id": ["31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab"],
        "case_id": ["sc_" + "a" * 26],
        "erasure_id": ["era_" + "a" * 26],
        "letter_id": ["0-17"],
    }


def others_named(path: str, query: Json, body: Sent, theirs: dict[str, list[str]]) -> bool:
    """Return whether a request names anything of theirs."""
    said = {
        *path.split("/"),
        *query.values(),
        *(v for v in (body if isinstance(body, dict) else {}).values() if isinstance(v, str)),
    }
    return any(found in said for ids in theirs.values() for found in ids)


async def state_of(market: Market) -> list[Json]:
    """Return what the owners see of what is theirs."""
    seen = []
    for owner, key in zip(OWNERS, (market.provider, market.enterprise), strict=True):
        for path in (
            *("/v1/offers", "/v1/demand", "/v1/allocations", "/v1/account", "/v1/settlements"),
            *("/v1/participants/me", f"/v1/participants/{owner}/signing-keys"),
            f"/v1/participants/{owner}/keys",
        ):
            reply = await market.gateway.call("GET", path, key=key)
            assert reply.status_code == 200, reply.text
            found = reply.json()
            for row in found if isinstance(found, list) else ():
                row.pop("last_used_at", None)
            seen.append(found)
    return seen


async def walk(
    gateway: Gateway, key: str, theirs: dict[str, list[str]]
) -> list[tuple[str, str, Any, str]]:
    """Call everything with others' ids; return (operation, what was asked, reply, its text)."""
    answers = []
    for one in operations():
        if one.name.startswith("stream_"):
            continue  # They have no end; whose orders they tell is shown in test_streams.
        for (path, query), body in itertools.product(calls(one, theirs), bodies(one.body, theirs)):
            reply = await gateway.call(
                one.method,
                path,
                body,
                key=key,
                params=query,
                headers={"Idempotency-Key": secrets.token_hex(8)},
            )
            asked = f"{one.method} {path} {query} {body or ''}"
            assert reply.status_code < 500, f"{asked}: {reply.text}"
            if others_named(path, query, body, theirs):
                answers.append((one.name, asked, reply.status_code, reply.text))
    return answers


async def test_nobody_reads_amends_or_ends_what_is_not_theirs_by_any_operation(
    market: Market,
) -> None:
    async with allowing(market.gateway, gateway_oidc_issuers=ISSUER) as gateway:
        await _judge(replace(market, gateway=gateway))


async def _judge(market: Market) -> None:
    gateway, theirs = market.gateway, await belongings(market)
    before = await state_of(market)
    for role in ("provider", "enterprise"):
        stranger = await gateway.admit(f"{role}-2", role)
        answers = await walk(gateway, stranger, theirs)
        # A body or an id that is malformed would prove nothing.
        judged = {name for name, _, status, _ in answers if status != 422}
        assert judged == {name for name, *_ in answers}
        assert len(judged) >= 35
        for name, asked, status, text in answers:
            if asked.startswith("GET") and status == 200:
                leaked = [found for found in HIDDEN.findall(text) if found not in asked]
                assert not leaked, f"{asked}: {text[:300]}"
                assert not json.loads(text).get("items"), f"{name} {asked}: {text[:300]}"
            else:
                assert status >= 400, f"{name} {asked}: {text[:300]}"
    assert await state_of(market) == before
    for role, key in (("regulator", market.regulator), ("operator", OPERATOR_KEY)):
        for name, asked, status, text in await walk(gateway, key, theirs):
            if not asked.startswith("GET") and name not in GOVERN[role]:
                assert status >= 400, f"{role} {name} {asked}: {text[:300]}"
