"""What a key may do, operation by operation, and what it may hand on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from schemas.identity import Scope
from schemas.types import Role
from services.gateway.adapters.http.server import openapi
from services.gateway.app.keys import hash_key
from services.gateway.app.scopes import scopes_of
from services.gateway.ports import Principal
from tests.unit.gateway.bad_inputs import offer
from tests.unit.gateway.memory import KEYS, MemoryGateway

# What anybody may read. Whoever adds an operation without a key writes it down here.
PUBLIC = {
    "get_audit",
    "get_book",
    "get_checkpoint",
    "get_consistency",
    "get_finality",
    "get_inclusion",
    "get_log_key",
    "get_market",
    "get_phase",
    "get_policy_costs",
    "get_receipt_key",
    "get_round",
    "get_round_file",
    "get_round_prices",
    "get_tile",
    "get_window_depth",
    "list_curves",
    "list_exports",
    "list_indicative_prices",
    "list_indices",
    "list_issuers",
    "list_log_heads",
    "list_market_definitions",
    "list_markets",
    "list_links",
    "list_pauses",
    "list_policies",
    "list_policy_costs",
    "list_prices",
    "list_rounds",
    "list_settlement_terms",
    "list_shares",
    "list_statistics",
    "list_windows",
    "stream_prices",
    "stream_rounds",
}
# What changes nothing although it is no GET.
ASKS = {"quote_demand"}
SAMPLES = {
    "order_id": "off_" + "a" * 26,
    "participant_id": "provider-1",
    "key_id": "key_" + "a" * 16,
    "member_id": "mbr_" + "a" * 16,
    "case_id": "sc_" + "a" * 26,
    "mobilisation_id": "mob_" + "a" * 26,
    "simulation_id": "sim_" + "a" * 26,
}


def operations() -> list[tuple[str, str, str, Scope | None]]:
    """Return (method, path, name, scope) of every operation."""
    found = []
    for path, item in openapi()["paths"].items():
        for method, operation in item.items():
            named = [scopes for one in operation.get("security", []) for scopes in one.values()]
            assert len({tuple(scopes) for scopes in named}) <= 1, path
            scope = Scope(named[0][0]) if named else None
            found.append((method.upper(), path, operation["operationId"], scope))
    return found


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: SAMPLES.get(name[1], "1"), path)


def test_every_operation_declares_who_may_or_is_known_to_be_public() -> None:
    for method, _, name, scope in operations():
        assert (scope is None) == (name in PUBLIC), f"{name}: declare a scope, or list it here"
        if method != "GET":
            assert scope is not Scope.READ or name in ASKS, f"{name} changes things under read"


GUARDED = [one for one in operations() if one[3] is not None]


@pytest.mark.parametrize(("method", "path", "name", "scope"), GUARDED, ids=[g[2] for g in GUARDED])
async def test_without_its_scope_no_key_does_an_operation(
    method: str, path: str, name: str, scope: Scope
) -> None:
    gateway = MemoryGateway()
    for role in Role:
        rest = scopes_of(role) - {scope}
        who = Principal(f"{role.value}-1", role, "key_some", scopes=rest)
        gateway.directory.principals[hash_key(f"sk_{role.value}")] = who
    async with gateway.http() as http:
        for role in Role:
            headers = {"Authorization": f"Bearer sk_{role.value}", "Idempotency-Key": "k"}
            reply = await http.request(method, filled(path), headers=headers)
            problem = reply.json()
            assert reply.status_code == 403, (name, role, reply.text)
            if scope in scopes_of(role):
                assert problem["code"] == "auth.missing_scope"
                assert problem["errors"][0]["allowed"] == scope.value
            else:
                assert problem["code"] == "auth.wrong_role"
            assert scope.value in problem["detail_zh"] or problem["code"] == "auth.wrong_role"


async def made(http: Any, key: str, body: object, who: str = "provider-1") -> Any:  # noqa: ANN401
    headers = {"Authorization": f"Bearer {key}"}
    return await http.post(f"/v1/participants/{who}/keys", json=body, headers=headers)


async def test_a_key_only_reads_unless_more_is_asked_for_and_lives_a_year() -> None:
    async with MemoryGateway().http() as http:
        reply = await made(http, KEYS[Role.PROVIDER], {})
        assert reply.status_code == 201, reply.text
        assert reply.json()["key"]["scopes"] == ["read"]
        assert reply.json()["key"]["expires_at"].startswith("2027-11-24")
        mine = {"Authorization": f"Bearer {reply.json()['api_key']}", "Idempotency-Key": "k"}
        assert (await http.get("/v1/offers", headers=mine)).status_code == 200
        refused = await http.post("/v1/offers", json=offer(), headers=mine)
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.missing_scope")


async def test_nobody_grants_more_than_he_has_or_than_the_role_may() -> None:
    gateway = MemoryGateway()
    key, scopes = "sk_key-admin", frozenset({Scope.READ, Scope.ADMIN})
    gateway.directory.principals[hash_key(key)] = Principal(
        "provider-1", Role.PROVIDER, "key_a", scopes=scopes
    )
    async with gateway.http() as http:
        own = await made(http, key, {"scopes": ["read", "admin"]})
        over = await made(http, key, {"scopes": ["read", "trade"]})
        role = await made(http, KEYS[Role.PROVIDER], {"scopes": ["govern"]})
        operator = await made(http, KEYS[Role.OPERATOR], {"scopes": ["trade", "money"]})
        too_much = await made(http, KEYS[Role.OPERATOR], {"scopes": ["govern"]})
        other = await made(http, KEYS[Role.ENTERPRISE], {"scopes": ["read"]})
        bad = await made(http, KEYS[Role.PROVIDER], {"scopes": ["all"], "expires_in_days": 0})
    assert [own.status_code, operator.status_code, other.status_code] == [201, 201, 404]
    for reply, found, allowed in (
        (over, "trade", "read, admin"),
        (role, "govern", "read, trade, money, admin"),
        (too_much, "govern", "read, trade, money, admin"),
    ):
        assert (reply.status_code, reply.json()["code"]) == (422, "validation.scopes")
        fault = reply.json()["errors"][0]
        assert (fault["field"], fault["value"], fault["allowed"]) == ("scopes", found, allowed)
    assert {"scopes.0", "expires_in_days"} <= {one["field"] for one in bad.json()["errors"]}


async def test_acts_are_recorded_before_they_are_done_with_how_they_were_answered() -> None:
    gateway = MemoryGateway()
    async with gateway.http() as http:
        mine = {"Authorization": f"Bearer {KEYS[Role.PROVIDER]}"}
        await http.post("/v1/participants/provider-1/keys", json={}, headers=mine)
        await http.post("/v1/participants/enterprise-1/keys", json={}, headers=mine)
        await http.post("/v1/participants/provider-1/keys", json={"label": 5}, headers=mine)
        await http.get("/v1/participants/provider-1/keys", headers=mine)
        await http.post("/v1/markets", json={}, headers=mine)
    told = [(act.act, act.scope.value, act.principal.key_id) for act in gateway.acts.begun]
    assert told == [("add_key", "admin", "key_provider")] * 3 + [
        ("define_market", "govern", "key_provider")
    ]
    assert gateway.acts.ended == {1: 201, 2: 404, 3: 422, 4: 403}
    assert gateway.acts.begun[1].object == "/v1/participants/enterprise-1/keys"
