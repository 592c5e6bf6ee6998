"""A matching that leaves orders out, invents them or changes their terms is found, and where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.events import RoundSealed
from services.core.orders import OfferOrder
from services.kit.clock import ManualClock
from services.matching.app.desk import Desk as State
from tests.integration.auditor.wire import Wire, codes
from tests.integration.matching.conftest import desk  # noqa: F401 - a fixture
from tests.integration.matching.desk import (
    START,
    Desk,
    demand,
    hold,
    offer,
    open_process,
    order_id,
    settled,
)

pytestmark = pytest.mark.integration


def leave_out(state: State) -> str:
    """Forget an offer that stands open."""
    del state.orders[order_id("off", "lost")]
    return order_id("off", "lost")


def invent(state: State) -> str:
    """Add an offer that nobody made."""
    model = state.orders[order_id("off", "dear")]
    assert isinstance(model, OfferOrder)
    state.put(replace(model, id=order_id("off", "invented")))
    return order_id("off", "invented")


def make_cheaper(state: State) -> str:
    """Let an offer stand at another price than it was made at."""
    order = state.orders[order_id("off", "dear")]
    assert isinstance(order, OfferOrder)
    state.put(replace(order, terms=order.terms.model_copy(update={"ask": 8_000_000})))
    return order.id


async def test_a_book_that_is_not_what_the_log_gives_is_found_and_each_fault_named_once(
    desk: Desk,  # noqa: F811
    wire: Wire,
) -> None:
    need = demand("a")
    kept = offer("a", chips=4), offer("lost"), offer("dear", ask=9_000_000)
    planted: dict[str, str] = {}
    async with open_process(desk.settings, ManualClock(START)) as matching:
        await desk.say(*kept, need, hold(need))
        await settled(matching, least=5)
        await matching.run_round()
        for code, plant in (("lost", leave_out), ("invented", invent), ("terms", make_cheaper)):
            planted[f"book.{code}"] = plant(matching._desk)
            await matching.run_round()
        # What a faulty round gave does not hide what comes after, and is not told again.
        more = demand("b")
        await desk.say(more, hold(more))
        await settled(matching, least=2)
        await matching.run_round()
        await desk.hear(5)
    async with wire.auditing():
        await wire.until("SELECT count(*) FROM finding WHERE code LIKE 'book.%'", lambda n: n >= 3)
        await wire.until("SELECT count(*) FROM verdict", lambda n: n == 5)
        found = [one for one in await wire.findings() if one.summary.code.startswith("book.")]
    assert codes(found) == sorted(planted)
    by_code = {one.summary.code: one for one in found}
    assert {code: one.summary.params["order_id"] for code, one in by_code.items()} == planted
    assert [by_code[f"book.{code}"].round_id for code in ("lost", "invented", "terms")] == [
        "jjj:2",
        "jjj:3",
        "jjj:4",
    ]
    for code, one in by_code.items():
        assert planted[code] in one.problems[0]
        assert one.summary.params["severity"] == "critical"


async def test_a_seal_with_a_later_number_is_told_and_hides_no_round_that_comes_after_all(
    desk: Desk,  # noqa: F811
    wire: Wire,
) -> None:
    async with open_process(desk.settings, ManualClock(START)) as matching:
        await desk.say(offer("a", chips=4))
        await settled(matching)
        await matching.run_round()
        await desk.hear(1)
        forged = desk.distinct("rounds")[0]
        assert isinstance(forged, RoundSealed)
        await wire.say(forged.model_copy(update={"seq": 9, "round_id": "jjj:9"}))
        async with wire.auditing():
            await wire.until(
                "SELECT count(*) FROM finding WHERE code = 'book.stalled'", lambda n: n == 1
            )
            await matching.run_round()
            await wire.until("SELECT count(*) FROM verdict", lambda n: n == 2)
            found = [one for one in await wire.findings() if one.summary.code.startswith("book.")]
    assert codes(found) == ["book.stalled"]
    assert found[0].round_id == "jjj:2"
    assert found[0].summary.params["missing"] == "seal, file, end"
