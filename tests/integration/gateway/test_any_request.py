"""Whatever a caller sends to any operation, in any role: no 5xx, no schema breach, no 2xx amiss.

Schemathesis draws requests from the contract, half of them against it, and judges the replies
by it. What it cannot know is added here: who may do what, and whose things the ids are.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, CheckFunction, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from schemas.erasures import JournalEntryErased
from schemas.events import Event, JournalEntryRecorded, MarketDefined
from schemas.examples import examples
from schemas.generate import ROOT
from schemas.registry import BY_MODEL, PER_PARTICIPANT
from schemas.transparency import JournalEntrySalted
from schemas.types import Role
from tests.integration.gateway.conftest import OPERATOR_KEY, Gateway
from tests.integration.gateway.serving import served

# 10,000 in `make nightly`, which also draws other requests each time.
CASES = int(os.environ.get("SUANLI_API_CASES", "2000"))
SEEDED = "SUANLI_API_CASES" not in os.environ
# Every drawn request is sent by so many callers; drawing costs more than sending.
CALLERS = 3
# One for each process of pytest.
PARTS = 2
OPENAPI = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
REJECTION = "negative_data_rejection"
JUDGED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    REJECTION,
)
# A list is taken as a whole; each of its rows has a verdict of its own.
BULK = {"submit_offers", "submit_demands"}
Operation = APIOperation[Any, Any, Any, Any]
ANYBODY = "anybody"
OWNER = "haidian-lab"
PARTIES = {OWNER: Role.ENTERPRISE, "north-cloud": Role.PROVIDER}
# They trade nothing, so nothing of the owner may reach them.
STRANGERS = {"yizhuang-lab": Role.ENTERPRISE, "east-cloud": Role.PROVIDER}
WATCHDOG = {"city-watch": Role.REGULATOR}

ENTERPRISE, PROVIDER = {Role.ENTERPRISE}, {Role.PROVIDER}
OPERATOR, REGULATOR = {Role.OPERATOR}, {Role.REGULATOR}
MAY: dict[str, set[Role]] = {
    # Enterprises offer what they bought.
    "submit_offer": PROVIDER | ENTERPRISE,
    "submit_offers": PROVIDER | ENTERPRISE,
    "amend_offer": PROVIDER | ENTERPRISE,
    "cancel_offer": PROVIDER | ENTERPRISE,
    "report_delivery": PROVIDER,
    "submit_demand": ENTERPRISE,
    "submit_demands": ENTERPRISE,
    "quote_demand": ENTERPRISE,
    "amend_demand": ENTERPRISE,
    "cancel_demand": ENTERPRISE,
    "cancel_all": PROVIDER | ENTERPRISE,
    "register": OPERATOR,
    "deposit": OPERATOR,
    "withdraw": OPERATOR,
    "reverse": OPERATOR,
    "define_market": OPERATOR,
    "set_settlement_terms": OPERATOR,
    # Nobody here, since the gateway of this test is no sandbox.
    "take_play_money": set(),
    "move_collateral": PROVIDER | ENTERPRISE | OPERATOR,
    "set_standing": OPERATOR | REGULATOR,
    "add_key": set(Role),
    "revoke_key": set(Role),
    "add_member": set(Role),
    "change_member": set(Role),
    "remove_member": set(Role),
    "add_signing_key": PROVIDER | ENTERPRISE | OPERATOR,
    "revoke_signing_key": PROVIDER | ENTERPRISE | OPERATOR,
    "get_direct_login": PROVIDER | ENTERPRISE | OPERATOR,
    "allow_direct_access": OPERATOR,
    # Nobody here, since the gateway of this test may not change logins.
    "make_direct_login": set(),
    "end_direct_login": set(),
    "add_webhook": set(Role),
    "change_webhook": set(Role),
    "delete_webhook": set(Role),
    "rotate_webhook_secret": set(Role),
    "ping_webhook": set(Role),
    "redeliver_message": set(Role),
    # The operator halts a market and lifts a halt, and sets no other rule.
    "set_policy": REGULATOR | OPERATOR,
    "change_case": REGULATOR,
    "propose_mobilisation": OPERATOR | REGULATOR,
    "confirm_mobilisation": OPERATOR | REGULATOR,
    "end_mobilisation": OPERATOR | REGULATOR,
    "simulate_policy": REGULATOR | OPERATOR,
    "list_policy_simulations": REGULATOR | OPERATOR,
    "get_policy_simulation": REGULATOR | OPERATOR,
    "list_simulated_rounds": REGULATOR | OPERATOR,
    "list_cases": REGULATOR,
    "get_case": REGULATOR,
    "list_participants": REGULATOR | OPERATOR,
    "list_journal": REGULATOR | OPERATOR,
    "get_book_at": REGULATOR | OPERATOR,
    "erase": OPERATOR,
    "list_dead_letters": REGULATOR | OPERATOR,
    "get_dead_letter": REGULATOR | OPERATOR,
    "redrive_dead_letter": OPERATOR,
    "discard_dead_letter": OPERATOR,
    "list_erasures": REGULATOR | OPERATOR,
    "get_erasure": REGULATOR | OPERATOR,
}
# Ids of the examples that the world holds, so that a drawn request finds something.
KNOWN: dict[str, list[Any]] = {
    "market_id": ["jjj-spot"],
    "round_id": ["jjj-spot:7"],
    "order_id": ["off_" + "p" * 26, "dem_" + "e" * 26],
    "participant_id": [*PARTIES, *STRANGERS, "operator"],
    "allocation_id": ["al_" + "a" * 26],
    "mobilisation_id": ["mob_" + "m" * 26],
    "simulation_id": ["sim_" + "a" * 26],
    "case_id": ["sc_" + "a" * 26],
    "order_ref": ["dep_" + "a" * 26, "wdr_" + "a" * 26, "col_" + "a" * 26],
    "kind": ["domestic-share", "clock", "surveillance", "regional-flows", "linkage"],
    "day": ["2026-11-24"],
    "from": ["2026-11-24T00:00:00Z"],
    "to": ["2026-11-25T00:00:00Z"],
    "size": [1],
    "tile": ["0/000.p/1", "000.p/1"],
    "entry": ["31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab"],
}
OWNERS = {
    "off_" + "p" * 26: "north-cloud",
    "dem_" + "e" * 26: OWNER,
    "wdr_" + "a" * 26: "north-cloud",
    "col_" + "a" * 26: "north-cloud",
    "dep_" + "a" * 26: OWNER,
    **{name: name for name in (*PARTIES, *STRANGERS, "operator")},
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a participant with its key, or anybody without one."""

    participant_id: str
    role: Role | None
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


@dataclass(frozen=True, slots=True)
class World:
    """A served gateway with the examples of every event behind it."""

    url: str
    callers: list[Caller]


@pytest_asyncio.fixture
async def world(gateway: Gateway) -> AsyncIterator[World]:
    everybody = PARTIES | STRANGERS | WATCHDOG
    callers = [
        Caller(name, role, await gateway.admit(name, role)) for name, role in everybody.items()
    ]
    callers += [
        Caller("operator", Role.OPERATOR, OPERATOR_KEY),
        Caller(ANYBODY, None, ""),
        Caller(ANYBODY, None, "sk_" + secrets.token_urlsafe(32)),
    ]
    await gateway.publish(*history())
    headers = {"Authorization": f"Bearer {OPERATOR_KEY}"}
    await gateway.eventually(
        lambda: gateway.http.get("/v1/markets/jjj-spot", headers=headers),
        lambda reply: reply.status_code == 200,
    )
    async with served(gateway) as url:
        yield World(url, callers)


def history() -> Iterator[Event]:
    """Return the examples, the market first, its one journal entry at the journal's beginning."""
    for event in sorted(examples(), key=lambda event: not isinstance(event, MarketDefined)):
        if BY_MODEL[type(event)].topic in PER_PARTICIPANT:
            continue
        if isinstance(event, JournalEntrySalted):
            yield event.model_copy(update={"leaf_index": 0})
        elif not isinstance(event, (JournalEntryRecorded, JournalEntryErased)):
            yield event


def operations() -> Iterator[Operation]:
    """Yield every operation but the streams, whose answers never end."""
    described = copy.deepcopy(OPENAPI)
    # The caller of a request is drawn here, so the header must not be drawn from the contract too.
    for operation in (item for path in described["paths"].values() for item in path.values()):
        operation.pop("security", None)
    described["components"].pop("securitySchemes")
    for found in schemathesis.openapi.from_dict(described).get_all_operations():
        assert isinstance(found, Ok), found
        if not id_of(found.ok()).startswith("stream_"):
            yield found.ok()


def id_of(operation: Operation) -> str:
    return str(operation.definition.raw["operationId"])


PUBLIC = {
    operation["operationId"]
    for path in OPENAPI["paths"].values()
    for operation in path.values()
    if {} in operation.get("security", [{}])
}


def put_known_ids(case: Case[Any], data: st.DataObject) -> None:
    """Replace some drawn parameters by ids of things that exist."""
    for place in (case.path_parameters, case.query):
        for name in sorted(place):
            if name in KNOWN and data.draw(st.integers(0, 3), label=f"known {name}"):
                place[name] = data.draw(st.sampled_from(KNOWN[name]), label=name)


def judge(case: Case[Any], reply: schemathesis.Response, caller: Caller) -> None:
    """Refuse a success that this caller must not have."""
    if reply.status_code >= 300:
        return
    operation = case.operation
    told = f"{caller.participant_id} got {reply.status_code} of {case.as_curl_command()}"
    if caller.role is None:
        assert id_of(operation) in PUBLIC, told
    else:
        assert caller.role in MAY.get(id_of(operation), set(Role)), told
    if caller.role in (Role.PROVIDER, Role.ENTERPRISE):
        named = [*case.path_parameters.values(), case.query.get("participant_id")]
        owners = {OWNERS[value] for value in named if isinstance(value, str) and value in OWNERS}
        assert owners <= {caller.participant_id}, told
    # One's own acts repeat what one asked for, whoever's it is.
    if id_of(operation) == "list_admin_acts":
        return
    if caller.role is None or caller.participant_id in STRANGERS:
        assert OWNER.encode() not in reply.content, told


def call_all(world: World, part: int) -> int:
    """Call every operation of a part with drawn requests; return how many were sent."""
    load_all_checks()
    chosen = list(operations())[part::PARTS]
    each = -(-CASES // (len(chosen) * PARTS * CALLERS))
    broken = dict[str, str]()
    with requests.Session() as session:
        sent = sum(call_one(world, operation, session, each, broken) for operation in chosen)
    assert not broken, "\n\n".join(f"{name} {text}" for name, text in broken.items())
    return sent


def call_one(
    world: World,
    operation: Operation,
    session: requests.Session,
    draws: int,
    broken: dict[str, str],
) -> int:
    """Call an operation; note the first reply amiss, return how many requests were sent."""
    names = [name for name in JUDGED if name != REJECTION or id_of(operation) not in BULK]
    # Plain checks of a reply; the others of the list are of whole runs.
    checks = cast("list[CheckFunction]", CHECKS.get_by_names(names))
    sent = 0

    @settings(
        max_examples=draws,
        derandomize=SEEDED,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests_of(operation), callers=callers_of(world), data=st.data())
    def call(case: Case[Any], callers: list[Caller], data: st.DataObject) -> None:
        nonlocal sent
        if case.meta is not None and case.meta.generation.mode.is_positive:
            put_known_ids(case, data)
        for caller in callers:
            sent += 1
            try:
                reply = case.call(world.url, session, caller.headers)
                case.validate_response(reply, checks=checks)
                judge(case, reply, caller)
            except (AssertionError, FailureGroup) as error:
                # Kept, not raised: what a request changed cannot be replayed by another.
                broken.setdefault(operation.label, f"as {caller}: {error}")

    call()
    return sent


def requests_of(operation: Operation) -> st.SearchStrategy[Case[Any]]:
    """Draw requests to an operation, within the contract and against it."""
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))


def callers_of(world: World) -> st.SearchStrategy[list[Caller]]:
    return st.lists(st.sampled_from(world.callers), min_size=CALLERS, max_size=CALLERS, unique=True)


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("part", range(PARTS))
async def test_no_request_of_any_role_breaks_the_contract(world: World, part: int) -> None:
    sent = await asyncio.to_thread(call_all, world, part)
    assert sent >= CASES // PARTS


def test_every_operation_that_writes_says_who_may() -> None:
    writing = {id_of(one) for one in operations() if one.method.upper() != "GET"}
    assert writing <= set(MAY), "name the roles of each in MAY"
