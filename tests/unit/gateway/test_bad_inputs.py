"""Every bad input gets an error that names field, value and what is allowed, in two languages."""

from __future__ import annotations

import re

import pytest

from schemas.types import Role
from tests.unit.gateway.bad_inputs import BAD_INPUTS, Bad, offer
from tests.unit.gateway.memory import KEYS, MemoryGateway

_ENGLISH = re.compile(r"[A-Za-z]{2,} [a-z]{2,}|\b(or|and|something|otherwise|bytes|must)\b")


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
async def test_a_bad_input_is_refused_with_field_value_and_what_is_allowed(bad: Bad) -> None:
    gateway = MemoryGateway()
    headers = {
        "Authorization": f"Bearer {KEYS[bad.role]}",
        "Idempotency-Key": "k1",
        "Content-Type": "application/json",
    } | bad.headers
    async with gateway.http() as http:
        if isinstance(bad.body, bytes):
            reply = await http.post(bad.path, content=bad.body, headers=headers)
        else:
            reply = await http.post(bad.path, json=bad.body, headers=headers)
    assert reply.status_code == bad.status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert (problem["code"], problem["status"]) == (bad.code, bad.status)
    faults = {fault["field"]: fault for fault in problem["errors"]}
    field, value, allowed = bad.fault
    assert field in faults, problem
    fault = faults[field]
    assert value in fault["value"], fault
    assert allowed in fault["allowed"], fault
    assert fault["en"] != fault["zh"]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in fault["zh"]), fault
    # What was sent is quoted as it was; the rest is Chinese, but for names.
    rest = fault["zh"].replace(fault["value"], "")
    assert not _ENGLISH.search(rest), fault
    assert "Traceback" not in reply.text
    assert gateway.log.sent == []


async def test_all_faults_are_listed_at_once() -> None:
    body = offer(chips="x", ask=-1, colour="red")
    async with MemoryGateway().http() as http:
        reply = await http.post(
            "/v1/offers",
            json=body,
            headers={"Authorization": f"Bearer {KEYS[Role.PROVIDER]}"},
        )
    fields = {fault["field"] for fault in reply.json()["errors"]}
    assert fields == {"terms.chips", "terms.ask", "terms.colour", "Idempotency-Key"}


@pytest.mark.parametrize(
    ("header", "chinese"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", True),
        ("en-GB,en;q=0.9,zh;q=0.8", False),
        ("zh", True),
        ("", False),
        ("fr", False),
        ("en;q=0.1,zh;q=x", True),
    ],
)
async def test_the_detail_is_in_the_language_that_is_asked_for(header: str, chinese: bool) -> None:
    async with MemoryGateway().http() as http:
        reply = await http.get("/v1/account", headers={"Accept-Language": header})
    problem = reply.json()
    assert problem["detail"] == problem["detail_zh" if chinese else "detail_en"]
