"""Who may do what, route by route."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.types import Role
from services.gateway.adapters.http import examples
from tests.unit.gateway.bad_inputs import demand, offer
from tests.unit.gateway.memory import KEYS, MemoryGateway

PARTY = {"participant_id": "new-1", "role": "provider", "name": "New"}
POLICY: dict[str, Any] = {
    "policy_id": "share",
    "market_id": "jingjinji",
    "version": 1,
    "rule": {"kind": "price_limits", "cap": 300_000},
    "reason": "Plan of the city.",
}
DELIVERY = {
    "allocation_id": "al_" + "a" * 26,
    "periods": [{"start": "2026-11-24T05:00:00Z", "chips": 1}],
}
DEPOSIT = {"amount": 1, "reference": "r"}
COLLATERAL = {"direction": "in", "amount": 1}
STATEMENT = "/v1/account/statement?from=2026-11-24T00:00:00Z&to=2026-11-25T00:00:00Z"
REVERSAL = {"entry_id": "31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab", "reason": "r"}
ERASURE = REVERSAL | {"confirm": "59" * 32}
ERASED = "/v1/erasures/era_" + "a" * 26
LETTER = "/v1/dead-letters/0-17"
DAY = "market_id=jingjinji&day=2026-11-24"
DELIVERY_WINDOW = "from=2026-11-24T12:00:00Z&to=2026-11-24T14:00:00Z"
CASE = "sc_" + "a" * 26
CASE_STATE = {"state": "closed", "reason": "r", "expected_version": 0}

WRITES: list[tuple[str, str, Any, set[Role]]] = [
    ("POST", "/v1/offers", offer(), {Role.PROVIDER}),
    ("POST", "/v1/offers:bulk", [offer() | {"idempotency_key": "b"}], {Role.PROVIDER}),
    ("POST", "/v1/demand", demand(), {Role.ENTERPRISE}),
    ("POST", "/v1/demand:bulk", [demand() | {"idempotency_key": "b"}], {Role.ENTERPRISE}),
    ("POST", "/v1/orders:cancel-all", None, {Role.PROVIDER, Role.ENTERPRISE}),
    ("POST", "/v1/participants", PARTY, {Role.OPERATOR}),
    ("POST", "/v1/participants/provider-1/deposits", DEPOSIT, {Role.OPERATOR}),
    ("POST", "/v1/participants/provider-1/withdrawals", DEPOSIT, {Role.OPERATOR}),
    (
        "POST",
        "/v1/participants/enterprise-1/collateral",
        COLLATERAL,
        {Role.PROVIDER, Role.ENTERPRISE, Role.OPERATOR},
    ),
    (
        "POST",
        "/v1/participants/provider-1/collateral",
        COLLATERAL,
        # To an enterprise another's is not there; its own, which resales may cost, it moves.
        {Role.PROVIDER, Role.ENTERPRISE, Role.OPERATOR},
    ),
    ("PUT", "/v1/participants/provider-1/direct-access", {"access": "allowed"}, {Role.OPERATOR}),
    ("POST", "/v1/reversals", REVERSAL, {Role.OPERATOR}),
    ("POST", "/v1/erasures", ERASURE, {Role.OPERATOR}),
    ("GET", "/v1/erasures", None, {Role.OPERATOR, Role.REGULATOR}),
    ("GET", ERASED, None, {Role.OPERATOR, Role.REGULATOR}),
    ("GET", "/v1/dead-letters", None, {Role.OPERATOR, Role.REGULATOR}),
    ("GET", LETTER, None, {Role.OPERATOR, Role.REGULATOR}),
    ("POST", f"{LETTER}/redrive", None, {Role.OPERATOR}),
    ("POST", f"{LETTER}/discard", {"reason": "r"}, {Role.OPERATOR}),
    ("POST", "/v1/settlement-terms", examples.SETTLEMENT_TERMS, {Role.OPERATOR}),
    ("POST", "/v1/markets", examples.MARKET, {Role.OPERATOR}),
    ("POST", "/v1/policies", POLICY, {Role.REGULATOR}),
    ("POST", "/v1/deliveries", DELIVERY, {Role.PROVIDER}),
    ("GET", "/v1/participants", None, {Role.OPERATOR, Role.REGULATOR}),
    ("GET", "/v1/surveillance/cases", None, {Role.REGULATOR}),
    ("GET", f"/v1/surveillance/cases/{CASE}", None, {Role.REGULATOR}),
    ("GET", f"/v1/reports/surveillance?{DAY}", None, {Role.REGULATOR}),
    ("GET", f"/v1/reports/concentration?{DAY}", None, {Role.REGULATOR}),
    ("GET", f"/v1/reports/emergency-use?{DAY}", None, {Role.REGULATOR, Role.OPERATOR}),
    ("GET", f"/v1/reports/clock?{DAY}", None, {Role.REGULATOR, Role.OPERATOR}),
    ("GET", f"/v1/reports/linkage?{DAY}", None, {Role.REGULATOR, Role.OPERATOR}),
    ("GET", f"/v1/reports/dead-letters?{DAY}", None, {Role.REGULATOR, Role.OPERATOR}),
    ("GET", f"/v1/reports/domestic-share?{DAY}", None, set(Role)),
    ("GET", f"/v1/reports/regional-flows?{DAY}", None, set(Role)),
    ("GET", f"/v1/reports/price-convergence?{DAY}", None, set(Role)),
    ("POST", f"/v1/surveillance/cases/{CASE}/state", CASE_STATE, {Role.REGULATOR}),
]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    # Named by method and path: a set of roles prints in another order in each worker.
    ("method", "path", "body", "allowed"),
    WRITES,
    ids=[f"{row[0]} {row[1]}" for row in WRITES],
)
async def test_only_the_roles_that_may_get_past_the_door(
    method: str, path: str, body: object, allowed: set[Role], role: Role
) -> None:
    headers = {"Authorization": f"Bearer {KEYS[role]}", "Idempotency-Key": "k1"}
    async with MemoryGateway().http() as http:
        reply = await http.request(method, path, json=body, headers=headers)
    if role in allowed:
        assert reply.status_code in (200, 201, 202, 404), reply.text
    else:
        assert (reply.status_code, reply.json()["code"]) == (403, "auth.wrong_role")


PRIVATE = [
    "/v1/offers",
    "/v1/demand",
    "/v1/allocations",
    "/v1/account",
    "/v1/account/entries",
    "/v1/account/statement?from=2026-11-24T00:00:00Z&to=2026-11-25T00:00:00Z",
    "/v1/account/statement/entries?from=2026-11-24T00:00:00Z&to=2026-11-25T00:00:00Z",
    "/v1/account/invoices",
    "/v1/account/invoices/2026-11-24",
    "/v1/account/invoices/2026-11-24/lines",
    "/v1/settlements",
    "/v1/refusals",
    "/v1/money-orders/wdr_" + "a" * 26,
    "/v1/participants",
    "/v1/participants/me",
    "/v1/participants/provider-1/keys",
    "/v1/participants/provider-1/direct-login",
    "/v1/offers/off_" + "a" * 26,
    "/v1/orders/off_" + "a" * 26 + "/history",
    "/v1/orders/off_" + "a" * 26 + "/life",
    "/v1/book/at?market_id=jingjinji&round=1",
    "/v1/streams/orders",
]
PUBLIC = [
    "/v1/settlement-terms",
    "/v1/markets",
    "/v1/markets/jingjinji",
    "/v1/policies",
    "/v1/rounds",
    "/v1/prices?market_id=jingjinji",
    "/v1/book?market_id=jingjinji",
    "/v1/statistics?market_id=jingjinji",
    "/v1/exports?market_id=jingjinji",
    "/v1/book/windows?market_id=jingjinji",
    f"/v1/book/depth?market_id=jingjinji&{DELIVERY_WINDOW}",
    f"/v1/book/curves?market_id=jingjinji&{DELIVERY_WINDOW}",
    "/v1/indices?market_id=jingjinji&window=hour",
    "/v1/findings",
    "/v1/audit",
    "/v1/log/finality",
    "/livez",
    "/readyz",
    "/metrics",
    "/docs",
    "/openapi.json",
]


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer sk_unknown", "Basic abc", "Bearer " + "x" * 5000]
)
async def test_what_is_private_needs_a_key(path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with MemoryGateway().http() as http:
        reply = await http.get(path, headers=headers)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.json()["code"].startswith("auth.key_")


@pytest.mark.parametrize("path", PUBLIC)
async def test_what_is_public_needs_none(path: str) -> None:
    async with MemoryGateway().http() as http:
        reply = await http.get(path)
    assert reply.status_code == 200


async def test_the_bootstrap_key_is_the_operator() -> None:
    headers = {"Authorization": "Bearer bootstrap-key-of-tests"}
    async with MemoryGateway().http() as http:
        made = await http.post("/v1/participants", json=PARTY, headers=headers)
        assert made.status_code == 201
        mine = {"Authorization": f"Bearer {made.json()['api_key']}"}
        me = await http.get("/v1/participants/me", headers=mine)
        operator = await http.get("/v1/participants/me", headers=headers)
    assert me.json()["participant_id"] == "new-1"
    assert operator.status_code == 200
    assert operator.json() | {"name": ""} == {
        "participant_id": "operator",
        "role": "operator",
        "name": "",
        "resource_code": None,
        "beneficial_owner": None,
        "status": "active",
        "registered_at": None,
    }


async def test_another_ones_order_does_not_exist_for_you() -> None:
    gateway = MemoryGateway()
    mine = {"Authorization": f"Bearer {KEYS[Role.PROVIDER]}", "Idempotency-Key": "k1"}
    async with gateway.http() as http:
        receipt = (await http.post("/v1/offers", json=offer(), headers=mine)).json()
        other_key = "sk_other-provider"
        made = await http.post(
            "/v1/participants",
            json=PARTY,
            headers={"Authorization": f"Bearer {KEYS[Role.OPERATOR]}"},
        )
        other_key = made.json()["api_key"]
        other = {"Authorization": f"Bearer {other_key}"}
        path = f"/v1/offers/{receipt['order_id']}"
        amend = {"expected_version": 1, "terms": offer()["terms"]}
        replies = [
            await http.get(path, headers=other),
            await http.put(path, json=amend, headers=other),
            await http.delete(path, headers=other),
            await http.get(f"/v1/orders/{receipt['order_id']}/history", headers=other),
            await http.get(f"/v1/orders/{receipt['order_id']}/life", headers=other),
            await http.get("/v1/account?participant_id=provider-1", headers=other),
            await http.get(f"{STATEMENT}&participant_id=provider-1", headers=other),
            await http.get("/v1/account/invoices?participant_id=provider-1", headers=other),
            await http.get(f"/v1/money-orders/col_{'a' * 26}", headers=other),
            await http.post(
                "/v1/participants/provider-1/collateral",
                json=COLLATERAL,
                headers=other | {"Idempotency-Key": "k2"},
            ),
            await http.post("/v1/participants/provider-1/keys", json={}, headers=other),
            await http.delete(f"/v1/participants/provider-1/keys/key_{'a' * 16}", headers=other),
        ]
        assert [reply.status_code for reply in replies] == [404] * 12
        listed = await http.get("/v1/offers", headers=other)
        assert listed.json()["items"] == []
        for role in (Role.REGULATOR, Role.OPERATOR):
            seen = await http.get(path, headers={"Authorization": f"Bearer {KEYS[role]}"})
            assert seen.status_code == 200
            # They look; they do not act in a participant's name.
            acted = await http.delete(path, headers={"Authorization": f"Bearer {KEYS[role]}"})
            assert acted.status_code == 403


async def test_a_revoked_key_is_unknown_at_once() -> None:
    gateway = MemoryGateway()
    mine = {"Authorization": f"Bearer {KEYS[Role.PROVIDER]}"}
    async with gateway.http() as http:
        made = await http.post("/v1/participants/provider-1/keys", json={}, headers=mine)
        assert made.status_code == 201
        fresh = {"Authorization": f"Bearer {made.json()['api_key']}"}
        assert (await http.get("/v1/participants/me", headers=fresh)).status_code == 200
        key_id = made.json()["key"]["key_id"]
        gone = await http.delete(f"/v1/participants/provider-1/keys/{key_id}", headers=mine)
        assert gone.status_code == 200
        assert (await http.get("/v1/participants/me", headers=fresh)).status_code == 401


async def test_a_suspended_participant_reads_and_does_not_act() -> None:
    gateway = MemoryGateway()
    principals = gateway.directory.principals
    for sha256, one in list(principals.items()):
        if one.role is Role.PROVIDER:
            fields = (one.participant_id, one.role, one.key_id)
            principals[sha256] = type(one)(*fields, active=False)
    headers = {"Authorization": f"Bearer {KEYS[Role.PROVIDER]}", "Idempotency-Key": "k"}
    async with gateway.http() as http:
        assert (await http.get("/v1/offers", headers=headers)).status_code == 200
        reply = await http.post("/v1/offers", json=offer(), headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (403, "auth.suspended")


async def test_a_taken_id_is_a_conflict_unless_the_particulars_are_the_same() -> None:
    headers = {"Authorization": f"Bearer {KEYS[Role.OPERATOR]}"}
    gateway = MemoryGateway()
    async with gateway.http() as http:
        first = await http.post("/v1/participants", json=PARTY, headers=headers)
        again = await http.post("/v1/participants", json=PARTY, headers=headers)
        other = await http.post(
            "/v1/participants", json=PARTY | {"role": "enterprise"}, headers=headers
        )
        reserved = await http.post(
            "/v1/participants", json=PARTY | {"participant_id": "operator"}, headers=headers
        )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["api_key"] != again.json()["api_key"]
    assert len(gateway.log.sent) == 1
    assert (other.status_code, other.json()["code"]) == (409, "participant_exists")
    assert reserved.status_code == 409
