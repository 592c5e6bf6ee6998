"""What the gateway tells of the phases between rounds, and of what they refuse."""

from __future__ import annotations

from datetime import timedelta

from schemas.base import Instant
from schemas.events import Reason
from schemas.policies import MarketPaused
from schemas.policy_examples import POLICIES
from services.gateway.adapters.http import examples
from tests.integration.gateway.conftest import NOW, Json, Market, offer
from tests.integration.gateway.listening import listening, take
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_orders import status_of
from tests.integration.gateway.test_reports import sealed

CUT = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

FREEZING = {"rules": {"round_every_s": 3600, "freeze_s": 600}}


def iso(at: Instant) -> str:
    return at.isoformat().replace("+00:00", "Z")


async def freezing(market: Market) -> None:
    reply = await market.gateway.call("POST", "/v1/markets", examples.MARKET | FREEZING)
    assert reply.status_code == 202, reply.text


async def test_anybody_sees_the_phase_of_a_market_and_what_holds_its_rounds(market: Market) -> None:
    await freezing(market)
    gateway = market.gateway

    async def phase() -> Json:
        found: Json = (await gateway.http.get("/v1/markets/jingjinji/phase")).json()
        return {name: found[name] for name in ("phase", "until", "cut_at", "held", "clearing")}

    freezes_at = CUT - timedelta(minutes=10)
    free = {"held": None, "clearing": None, "cut_at": iso(CUT)}
    gateway.clock.advance(freezes_at - timedelta(microseconds=1) - gateway.clock.now())
    assert await phase() == free | {"phase": "open", "until": iso(freezes_at)}
    gateway.clock.advance(timedelta(microseconds=1))
    assert await phase() == free | {"phase": "freeze", "until": iso(CUT)}
    stream = "/v1/streams/rounds"
    async with served(gateway) as url, listening(url, stream, market.enterprise) as rounds:
        await take(rounds, 1)
        changes = {"market_id": "jingjinji", "round_id": "jingjinji:1", "market_time": CUT}
        await gateway.publish(sealed().model_copy(update=changes))
        (told,) = await take(rounds, 1)
    assert told.data["next_freeze_at"] == iso(freezes_at + timedelta(hours=1))
    assert told.data["next_cut_at"] == iso(CUT + timedelta(hours=1))
    assert (await phase())["clearing"] == "jingjinji:1"
    body = {"market_id": "jingjinji", "policy_id": "b", "version": 1, "reason": "wild prices"}
    rule = {"kind": "circuit_breaker", "move_bp": 100, "pause_s": 9000}
    reply = await gateway.call("POST", "/v1/policies", body | {"rule": rule}, key=market.regulator)
    assert reply.status_code == 202, reply.text
    names = {"market_id": "jingjinji", "round_id": "jingjinji:1", "seq": 1}
    since = {"since": CUT, "until": CUT + timedelta(minutes=150), "policy_id": "b", "version": 1}
    paused = MarketPaused.model_validate(POLICIES[MarketPaused] | names | since)
    await gateway.publish(paused)
    held = await gateway.eventually(phase, lambda found: found["held"] == "pause")
    assert held["cut_at"] == iso(CUT + timedelta(hours=3))
    assert (held["phase"], held["until"]) == ("open", iso(CUT + timedelta(minutes=170)))
    halt = {"policy_id": "halt", "rule": {"kind": "trading_halt"}}
    await gateway.call("POST", "/v1/policies", body | halt, key=market.regulator)
    held = await gateway.eventually(phase, lambda found: found["held"] == "halt")
    assert (held["phase"], held["until"], held["cut_at"]) == ("open", None, None)
    assert (await gateway.http.get("/v1/markets/nowhere/phase")).status_code == 404


async def test_a_withdrawal_that_the_freeze_refused_is_not_under_way_any_more(
    market: Market,
) -> None:
    gateway = market.gateway
    supply = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    path = f"/v1/offers/{supply['order_id']}"

    async def asked() -> Json:
        found: Json = (await gateway.call("GET", path, key=market.provider)).json()
        return found

    await gateway.publish(status_of(supply), cause=supply["event_id"])
    await gateway.eventually(asked, lambda found: found["state"] == "open")
    refused = Reason(code="frozen_cancel", en="not now", zh="冻结")
    for sequence in (2, 3):
        receipt = (await gateway.call("DELETE", path, key=market.provider)).json()
        assert (await asked())["cancel_requested_at"] is not None
        told = status_of(supply, sequence=sequence, reason=refused)
        await gateway.publish(told, cause=receipt["event_id"])
        found = await gateway.eventually(asked, lambda view: view["cancel_requested_at"] is None)
        assert (found["state"], found["reason"]["code"]) == ("open", "frozen_cancel")
