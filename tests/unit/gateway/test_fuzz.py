"""Whatever JSON is put into an order, the gateway takes it whole or says what is wrong."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import decode, encode
from schemas.types import Role
from tests.unit.gateway.bad_inputs import demand, offer
from tests.unit.gateway.memory import KEYS, MemoryGateway

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
BODIES = {Role.PROVIDER: ("/v1/offers", offer()), Role.ENTERPRISE: ("/v1/demand", demand())}


def paths(value: object, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [here, *(path for name, item in inner for path in paths(item, (*here, name)))]


def put(body: Any, path: tuple[Any, ...], value: object) -> Any:  # noqa: ANN401 - any JSON
    if not path:
        return value
    changed = copy.deepcopy(body)
    spot = changed
    for name in path[:-1]:
        spot = spot[name]
    spot[path[-1]] = value
    return changed


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
async def test_no_json_at_any_place_of_an_order_breaks_the_gateway(data: st.DataObject) -> None:
    role = data.draw(st.sampled_from([Role.PROVIDER, Role.ENTERPRISE]))
    where, body = BODIES[role]
    spoilt = put(body, data.draw(st.sampled_from(paths(body))), data.draw(JUNK))
    gateway = MemoryGateway()
    headers = {"Authorization": f"Bearer {KEYS[role]}", "Idempotency-Key": "k1"}
    async with gateway.http() as http:
        reply = await http.post(where, json=spoilt, headers=headers)
    assert reply.status_code in (202, 422), reply.text
    if reply.status_code == 202:
        (envelope,) = gateway.log.sent
        _, value, found = encode(envelope)
        assert decode(value, found) == envelope
    else:
        assert gateway.log.sent == []
        for fault in reply.json()["errors"]:
            assert fault["en"]
            assert fault["zh"]
            assert fault["allowed"]
