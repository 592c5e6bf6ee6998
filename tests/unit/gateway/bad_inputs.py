"""Inputs that the gateway must refuse, each with what its refusal must say."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from schemas.types import Role
from services.gateway.adapters.http import examples

Json = dict[str, Any]


@dataclass(frozen=True)
class Bad:
    """A request and its refusal.

    Attributes:
        name: What is wrong.
        body: JSON body, or raw bytes.
        code: Code of the problem.
        fault: (field, part of the value, part of what is allowed).
        path: Where it is sent.
        status: Status of the reply.
        role: Who sends it.
        headers: Beside the usual ones.
    """

    name: str
    body: object
    code: str
    fault: tuple[str, str, str]
    path: str = "/v1/offers"
    status: int = 422
    role: Role = Role.PROVIDER
    headers: dict[str, str] = field(default_factory=dict)


def offer(**changes: Any) -> Json:  # noqa: ANN401 - any JSON
    terms = copy.deepcopy(examples.OFFER_TERMS) | changes
    return {"market_id": "jingjinji", "terms": terms}


def demand(**changes: Any) -> Json:  # noqa: ANN401 - any JSON
    terms = copy.deepcopy(examples.DEMAND_TERMS) | changes
    return {"market_id": "jingjinji", "terms": terms}


def _demand(name: str, code: str, fault: tuple[str, str, str], **changes: Any) -> Bad:  # noqa: ANN401
    return Bad(name, demand(**changes), code, fault, path="/v1/demand", role=Role.ENTERPRISE)


INVALID = "validation.invalid"
BAD_INPUTS: tuple[Bad, ...] = (
    Bad("text for a number", offer(chips="64"), INVALID, ("terms.chips", '"64"', "a whole number")),
    Bad("true for a number", offer(chips=True), INVALID, ("terms.chips", "true", "whole number")),
    Bad("a fraction", offer(ask=9.5), INVALID, ("terms.ask", "9.5", "a whole number")),
    Bad(
        "a list for an object",
        {"market_id": "jingjinji", "terms": []},
        INVALID,
        ("terms", "[]", "a JSON object"),
    ),
    Bad("nothing in it", {}, INVALID, ("market_id", "absent", "given")),
    Bad(
        "null terms",
        {"market_id": "jingjinji", "terms": None},
        INVALID,
        ("terms", "null", "a JSON object"),
    ),
    Bad(
        "an unknown field", offer(colour="red"), INVALID, ("terms.colour", '"red"', "no such field")
    ),
    Bad(
        "absurdly many chips",
        offer(chips=10**30),
        INVALID,
        ("terms.chips", "1000000000000000000000000000000", "at most 100000"),
    ),
    Bad("no chips", offer(chips=0), INVALID, ("terms.chips", "0", "at least 1")),
    Bad("a negative price", offer(ask=-100), INVALID, ("terms.ask", "-100", "at least 0")),
    Bad(
        "an absurd price",
        offer(ask=10**15),
        INVALID,
        ("terms.ask", "1000000000000000", "at most 10000000000"),
    ),
    Bad(
        "a number of 5,000 digits",
        b'{"market_id":"jingjinji","terms":{"chips":' + b"9" * 5000 + b"}}",
        "validation.not_json",
        ("body", "", "JSON"),
    ),
    Bad(
        "a price off the tick",
        offer(ask=9_500_001),
        "validation.off_tick",
        ("terms.ask", "9500001", "9500000 or 9500100"),
    ),
    Bad(
        "an unknown chip",
        offer(chip="abacus"),
        "validation.unknown",
        ("terms.chip", "abacus", "ascend-910b, h800"),
    ),
    Bad(
        "an unknown zone",
        offer(zone="atlantis"),
        "validation.unknown",
        ("terms.zone", "atlantis", "bj-1, zjk-1"),
    ),
    Bad(
        "an unknown market",
        offer() | {"market_id": "nowhere"},
        "validation.unknown_market",
        ("market_id", "nowhere", "one of jingjinji"),
    ),
    Bad(
        "a window in the past",
        offer(start="2026-11-23T00:00:00Z", end="2026-11-23T06:00:00Z"),
        "validation.window_past",
        ("terms.end", "2026-11-23T06:00:00Z", "2026-11-24T09:00:00Z"),
    ),
    Bad(
        "a window that ends before it starts",
        offer(start="2026-11-26T00:00:00Z", end="2026-11-25T00:00:00Z"),
        INVALID,
        ("terms.end", "", "after start"),
    ),
    Bad(
        "a window of a year",
        offer(end="2027-11-26T00:00:00Z"),
        INVALID,
        ("terms.end", "8784", "at most 168 hours after start"),
    ),
    Bad(
        "half past the hour",
        offer(start="2026-11-25T00:30:00Z"),
        INVALID,
        ("terms.start", "00:30:00", "a full hour"),
    ),
    Bad(
        "an instant without a zone",
        offer(start="2026-11-25T00:00:00"),
        INVALID,
        ("terms.start", "2026-11-25T00:00:00", "time zone"),
    ),
    Bad(
        "a number for an instant",
        offer(start=1_795_564_800),
        INVALID,
        ("terms.start", "1795564800", "ISO 8601"),
    ),
    Bad(
        "a resource code that is none",
        offer(resource_code="abc"),
        INVALID,
        ("terms.resource_code", '"abc"', "matches"),
    ),
    Bad(
        "a mobilisable offer without its price",
        offer(mobilisable=True),
        INVALID,
        ("terms.mobilisation_price", "null", "needed"),
    ),
    _demand(
        "too little money", "validation.budget_too_small", ("terms.budget", "1000", ""), budget=1000
    ),
    _demand(
        "a block longer than its window",
        INVALID,
        ("terms.shape.duration", "100", "12 periods"),
        shape={"type": "block", "chips": 8, "duration": 100},
    ),
    _demand(
        "an unknown shape", INVALID, ("terms.shape", "sphere", "block"), shape={"type": "sphere"}
    ),
    _demand(
        "a shape without a type",
        INVALID,
        ("terms.shape", "chips", "block, flow or work"),
        shape={"chips": 8},
    ),
    _demand(
        "a wrong type inside a shape",
        INVALID,
        ("terms.shape.chips", '"8"', "whole number"),
        shape={"type": "flow", "chips": "8"},
    ),
    _demand("no alternative", INVALID, ("terms.alternatives", "[]", "at least 1"), alternatives=[]),
    _demand(
        "an alternative that names no chip",
        INVALID,
        ("terms.alternatives.0.chips_any_of", "", "at least one chip class"),
        alternatives=[{"limit": 100}],
    ),
    _demand(
        "urgent demand without a declared need",
        "validation.mobilisation",
        ("terms.priority", "urgent", "standard"),
        priority="urgent",
    ),
    _demand(
        "data to move for a block of no fixed size",
        "validation.data_of_blocks",
        ("terms.data_gb", "10", "0 unless"),
        data_zone="bj-1",
        data_gb=10,
    ),
    Bad(
        "fewer chips in all than are offered",
        offer(capacity_chips=1),
        "validation.invalid",
        ("terms.capacity_chips", "1", "at least chips"),
    ),
    Bad(
        "chips in all of a resale",
        offer(capacity_chips=5_000, resale_of="al_" + "a" * 26),
        "validation.invalid",
        ("terms.capacity_chips", "", "null for a resale"),
    ),
    Bad(
        "64 KiB and one byte",
        b" " * (64 * 1024 + 1),
        "validation.too_large",
        ("body", "65537", "at most 65536 bytes"),
        status=413,
    ),
    Bad("random bytes", bytes(range(256)), "validation.not_json", ("body", "", "valid JSON")),
    Bad("half a JSON", b'{"market_id": "jing', "validation.not_json", ("body", "", "valid JSON")),
    Bad("JSON that is too deep", b"[" * 60_000, "validation.not_json", ("body", "", "valid JSON")),
    Bad("not a number", b'{"market_id": NaN}', "validation.not_json", ("body", "", "valid JSON")),
    Bad(
        "text that is not UTF-8",
        b'{"market_id": "\xff\xfe"}',
        "validation.not_json",
        ("body", "", "valid JSON"),
    ),
    Bad(
        "a form",
        b"market_id=jingjinji",
        "validation.media_type",
        ("Content-Type", "x-www-form-urlencoded", "application/json"),
        status=415,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    Bad(
        "the wrong role",
        offer(),
        "auth.wrong_role",
        ("role", "enterprise", "provider"),
        status=403,
        role=Role.ENTERPRISE,
    ),
    Bad(
        "a blank in the idempotency key",
        offer(),
        INVALID,
        ("Idempotency-Key", "a b", "matches"),
        headers={"Idempotency-Key": "a b"},
    ),
    Bad(
        "an amount of nothing",
        {"amount": 0, "reference": "x"},
        INVALID,
        ("amount", "0", "above 0"),
        path="/v1/participants/enterprise-1/deposits",
        role=Role.OPERATOR,
    ),
    Bad(
        "a text that no database can hold",
        {"amount": 1, "reference": "a\0b"},
        INVALID,
        ("reference", "a\\x00b", "text without U+0000"),
        path="/v1/participants/enterprise-1/deposits",
        role=Role.OPERATOR,
    ),
    Bad(
        "a payout of nothing",
        {"amount": 0, "reference": "x"},
        INVALID,
        ("amount", "0", "above 0"),
        path="/v1/participants/enterprise-1/withdrawals",
        role=Role.OPERATOR,
    ),
    Bad(
        "collateral that goes sideways",
        {"direction": "up", "amount": 5},
        INVALID,
        ("direction", "up", "in, out"),
        path="/v1/participants/provider-1/collateral",
    ),
    Bad(
        "a reversal of what is no entry",
        {"entry_id": "entry 7", "reason": "wrong"},
        INVALID,
        ("entry_id", "entry 7", "matches"),
        path="/v1/reversals",
        role=Role.OPERATOR,
    ),
    Bad(
        "an erasure that confirms nothing",
        {"entry_id": "31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab", "confirm": "yes", "reason": "r"},
        INVALID,
        ("confirm", "yes", "matches"),
        path="/v1/erasures",
        role=Role.OPERATOR,
    ),
    Bad(
        "a penalty above the price",
        examples.SETTLEMENT_TERMS | {"penalty_ppm": 1_000_001},
        INVALID,
        ("penalty_ppm", "1000001", "at most 1000000"),
        path="/v1/settlement-terms",
        role=Role.OPERATOR,
    ),
    Bad(
        "terms that do not follow the latest",
        examples.SETTLEMENT_TERMS | {"version": 3},
        "stale_version",
        ("version", "3", "1"),
        path="/v1/settlement-terms",
        status=409,
        role=Role.OPERATOR,
    ),
)
